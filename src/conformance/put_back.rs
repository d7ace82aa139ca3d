//! A retry where the two tables share a connection: one transaction.

use super::failed_jobs::{all, only, record};
use super::fixture::{Fixture, must};
use crate::message::{JobId, Message, Pushed};

/// Puts jobs back, where the subject says that it can.
fn put_back(fixture: &Fixture<'_>, jobs: &[(JobId, Message)]) -> Vec<Option<Pushed>> {
    let answers = must("put back", fixture.failed().put_back(jobs));
    let answers = answers.expect("where a driver buries, failed jobs are put back in one transaction too");
    assert_eq!(answers.len(), jobs.len(), "one answer for each");
    answers
}

pub(super) fn a_job_that_is_put_back_waits_again_and_has_not_failed(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let message = fixture.job("a");
    let id = record(&mut *failed, &message);
    let answers = put_back(fixture, &[(id, message.clone())]);
    let job = fixture.handle().take_one();
    assert_eq!(answers, [Some(Pushed::Added(job.id.clone()))]);
    assert_eq!((job.message.uuid, job.attempt, job.suspect), (message.uuid, 1, false));
    assert_eq!(all(fixture, &mut *failed), []);
}

pub(super) fn what_is_gone_is_not_put_back(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let messages = ["a", "b"].map(|name| fixture.job(name));
    let ids = messages.each_ref().map(|message| record(&mut *failed, message));
    must("forget", failed.forget(&ids[..1]));
    let jobs: Vec<_> = ids.into_iter().zip(messages).collect();
    let answers = put_back(fixture, &jobs);
    assert_eq!(answers[0], None, "it was not there any more");
    assert!(answers[1].as_ref().is_some_and(Pushed::is_added), "{answers:?}");
    assert_eq!(&*fixture.handle().take_one().message.name, "b");
    assert_eq!(put_back(fixture, &jobs), [None, None], "a second retry finds nothing");
    fixture.handle().finds_nothing();
}

pub(super) fn a_job_whose_key_another_holds_stays_failed(fixture: &Fixture<'_>) {
    let (mut handle, mut failed) = (fixture.handle(), fixture.failed());
    let message = fixture.keyed("a", "order-1");
    let id = record(&mut *failed, &message);
    let holder = handle.add(fixture.keyed("b", "order-1"));
    let answers = put_back(fixture, &[(id.clone(), message)]);
    assert_eq!(answers, [Some(Pushed::Duplicate(holder))]);
    assert_eq!(only(fixture, &mut *failed).id, id, "it is not lost");
    assert_eq!(&*handle.take_one().message.name, "b");
    handle.finds_nothing();
}

pub(super) fn a_job_that_is_on_the_queue_already_is_not_added_twice(fixture: &Fixture<'_>) {
    let (mut handle, mut failed) = (fixture.handle(), fixture.failed());
    let message = fixture.job("a");
    let id = record(&mut *failed, &message);
    let waiting = handle.add(message.clone());
    assert_eq!(put_back(fixture, &[(id, message)]), [Some(Pushed::Added(waiting))]);
    handle.take(1);
    handle.finds_nothing();
    assert_eq!(all(fixture, &mut *failed), []);
}
