//! How a failed job gets back to its queue: in one transaction, or marked, pushed and forgotten.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::drivers::ConfiguredDriver;
use super::inner::QueueInner;
use crate::driver::JobState;
use crate::error::Result;
use crate::failed::{FailedJob, FailedJobs};
use crate::message::{JobId, Message, PRIORITY_LIMIT, Pushed};
use crate::payload;

/// What a retry did with a failed job.
pub(super) enum Moved {
    To(Pushed),
    /// Nothing: a worker has it.
    Held,
    /// Nothing: another retry has it.
    No,
}

pub(super) const STILL_HELD: &str = "its worker has not let go of it yet: retry it again in a moment";

/// How long a worker is waited for that has recorded a failed job and not settled it yet.
const PATIENCE: Duration = Duration::from_secs(1);

const PAUSE: Duration = Duration::from_millis(20);

/// Answers for each, in order.
pub(super) fn move_back(
    inner: &QueueInner,
    configured: &ConfiguredDriver,
    open: &mut dyn FailedJobs,
    jobs: Vec<(JobId, Message)>,
) -> Result<Vec<Moved>> {
    match open.put_back(&jobs)? {
        Some(answers) => Ok(answers.into_iter().map(|answer| answer.map_or(Moved::No, Moved::To)).collect()),
        None => push_marked(inner, configured, open, jobs),
    }
}

/// Failed jobs and jobs are stored in different places: mark, push, forget what is still marked.
fn push_marked(
    inner: &QueueInner,
    configured: &ConfiguredDriver,
    open: &mut dyn FailedJobs,
    jobs: Vec<(JobId, Message)>,
) -> Result<Vec<Moved>> {
    let ids: Vec<_> = jobs.iter().map(|(id, _)| id.clone()).collect();
    let ours = open.mark(&ids)?;
    let marked: Vec<_> = jobs.into_iter().filter(|(id, _)| ours.contains(id)).collect();
    let in_hand = match wait_for_holds(configured, &marked) {
        Ok(in_hand) => in_hand,
        Err(error) => return open.unmark(&ours).and(Err(error)),
    };
    let (held, free): (Vec<_>, Vec<_>) =
        marked.into_iter().partition(|(_, message)| in_hand.contains(&*message.uuid));
    let (sent, messages): (Vec<_>, Vec<_>) = free.into_iter().unzip();
    let pushed = inner.send(configured, messages);
    if pushed.as_ref().is_err_and(|error| error.is_invalid() || error.is_unsupported()) {
        open.unmark(&ours)?;
    }
    let mut answers: HashMap<_, _> = sent.into_iter().zip(pushed?).collect();
    let (moved, stay): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|id| answers.get(id).is_some_and(Pushed::is_added));
    open.forget_marked(&moved)?;
    if !stay.is_empty() {
        // Those whose unique key another job has, and those that are held, stay for the next retry.
        open.unmark(&stay)?;
    }
    let answer = |id: &JobId| match answers.remove(id) {
        Some(pushed) => Moved::To(pushed),
        None if held.iter().any(|(other, _)| other == id) => Moved::Held,
        None => Moved::No,
    };
    Ok(ids.iter().map(answer).collect())
}

/// A worker records a failed job before it settles it. A push of its uuid between the two adds nothing, as the job is
/// there, and then the settle removes it: so those that a worker has are waited for, and answered where that takes
/// long. A driver that shows no jobs and knows their uuids can't be asked.
fn wait_for_holds(configured: &ConfiguredDriver, jobs: &[(JobId, Message)]) -> Result<HashSet<Arc<str>>> {
    if jobs.is_empty() {
        return Ok(HashSet::new());
    }
    let deadline = Instant::now() + PATIENCE;
    let mut driver = configured.open()?;
    let mut held: HashSet<_> = jobs.iter().map(|(_, message)| message.uuid.clone()).collect();
    loop {
        for uuid in Vec::from_iter(held.iter().cloned()) {
            match driver.job(&JobId::Text(uuid.clone())) {
                Err(error) if error.is_unsupported() => return Ok(HashSet::new()),
                Err(error) => return Err(error),
                Ok(Some(found)) if found.job.state == JobState::Running => {}
                Ok(_) => drop(held.remove(&uuid)),
            }
        }
        if held.is_empty() || Instant::now() >= deadline {
            return Ok(held);
        }
        std::thread::sleep(PAUSE);
    }
}

/// The job to push, on its own queue or another one, with its own payload or another one.
pub(super) fn message(failed: &FailedJob, onto: Option<&str>, payload: Option<&str>) -> Message {
    let (priority, unique_key) = failed.overrides.as_deref().map(of_columns).unwrap_or_default();
    Message {
        uuid: failed.uuid.as_str().into(),
        name: failed.name.as_str().into(),
        queue: onto.unwrap_or(&failed.queue).into(),
        payload: match payload {
            Some(payload) => payload.as_bytes().into(),
            None => payload::from_text(&failed.payload).into(),
        },
        delay: Duration::ZERO,
        priority,
        unique_key,
        replaces: false,
        overrides: failed.overrides.as_deref().map(Arc::from),
    }
}

/// The priority and the unique key among the options of a failed job, which any program may have written: what is none
/// is left out, and a priority that is too high is the highest.
fn of_columns(options: &str) -> (u8, Option<Arc<str>>) {
    let Ok(options) = serde_json::from_str::<serde_json::Value>(options) else { return (0, None) };
    let priority = options["priority"].as_u64().unwrap_or(0).min(PRIORITY_LIMIT.into());
    let unique_key = options["unique_key"].as_str().filter(|key| !key.is_empty());
    // It is at most 9.
    (u8::try_from(priority).unwrap_or(PRIORITY_LIMIT), unique_key.map(Arc::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_failed_job_are_read_leniently() {
        let table = [
            (r#"{"priority":7,"unique_key":"k"}"#, 7, Some("k")),
            (r#"{"priority":10,"unique_key":5}"#, 9, None),
            (r#"{"priority":-1,"unique_key":""}"#, 0, None),
            (r#"{"priority":1e300,"unique_key":null}"#, 0, None),
            (r#"{"priority":"7","attempts":0,"else":[]}"#, 0, None),
            ("[]", 0, None),
            ("7", 0, None),
            ("{not json", 0, None),
            ("", 0, None),
        ];
        for (options, priority, key) in table {
            let (read, unique_key) = of_columns(options);
            assert_eq!((read, unique_key.as_deref()), (priority, key), "{options}");
        }
    }
}
