//! Never two at once: a job that is held is given to nobody else.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::fixture::{Fixture, LONG};
use super::handle::{again, names};
use crate::driver::Verdict;

pub(super) fn a_held_job_is_given_to_nobody_else(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    one.add_each(&["a"]);
    one.take(1);
    two.finds_nothing();
    one.finds_nothing();
    fixture.handle().finds_nothing();
}

pub(super) fn each_job_is_taken_exactly_once_by_many_threads(fixture: &Fixture<'_>) {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let (taken, seen) = (AtomicUsize::new(0), Mutex::new(HashSet::new()));
    let work = || {
        let mut handle = fixture.handle();
        for _ in 0..EACH / 10 {
            let jobs: Vec<_> = (0..10).map(|_| fixture.job("a")).collect();
            handle.push(&jobs);
        }
        fixture.wait_for("all jobs", || {
            for job in handle.take_at_most(7).jobs {
                let new = seen.lock().expect("no panic while held").insert(job.message.uuid.clone());
                assert!(new, "job {} was taken twice", job.id);
                handle.settle(&job, Verdict::Done);
                taken.fetch_add(1, Ordering::SeqCst);
            }
            (taken.load(Ordering::SeqCst) >= THREADS * EACH).then_some(())
        });
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    assert_eq!(taken.into_inner(), THREADS * EACH, "each job once");
    fixture.handle().finds_nothing();
}

pub(super) fn every_reservation_has_a_receipt_of_its_own(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    let jobs = handle.take(2);
    assert_ne!(jobs[0].receipt, jobs[1].receipt, "of two jobs");
    handle.settle(&jobs[0], again());
    let later = handle.take_one();
    assert_eq!(names(&jobs[..1]), names(std::slice::from_ref(&later)));
    assert_ne!(later.receipt, jobs[0].receipt, "of one job, taken twice");
    handle.settle_too_late(&jobs[0], Verdict::Done);
    handle.settle(&later, Verdict::Done);
}

pub(super) fn a_hold_outlives_the_handle_that_took_it(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.take(1);
    drop(handle);
    fixture.handle().finds_nothing();
}

/// After an error the worker opens a new handle, and goes on with the jobs that it holds.
pub(super) fn a_hold_is_good_with_another_handle(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.handle(), fixture.handle());
    one.add_each(&["a", "b"]);
    let jobs = one.take(2);
    drop(one);
    assert_eq!(two.extend(&[&jobs[0], &jobs[1]], LONG), []);
    two.settle(&jobs[0], Verdict::Done);
    two.settle(&jobs[1], again());
    assert_eq!(two.take_one().attempt, 2);
}

pub(super) fn held_until_is_a_lease_after_the_moment_before_the_take(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let before = Instant::now();
    let job = handle.take_one();
    let after = Instant::now();
    assert!(job.held_until >= before + LONG, "not earlier: the lease is what was asked for");
    assert!(job.held_until <= after + LONG, "not later: nobody must begin a job that others may have");
}
