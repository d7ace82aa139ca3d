//! What is settled is settled, each by its own receipt.

use super::hand::{again, names};
use super::stage::{LONG, Stage, must};
use crate::driver::{Settled, Settlement, Suspects, Verdict, Want};

pub(super) fn a_job_that_is_done_is_gone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let job = hand.take_one();
    hand.settle(&job, Verdict::Done);
    hand.finds_nothing();
    if stage.can().sizes {
        let size = hand.size();
        assert_eq!((size.waiting, size.delayed, size.running), (Some(0), Some(0), Some(0)));
    }
}

pub(super) fn what_is_settled_twice_is_lost_the_second_time(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let job = hand.take_one();
    hand.settle(&job, Verdict::Done);
    hand.settle_too_late(&job, Verdict::Done);
    hand.settle_too_late(&job, again());
    hand.finds_nothing();
}

pub(super) fn a_lost_hold_does_not_keep_its_neighbours_from_being_settled(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b", "c", "d"]);
    let jobs = hand.take(4);
    hand.settle(&jobs[0], Verdict::Done);
    hand.settle(&jobs[2], Verdict::Done);
    let settlement = hand.settle_all(&[
        (&jobs[0], again()),
        (&jobs[1], Verdict::Done),
        (&jobs[2], Verdict::Done),
        (&jobs[3], again()),
    ]);
    let mut lost = settlement.lost;
    lost.sort_by_key(|receipt| *receipt != jobs[0].receipt);
    assert_eq!(lost, [jobs[0].receipt, jobs[2].receipt], "exactly the lost ones are answered");
    assert_eq!(names(&hand.take(1)), names(&jobs[3..]), "the good ones are settled");
    hand.finds_nothing();
}

pub(super) fn settling_and_extending_nothing_changes_nothing(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    assert_eq!(hand.settle_all(&[]), Settlement::default());
    assert_eq!(hand.extend(&[], LONG), []);
    hand.take(1);
}

pub(super) fn settle_and_reserve_does_the_one_and_then_the_other(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a", "b"]);
    let first = hand.take_one();
    let queues = [stage.queue.clone()];
    let want = Want { queues: &queues, fresh: 2, suspects: Suspects::Ignore, lease: LONG };
    let settled = [Settled { job: &first, verdict: again() }];
    let (settlement, taken) = must("settle and reserve", hand.driver().settle_and_reserve(&settled, &want));
    assert_eq!(settlement, Settlement::default());
    let mut jobs = taken.jobs;
    stage.wait_for("both jobs", || {
        jobs.extend(hand.take_at_most(2 - jobs.len()).jobs);
        (jobs.len() == 2).then_some(())
    });
    let second = jobs.iter().find(|job| job.id == first.id).expect("what was put back is taken again");
    assert_eq!(second.attempt, 2);
    let settled: Vec<_> = jobs.iter().map(|job| Settled { job, verdict: Verdict::Done }).collect();
    let (settlement, taken) = must("settle and reserve", hand.driver().settle_and_reserve(&settled, &want));
    assert_eq!(settlement, Settlement::default());
    assert!(taken.jobs.is_empty(), "what was settled as done is not taken");
    hand.finds_nothing();
}

pub(super) fn settle_and_reserve_tells_what_was_lost(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add_each(&["a"]);
    let job = hand.take_one();
    hand.settle(&job, Verdict::Done);
    let queues = [stage.queue.clone()];
    let want = Want { queues: &queues, fresh: 2, suspects: Suspects::Look, lease: LONG };
    let settled = [Settled { job: &job, verdict: again() }];
    let (settlement, taken) = must("settle and reserve", hand.driver().settle_and_reserve(&settled, &want));
    assert_eq!(settlement.lost, [job.receipt]);
    assert!(taken.jobs.is_empty(), "a lost job is not put back");
}
