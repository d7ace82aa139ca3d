//! How much waits, is delayed, and runs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{Fixture, LONG, must};
use crate::driver::Size;
use crate::message::Message;

fn counts(size: &Size) -> (Option<u64>, Option<u64>, Option<u64>) {
    (size.waiting, size.delayed, size.running)
}

pub(super) fn what_waits_what_is_delayed_and_what_is_held_are_counted(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b", "c"]);
    handle.add(Message { delay: LONG, ..fixture.job("later") });
    handle.take(1);
    assert_eq!(counts(&handle.size()), (Some(2), Some(1), Some(1)));
}

pub(super) fn the_oldest_wait_is_that_of_the_first_in_line(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let start = Instant::now();
    handle.add_each(&["a"]);
    let pushed = Instant::now();
    thread::sleep(Duration::from_millis(100));
    handle.add_each(&["b"]);
    let at_least = pushed.elapsed().mul_f64(0.9);
    let told = handle.size().oldest_wait;
    let at_most = start.elapsed().mul_f64(1.1);
    assert!(
        told.is_some_and(|wait| (at_least..=at_most).contains(&wait)),
        "the first waits for {at_least:?} to {at_most:?}, not {told:?}"
    );
    handle.take(2);
    assert_eq!(handle.size().oldest_wait, None, "nothing waits");
}

pub(super) fn a_queue_that_has_no_jobs_has_zeros(fixture: &Fixture<'_>) {
    let size = fixture.handle().size();
    assert_eq!(counts(&size), (Some(0), Some(0), Some(0)));
    assert_eq!(size.oldest_wait, None);
}

pub(super) fn only_the_named_queues_are_answered(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.add(Message { queue: Arc::from(fixture.other_queue.as_str()), ..fixture.job("b") });
    let size = handle.size();
    assert_eq!((size.queue.as_str(), size.waiting), (fixture.queue.as_str(), Some(1)));
}

pub(super) fn where_none_is_named_all_queues_with_jobs_are_answered(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["held", "waiting"]);
    handle.take(1);
    handle.clear();
    handle.add(Message {
        queue: Arc::from(fixture.other_queue.as_str()),
        delay: LONG,
        ..fixture.job("delayed")
    });
    let sizes = must("count", handle.driver().size(&[]));
    let of = |queue: &str| sizes.iter().find(|size| size.queue == queue).map(counts);
    assert_eq!(of(&fixture.queue), Some((Some(0), Some(0), Some(1))), "a queue whose jobs are all held");
    assert_eq!(of(&fixture.other_queue), Some((Some(0), Some(1), Some(0))), "a queue with a delayed job");
}

pub(super) fn a_count_stops_at_its_bound_or_is_exact(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b", "c", "d"]);
    handle.add(Message { priority: 9, ..fixture.job("e") });
    handle.add(Message { delay: LONG, ..fixture.job("later") });
    handle.take(1);
    handle.add(Message { queue: Arc::from(fixture.other_queue.as_str()), ..fixture.job("other") });
    let exact = handle.size();
    assert_eq!(counts(&exact), (Some(4), Some(1), Some(1)));
    let mut up_to = |queues: &[String], most| must("count", handle.driver().size_up_to(queues, most));
    let named = std::slice::from_ref(&fixture.queue);
    for queues in [named, &[]] {
        let sizes = up_to(queues, 100);
        let of = |queue: &str| sizes.iter().find(|size| size.queue == queue);
        assert_eq!(of(&fixture.queue).map(counts), Some(counts(&exact)), "nothing is near the bound");
        assert!(of(&fixture.queue).is_some_and(|size| size.oldest_wait >= exact.oldest_wait), "{sizes:?}");
        assert_eq!(of(&fixture.other_queue).is_some(), queues.is_empty(), "{sizes:?}");
    }
    let bounded = up_to(named, 2);
    assert!(matches!(bounded[0].waiting, Some(2 | 4)), "the bound, or all: {bounded:?}");
    assert_eq!((bounded[0].delayed, bounded[0].running), (Some(1), Some(1)));
    let none = up_to(&[format!("{}-none", fixture.queue)], 2);
    assert_eq!((none.len(), counts(&none[0])), (1, (Some(0), Some(0), Some(0))));
}
