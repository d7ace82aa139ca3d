//! Single jobs are shown as they are, and cancelled while nobody holds them.

use std::sync::Arc;

use super::stage::{Hand, LONG, Stage, must};
use crate::driver::{Cancelled, JobDetails, JobFilter, JobState, QueuedJob};
use crate::message::{JobId, Message};

#[track_caller]
fn list(hand: &mut Hand<'_>, filter: &JobFilter<'_>) -> Vec<QueuedJob> {
    must("list the jobs", hand.driver().jobs(filter))
}

#[track_caller]
fn show(hand: &mut Hand<'_>, id: &JobId) -> Option<JobDetails> {
    must("show a job", hand.driver().job(id))
}

#[track_caller]
fn cancel(hand: &mut Hand<'_>, ids: &[JobId]) -> Vec<Cancelled> {
    let answers = must("cancel jobs", hand.driver().cancel(ids));
    assert_eq!(answers.len(), ids.len(), "it is answered once for each id");
    answers
}

fn of<'a>(stage: &'a Stage<'_>) -> JobFilter<'a> {
    JobFilter { queue: Some(&stage.queue), ..JobFilter::default() }
}

fn names(jobs: &[QueuedJob]) -> Vec<&str> {
    jobs.iter().map(|job| &*job.name).collect()
}

/// Adds one that is held, one that waits, and one that is delayed.
fn one_of_each(stage: &Stage<'_>, hand: &mut Hand<'_>) -> [JobId; 3] {
    let held = hand.add(stage.job("held"));
    hand.take(1);
    let waiting = hand.add(Message { priority: 3, ..stage.job("waiting") });
    let delayed = hand.add(Message { delay: LONG, ..stage.job("delayed") });
    [held, waiting, delayed]
}

pub(super) fn jobs_are_shown_by_id_with_what_they_do(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let ids = one_of_each(stage, &mut hand);
    let shown = list(&mut hand, &of(stage));
    assert_eq!(names(&shown), ["held", "waiting", "delayed"]);
    assert_eq!(shown.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids);
    let states: Vec<_> =
        shown.iter().map(|job| (job.state, job.attempts, job.hold_ends_in_ms.is_some())).collect();
    let expected =
        [(JobState::Running, 1, true), (JobState::Waiting, 0, false), (JobState::Delayed, 0, false)];
    assert_eq!(states, expected);
    assert_eq!((shown[1].priority, &shown[1].queue), (3, &stage.queue));
    assert!(shown[1].due_in_ms.is_some_and(|due_in| due_in <= 0), "it is due: {:?}", shown[1]);
    let long = i64::try_from(LONG.as_millis()).unwrap_or(i64::MAX);
    assert!(shown[2].due_in_ms.is_some_and(|due_in| due_in > long / 2 && due_in <= long), "{:?}", shown[2]);
}

pub(super) fn a_filter_shows_what_it_names(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    one_of_each(stage, &mut hand);
    hand.add(Message { queue: Arc::from(stage.other_queue.as_str()), ..stage.job("other") });
    for (state, name) in
        [(JobState::Running, "held"), (JobState::Waiting, "waiting"), (JobState::Delayed, "delayed")]
    {
        let shown = list(&mut hand, &JobFilter { state: Some(state), ..of(stage) });
        assert_eq!(names(&shown), [name], "of those that are {}", state.as_str());
        let shown = list(&mut hand, &JobFilter { job: Some(name), ..of(stage) });
        assert_eq!(names(&shown), [name]);
    }
    let shown = list(&mut hand, &JobFilter { queue: Some(&stage.other_queue), ..JobFilter::default() });
    assert_eq!(names(&shown), ["other"]);
    let shown =
        list(&mut hand, &JobFilter { job: Some("held"), state: Some(JobState::Waiting), ..of(stage) });
    assert_eq!(names(&shown), [""; 0], "both must hold");
}

pub(super) fn names_and_queues_that_differ_by_case_or_spaces_are_told_apart(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let spaced = format!("{} ", stage.queue);
    for (queue, name) in [(&stage.queue, "a"), (&stage.queue, "A"), (&stage.queue, "a "), (&spaced, "a")] {
        hand.add(Message { queue: Arc::from(queue.as_str()), ..stage.job(name) });
    }
    assert_eq!(names(&list(&mut hand, &JobFilter { job: Some("a"), ..of(stage) })), ["a"]);
    assert_eq!(names(&list(&mut hand, &JobFilter { job: Some("a "), ..of(stage) })), ["a "]);
}

pub(super) fn pages_follow_each_other(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let all = ["a", "b", "c", "d", "e"];
    hand.add_each(&all);
    let mut seen: Vec<QueuedJob> = Vec::new();
    loop {
        let after = seen.last().map(|job| job.id.clone());
        let page = list(&mut hand, &JobFilter { after: after.as_ref(), limit: 2, ..of(stage) });
        assert!(page.len() <= 2, "no more than asked for: {page:?}");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(names(&seen), all);
}

pub(super) fn a_job_is_shown_with_its_payload_by_its_id_and_its_uuid(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = Message { overrides: Some(Arc::from("{\"attempts\":5}")), ..stage.keyed("a", "k") };
    let id = hand.add(message.clone());
    let shown = show(&mut hand, &id).expect("it waits");
    assert_eq!(shown.payload.as_bytes(), &*message.payload);
    assert_eq!((&*shown.job.uuid, &shown.job.id), (&*message.uuid, &id));
    assert_eq!(shown.options.as_deref(), message.overrides.as_deref());
    assert_eq!(shown.unique_key.as_deref(), message.unique_key.as_deref());
    assert_eq!(show(&mut hand, &JobId::Text(message.uuid)).map(|shown| shown.job.id), Some(id));
    for other in [JobId::Number(i64::MAX), JobId::Text("none".into())] {
        assert_eq!(show(&mut hand, &other), None);
    }
}

pub(super) fn what_is_shown_can_be_taken_as_before(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(stage.job("a"));
    list(&mut hand, &of(stage));
    show(&mut hand, &id);
    let job = hand.take_one();
    assert_eq!((&job.id, job.attempt), (&id, 1));
}

pub(super) fn a_cancelled_job_is_gone(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let (waiting, other) = (hand.add(stage.job("waiting")), hand.add(stage.job("other")));
    let message = Message { delay: LONG, ..stage.job("delayed") };
    let uuid = JobId::Text(message.uuid.clone());
    hand.add(message);
    assert_eq!(cancel(&mut hand, &[waiting.clone(), uuid]), [Cancelled::Removed; 2]);
    assert_eq!(list(&mut hand, &of(stage)).len(), 1, "only the other one waits");
    assert_eq!(cancel(&mut hand, &[waiting]), [Cancelled::Unknown], "it is gone");
    assert_eq!(hand.take_one().id, other);
    hand.finds_nothing();
}

pub(super) fn a_held_job_is_not_cancelled(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let [held, waiting, _] = one_of_each(stage, &mut hand);
    let ids = [held.clone(), JobId::Number(i64::MAX), waiting];
    assert_eq!(cancel(&mut hand, &ids), [Cancelled::Held, Cancelled::Unknown, Cancelled::Removed]);
    assert!(show(&mut hand, &held).is_some(), "it stays");
}

pub(super) fn a_key_is_free_when_its_job_is_cancelled(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let id = hand.add(stage.keyed("a", "k"));
    assert_eq!(cancel(&mut hand, &[id]), [Cancelled::Removed]);
    hand.add(stage.keyed("b", "k"));
}
