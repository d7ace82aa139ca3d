//! Runs a job, or its hook, in this thread.

use std::sync::Arc;
use std::time::Instant;

use super::task::Task;
use super::work::{Finished, Work};
use crate::context::{RunEnv, inside_a_job};
use crate::job::JobError;

/// Runs a job, or calls its hook.
pub(super) fn perform(work: Work, callback: &str, run_env: &Arc<RunEnv>) -> Finished {
    match work {
        Work::Run(task) => run_job(task, callback, run_env),
        Work::Hook(task, error) => {
            call_hook(&task, error, run_env);
            Finished::Hooked
        }
    }
}

/// Runs a job in this thread.
pub(crate) fn run_job(task: Arc<Task>, callback: &str, run_env: &Arc<RunEnv>) -> Finished {
    let begun = Instant::now();
    if task.hold.is_over(begun) {
        return Finished::too_late(task);
    }
    task.begin(begun);
    let Some(job_type) = &task.job_type else { return Finished::too_late(task) };
    let context = task.context(run_env);
    let outcome = match inside_a_job(|| job_type.run(&task.job.message.payload, callback, &context)) {
        Ok(outcome) => outcome,
        Err(not_run) => return Finished::NotRun(task, not_run),
    };
    let took = begun.elapsed();
    let outcome = task.limits.in_time(outcome, took);
    Finished::Ran(task, outcome, took)
}

/// Calls the hook `failed` of a job.
pub(crate) fn call_hook(task: &Task, error: String, run_env: &Arc<RunEnv>) {
    if let Some(job_type) = &task.job_type {
        let (error, context) = (JobError::new(error), task.context(run_env));
        let called = inside_a_job(|| job_type.failed(&task.job.message.payload, &error, &context));
        if let Err(why) = called {
            log_hook(task, &why);
        }
    }
}

/// Logs what went wrong with a hook. It changes nothing for its job.
pub(super) fn log_hook(task: &Task, why: &str) {
    log::warn!("the hook `failed` of {} #{}: {why}", task.job.message.name, task.job.id);
}
