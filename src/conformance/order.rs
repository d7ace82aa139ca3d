//! Which jobs a reserve takes, how many, and in which order.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::fixture::{Fixture, LONG};
use super::handle::{again, names};
use crate::driver::{Suspects, Want};
use crate::message::Message;

/// Back ends measure due times in whole milliseconds or finer.
const TICK: Duration = Duration::from_millis(20);

pub(super) fn no_more_is_taken_than_was_asked_for(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b", "c"]);
    let first = fixture.wait_for("a job", || {
        let jobs = handle.take_at_most(2).jobs;
        (!jobs.is_empty()).then_some(jobs.len())
    });
    assert!(first <= 2, "asked for 2, it took {first}");
    handle.take(3 - first);
}

pub(super) fn the_limit_holds_across_queues_and_priorities(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let other: Arc<str> = Arc::from(fixture.other_queue.as_str());
    let priority = if fixture.can().priorities { 9 } else { 0 };
    handle.push(&[
        fixture.job("a"),
        Message { priority, ..fixture.job("b") },
        Message { queue: other.clone(), ..fixture.job("c") },
        Message { queue: other, priority, ..fixture.job("d") },
    ]);
    let queues = [fixture.queue.clone(), fixture.other_queue.clone()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: LONG };
    let mut taken = 0;
    fixture.wait_for("four jobs, one by one", || {
        let count = handle.reserve(&want).jobs.len();
        assert!(count <= 1, "asked for 1, it took {count}");
        taken += count;
        (taken == 4).then_some(())
    });
}

pub(super) fn nothing_is_taken_when_nothing_fresh_is_wanted(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    assert!(handle.take_at_most(0).jobs.is_empty(), "asked for 0, it took a job");
    handle.take(1);
}

pub(super) fn nothing_is_taken_where_no_queue_is_named(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    handle.take(1);
    let want = Want { queues: &[], fresh: 1, suspects: Suspects::Ignore, lease: LONG };
    assert!(handle.reserve(&want).jobs.is_empty(), "asked for no queue's jobs, it took one");
    // Another handle can have what was fetched ahead.
    fixture.handle().take(1);
}

pub(super) fn a_queue_that_is_not_asked_for_is_left_alone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(Message { queue: Arc::from(fixture.other_queue.as_str()), ..fixture.job("a") });
    handle.finds_nothing();
}

pub(super) fn queues_that_differ_by_case_or_spaces_are_different(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    for queue in [fixture.queue.to_uppercase(), format!("{} ", fixture.queue), format!("{}é", fixture.queue)]
    {
        handle.add(Message { queue: Arc::from(queue), ..fixture.job("a") });
    }
    handle.finds_nothing();
}

pub(super) fn queues_are_taken_from_in_the_order_asked_for(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let priority = if fixture.can().priorities { 9 } else { 0 };
    handle.add(Message { priority, ..fixture.job("second") });
    handle.add(Message { queue: Arc::from(fixture.other_queue.as_str()), ..fixture.job("first") });
    let queues = [fixture.other_queue.clone(), fixture.queue.clone()];
    let taken = handle.reserve(&Want { queues: &queues, fresh: 9, suspects: Suspects::Ignore, lease: LONG });
    assert_eq!(names(&taken.jobs), ["first", "second"]);
}

pub(super) fn a_higher_priority_goes_first(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    for (name, priority) in [("third", 0), ("second", 5), ("first", 9), ("fourth", 0)] {
        handle.add(Message { priority, ..fixture.job(name) });
    }
    assert_eq!(names(&handle.take(4)), ["first", "second", "third", "fourth"]);
    for (name, priority) in [("second", 1), ("first", 2)] {
        handle.add(Message { priority, ..fixture.job(name) });
    }
    assert_eq!(names(&handle.take(1)), ["first"], "also when only one is taken");
}

pub(super) fn what_was_due_first_goes_first(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    // In one push, and far apart, so that a slow machine does not mix them up.
    let delayed = |name, millis| Message { delay: Duration::from_millis(millis), ..fixture.job(name) };
    handle.push(&[delayed("third", 1_000), delayed("second", 500), delayed("first", 0)]);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(names(&handle.take(3)), ["first", "second", "third"]);
}

pub(super) fn jobs_of_one_push_keep_their_order(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.push(&["a", "b", "c", "d"].map(|name| fixture.job(name)));
    let mut jobs = handle.take(2);
    jobs.extend(handle.take(2));
    assert_eq!(names(&jobs), ["a", "b", "c", "d"]);
}

pub(super) fn a_retried_job_goes_behind_what_waits(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    let job = handle.take_one();
    assert_eq!(&*job.message.name, "a");
    thread::sleep(TICK);
    handle.settle(&job, again());
    assert_eq!(names(&handle.take(2)), ["b", "a"]);
}
