//! What workers are told is kept, and told to every handle.

use super::hand::names;
use super::stage::{Hand, Stage, must};
use crate::driver::{Signal, Signals};

fn tell(hand: &mut Hand<'_>, signal: Signal<'_>) -> bool {
    must("tell the workers", hand.driver().signal(&signal))
}

fn told(stage: &Stage<'_>) -> Signals {
    must("read the signals", stage.hand().driver().signals())
}

fn is_paused(stage: &Stage<'_>, queue: &str) -> bool {
    told(stage).paused.contains(queue)
}

pub(super) fn a_queue_that_nobody_paused_is_not_paused(stage: &Stage<'_>) {
    assert!(!is_paused(stage, &stage.queue));
}

pub(super) fn a_paused_queue_is_told_until_it_is_resumed(stage: &Stage<'_>) {
    assert!(tell(&mut stage.hand(), Signal::Pause(&stage.queue)), "it is new");
    assert!(is_paused(stage, &stage.queue));
    assert!(!is_paused(stage, &stage.other_queue), "the other queue was not paused");
    assert!(tell(&mut stage.hand(), Signal::Pause(&stage.other_queue)), "it is new");
    assert!(tell(&mut stage.hand(), Signal::Resume(&stage.queue)), "there was a pause to end");
    assert!(!is_paused(stage, &stage.queue));
    assert!(is_paused(stage, &stage.other_queue), "the other queue was not resumed");
}

pub(super) fn what_is_told_twice_is_not_new(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    assert!(!tell(&mut hand, Signal::Resume(&stage.queue)), "there is no pause to end");
    tell(&mut hand, Signal::Pause(&stage.queue));
    assert!(!tell(&mut hand, Signal::Pause(&stage.queue)), "it is paused already");
    assert!(is_paused(stage, &stage.queue));
    tell(&mut hand, Signal::Resume(&stage.queue));
    assert!(!is_paused(stage, &stage.queue), "two pauses end with one resume");
}

pub(super) fn queues_that_differ_by_case_or_spaces_are_paused_by_themselves(stage: &Stage<'_>) {
    let (capitals, spaced) = (stage.queue.to_uppercase(), format!("{} ", stage.queue));
    let mut hand = stage.hand();
    tell(&mut hand, Signal::Pause(&stage.queue));
    assert!(!is_paused(stage, &capitals) && !is_paused(stage, &spaced));
    assert!(tell(&mut hand, Signal::Pause(&spaced)), "it is another queue");
    assert!(!tell(&mut hand, Signal::Resume(&capitals)), "it is another queue");
    assert!(is_paused(stage, &stage.queue) && is_paused(stage, &spaced));
}

pub(super) fn each_restart_has_a_number_of_its_own(stage: &Stage<'_>) {
    let before = told(stage).restart;
    assert!(tell(&mut stage.hand(), Signal::Restart), "a restart is always new");
    let first = told(stage);
    assert!(first.restart.is_some() && first.restart != before, "{first:?} after {before:?}");
    assert_eq!(told(stage), first, "it stays until the next one");
    assert!(tell(&mut stage.hand(), Signal::Restart), "a restart is always new");
    let second = told(stage);
    assert!(second.restart.is_some() && second.restart != first.restart, "{second:?} after {first:?}");
    assert_eq!(second.paused, first.paused, "a restart pauses nothing");
}

pub(super) fn a_pause_changes_nothing_for_the_jobs(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    tell(&mut hand, Signal::Pause(&stage.queue));
    hand.add_each(&["b"]);
    // It is the worker who obeys.
    assert_eq!(names(&hand.take(2)), ["a", "b"]);
}
