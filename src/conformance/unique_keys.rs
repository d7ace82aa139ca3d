//! While a job with a unique key is there, another push of the key adds nothing.

use std::time::Duration;

use super::hand::{Hand, again};
use super::stage::{LONG, Stage};
use crate::driver::Verdict;
use crate::message::{JobId, Message, Pushed};

#[track_caller]
fn is_taken(stage: &Stage<'_>, hand: &mut Hand<'_>, holder: &JobId) {
    let pushed = hand.push(&[stage.keyed("second", "order-1")]);
    assert_eq!(pushed, [Pushed::Duplicate(holder.clone())], "the key is taken");
}

#[track_caller]
fn is_free(stage: &Stage<'_>, hand: &mut Hand<'_>) {
    let pushed = hand.push(&[stage.keyed("second", "order-1")]);
    assert!(pushed[0].is_added(), "the key is free again, but {pushed:?}");
    assert_eq!(&*hand.take_one().message.name, "second");
}

pub(super) fn a_key_is_taken_while_its_job_waits(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(stage.keyed("first", "order-1"));
    is_taken(stage, &mut hand, &id);
    hand.take(1);
    hand.finds_nothing();
}

pub(super) fn a_key_is_taken_while_its_job_is_delayed(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(Message { delay: LONG, ..stage.keyed("first", "order-1") });
    is_taken(stage, &mut hand, &id);
}

pub(super) fn a_key_is_taken_while_its_job_is_held(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(stage.keyed("first", "order-1"));
    hand.take(1);
    is_taken(stage, &mut hand, &id);
    is_taken(stage, &mut stage.hand(), &id);
}

pub(super) fn a_key_is_taken_while_its_job_waits_for_a_retry(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(stage.keyed("first", "order-1"));
    let job = hand.take_one();
    hand.settle(&job, again());
    is_taken(stage, &mut hand, &id);
}

pub(super) fn of_two_equal_keys_in_one_push_the_second_is_a_duplicate(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let pushed = hand.push(&[
        stage.keyed("first", "order-1"),
        stage.keyed("second", "order-1"),
        stage.keyed("third", "order-2"),
    ]);
    assert!(pushed[0].is_added() && pushed[2].is_added(), "{pushed:?}");
    assert_eq!(pushed[1], Pushed::Duplicate(pushed[0].id().clone()));
    hand.take(2);
    hand.finds_nothing();
}

/// A push whose answer did not arrive is pushed again under its uuid: that is no duplicate of itself.
pub(super) fn a_job_is_no_duplicate_of_itself(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = stage.keyed("first", "order-1");
    let id = hand.add(message.clone());
    assert_eq!(hand.push(std::slice::from_ref(&message)), [Pushed::Added(id.clone())]);
    hand.take(1);
    assert_eq!(hand.push(&[message]), [Pushed::Added(id)]);
}

pub(super) fn a_key_is_free_when_its_job_is_done(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(stage.keyed("first", "order-1"));
    let job = hand.take_one();
    hand.settle(&job, Verdict::Done);
    is_free(stage, &mut hand);
}

pub(super) fn a_key_is_free_when_its_job_is_buried(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(stage.keyed("first", "order-1"));
    let job = hand.take_one();
    hand.settle(&job, super::burying::bury());
    is_free(stage, &mut hand);
}

pub(super) fn a_key_is_free_when_its_job_is_cleared(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(stage.keyed("first", "order-1"));
    hand.clear();
    is_free(stage, &mut hand);
    hand.add(Message { delay: Duration::from_secs(60), ..stage.keyed("third", "order-3") });
    hand.clear();
    hand.add(stage.keyed("fourth", "order-3"));
}

pub(super) fn keys_that_differ_by_case_or_spaces_are_different(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    for key in ["Order-1", "order-1", "order-1 ", "ordér-1"] {
        hand.add(stage.keyed(key, key));
    }
    hand.take(4);
}
