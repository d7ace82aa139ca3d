//! Never two at once: a job that is held is given to nobody else.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::hand::{again, names};
use super::stage::{LONG, Stage};
use crate::driver::Verdict;

pub(super) fn a_held_job_is_given_to_nobody_else(stage: &Stage<'_>) {
    let (mut one, mut two) = (stage.hand(), stage.hand());
    one.add_each(&["a"]);
    one.take(1);
    two.finds_nothing();
    one.finds_nothing();
    stage.hand().finds_nothing();
}

pub(super) fn each_job_is_taken_exactly_once_by_many_threads(stage: &Stage<'_>) {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let (taken, seen) = (AtomicUsize::new(0), Mutex::new(HashSet::new()));
    let work = || {
        let mut hand = stage.hand();
        for _ in 0..EACH / 10 {
            let jobs: Vec<_> = (0..10).map(|_| stage.job("a")).collect();
            hand.push(&jobs);
        }
        stage.wait_for("all jobs", || {
            for job in hand.take_at_most(7).jobs {
                let new = seen.lock().expect("no panic while held").insert(job.message.uuid.clone());
                assert!(new, "job {} was taken twice", job.id);
                hand.settle(&job, Verdict::Done);
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
    stage.hand().finds_nothing();
}

pub(super) fn every_reservation_has_a_receipt_of_its_own(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    let jobs = hand.take(2);
    assert_ne!(jobs[0].receipt, jobs[1].receipt, "of two jobs");
    hand.settle(&jobs[0], again());
    let later = hand.take_one();
    assert_eq!(names(&jobs[..1]), names(std::slice::from_ref(&later)));
    assert_ne!(later.receipt, jobs[0].receipt, "of one job, taken twice");
    hand.settle_too_late(&jobs[0], Verdict::Done);
    hand.settle(&later, Verdict::Done);
}

pub(super) fn a_hold_outlives_the_handle_that_took_it(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    hand.take(1);
    drop(hand);
    stage.hand().finds_nothing();
}

/// After an error the worker opens a new handle, and goes on with the jobs that it holds.
pub(super) fn a_hold_is_good_with_another_handle(stage: &Stage<'_>) {
    let (mut one, mut two) = (stage.hand(), stage.hand());
    one.add_each(&["a", "b"]);
    let jobs = one.take(2);
    drop(one);
    assert_eq!(two.extend(&[&jobs[0], &jobs[1]], LONG), []);
    two.settle(&jobs[0], Verdict::Done);
    two.settle(&jobs[1], again());
    assert_eq!(two.take_one().attempt, 2);
}

pub(super) fn held_until_is_a_lease_after_the_moment_before_the_take(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let before = Instant::now();
    let job = hand.take_one();
    let after = Instant::now();
    assert!(job.held_until >= before + LONG, "not earlier: the lease is what was asked for");
    assert!(job.held_until <= after + LONG, "not later: nobody must begin a job that others may have");
}
