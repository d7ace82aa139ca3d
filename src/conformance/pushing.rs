//! What is pushed is kept, once, and comes back as it was.

use std::sync::Arc;

use super::fixture::Fixture;
use crate::driver::{Suspects, Verdict, Want};
use crate::message::{Message, NAME_LIMIT, Pushed, new_uuid};

pub(super) fn answers_come_in_order(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let pushed = handle.push(&["a", "b", "c"].map(|name| fixture.job(name)));
    assert!(pushed.iter().all(Pushed::is_added), "all are added: {pushed:?}");
    for job in handle.take(3) {
        let index = ["a", "b", "c"].iter().position(|name| *name == &*job.message.name);
        let index = index.expect("only what was pushed is taken");
        assert_eq!(pushed[index].id(), &job.id, "answer {index} is the id of job {index}");
    }
}

pub(super) fn an_empty_push_adds_nothing(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    assert_eq!(handle.push(&[]), []);
    handle.finds_nothing();
}

pub(super) fn a_pushed_job_outlives_the_handle_that_pushed_it(fixture: &Fixture<'_>) {
    let mut batcher = fixture.handle();
    let id = batcher.add(fixture.job("a"));
    drop(batcher);
    assert_eq!(fixture.handle().take_one().id, id);
}

pub(super) fn every_field_comes_back(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = Message {
        priority: if fixture.can().priorities { 7 } else { 0 },
        unique_key: fixture.keyed("", "order-1").unique_key.filter(|_| fixture.can().unique_keys),
        overrides: Some(Arc::from(r#"{"attempts":5}"#)),
        ..fixture.job("Rechnung, die „neue“ 😀")
    };
    let id = handle.add(message.clone());
    let job = handle.take_one();
    assert_eq!(job.id, id, "the id");
    assert_eq!(Message { delay: message.delay, ..job.message }, message);
    assert_eq!(job.attempt, 1, "the attempt");
    assert!(!job.suspect, "a job that nobody held is no suspect");
    assert_eq!((job.unknown_for, job.last_error), (None, None));
}

pub(super) fn a_payload_of_a_mebibyte_comes_back_byte_for_byte(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let text = format!(r#"{{"text":"{}"}}"#, "\u{1F980}\\u0000é".repeat(1_024 * 1_024 / 12));
    let payload: Arc<[u8]> = Arc::from(text.as_bytes());
    handle.add(Message { payload: payload.clone(), ..fixture.job("large") });
    let back = handle.take_one().message.payload;
    // assert_eq would print both.
    assert!(back == payload, "{} bytes were pushed, {} others came back", payload.len(), back.len());
}

pub(super) fn names_may_have_255_bytes_of_any_text(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let fill = |text: &str| {
        let left = NAME_LIMIT - text.len();
        format!("{text}{}{}", "é".repeat(left / 2), "x".repeat(left % 2))
    };
    let queues = [fill(&fixture.queue)];
    let message = Message { queue: Arc::from(queues[0].as_str()), ..fixture.job(&fill("a")) };
    handle.add(message.clone());
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: super::fixture::LONG };
    let job = fixture.wait_for("a job with a long name", || handle.reserve(&want).jobs.pop());
    assert_eq!((job.message.name, job.message.queue), (message.name, message.queue));
}

pub(super) fn the_same_uuid_pushed_twice_adds_once(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = fixture.job("a");
    let first = handle.push(std::slice::from_ref(&message));
    assert_eq!(handle.push(&[message]), first, "it counts as added, under the same id");
    handle.take(1);
    handle.finds_nothing();
}

pub(super) fn the_same_uuid_twice_in_one_push_adds_once(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let (a, b) = (fixture.job("a"), fixture.job("b"));
    let pushed = handle.push(&[a.clone(), b, a]);
    assert!(pushed.iter().all(Pushed::is_added), "both count as added: {pushed:?}");
    assert_eq!(pushed[0], pushed[2], "under the same id");
    handle.take(2);
    handle.finds_nothing();
}

pub(super) fn a_push_of_some_that_are_there_adds_the_others(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let (a, b, c) = (fixture.job("a"), fixture.job("b"), fixture.job("c"));
    let first = handle.push(&[a, b.clone()]);
    let second = handle.push(&[b, c]);
    assert_eq!(second[0], first[1], "it counts as added, under the same id");
    assert!(second[1].is_added(), "{second:?}");
    handle.take(3);
    handle.finds_nothing();
}

pub(super) fn the_uuid_of_a_held_job_adds_nothing(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = fixture.job("a");
    let id = handle.add(message.clone());
    handle.take(1);
    assert_eq!(handle.push(&[message]), [Pushed::Added(id)]);
    handle.finds_nothing();
}

/// A retry of a failed job pushes it under its uuid.
pub(super) fn the_uuid_of_a_job_that_is_done_can_be_pushed_again(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = fixture.job("a");
    handle.add(message.clone());
    let job = handle.take_one();
    handle.settle(&job, Verdict::Done);
    handle.add(message.clone());
    assert_eq!(handle.take_one().message.uuid, message.uuid);
}

pub(super) fn ids_are_never_used_again(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let mut ids = Vec::new();
    for round in 0..4 {
        let id = handle.add(Message { uuid: new_uuid(), ..fixture.job("a") });
        assert!(!ids.contains(&id), "id {id} was used before: {ids:?}");
        ids.push(id);
        match round % 2 {
            0 => drop(handle.clear()),
            _ => {
                let job = handle.take_one();
                handle.settle(&job, Verdict::Done);
            }
        }
    }
}
