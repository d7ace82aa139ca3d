//! A retry across two back ends: mark, push, and forget what is still marked.

use super::failed_jobs::{all, dying, failure, only, record};
use super::stage::{Stage, must};
use crate::message::JobId;

pub(super) fn a_failed_job_is_marked_for_one_retry_at_a_time(stage: &Stage<'_>) {
    let (mut one, mut two) = (stage.failed(), stage.failed());
    let ids = ["a", "b"].map(|name| record(&mut *one, &stage.job(name)));
    assert_eq!(must("mark", one.mark(&ids[..1])), ids[..1]);
    assert_eq!(must("mark", two.mark(&ids)), ids[1..], "the other one is being retried already");
    assert_eq!(must("mark", one.mark(&ids)), [], "both are");
    assert_eq!(all(stage, &mut *one).len(), 2, "a mark removes nothing");
}

pub(super) fn what_is_gone_cannot_be_marked(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let ids = ["a", "b"].map(|name| record(&mut *failed, &stage.job(name)));
    must("forget", failed.forget(&ids[..1]));
    assert_eq!(must("mark", failed.mark(&ids)), ids[1..]);
    assert_eq!(must("mark", failed.mark(&[])), []);
}

pub(super) fn what_is_still_marked_is_forgotten_and_nothing_else(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let ids = ["a", "b", "c"].map(|name| record(&mut *failed, &stage.job(name)));
    must("mark", failed.mark(&ids[1..]));
    must("forget what is marked", failed.forget_marked(&ids[..2]));
    let left: Vec<JobId> = all(stage, &mut *failed).into_iter().map(|row| row.id).collect();
    assert_eq!(left, [ids[0].clone(), ids[2].clone()], "a is not marked, c was not named");
}

pub(super) fn a_job_that_fails_while_it_is_marked_is_recorded_anew(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let message = stage.job("a");
    let id = record(&mut *failed, &message);
    must("mark", failed.mark(std::slice::from_ref(&id)));
    let second = must("record", failed.record(&dying(message), &failure("second")));
    let row = only(stage, &mut *failed);
    assert_eq!(row.exception, "second", "in place of the old one");
    assert_eq!(row.id, second.id, "under the answered id");
    must("forget what is marked", failed.forget_marked(&[id, row.id]));
    only(stage, &mut *failed); // It is not marked any more, so it stays.
}
