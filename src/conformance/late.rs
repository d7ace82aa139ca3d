//! A worker that lost its hold to another changes nothing, whatever it says.

use super::fixture::{Fixture, LONG};
use super::handle::{again, again_uncounted, names, unknown, unstarted};
use crate::driver::Verdict;

/// One worker loses a job to another, and settles it afterwards.
fn is_lost(fixture: &Fixture<'_>, verdict: Verdict) {
    let (mut slow, mut quick) = (fixture.handle(), fixture.handle());
    slow.add_each(&["a"]);
    let lost = slow.take_briefly(1).remove(0);
    slow.lose();
    let held = quick.take_suspects(1).remove(0);
    slow.settle_too_late(&lost, verdict);
    slow.finds_nothing();
    assert_eq!(quick.extend(&[&held], LONG), [], "the other's hold is still good");
    quick.settle(&held, unstarted());
    let job = quick.take_suspects(1).remove(0);
    assert_eq!((job.attempt, job.suspect), (1, true), "its attempt is as it was");
    assert_eq!((&job.last_error, job.unknown_for), (&None, None), "nothing was noted");
    assert_eq!(job.message.payload, lost.message.payload);
    quick.settle(&job, Verdict::Done);
}

pub(super) fn a_late_done_removes_nothing(fixture: &Fixture<'_>) {
    is_lost(fixture, Verdict::Done);
}

pub(super) fn a_late_again_puts_nothing_back(fixture: &Fixture<'_>) {
    is_lost(fixture, again());
    is_lost(fixture, again_uncounted());
}

pub(super) fn a_late_unknown_puts_nothing_back(fixture: &Fixture<'_>) {
    is_lost(fixture, unknown());
}

pub(super) fn a_late_unstarted_puts_nothing_back(fixture: &Fixture<'_>) {
    is_lost(fixture, unstarted());
}

pub(super) fn a_late_bury_buries_nothing(fixture: &Fixture<'_>) {
    is_lost(fixture, super::burying::bury());
    let failed = super::failed_jobs::all(fixture, &mut *fixture.failed());
    assert!(failed.is_empty(), "nothing is recorded of a lost job, but {failed:?}");
}

pub(super) fn a_late_extend_is_lost(fixture: &Fixture<'_>) {
    let (mut slow, mut quick) = (fixture.handle(), fixture.handle());
    slow.add_each(&["a", "b"]);
    let lost = slow.take_briefly(2);
    slow.lose();
    let held = quick.take_suspects(2);
    let mut answered = slow.extend(&[&lost[0], &lost[1]], LONG);
    answered.sort_by_key(|receipt| *receipt != lost[0].receipt);
    assert_eq!(answered, [lost[0].receipt, lost[1].receipt], "both are lost");
    assert_eq!(quick.extend(&[&held[0], &held[1]], LONG), [], "the other's holds are still good");
}

pub(super) fn an_extend_tells_the_lost_from_the_good(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    let jobs = handle.take(2);
    handle.settle(&jobs[0], Verdict::Done);
    assert_eq!(handle.extend(&[&jobs[0], &jobs[1]], LONG), [jobs[0].receipt]);
    handle.settle(&jobs[1], again());
    assert_eq!(names(&handle.take(1)), names(&jobs[1..]));
}
