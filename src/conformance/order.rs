//! Which jobs a reserve takes, how many, and in which order.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::hand::{again, names};
use super::stage::{LONG, Stage};
use crate::driver::{Suspects, Want};
use crate::message::Message;

/// Back ends measure due times in whole milliseconds or finer.
const TICK: Duration = Duration::from_millis(20);

pub(super) fn no_more_is_taken_than_was_asked_for(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b", "c"]);
    let first = stage.wait_for("a job", || {
        let jobs = hand.take_at_most(2).jobs;
        (!jobs.is_empty()).then_some(jobs.len())
    });
    assert!(first <= 2, "asked for 2, it took {first}");
    hand.take(3 - first);
}

pub(super) fn the_limit_holds_across_queues_and_priorities(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let other: Arc<str> = Arc::from(stage.other_queue.as_str());
    let priority = if stage.can().priorities { 9 } else { 0 };
    hand.push(&[
        stage.job("a"),
        Message { priority, ..stage.job("b") },
        Message { queue: other.clone(), ..stage.job("c") },
        Message { queue: other, priority, ..stage.job("d") },
    ]);
    let queues = [stage.queue.clone(), stage.other_queue.clone()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: LONG };
    let mut taken = 0;
    stage.wait_for("four jobs, one by one", || {
        let count = hand.reserve(&want).jobs.len();
        assert!(count <= 1, "asked for 1, it took {count}");
        taken += count;
        (taken == 4).then_some(())
    });
}

pub(super) fn nothing_is_taken_when_nothing_fresh_is_wanted(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    assert!(hand.take_at_most(0).jobs.is_empty(), "asked for 0, it took a job");
    hand.take(1);
}

pub(super) fn nothing_is_taken_where_no_queue_is_named(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    hand.take(1);
    let want = Want { queues: &[], fresh: 1, suspects: Suspects::Ignore, lease: LONG };
    assert!(hand.reserve(&want).jobs.is_empty(), "asked for no queue's jobs, it took one");
    // Another handle can have what was fetched ahead.
    stage.hand().take(1);
}

pub(super) fn a_queue_that_is_not_asked_for_is_left_alone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), ..stage.job("a") });
    hand.finds_nothing();
}

pub(super) fn queues_that_differ_by_case_or_spaces_are_different(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    for queue in [stage.queue.to_uppercase(), format!("{} ", stage.queue), format!("{}é", stage.queue)] {
        hand.add(Message { queue: Arc::from(queue), ..stage.job("a") });
    }
    hand.finds_nothing();
}

pub(super) fn queues_are_taken_from_in_the_order_asked_for(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let priority = if stage.can().priorities { 9 } else { 0 };
    hand.add(Message { priority, ..stage.job("second") });
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), ..stage.job("first") });
    let queues = [stage.other_queue.clone(), stage.queue.clone()];
    let taken = hand.reserve(&Want { queues: &queues, fresh: 9, suspects: Suspects::Ignore, lease: LONG });
    assert_eq!(names(&taken.jobs), ["first", "second"]);
}

pub(super) fn a_higher_priority_goes_first(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    for (name, priority) in [("third", 0), ("second", 5), ("first", 9), ("fourth", 0)] {
        hand.add(Message { priority, ..stage.job(name) });
    }
    assert_eq!(names(&hand.take(4)), ["first", "second", "third", "fourth"]);
    for (name, priority) in [("second", 1), ("first", 2)] {
        hand.add(Message { priority, ..stage.job(name) });
    }
    assert_eq!(names(&hand.take(1)), ["first"], "also when only one is taken");
}

pub(super) fn what_was_due_first_goes_first(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    // In one push, and far apart, so that a slow machine does not mix them up.
    let delayed = |name, millis| Message { delay: Duration::from_millis(millis), ..stage.job(name) };
    hand.push(&[delayed("third", 1_000), delayed("second", 500), delayed("first", 0)]);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(names(&hand.take(3)), ["first", "second", "third"]);
}

pub(super) fn jobs_of_one_push_keep_their_order(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.push(&["a", "b", "c", "d"].map(|name| stage.job(name)));
    let mut jobs = hand.take(2);
    jobs.extend(hand.take(2));
    assert_eq!(names(&jobs), ["a", "b", "c", "d"]);
}

pub(super) fn a_retried_job_goes_behind_what_waits(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    let job = hand.take_one();
    assert_eq!(&*job.message.name, "a");
    thread::sleep(TICK);
    hand.settle(&job, again());
    assert_eq!(names(&hand.take(2)), ["b", "a"]);
}
