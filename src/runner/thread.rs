//! Jobs in threads of this process. A thread cannot be killed, so a timeout here is a request: the job
//! sees it in its [`Context`](crate::Context), and whenever it ends it counts as timed out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::{Finished, Runner, Task, Tell, Work};
use crate::context::{Surroundings, inside_a_job};
use crate::error::{Error, Result};
use crate::job::JobError;
use crate::policy::Outcome;

/// A pool of threads. It ends, without waiting for what runs, when it is dropped.
pub(crate) struct Threads {
    work: Sender<Work>,
    waiting: Receiver<Work>,
    killed: Arc<AtomicBool>,
}

impl Threads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(crate) fn start(
        count: usize,
        callback: &str,
        surroundings: &Surroundings,
        tell: &Tell,
    ) -> Result<Self> {
        let (work, waiting) = unbounded();
        for number in 1..=count {
            let slot = Slot {
                work: waiting.clone(),
                callback: callback.to_owned(),
                surroundings: Arc::new(surroundings.clone()),
                tell: tell.clone(),
            };
            std::thread::Builder::new()
                .name(format!("craft-job-{number}"))
                .spawn(move || slot.serve())
                .map_err(|cause| {
                    Error::other(format!("cannot start thread {number} of {count} for jobs")).because(&cause)
                })?;
        }
        Ok(Self { work, waiting, killed: surroundings.killed.clone() })
    }
}

impl Runner for Threads {
    fn begin(&mut self, work: Work) {
        // It can't fail: this struct itself keeps a receiver.
        let _ = self.work.send(work);
    }

    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>> {
        let mut waiting: Vec<Work> = self.waiting.try_iter().collect();
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(last) = waiting.iter().rposition(|work| matches!(work, Work::Run(_)))
        {
            if let Work::Run(task) = waiting.remove(last) {
                taken.push(task);
            }
        }
        waiting.into_iter().for_each(|work| self.begin(work));
        taken
    }

    fn kill(&mut self) {
        self.killed.store(true, Ordering::Release);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A receiver drains a closed channel to its end, and jobs must not begin without a worker.
        for _ in self.waiting.try_iter() {}
    }
}

struct Slot {
    work: Receiver<Work>,
    callback: String,
    surroundings: Arc<Surroundings>,
    tell: Tell,
}

impl Slot {
    fn serve(self) {
        for work in &self.work {
            let finished = match work {
                Work::Run(task) => run(task, &self.callback, &self.surroundings),
                Work::Hook(task, error) => call_hook(&task, error),
            };
            (self.tell)(finished);
        }
    }
}

/// Runs a job in this thread.
pub(super) fn run(task: Arc<Task>, callback: &str, surroundings: &Arc<Surroundings>) -> Finished {
    let begun = Instant::now();
    if task.hold.is_over(begun) {
        return Finished::TooLate(task);
    }
    let _ = task.begun.set(begun);
    let Some(kind) = &task.kind else { return Finished::TooLate(task) };
    let context = task.context(surroundings);
    let outcome = inside_a_job(|| kind.run(&task.job.message.payload, callback, &context));
    let took = begun.elapsed();
    let outcome = match task.limits.timeout {
        Some(limit) if took >= limit => Outcome::TimedOut(limit),
        _ => outcome,
    };
    Finished::Ran(task, outcome, took)
}

pub(super) fn call_hook(task: &Task, error: String) -> Finished {
    if let Some(kind) = &task.kind {
        let called = inside_a_job(|| kind.failed(&task.job.message.payload, &JobError::new(error)));
        if let Err(why) = called {
            log_hook(task, &why);
        }
    }
    Finished::Hooked
}

/// A hook that goes wrong changes nothing for its job.
pub(super) fn log_hook(task: &Task, why: &str) {
    log::warn!("the hook `failed` of {} #{}: {why}", task.job.message.name, task.job.id);
}
