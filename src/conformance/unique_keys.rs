//! While a job with a unique key is there, another push of the key adds nothing.

use std::sync::Arc;
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

/// A message with a key, that replaces what waits.
fn newest(stage: &Stage<'_>, name: &str) -> Message {
    Message { replaces: true, ..stage.keyed(name, "order-1") }
}

pub(super) fn the_newest_takes_the_place_of_the_one_that_waits(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let overrides = || Some(Arc::from(r#"{"attempts":7}"#));
    assert!(hand.push(&[newest(stage, "first")])[0].is_added(), "there is nothing to replace");
    let id = hand.push(&[stage.keyed("none", "order-1")])[0].id().clone();
    let new = Message {
        payload: Arc::from(*b"{}"),
        overrides: overrides(),
        priority: 3,
        ..newest(stage, "second")
    };
    assert_eq!(hand.push(std::slice::from_ref(&new)), [Pushed::Replaced(id.clone())]);
    let job = hand.take_one();
    assert_eq!((&job.id, job.attempt), (&id, 1));
    assert_eq!((&job.message.name, &job.message.payload), (&new.name, &new.payload));
    assert_eq!((&job.message.overrides, job.message.priority), (&overrides(), new.priority));
    hand.finds_nothing();
    // Of two in one push the second is the newest.
    hand.settle(&job, Verdict::Done);
    let pushed = hand.push(&[newest(stage, "third"), newest(stage, "fourth")]);
    assert!(pushed[0].is_added() && pushed[1] == Pushed::Replaced(pushed[0].id().clone()), "{pushed:?}");
    assert_eq!(&*hand.take_one().message.name, "fourth");
    hand.finds_nothing();
}

pub(super) fn one_that_was_tried_is_replaced_with_no_attempt_used(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(newest(stage, "first"));
    let job = hand.take_one();
    hand.settle(&job, Verdict::Again { after: LONG, counted: true, error: "no".into() });
    assert_eq!(hand.push(&[newest(stage, "second")]), [Pushed::Replaced(job.id)]);
    let job = hand.take_one();
    assert_eq!((&*job.message.name, job.attempt, job.last_error.as_deref()), ("second", 1, None));
}

pub(super) fn one_that_is_pushed_again_does_not_replace_itself(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = newest(stage, "first");
    let id = hand.add(message.clone());
    let job = hand.take_one();
    hand.settle(&job, again());
    assert_eq!(hand.push(&[message]), [Pushed::Added(id)]);
    assert_eq!(hand.take_one().attempt, job.attempt + 1, "nothing was changed");
}

pub(super) fn one_that_is_held_is_not_replaced(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(newest(stage, "first"));
    let job = hand.take_one();
    assert_eq!(hand.push(&[newest(stage, "second")]), [Pushed::Duplicate(job.id.clone())]);
    hand.settle(&job, again());
    assert_eq!(&*hand.take_one().message.name, "first");
}

pub(super) fn a_replacement_is_due_when_it_says(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(Message { delay: LONG, ..newest(stage, "late") });
    hand.push(&[newest(stage, "now")]);
    let job = hand.take_one();
    assert_eq!(&*job.message.name, "now");
    hand.settle(&job, Verdict::Done);
    hand.add(newest(stage, "now"));
    hand.push(&[Message { delay: LONG, ..newest(stage, "late") }]);
    hand.finds_nothing();
}

/// A message whose key is free once it begins.
fn until_start(stage: &Stage<'_>, name: &str) -> Message {
    Message { overrides: Some(Arc::from(r#"{"unique_until_start":true}"#)), ..stage.keyed(name, "order-1") }
}

pub(super) fn a_key_until_the_start_is_taken_while_its_job_waits(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(until_start(stage, "first"));
    assert_eq!(hand.push(&[until_start(stage, "second")]), [Pushed::Duplicate(id.clone())]);
    is_taken(stage, &mut hand, &id);
}

pub(super) fn a_key_until_the_start_is_free_once_its_job_is_handed_out(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(until_start(stage, "first"));
    hand.add(Message { unique_key: None, ..stage.job("other") });
    let jobs = hand.take(2);
    let id = hand.add(until_start(stage, "second"));
    is_taken(stage, &mut hand, &id);
    // What was begun is settled as ever.
    hand.settle(&jobs[0], again());
    hand.settle(&jobs[1], Verdict::Done);
    let mut names: Vec<_> = hand.take(2).iter().map(|job| job.message.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["first", "second"]);
}

/// The first job ends while the second one has the key.
pub(super) fn a_key_that_was_let_go_stays_with_its_next_job(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.add(until_start(stage, "first"));
    let job = hand.take_one();
    let id = hand.add(stage.keyed("second", "order-1"));
    hand.settle(&job, Verdict::Done);
    is_taken(stage, &mut hand, &id);
}
