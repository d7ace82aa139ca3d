//! A delayed job waits, and a driver says how long.

use std::time::{Duration, Instant};

use super::fixture::{Fixture, LONG};
use crate::driver::Verdict;
use crate::message::Message;
use crate::time;

const DELAY: Duration = Duration::from_millis(250);

/// The clock of a back end is not ours: a tenth of slack.
const SURELY: Duration = Duration::from_millis(225);

pub(super) fn a_delayed_job_is_not_taken_before_its_time(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let start = Instant::now();
    handle.add(Message { delay: DELAY, ..fixture.job("a") });
    handle.take(1);
    let waited = start.elapsed();
    assert!(waited >= SURELY, "due after {DELAY:?}, it was taken after {waited:?}");
}

/// Where the back end knows; it is counted from when the job was due, and not from its push.
pub(super) fn a_taken_job_says_how_long_it_was_due(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(Message { delay: DELAY, ..fixture.job("a") });
    let pushed = Instant::now();
    std::thread::sleep(DELAY * 2);
    let job = handle.take_one();
    let most = pushed.elapsed().saturating_sub(SURELY);
    let fits = |due_for: Duration| due_for >= DELAY - SURELY && due_for <= most;
    assert!(job.due_for.is_none_or(fits), "due for at most {most:?}, it says {:?}", job.due_for);
}

pub(super) fn a_retry_waits_as_long_as_it_was_told(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let job = handle.take_one();
    let start = Instant::now();
    handle.settle(&job, Verdict::Again { after: DELAY, counted: true, error: String::new() });
    handle.take(1);
    let waited = start.elapsed();
    assert!(waited >= SURELY, "due after {DELAY:?}, it was taken after {waited:?}");
}

/// The longest span that a worker ever asks for. It stops no other job.
pub(super) fn a_retry_may_wait_for_a_hundred_years(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let job = handle.take_one();
    handle.settle(&job, Verdict::Again { after: time::LONGEST, counted: true, error: String::new() });
    handle.finds_nothing();
    handle.add_each(&["b"]);
    assert_eq!(&*handle.take_one().message.name, "b");
}

pub(super) fn a_job_given_back_with_a_delay_waits(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    let jobs = handle.take(2);
    handle.settle(&jobs[0], Verdict::Unstarted { after: LONG });
    handle.settle(&jobs[1], Verdict::Unknown { after: LONG });
    handle.finds_nothing();
}

pub(super) fn a_delayed_job_does_not_hide_one_that_is_due(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let priority = if fixture.can().priorities { 9 } else { 0 };
    handle.add(Message { delay: LONG, priority, ..fixture.job("later") });
    handle.add(Message { delay: LONG, ..fixture.job("later") });
    handle.add(fixture.job("now"));
    assert_eq!(&*handle.take_one().message.name, "now");
    handle.finds_nothing();
}

pub(super) fn next_due_tells_when_a_delayed_job_comes(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(Message { delay: LONG, ..fixture.job("second") });
    handle.add(Message { delay: LONG / 2, ..fixture.job("first") });
    let next_due = handle.take_at_most(9).next_due;
    let fits = |due: Duration| due <= LONG / 2 && due + fixture.subject.patience >= LONG / 2;
    assert!(next_due.is_some_and(fits), "the next job is due in {:?}, not in {next_due:?}", LONG / 2);
}

/// A worker sleeps until then; one that wants nothing must not be woken by it again and again.
pub(super) fn next_due_leaves_out_what_was_not_looked_for(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let none = handle.take_at_most(0).next_due;
    assert_ne!(none, Some(Duration::ZERO), "no fresh job was wanted");
    handle.take_briefly(1);
    handle.lose();
    let none = handle.take_at_most(1).next_due;
    assert_ne!(none, Some(Duration::ZERO), "suspects were ignored");
}
