//! A clear removes all that is not held.

use std::sync::Arc;

use super::hand::{again, names};
use super::stage::{LONG, Stage};
use crate::driver::{Suspects, Verdict, Want};
use crate::message::Message;

pub(super) fn what_waits_is_removed_and_counted(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.push(&["a", "b", "c"].map(|name| stage.job(name)));
    assert_eq!(hand.clear(), 3, "three jobs were waiting");
    hand.finds_nothing();
    assert_eq!(hand.clear(), 0, "nothing is left");
}

pub(super) fn what_is_delayed_is_removed_and_counted(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(Message { delay: LONG, ..stage.job("a") });
    hand.add(stage.job("b"));
    assert_eq!(hand.clear(), 2);
    assert_eq!(hand.clear(), 0, "nothing is left");
}

pub(super) fn a_held_job_stays(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    let held = hand.take_one();
    assert_eq!(hand.clear(), 1, "one job was not held");
    assert_eq!(hand.extend(&[&held], LONG), [], "the hold is good");
    hand.settle(&held, again());
    let job = hand.take_one();
    assert_eq!((job.id == held.id, job.attempt), (true, 2), "it can be put back, and comes again");
    hand.clear();
    hand.settle(&job, Verdict::Done);
    hand.finds_nothing();
}

pub(super) fn other_queues_are_left_alone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), ..stage.job("a") });
    assert_eq!(hand.clear(), 0);
    let queues = [stage.other_queue.clone()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: LONG };
    stage.wait_for("the other queue's job", || hand.reserve(&want).jobs.pop());
}

pub(super) fn a_queue_can_be_used_after_it_was_cleared(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.clear();
    hand.add_each(&["b"]);
    assert_eq!(names(&hand.take(1)), ["b"]);
}
