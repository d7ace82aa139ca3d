//! While a job with a unique key is there, another push of the key adds nothing.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{Fixture, LONG};
use super::handle::{Handle, again};
use crate::driver::Verdict;
use crate::message::{JobId, Message, Pushed};

#[track_caller]
fn is_taken(fixture: &Fixture<'_>, handle: &mut Handle<'_>, holder: &JobId) {
    let pushed = handle.push(&[fixture.keyed("second", "order-1")]);
    assert_eq!(pushed, [Pushed::Duplicate(holder.clone())], "the key is taken");
}

#[track_caller]
fn is_free(fixture: &Fixture<'_>, handle: &mut Handle<'_>) {
    let pushed = handle.push(&[fixture.keyed("second", "order-1")]);
    assert!(pushed[0].is_added(), "the key is free again, but {pushed:?}");
    assert_eq!(&*handle.take_one().message.name, "second");
}

pub(super) fn a_key_is_taken_while_its_job_waits(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(fixture.keyed("first", "order-1"));
    is_taken(fixture, &mut handle, &id);
    handle.take(1);
    handle.finds_nothing();
}

pub(super) fn a_key_is_taken_while_its_job_is_delayed(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(Message { delay: LONG, ..fixture.keyed("first", "order-1") });
    is_taken(fixture, &mut handle, &id);
}

pub(super) fn a_key_is_taken_while_its_job_is_held(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(fixture.keyed("first", "order-1"));
    handle.take(1);
    is_taken(fixture, &mut handle, &id);
    is_taken(fixture, &mut fixture.handle(), &id);
}

pub(super) fn a_key_is_taken_while_its_job_waits_for_a_retry(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(fixture.keyed("first", "order-1"));
    let job = handle.take_one();
    handle.settle(&job, again());
    is_taken(fixture, &mut handle, &id);
}

pub(super) fn of_two_equal_keys_in_one_push_the_second_is_a_duplicate(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let pushed = handle.push(&[
        fixture.keyed("first", "order-1"),
        fixture.keyed("second", "order-1"),
        fixture.keyed("third", "order-2"),
    ]);
    assert!(pushed[0].is_added() && pushed[2].is_added(), "{pushed:?}");
    assert_eq!(pushed[1], Pushed::Duplicate(pushed[0].id().clone()));
    handle.take(2);
    handle.finds_nothing();
}

/// A push whose answer did not arrive is pushed again under its uuid: that is no duplicate of itself.
pub(super) fn a_job_is_no_duplicate_of_itself(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = fixture.keyed("first", "order-1");
    let id = handle.add(message.clone());
    assert_eq!(handle.push(std::slice::from_ref(&message)), [Pushed::Added(id.clone())]);
    handle.take(1);
    assert_eq!(handle.push(&[message]), [Pushed::Added(id)]);
}

pub(super) fn a_key_is_free_when_its_job_is_done(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(fixture.keyed("first", "order-1"));
    let job = handle.take_one();
    handle.settle(&job, Verdict::Done);
    is_free(fixture, &mut handle);
}

pub(super) fn a_key_is_free_when_its_job_is_buried(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(fixture.keyed("first", "order-1"));
    let job = handle.take_one();
    handle.settle(&job, super::burying::bury());
    is_free(fixture, &mut handle);
}

pub(super) fn a_key_is_free_when_its_job_is_cleared(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(fixture.keyed("first", "order-1"));
    handle.clear();
    is_free(fixture, &mut handle);
    handle.add(Message { delay: Duration::from_secs(60), ..fixture.keyed("third", "order-3") });
    handle.clear();
    handle.add(fixture.keyed("fourth", "order-3"));
}

pub(super) fn keys_that_differ_by_case_or_spaces_are_different(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    for key in ["Order-1", "order-1", "order-1 ", "ordér-1"] {
        handle.add(fixture.keyed(key, key));
    }
    handle.take(4);
}

/// A message with a key, that replaces what waits.
fn newest(fixture: &Fixture<'_>, name: &str) -> Message {
    Message { replaces: true, ..fixture.keyed(name, "order-1") }
}

pub(super) fn the_newest_takes_the_place_of_the_one_that_waits(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let overrides = || Some(Arc::from(r#"{"attempts":7}"#));
    assert!(handle.push(&[newest(fixture, "first")])[0].is_added(), "there is nothing to replace");
    let id = handle.push(&[fixture.keyed("none", "order-1")])[0].id().clone();
    let new = Message {
        payload: Arc::from(*b"{}"),
        overrides: overrides(),
        priority: 3,
        ..newest(fixture, "second")
    };
    assert_eq!(handle.push(std::slice::from_ref(&new)), [Pushed::Replaced(id.clone())]);
    let job = handle.take_one();
    assert_eq!((&job.id, job.attempt), (&id, 1));
    assert_eq!((&job.message.name, &job.message.payload), (&new.name, &new.payload));
    assert_eq!((&job.message.overrides, job.message.priority), (&overrides(), new.priority));
    handle.finds_nothing();
    // Of two in one push the second is the newest.
    handle.settle(&job, Verdict::Done);
    let pushed = handle.push(&[newest(fixture, "third"), newest(fixture, "fourth")]);
    assert!(pushed[0].is_added() && pushed[1] == Pushed::Replaced(pushed[0].id().clone()), "{pushed:?}");
    assert_eq!(&*handle.take_one().message.name, "fourth");
    handle.finds_nothing();
}

pub(super) fn one_that_was_tried_is_replaced_with_no_attempt_used(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(newest(fixture, "first"));
    let job = handle.take_one();
    handle.settle(&job, Verdict::Again { after: LONG, counted: true, error: "no".into() });
    assert_eq!(handle.push(&[newest(fixture, "second")]), [Pushed::Replaced(job.id)]);
    let job = handle.take_one();
    assert_eq!((&*job.message.name, job.attempt, job.last_error.as_deref()), ("second", 1, None));
}

pub(super) fn one_that_is_pushed_again_does_not_replace_itself(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = newest(fixture, "first");
    let id = handle.add(message.clone());
    let job = handle.take_one();
    handle.settle(&job, again());
    assert_eq!(handle.push(&[message]), [Pushed::Added(id)]);
    assert_eq!(handle.take_one().attempt, job.attempt + 1, "nothing was changed");
}

pub(super) fn one_that_is_held_is_not_replaced(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(newest(fixture, "first"));
    let job = handle.take_one();
    assert_eq!(handle.push(&[newest(fixture, "second")]), [Pushed::Duplicate(job.id.clone())]);
    handle.settle(&job, again());
    assert_eq!(&*handle.take_one().message.name, "first");
}

pub(super) fn a_replacement_is_due_when_it_says(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(Message { delay: LONG, ..newest(fixture, "late") });
    handle.push(&[newest(fixture, "now")]);
    let job = handle.take_one();
    assert_eq!(&*job.message.name, "now");
    handle.settle(&job, Verdict::Done);
    handle.add(newest(fixture, "now"));
    handle.push(&[Message { delay: LONG, ..newest(fixture, "late") }]);
    handle.finds_nothing();
}

/// A message whose key is free once it begins.
fn until_start(fixture: &Fixture<'_>, name: &str) -> Message {
    Message { overrides: Some(Arc::from(r#"{"unique_until_start":true}"#)), ..fixture.keyed(name, "order-1") }
}

pub(super) fn a_key_until_the_start_is_taken_while_its_job_waits(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(until_start(fixture, "first"));
    assert_eq!(handle.push(&[until_start(fixture, "second")]), [Pushed::Duplicate(id.clone())]);
    is_taken(fixture, &mut handle, &id);
}

pub(super) fn a_key_until_the_start_is_free_once_its_job_is_handed_out(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(until_start(fixture, "first"));
    handle.add(Message { unique_key: None, ..fixture.job("other") });
    let jobs = handle.take(2);
    let id = handle.add(until_start(fixture, "second"));
    is_taken(fixture, &mut handle, &id);
    // What was begun is settled as ever.
    handle.settle(&jobs[0], again());
    handle.settle(&jobs[1], Verdict::Done);
    let mut names: Vec<_> = handle.take(2).iter().map(|job| job.message.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["first", "second"]);
}

/// The first job ends while the second one has the key.
pub(super) fn a_key_that_was_let_go_stays_with_its_next_job(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(until_start(fixture, "first"));
    let job = handle.take_one();
    let id = handle.add(fixture.keyed("second", "order-1"));
    handle.settle(&job, Verdict::Done);
    is_taken(fixture, &mut handle, &id);
}
