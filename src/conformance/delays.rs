//! A delayed job waits, and a driver tells how long.

use std::time::{Duration, Instant};

use super::stage::{LONG, Stage};
use crate::driver::Verdict;
use crate::message::Message;
use crate::time;

const DELAY: Duration = Duration::from_millis(250);

/// The clock of a back end is not ours: a tenth of slack.
const SURELY: Duration = Duration::from_millis(225);

pub(super) fn a_delayed_job_is_not_taken_before_its_time(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let start = Instant::now();
    hand.add(Message { delay: DELAY, ..stage.job("a") });
    hand.take(1);
    let waited = start.elapsed();
    assert!(waited >= SURELY, "due after {DELAY:?}, it was taken after {waited:?}");
}

/// Where the back end knows; it is counted from when the job was due, and not from its push.
pub(super) fn a_taken_job_says_how_long_it_was_due(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(Message { delay: DELAY, ..stage.job("a") });
    let pushed = Instant::now();
    std::thread::sleep(DELAY * 2);
    let job = hand.take_one();
    let most = pushed.elapsed().saturating_sub(SURELY);
    let fits = |due_for: Duration| due_for >= DELAY - SURELY && due_for <= most;
    assert!(job.due_for.is_none_or(fits), "due for at most {most:?}, it says {:?}", job.due_for);
}

pub(super) fn a_retry_waits_as_long_as_it_was_told(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let job = hand.take_one();
    let start = Instant::now();
    hand.settle(&job, Verdict::Again { after: DELAY, counted: true, error: String::new() });
    hand.take(1);
    let waited = start.elapsed();
    assert!(waited >= SURELY, "due after {DELAY:?}, it was taken after {waited:?}");
}

/// The longest span that a worker ever asks for. It stops no other job.
pub(super) fn a_retry_may_wait_for_a_hundred_years(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let job = hand.take_one();
    hand.settle(&job, Verdict::Again { after: time::LONGEST, counted: true, error: String::new() });
    hand.finds_nothing();
    hand.add_each(&["b"]);
    assert_eq!(&*hand.take_one().message.name, "b");
}

pub(super) fn a_job_given_back_with_a_delay_waits(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    let jobs = hand.take(2);
    hand.settle(&jobs[0], Verdict::Unstarted { after: LONG });
    hand.settle(&jobs[1], Verdict::Unknown { after: LONG });
    hand.finds_nothing();
}

pub(super) fn a_delayed_job_does_not_hide_one_that_is_due(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let priority = if stage.can().priorities { 9 } else { 0 };
    hand.add(Message { delay: LONG, priority, ..stage.job("later") });
    hand.add(Message { delay: LONG, ..stage.job("later") });
    hand.add(stage.job("now"));
    assert_eq!(&*hand.take_one().message.name, "now");
    hand.finds_nothing();
}

pub(super) fn next_due_tells_when_a_delayed_job_comes(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(Message { delay: LONG, ..stage.job("second") });
    hand.add(Message { delay: LONG / 2, ..stage.job("first") });
    let next_due = hand.take_at_most(9).next_due;
    let fits = |due: Duration| due <= LONG / 2 && due + stage.subject.patience >= LONG / 2;
    assert!(next_due.is_some_and(fits), "the next job is due in {:?}, not in {next_due:?}", LONG / 2);
}

/// A worker sleeps until then; one that wants nothing must not be woken by it again and again.
pub(super) fn next_due_leaves_out_what_was_not_looked_for(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let none = hand.take_at_most(0).next_due;
    assert_ne!(none, Some(Duration::ZERO), "no fresh job was wanted");
    hand.take_briefly(1);
    hand.lose();
    let none = hand.take_at_most(1).next_due;
    assert_ne!(none, Some(Duration::ZERO), "suspects were ignored");
}
