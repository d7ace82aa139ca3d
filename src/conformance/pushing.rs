//! What is pushed is kept, once, and comes back as it was.

use std::sync::Arc;

use super::stage::Stage;
use crate::driver::{Suspects, Verdict, Want};
use crate::message::{Message, NAME_LIMIT, Pushed, new_uuid};

pub(super) fn answers_come_in_order(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let pushed = hand.push(&["a", "b", "c"].map(|name| stage.job(name)));
    assert!(pushed.iter().all(Pushed::is_added), "all are added: {pushed:?}");
    for job in hand.take(3) {
        let index = ["a", "b", "c"].iter().position(|name| *name == &*job.message.name);
        let index = index.expect("only what was pushed is taken");
        assert_eq!(pushed[index].id(), &job.id, "answer {index} is the id of job {index}");
    }
}

pub(super) fn an_empty_push_adds_nothing(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    assert_eq!(hand.push(&[]), []);
    hand.finds_nothing();
}

pub(super) fn a_pushed_job_outlives_the_handle_that_pushed_it(stage: &Stage<'_>) {
    let mut pusher = stage.hand();
    let id = pusher.add(stage.job("a"));
    drop(pusher);
    assert_eq!(stage.hand().take_one().id, id);
}

pub(super) fn every_field_comes_back(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = Message {
        priority: if stage.can().priorities { 7 } else { 0 },
        unique_key: stage.keyed("", "order-1").unique_key.filter(|_| stage.can().unique_keys),
        overrides: Some(Arc::from(r#"{"attempts":5}"#)),
        ..stage.job("Rechnung, die „neue“ 😀")
    };
    let id = hand.add(message.clone());
    let job = hand.take_one();
    assert_eq!(job.id, id, "the id");
    assert_eq!(Message { delay: message.delay, ..job.message }, message);
    assert_eq!(job.attempt, 1, "the attempt");
    assert!(!job.suspect, "a job that nobody held is no suspect");
    assert_eq!((job.unknown_for, job.last_error), (None, None));
}

pub(super) fn a_payload_of_a_mebibyte_comes_back_byte_for_byte(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let text = format!(r#"{{"text":"{}"}}"#, "\u{1F980}\\u0000é".repeat(1_024 * 1_024 / 12));
    let payload: Arc<[u8]> = Arc::from(text.as_bytes());
    hand.add(Message { payload: payload.clone(), ..stage.job("large") });
    let back = hand.take_one().message.payload;
    // assert_eq would print both.
    assert!(back == payload, "{} bytes were pushed, {} others came back", payload.len(), back.len());
}

pub(super) fn names_may_have_255_bytes_of_any_text(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let fill = |text: &str| {
        let left = NAME_LIMIT - text.len();
        format!("{text}{}{}", "é".repeat(left / 2), "x".repeat(left % 2))
    };
    let queues = [fill(&stage.queue)];
    let message = Message { queue: Arc::from(queues[0].as_str()), ..stage.job(&fill("a")) };
    hand.add(message.clone());
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: super::stage::LONG };
    let job = stage.wait_for("a job with a long name", || hand.reserve(&want).jobs.pop());
    assert_eq!((job.message.name, job.message.queue), (message.name, message.queue));
}

pub(super) fn the_same_uuid_pushed_twice_adds_once(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = stage.job("a");
    let first = hand.push(std::slice::from_ref(&message));
    assert_eq!(hand.push(&[message]), first, "it counts as added, under the same id");
    hand.take(1);
    hand.finds_nothing();
}

pub(super) fn the_same_uuid_twice_in_one_push_adds_once(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let (a, b) = (stage.job("a"), stage.job("b"));
    let pushed = hand.push(&[a.clone(), b, a]);
    assert!(pushed.iter().all(Pushed::is_added), "both count as added: {pushed:?}");
    assert_eq!(pushed[0], pushed[2], "under the same id");
    hand.take(2);
    hand.finds_nothing();
}

pub(super) fn a_push_of_some_that_are_there_adds_the_others(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let (a, b, c) = (stage.job("a"), stage.job("b"), stage.job("c"));
    let first = hand.push(&[a, b.clone()]);
    let second = hand.push(&[b, c]);
    assert_eq!(second[0], first[1], "it counts as added, under the same id");
    assert!(second[1].is_added(), "{second:?}");
    hand.take(3);
    hand.finds_nothing();
}

pub(super) fn the_uuid_of_a_held_job_adds_nothing(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = stage.job("a");
    let id = hand.add(message.clone());
    hand.take(1);
    assert_eq!(hand.push(&[message]), [Pushed::Added(id)]);
    hand.finds_nothing();
}

/// A retry of a failed job pushes it under its uuid.
pub(super) fn the_uuid_of_a_job_that_is_done_can_be_pushed_again(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = stage.job("a");
    hand.add(message.clone());
    let job = hand.take_one();
    hand.settle(&job, Verdict::Done);
    hand.add(message.clone());
    assert_eq!(hand.take_one().message.uuid, message.uuid);
}

pub(super) fn ids_are_never_used_again(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let mut ids = Vec::new();
    for round in 0..4 {
        let id = hand.add(Message { uuid: new_uuid(), ..stage.job("a") });
        assert!(!ids.contains(&id), "id {id} was used before: {ids:?}");
        ids.push(id);
        match round % 2 {
            0 => drop(hand.clear()),
            _ => {
                let job = hand.take_one();
                hand.settle(&job, Verdict::Done);
            }
        }
    }
}
