//! What is settled is settled, each by its own receipt.

use super::fixture::{Fixture, LONG, must};
use super::handle::{again, names};
use crate::driver::{Settled, Settlement, Suspects, Verdict, Want};

pub(super) fn a_job_that_is_done_is_gone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let job = handle.take_one();
    handle.settle(&job, Verdict::Done);
    handle.finds_nothing();
    if fixture.can().sizes {
        let size = handle.size();
        assert_eq!((size.waiting, size.delayed, size.running), (Some(0), Some(0), Some(0)));
    }
}

pub(super) fn what_is_settled_twice_is_lost_the_second_time(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let job = handle.take_one();
    handle.settle(&job, Verdict::Done);
    handle.settle_too_late(&job, Verdict::Done);
    handle.settle_too_late(&job, again());
    handle.finds_nothing();
}

pub(super) fn a_lost_hold_does_not_keep_its_neighbours_from_being_settled(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b", "c", "d"]);
    let jobs = handle.take(4);
    handle.settle(&jobs[0], Verdict::Done);
    handle.settle(&jobs[2], Verdict::Done);
    let settlement = handle.settle_all(&[
        (&jobs[0], again()),
        (&jobs[1], Verdict::Done),
        (&jobs[2], Verdict::Done),
        (&jobs[3], again()),
    ]);
    let mut lost = settlement.lost;
    lost.sort_by_key(|receipt| *receipt != jobs[0].receipt);
    assert_eq!(lost, [jobs[0].receipt, jobs[2].receipt], "exactly the lost ones are answered");
    assert_eq!(names(&handle.take(1)), names(&jobs[3..]), "the good ones are settled");
    handle.finds_nothing();
}

pub(super) fn settling_and_extending_nothing_changes_nothing(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    assert_eq!(handle.settle_all(&[]), Settlement::default());
    assert_eq!(handle.extend(&[], LONG), []);
    handle.take(1);
}

pub(super) fn settle_and_reserve_does_the_one_and_then_the_other(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    let first = handle.take_one();
    let queues = [fixture.queue.clone()];
    let want = Want { queues: &queues, fresh: 2, suspects: Suspects::Ignore, lease: LONG };
    let settled = [Settled { job: &first, verdict: again() }];
    let (settlement, taken) = must("settle and reserve", handle.driver().settle_and_reserve(&settled, &want));
    assert_eq!(settlement, Settlement::default());
    let mut jobs = taken.jobs;
    fixture.wait_for("both jobs", || {
        jobs.extend(handle.take_at_most(2 - jobs.len()).jobs);
        (jobs.len() == 2).then_some(())
    });
    let second = jobs.iter().find(|job| job.id == first.id).expect("what was put back is taken again");
    assert_eq!(second.attempt, 2);
    let settled: Vec<_> = jobs.iter().map(|job| Settled { job, verdict: Verdict::Done }).collect();
    let (settlement, taken) = must("settle and reserve", handle.driver().settle_and_reserve(&settled, &want));
    assert_eq!(settlement, Settlement::default());
    assert!(taken.jobs.is_empty(), "what was settled as done is not taken");
    handle.finds_nothing();
}

pub(super) fn settle_and_reserve_tells_what_was_lost(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    let job = handle.take_one();
    handle.settle(&job, Verdict::Done);
    let queues = [fixture.queue.clone()];
    let want = Want { queues: &queues, fresh: 2, suspects: Suspects::Look, lease: LONG };
    let settled = [Settled { job: &job, verdict: again() }];
    let (settlement, taken) = must("settle and reserve", handle.driver().settle_and_reserve(&settled, &want));
    assert_eq!(settlement.lost, [job.receipt]);
    assert!(taken.jobs.is_empty(), "a lost job is not put back");
}
