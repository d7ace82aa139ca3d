//! Single jobs are shown as they are, and cancelled while nobody holds them.

use std::sync::Arc;

use super::fixture::{Fixture, LONG, must};
use super::handle::Handle;
use crate::driver::{Cancelled, JobDetails, JobFilter, JobState, QueuedJob};
use crate::message::{JobId, Message};

#[track_caller]
fn list(handle: &mut Handle<'_>, filter: &JobFilter<'_>) -> Vec<QueuedJob> {
    must("list the jobs", handle.driver().jobs(filter))
}

#[track_caller]
fn show(handle: &mut Handle<'_>, id: &JobId) -> Option<JobDetails> {
    must("show a job", handle.driver().job(id))
}

#[track_caller]
fn cancel(handle: &mut Handle<'_>, ids: &[JobId]) -> Vec<Cancelled> {
    let answers = must("cancel jobs", handle.driver().cancel(ids));
    assert_eq!(answers.len(), ids.len(), "it is answered once for each id");
    answers
}

fn of<'a>(fixture: &'a Fixture<'_>) -> JobFilter<'a> {
    JobFilter { queue: Some(&fixture.queue), ..JobFilter::default() }
}

fn names(jobs: &[QueuedJob]) -> Vec<&str> {
    jobs.iter().map(|job| &*job.name).collect()
}

/// Adds one that is held, one that waits, and one that is delayed.
fn one_of_each(fixture: &Fixture<'_>, handle: &mut Handle<'_>) -> [JobId; 3] {
    let held = handle.add(fixture.job("held"));
    handle.take(1);
    let waiting = handle.add(Message { priority: 3, ..fixture.job("waiting") });
    let delayed = handle.add(Message { delay: LONG, ..fixture.job("delayed") });
    [held, waiting, delayed]
}

pub(super) fn jobs_are_shown_by_id_with_what_they_do(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let ids = one_of_each(fixture, &mut handle);
    let shown = list(&mut handle, &of(fixture));
    assert_eq!(names(&shown), ["held", "waiting", "delayed"]);
    assert_eq!(shown.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids);
    let states: Vec<_> =
        shown.iter().map(|job| (job.state, job.attempts, job.hold_ends_in_ms.is_some())).collect();
    let expected =
        [(JobState::Running, 1, true), (JobState::Waiting, 0, false), (JobState::Delayed, 0, false)];
    assert_eq!(states, expected);
    assert_eq!((shown[1].priority, &shown[1].queue), (3, &fixture.queue));
    assert!(shown[1].due_in_ms.is_some_and(|due_in| due_in <= 0), "it is due: {:?}", shown[1]);
    let long = i64::try_from(LONG.as_millis()).unwrap_or(i64::MAX);
    assert!(shown[2].due_in_ms.is_some_and(|due_in| due_in > long / 2 && due_in <= long), "{:?}", shown[2]);
}

pub(super) fn a_filter_shows_what_it_names(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    one_of_each(fixture, &mut handle);
    handle.add(Message { queue: Arc::from(fixture.other_queue.as_str()), ..fixture.job("other") });
    for (state, name) in
        [(JobState::Running, "held"), (JobState::Waiting, "waiting"), (JobState::Delayed, "delayed")]
    {
        let shown = list(&mut handle, &JobFilter { state: Some(state), ..of(fixture) });
        assert_eq!(names(&shown), [name], "of those that are {}", state.as_str());
        let shown = list(&mut handle, &JobFilter { job: Some(name), ..of(fixture) });
        assert_eq!(names(&shown), [name]);
    }
    let shown = list(&mut handle, &JobFilter { queue: Some(&fixture.other_queue), ..JobFilter::default() });
    assert_eq!(names(&shown), ["other"]);
    let shown =
        list(&mut handle, &JobFilter { job: Some("held"), state: Some(JobState::Waiting), ..of(fixture) });
    assert_eq!(names(&shown), [""; 0], "both must hold");
}

pub(super) fn names_and_queues_that_differ_by_case_or_spaces_are_told_apart(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let spaced = format!("{} ", fixture.queue);
    for (queue, name) in
        [(&fixture.queue, "a"), (&fixture.queue, "A"), (&fixture.queue, "a "), (&spaced, "a")]
    {
        handle.add(Message { queue: Arc::from(queue.as_str()), ..fixture.job(name) });
    }
    assert_eq!(names(&list(&mut handle, &JobFilter { job: Some("a"), ..of(fixture) })), ["a"]);
    assert_eq!(names(&list(&mut handle, &JobFilter { job: Some("a "), ..of(fixture) })), ["a "]);
}

pub(super) fn pages_follow_each_other(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let all = ["a", "b", "c", "d", "e"];
    handle.add_each(&all);
    let mut seen: Vec<QueuedJob> = Vec::new();
    loop {
        let after = seen.last().map(|job| job.id.clone());
        let page = list(&mut handle, &JobFilter { after: after.as_ref(), limit: 2, ..of(fixture) });
        assert!(page.len() <= 2, "no more than asked for: {page:?}");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(names(&seen), all);
}

pub(super) fn a_job_is_shown_with_its_payload_by_its_id_and_its_uuid(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = Message { overrides: Some(Arc::from("{\"attempts\":5}")), ..fixture.keyed("a", "k") };
    let id = handle.add(message.clone());
    let shown = show(&mut handle, &id).expect("it waits");
    assert_eq!(shown.payload.as_bytes(), &*message.payload);
    assert_eq!((&*shown.job.uuid, &shown.job.id), (&*message.uuid, &id));
    assert_eq!(shown.options.as_deref(), message.overrides.as_deref());
    assert_eq!(shown.unique_key.as_deref(), message.unique_key.as_deref());
    assert_eq!(show(&mut handle, &JobId::Text(message.uuid)).map(|shown| shown.job.id), Some(id));
    for other in [JobId::Number(i64::MAX), JobId::Text("none".into())] {
        assert_eq!(show(&mut handle, &other), None);
    }
}

pub(super) fn what_is_shown_can_be_taken_as_before(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(fixture.job("a"));
    list(&mut handle, &of(fixture));
    show(&mut handle, &id);
    let job = handle.take_one();
    assert_eq!((&job.id, job.attempt), (&id, 1));
}

pub(super) fn a_cancelled_job_is_gone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let (waiting, other) = (handle.add(fixture.job("waiting")), handle.add(fixture.job("other")));
    let message = Message { delay: LONG, ..fixture.job("delayed") };
    let uuid = JobId::Text(message.uuid.clone());
    handle.add(message);
    assert_eq!(cancel(&mut handle, &[waiting.clone(), uuid]), [Cancelled::Removed; 2]);
    assert_eq!(list(&mut handle, &of(fixture)).len(), 1, "only the other one waits");
    assert_eq!(cancel(&mut handle, &[waiting]), [Cancelled::Unknown], "it is gone");
    assert_eq!(handle.take_one().id, other);
    handle.finds_nothing();
}

pub(super) fn a_held_job_is_not_cancelled(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let [held, waiting, _] = one_of_each(fixture, &mut handle);
    let ids = [held.clone(), JobId::Number(i64::MAX), waiting];
    assert_eq!(cancel(&mut handle, &ids), [Cancelled::Held, Cancelled::Unknown, Cancelled::Removed]);
    assert!(show(&mut handle, &held).is_some(), "it stays");
}

pub(super) fn a_key_is_free_when_its_job_is_cancelled(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let id = handle.add(fixture.keyed("a", "k"));
    assert_eq!(cancel(&mut handle, &[id]), [Cancelled::Removed]);
    handle.add(fixture.keyed("b", "k"));
}
