//! How much waits, is delayed, and runs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::stage::{LONG, Stage, must};
use crate::driver::Size;
use crate::message::Message;

fn counts(size: &Size) -> (Option<u64>, Option<u64>, Option<u64>) {
    (size.waiting, size.delayed, size.running)
}

pub(super) fn what_waits_what_is_delayed_and_what_is_held_are_counted(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b", "c"]);
    hand.add(Message { delay: LONG, ..stage.job("later") });
    hand.take(1);
    assert_eq!(counts(&hand.size()), (Some(2), Some(1), Some(1)));
}

pub(super) fn the_oldest_wait_is_that_of_the_first_in_line(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let start = Instant::now();
    hand.add_each(&["a"]);
    let pushed = Instant::now();
    thread::sleep(Duration::from_millis(100));
    hand.add_each(&["b"]);
    let at_least = pushed.elapsed().mul_f64(0.9);
    let told = hand.size().oldest_wait;
    let at_most = start.elapsed().mul_f64(1.1);
    assert!(
        told.is_some_and(|wait| (at_least..=at_most).contains(&wait)),
        "the first waits for {at_least:?} to {at_most:?}, not {told:?}"
    );
    hand.take(2);
    assert_eq!(hand.size().oldest_wait, None, "nothing waits");
}

pub(super) fn a_queue_that_has_no_jobs_has_zeros(stage: &Stage<'_>) {
    let size = stage.hand().size();
    assert_eq!(counts(&size), (Some(0), Some(0), Some(0)));
    assert_eq!(size.oldest_wait, None);
}

pub(super) fn only_the_named_queues_are_answered(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), ..stage.job("b") });
    let size = hand.size();
    assert_eq!((size.queue.as_str(), size.waiting), (stage.queue.as_str(), Some(1)));
}

pub(super) fn where_none_is_named_all_queues_with_jobs_are_answered(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["held", "waiting"]);
    hand.take(1);
    hand.clear();
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), delay: LONG, ..stage.job("delayed") });
    let sizes = must("count", hand.driver().size(&[]));
    let of = |queue: &str| sizes.iter().find(|size| size.queue == queue).map(counts);
    assert_eq!(of(&stage.queue), Some((Some(0), Some(0), Some(1))), "a queue whose jobs are all held");
    assert_eq!(of(&stage.other_queue), Some((Some(0), Some(1), Some(0))), "a queue with a delayed job");
}

pub(super) fn a_count_stops_at_its_bound_or_is_exact(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b", "c", "d"]);
    hand.add(Message { priority: 9, ..stage.job("e") });
    hand.add(Message { delay: LONG, ..stage.job("later") });
    hand.take(1);
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), ..stage.job("other") });
    let exact = hand.size();
    assert_eq!(counts(&exact), (Some(4), Some(1), Some(1)));
    let mut up_to = |queues: &[String], most| must("count", hand.driver().size_up_to(queues, most));
    let named = std::slice::from_ref(&stage.queue);
    for queues in [named, &[]] {
        let sizes = up_to(queues, 100);
        let of = |queue: &str| sizes.iter().find(|size| size.queue == queue);
        assert_eq!(of(&stage.queue).map(counts), Some(counts(&exact)), "nothing is near the bound");
        assert!(of(&stage.queue).is_some_and(|size| size.oldest_wait >= exact.oldest_wait), "{sizes:?}");
        assert_eq!(of(&stage.other_queue).is_some(), queues.is_empty(), "{sizes:?}");
    }
    let bounded = up_to(named, 2);
    assert!(matches!(bounded[0].waiting, Some(2 | 4)), "the bound, or all: {bounded:?}");
    assert_eq!((bounded[0].delayed, bounded[0].running), (Some(1), Some(1)));
    let none = up_to(&[format!("{}-none", stage.queue)], 2);
    assert_eq!((none.len(), counts(&none[0])), (1, (Some(0), Some(0), Some(0))));
}
