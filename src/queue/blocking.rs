//! `blocking = true`: a job runs in the thread that pushes it, so that a debugger stops in `handle`.
//!
//! All attempts are made at once; a delay and the waits between attempts are left out, as the caller
//! would have to sit through them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::drivers::ConfiguredDriver;
use super::inner::QueueInner;
use crate::context::RunEnv;
use crate::error::{Error, Result};
use crate::failed::Failure;
use crate::message::{JobId, Message, Pushed};
use crate::policy::Judgement;
use crate::reserved::{Receipt, Reserved};
use crate::runner::{Finished, Task, call_hook, run_job};
use crate::time;

/// Nobody competes for a job that was never queued.
const FOR_EVER: Duration = Duration::MAX;

/// Runs each job to its end. The first one that is dead makes the push an error; the others still run.
pub(super) fn run_all(
    inner: &QueueInner,
    configured: &ConfiguredDriver,
    messages: Vec<Message>,
) -> Result<Vec<Pushed>> {
    let mut pushed = Vec::with_capacity(messages.len());
    let mut first_error = None;
    for message in messages {
        if !message.delay.is_zero() {
            log::info!("{}: its delay is ignored, as the driver is blocking", message.name);
        }
        match run(inner, configured, message) {
            Ok(id) => pushed.push(Pushed::Added(id)),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    first_error.map_or(Ok(pushed), Err)
}

fn run(inner: &QueueInner, configured: &ConfiguredDriver, message: Message) -> Result<JobId> {
    let Some(job_type) = inner.job_types.get(&*message.name) else {
        return Err(Error::not_found(format!("no job named \"{}\" is registered", message.name))
            .with_help("add it with Jobs::add"));
    };
    let settings = &inner.config.memory.settings;
    let policy = settings.policy();
    let limits = policy.limits_for(message.overrides.as_deref(), &job_type.limits());
    let run_env = Arc::new(inner.run_env(&configured.name, Arc::default()));
    let mut attempt = 0;
    loop {
        attempt += 1;
        let job = reserved(message.clone(), attempt);
        let task = Arc::new(Task::new(job, limits.clone(), Some(job_type.clone())));
        let Finished::Ran(task, outcome, _) = run_job(task, &settings.callback, &run_env) else {
            return Err(Error::unavailable(format!("{} could not be run now", message.name))
                .with_help("see the log for what this process lacks, and push it again"));
        };
        let exception = match policy.judge(attempt, &outcome, &limits, 0.0) {
            Judgement::Done => return Ok(task.job.id.clone()),
            Judgement::Again { counted: true, .. } => continue,
            Judgement::Again { error, .. } => {
                format!("{error} (it wants to run later, which a blocking driver can't wait for)")
            }
            Judgement::Bury { exception } => exception,
        };
        return Err(bury(configured, &task, &run_env, &exception));
    }
}

/// Keeps a dead job with the failed jobs, and calls its hook.
fn bury(configured: &ConfiguredDriver, task: &Task, run_env: &Arc<RunEnv>, exception: &str) -> Error {
    let failure = Failure::now(&configured.name, &configured.connection, exception);
    let name = &task.job.message.name;
    let place = configured.failed.of_worker(&configured.name);
    let kept =
        place.and_then(|place| place.map(|place| place.open()?.record(&task.job, &failure)).transpose());
    if let Err(error) = kept {
        log::warn!("cannot keep {name} with the failed jobs: {error}");
    }
    call_hook(task, exception.to_owned(), run_env);
    Error::job_failed(format!(
        "{name} failed in attempt {} of {}: {exception}",
        task.job.attempt, task.limits.attempts
    ))
}

fn reserved(message: Message, attempt: u32) -> Reserved {
    let (id, held_until) = (JobId::Text(message.uuid.clone()), time::after(Instant::now(), FOR_EVER));
    let reserved = Reserved::new(id, message, attempt, Receipt(0, 0), held_until);
    Reserved { due_for: Some(Duration::ZERO), ..reserved }
}
