//! A retry where the two tables share a connection: one transaction.

use super::failed_jobs::{all, only, record};
use super::stage::{Stage, must};
use crate::message::{JobId, Message, Pushed};

/// Puts jobs back, where the subject says that it can.
fn put_back(stage: &Stage<'_>, jobs: &[(JobId, Message)]) -> Vec<Option<Pushed>> {
    let answers = must("put back", stage.failed().put_back(jobs));
    let answers = answers.expect("where a driver buries, failed jobs are put back in one transaction too");
    assert_eq!(answers.len(), jobs.len(), "one answer for each");
    answers
}

pub(super) fn a_job_that_is_put_back_waits_again_and_has_not_failed(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let message = stage.job("a");
    let id = record(&mut *failed, &message);
    let answers = put_back(stage, &[(id, message.clone())]);
    let job = stage.hand().take_one();
    assert_eq!(answers, [Some(Pushed::Added(job.id.clone()))]);
    assert_eq!((job.message.uuid, job.attempt, job.suspect), (message.uuid, 1, false));
    assert_eq!(all(stage, &mut *failed), []);
}

pub(super) fn what_is_gone_is_not_put_back(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let messages = ["a", "b"].map(|name| stage.job(name));
    let ids = messages.each_ref().map(|message| record(&mut *failed, message));
    must("forget", failed.forget(&ids[..1]));
    let jobs: Vec<_> = ids.into_iter().zip(messages).collect();
    let answers = put_back(stage, &jobs);
    assert_eq!(answers[0], None, "it was not there any more");
    assert!(answers[1].as_ref().is_some_and(Pushed::is_added), "{answers:?}");
    assert_eq!(&*stage.hand().take_one().message.name, "b");
    assert_eq!(put_back(stage, &jobs), [None, None], "a second retry finds nothing");
    stage.hand().finds_nothing();
}

pub(super) fn a_job_whose_key_another_holds_stays_failed(stage: &Stage<'_>) {
    let (mut hand, mut failed) = (stage.hand(), stage.failed());
    let message = stage.keyed("a", "order-1");
    let id = record(&mut *failed, &message);
    let holder = hand.add(stage.keyed("b", "order-1"));
    let answers = put_back(stage, &[(id.clone(), message)]);
    assert_eq!(answers, [Some(Pushed::Duplicate(holder))]);
    assert_eq!(only(stage, &mut *failed).id, id, "it is not lost");
    assert_eq!(&*hand.take_one().message.name, "b");
    hand.finds_nothing();
}

pub(super) fn a_job_that_is_on_the_queue_already_is_not_added_twice(stage: &Stage<'_>) {
    let (mut hand, mut failed) = (stage.hand(), stage.failed());
    let message = stage.job("a");
    let id = record(&mut *failed, &message);
    let waiting = hand.add(message.clone());
    assert_eq!(put_back(stage, &[(id, message)]), [Some(Pushed::Added(waiting))]);
    hand.take(1);
    hand.finds_nothing();
    assert_eq!(all(stage, &mut *failed), []);
}
