//! How attempts are counted, and what is remembered of earlier ones.

use std::thread;
use std::time::{Duration, Instant};

use super::fixture::Fixture;
use super::handle::{Handle, again, again_uncounted, names, unknown, unstarted};
use crate::driver::{Reserved, Verdict};

/// Settles a job, and takes it again.
#[track_caller]
fn after(handle: &mut Handle<'_>, job: &Reserved, verdict: Verdict) -> Reserved {
    handle.settle(job, verdict);
    handle.take_one()
}

pub(super) fn the_take_counts_the_attempt(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    assert_eq!(first.attempt, 1, "the first attempt");
    let second = after(&mut handle, &first, again());
    assert_eq!(second.attempt, 2, "the second attempt");
    let third = after(&mut handle, &second, again());
    assert_eq!(third.attempt, 3, "the third attempt");
    assert_eq!(third.id, first.id, "it is the same job");
    assert!(!third.suspect, "a job that came back by itself is no suspect");
}

pub(super) fn an_uncounted_retry_takes_the_attempt_back(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    let second = after(&mut handle, &first, again());
    let uncounted = after(&mut handle, &second, again_uncounted());
    assert_eq!(uncounted.attempt, 2, "attempt 2 did not count, so it comes again");
}

pub(super) fn the_last_error_comes_back(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    let error = "smtp: „kein Anschluss“ 😀";
    let again = Verdict::Again { after: Duration::ZERO, counted: true, error: error.into() };
    let second = after(&mut handle, &first, again);
    assert_eq!(second.last_error.as_deref(), Some(error));
    let third = after(&mut handle, &second, unstarted());
    assert_eq!(third.last_error.as_deref(), Some(error), "giving it back keeps the error");
    let fourth = after(&mut handle, &third, again_uncounted());
    assert_eq!(fourth.last_error.as_deref(), Some("not now"), "the newest error is kept");
}

pub(super) fn an_exhausted_job_comes_back_over_its_limit(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    let exhausted = |attempts| Verdict::Exhausted { after: Duration::ZERO, attempts, error: "dead".into() };
    let second = after(&mut handle, &first, exhausted(3));
    assert_eq!((second.attempt, second.suspect), (4, false), "over a limit of three");
    if fixture.can().last_errors {
        assert_eq!(second.last_error.as_deref(), Some("dead"));
    }
    let third = after(&mut handle, &second, exhausted(3));
    assert_eq!(third.attempt, 5, "it loses none");
}

pub(super) fn a_job_given_back_unstarted_has_its_attempt_back(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    let second = after(&mut handle, &first, unstarted());
    assert_eq!((second.attempt, second.suspect), (1, false));
    let third = after(&mut handle, &second, again());
    let fourth = after(&mut handle, &third, unstarted());
    assert_eq!((fourth.attempt, fourth.suspect), (2, false));
}

pub(super) fn a_job_given_back_without_a_delay_keeps_its_place(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b", "c"]);
    let jobs = handle.take(2);
    assert_eq!(names(&jobs), ["a", "b"]);
    handle.settle_all(&[(&jobs[0], unstarted()), (&jobs[1], unstarted())]);
    assert_eq!(names(&handle.take(3)), ["a", "b", "c"]);
}

pub(super) fn a_job_with_an_unknown_name_has_its_attempt_back(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    let second = after(&mut handle, &first, unknown());
    assert_eq!((second.attempt, second.suspect), (1, false));
}

pub(super) fn it_is_remembered_since_when_a_name_is_unknown(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    assert_eq!(first.unknown_for, None, "nobody has called the name unknown yet");
    handle.settle(&first, unknown());
    let since = Instant::now();
    let mut job = handle.take_one();
    for seen in ["once", "a second time"] {
        assert!(job.unknown_for.is_some(), "called unknown {seen}");
        job = after(&mut handle, &job, unknown());
    }
    thread::sleep(Duration::from_millis(100));
    let at_least = since.elapsed().mul_f64(0.9);
    let job = after(&mut handle, &job, unstarted());
    let told = job.unknown_for;
    assert!(told.is_some_and(|span| span >= at_least), "unknown for {at_least:?} or longer, not {told:?}");
}

pub(super) fn a_job_that_ran_was_not_unknown(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let first = handle.take_one();
    let second = after(&mut handle, &first, unknown());
    let third = after(&mut handle, &second, again());
    assert_eq!(third.unknown_for, None);
}
