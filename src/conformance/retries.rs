//! A retry across two back ends: mark, push, and forget what is still marked.

use super::failed_jobs::{all, dying, failure, only, record};
use super::fixture::{Fixture, must};
use crate::message::JobId;

pub(super) fn a_failed_job_is_marked_for_one_retry_at_a_time(fixture: &Fixture<'_>) {
    let (mut one, mut two) = (fixture.failed(), fixture.failed());
    let ids = ["a", "b"].map(|name| record(&mut *one, &fixture.job(name)));
    assert_eq!(must("mark", one.mark(&ids[..1])), ids[..1]);
    assert_eq!(must("mark", two.mark(&ids)), ids[1..], "the other one is being retried already");
    assert_eq!(must("mark", one.mark(&ids)), [], "both are");
    assert_eq!(all(fixture, &mut *one).len(), 2, "a mark removes nothing");
}

pub(super) fn what_is_gone_cannot_be_marked(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let ids = ["a", "b"].map(|name| record(&mut *failed, &fixture.job(name)));
    must("forget", failed.forget(&ids[..1]));
    assert_eq!(must("mark", failed.mark(&ids)), ids[1..]);
    assert_eq!(must("mark", failed.mark(&[])), []);
}

pub(super) fn what_is_still_marked_is_forgotten_and_nothing_else(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let ids = ["a", "b", "c"].map(|name| record(&mut *failed, &fixture.job(name)));
    must("mark", failed.mark(&ids[1..]));
    must("forget what is marked", failed.forget_marked(&ids[..2]));
    let left: Vec<JobId> = all(fixture, &mut *failed).into_iter().map(|row| row.id).collect();
    assert_eq!(left, [ids[0].clone(), ids[2].clone()], "a is not marked, c was not named");
}

pub(super) fn a_job_that_fails_while_it_is_marked_is_recorded_anew(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let message = fixture.job("a");
    let id = record(&mut *failed, &message);
    must("mark", failed.mark(std::slice::from_ref(&id)));
    let second = must("record", failed.record(&dying(message), &failure("second")));
    let row = only(fixture, &mut *failed);
    assert_eq!(row.exception, "second", "in place of the old one");
    assert_eq!(row.id, second.id, "under the answered id");
    must("forget what is marked", failed.forget_marked(&[id, row.id]));
    only(fixture, &mut *failed); // It is not marked any more, so it stays.
}
