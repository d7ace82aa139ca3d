//! What workers are told is kept, and told to every handle.

use super::fixture::{Fixture, Handle, must};
use super::handle::names;
use crate::driver::{ControlFlags, ControlMessage};

fn tell(handle: &mut Handle<'_>, signal: ControlMessage<'_>) -> bool {
    must("tell the workers", handle.driver().signal(&signal))
}

fn told(fixture: &Fixture<'_>) -> ControlFlags {
    must("read the signals", fixture.handle().driver().signals())
}

fn is_paused(fixture: &Fixture<'_>, queue: &str) -> bool {
    told(fixture).paused.contains(queue)
}

pub(super) fn a_queue_that_nobody_paused_is_not_paused(fixture: &Fixture<'_>) {
    assert!(!is_paused(fixture, &fixture.queue));
}

pub(super) fn a_paused_queue_is_told_until_it_is_resumed(fixture: &Fixture<'_>) {
    assert!(tell(&mut fixture.handle(), ControlMessage::Pause(&fixture.queue)), "it is new");
    assert!(is_paused(fixture, &fixture.queue));
    assert!(!is_paused(fixture, &fixture.other_queue), "the other queue was not paused");
    assert!(tell(&mut fixture.handle(), ControlMessage::Pause(&fixture.other_queue)), "it is new");
    assert!(tell(&mut fixture.handle(), ControlMessage::Resume(&fixture.queue)), "there was a pause to end");
    assert!(!is_paused(fixture, &fixture.queue));
    assert!(is_paused(fixture, &fixture.other_queue), "the other queue was not resumed");
}

pub(super) fn what_is_told_twice_is_not_new(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    assert!(!tell(&mut handle, ControlMessage::Resume(&fixture.queue)), "there is no pause to end");
    tell(&mut handle, ControlMessage::Pause(&fixture.queue));
    assert!(!tell(&mut handle, ControlMessage::Pause(&fixture.queue)), "it is paused already");
    assert!(is_paused(fixture, &fixture.queue));
    tell(&mut handle, ControlMessage::Resume(&fixture.queue));
    assert!(!is_paused(fixture, &fixture.queue), "two pauses end with one resume");
}

pub(super) fn queues_that_differ_by_case_or_spaces_are_paused_by_themselves(fixture: &Fixture<'_>) {
    let (capitals, spaced) = (fixture.queue.to_uppercase(), format!("{} ", fixture.queue));
    let mut handle = fixture.handle();
    tell(&mut handle, ControlMessage::Pause(&fixture.queue));
    assert!(!is_paused(fixture, &capitals) && !is_paused(fixture, &spaced));
    assert!(tell(&mut handle, ControlMessage::Pause(&spaced)), "it is another queue");
    assert!(!tell(&mut handle, ControlMessage::Resume(&capitals)), "it is another queue");
    assert!(is_paused(fixture, &fixture.queue) && is_paused(fixture, &spaced));
}

pub(super) fn each_restart_has_a_number_of_its_own(fixture: &Fixture<'_>) {
    let before = told(fixture).restart;
    assert!(tell(&mut fixture.handle(), ControlMessage::Restart), "a restart is always new");
    let first = told(fixture);
    assert!(first.restart.is_some() && first.restart != before, "{first:?} after {before:?}");
    assert_eq!(told(fixture), first, "it stays until the next one");
    assert!(tell(&mut fixture.handle(), ControlMessage::Restart), "a restart is always new");
    let second = told(fixture);
    assert!(second.restart.is_some() && second.restart != first.restart, "{second:?} after {first:?}");
    assert_eq!(second.paused, first.paused, "a restart pauses nothing");
}

pub(super) fn a_pause_changes_nothing_for_the_jobs(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    tell(&mut handle, ControlMessage::Pause(&fixture.queue));
    handle.add_each(&["b"]);
    // It is the worker who obeys.
    assert_eq!(names(&handle.take(2)), ["a", "b"]);
}
