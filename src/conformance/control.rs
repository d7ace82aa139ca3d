//! Control messages are kept, and every handle reads them.

use super::fixture::{Fixture, must};
use super::handle::Handle;
use super::handle::names;
use crate::driver::{ControlFlags, ControlMessage};

fn send(handle: &mut Handle<'_>, message: ControlMessage<'_>) -> bool {
    let control = must("find the control messages", handle.driver().control());
    must("send a control message", control.send(&message))
}

fn flags(fixture: &Fixture<'_>) -> ControlFlags {
    let mut handle = fixture.handle();
    let control = must("find the control messages", handle.driver().control());
    must("read the control flags", control.flags())
}

fn is_paused(fixture: &Fixture<'_>, queue: &str) -> bool {
    flags(fixture).paused.contains(queue)
}

pub(super) fn a_queue_that_nobody_paused_is_not_paused(fixture: &Fixture<'_>) {
    assert!(!is_paused(fixture, &fixture.queue));
}

pub(super) fn a_paused_queue_is_told_until_it_is_resumed(fixture: &Fixture<'_>) {
    assert!(send(&mut fixture.handle(), ControlMessage::Pause(&fixture.queue)), "it is new");
    assert!(is_paused(fixture, &fixture.queue));
    assert!(!is_paused(fixture, &fixture.other_queue), "the other queue was not paused");
    assert!(send(&mut fixture.handle(), ControlMessage::Pause(&fixture.other_queue)), "it is new");
    assert!(send(&mut fixture.handle(), ControlMessage::Resume(&fixture.queue)), "there was a pause to end");
    assert!(!is_paused(fixture, &fixture.queue));
    assert!(is_paused(fixture, &fixture.other_queue), "the other queue was not resumed");
}

pub(super) fn what_is_told_twice_is_not_new(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    assert!(!send(&mut handle, ControlMessage::Resume(&fixture.queue)), "there is no pause to end");
    send(&mut handle, ControlMessage::Pause(&fixture.queue));
    assert!(!send(&mut handle, ControlMessage::Pause(&fixture.queue)), "it is paused already");
    assert!(is_paused(fixture, &fixture.queue));
    send(&mut handle, ControlMessage::Resume(&fixture.queue));
    assert!(!is_paused(fixture, &fixture.queue), "two pauses end with one resume");
}

pub(super) fn queues_that_differ_by_case_or_spaces_are_paused_by_themselves(fixture: &Fixture<'_>) {
    let (capitals, spaced) = (fixture.queue.to_uppercase(), format!("{} ", fixture.queue));
    let mut handle = fixture.handle();
    send(&mut handle, ControlMessage::Pause(&fixture.queue));
    assert!(!is_paused(fixture, &capitals) && !is_paused(fixture, &spaced));
    assert!(send(&mut handle, ControlMessage::Pause(&spaced)), "it is another queue");
    assert!(!send(&mut handle, ControlMessage::Resume(&capitals)), "it is another queue");
    assert!(is_paused(fixture, &fixture.queue) && is_paused(fixture, &spaced));
}

pub(super) fn each_restart_has_a_number_of_its_own(fixture: &Fixture<'_>) {
    let before = flags(fixture).restart;
    assert!(send(&mut fixture.handle(), ControlMessage::Restart), "a restart is always new");
    let first = flags(fixture);
    assert!(first.restart.is_some() && first.restart != before, "{first:?} after {before:?}");
    assert_eq!(flags(fixture), first, "it stays until the next one");
    assert!(send(&mut fixture.handle(), ControlMessage::Restart), "a restart is always new");
    let second = flags(fixture);
    assert!(second.restart.is_some() && second.restart != first.restart, "{second:?} after {first:?}");
    assert_eq!(second.paused, first.paused, "a restart pauses nothing");
}

pub(super) fn a_pause_changes_nothing_for_the_jobs(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    send(&mut handle, ControlMessage::Pause(&fixture.queue));
    handle.add_each(&["b"]);
    // It is the worker who obeys.
    assert_eq!(names(&handle.take(2)), ["a", "b"]);
}
