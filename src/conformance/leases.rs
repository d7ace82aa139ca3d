//! A hold ends with its lease and not before; until somebody takes the job, it can still be renewed.

use std::thread;
use std::time::Instant;

use super::fixture::{Fixture, LONG};
use super::handle::{Handle, again};
use crate::driver::{Reserved, Verdict};

/// A job whose lease is over, and that nobody has taken.
fn expired(fixture: &Fixture<'_>, handle: &mut Handle<'_>) -> Reserved {
    let job = fixture.job("a");
    handle.add(job);
    let job = handle.take_briefly(1).remove(0);
    handle.lose();
    job
}

pub(super) fn a_held_job_is_not_taken_before_its_lease_is_over(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    one.add_each(&["a"]);
    let start = Instant::now();
    one.take_briefly(1);
    two.take_suspects(1);
    let lasted = start.elapsed();
    let lease = fixture.subject.short_lease;
    assert!(lasted >= lease.mul_f64(0.9), "held for {lease:?}, it was taken after {lasted:?}");
}

pub(super) fn an_extend_renews_the_hold(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    one.add_each(&["a"]);
    let jobs = one.take_briefly(1);
    assert_eq!(one.extend(&[&jobs[0]], LONG), [], "the hold is good");
    thread::sleep(fixture.subject.short_lease.mul_f64(1.5));
    two.finds_nothing();
    one.settle(&jobs[0], Verdict::Done);
}

/// With it an idle worker finds out whether the back end can be written to.
pub(super) fn an_extend_of_nothing_goes_well(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    assert_eq!(handle.extend(&[], LONG), []);
    handle.add_each(&["a"]);
    assert_eq!(handle.extend(&[], LONG), []);
    handle.take(1);
}

pub(super) fn an_extended_hold_ends_with_the_new_lease(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    one.add_each(&["a"]);
    let job = one.take_one();
    assert_eq!(one.extend(&[&job], fixture.subject.short_lease), [], "the hold is good");
    assert_eq!(two.take_suspects(1)[0].attempt, 1);
}

pub(super) fn an_expired_hold_that_nobody_took_can_be_renewed(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    let job = expired(fixture, &mut one);
    assert_eq!(one.extend(&[&job], LONG), [], "nobody has taken it");
    two.finds_nothing();
}

pub(super) fn an_expired_hold_that_nobody_took_can_be_settled(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let job = expired(fixture, &mut handle);
    handle.settle(&job, Verdict::Done);
    handle.finds_nothing();
    let job = expired(fixture, &mut handle);
    handle.settle(&job, again());
    let job = handle.take_one();
    assert_eq!((job.attempt, job.suspect), (2, false), "it ran and survived");
}

/// A reserve of clean jobs is no sweep.
pub(super) fn an_expired_hold_does_not_become_clean(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    expired(fixture, &mut one);
    let taken = two.take_at_most(9);
    assert!(taken.jobs.is_empty(), "taken as clean: {:?}", taken.jobs);
}

pub(super) fn next_due_tells_when_a_hold_ends(fixture: &Fixture<'_>) {
    use crate::driver::{Suspects, Want};
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take(1);
    let queues = [fixture.queue.clone()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Look, lease: LONG };
    let next_due = handle.reserve(&want).next_due;
    assert!(
        next_due.is_some_and(|due| due <= LONG && due + fixture.subject.patience >= LONG),
        "the hold ends in {LONG:?}, not in {next_due:?}"
    );
}
