//! Jobs in threads of this process. A thread cannot be killed, so a timeout here is a request: the job
//! sees it in its [`Context`](crate::Context), and whenever it ends it counts as timed out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Finished, Runner, Task, Tell, Work};
use crate::context::{RunEnv, inside_a_job};
use crate::error::{Error, Result};
use crate::job::JobError;

/// A pool of threads. It ends, without waiting for what runs, when it is dropped.
pub(crate) struct Threads {
    shelf: Arc<WorkQueue>,
    killed: Arc<AtomicBool>,
}

impl Threads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(crate) fn start(count: usize, callback: &str, surroundings: &RunEnv, tell: &Tell) -> Result<Self> {
        let shelf = Arc::new(WorkQueue::default());
        for number in 1..=count {
            let slot = Slot {
                shelf: shelf.clone(),
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
        Ok(Self { shelf, killed: surroundings.killed.clone() })
    }
}

impl Runner for Threads {
    fn begin(&mut self, work: Vec<Work>) {
        let mut waiting = self.shelf.lock();
        waiting.work.extend(work);
        self.shelf.wake_one(waiting);
    }

    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>> {
        let mut waiting = self.shelf.lock();
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(last) = waiting.work.iter().rposition(|work| matches!(work, Work::Run(_)))
        {
            if let Some(Work::Run(task)) = waiting.work.remove(last) {
                taken.push(task);
            }
        }
        taken
    }

    fn kill(&mut self) {
        self.killed.store(true, Ordering::Release);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut waiting = self.shelf.lock();
        waiting.is_closed = true;
        waiting.work.clear();
        self.shelf.wake.notify_all();
    }
}

/// Where work waits for a thread. Not a channel: its threads look out for a while before they sleep, and ten
/// that do so for jobs of a microsecond leave no processor for the jobs.
#[derive(Default)]
struct WorkQueue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    /// How many threads sleep.
    asleep: usize,
    /// One of them was woken and has not come yet. It wakes the next if there is work for it.
    one_comes: bool,
    is_closed: bool,
}

impl WorkQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code of a user's runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_one(&self, mut waiting: MutexGuard<'_, Waiting>) {
        if waiting.asleep > 0 && !waiting.one_comes && !waiting.work.is_empty() {
            waiting.one_comes = true;
            drop(waiting);
            self.wake.notify_one();
        }
    }

    /// Waits for work; `None` when there will be none any more.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            if let Some(work) = waiting.work.pop_front() {
                self.wake_one(waiting);
                return Some(work);
            }
            if waiting.is_closed {
                return None;
            }
            waiting.asleep += 1;
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.asleep -= 1;
            waiting.one_comes = false;
        }
    }
}

struct Slot {
    shelf: Arc<WorkQueue>,
    callback: String,
    surroundings: Arc<RunEnv>,
    tell: Tell,
}

impl Slot {
    fn serve(self) {
        while let Some(work) = self.shelf.next() {
            let finished = match work {
                Work::Run(task) => run(task, &self.callback, &self.surroundings),
                Work::Hook(task, error) => call_hook(&task, error, &self.surroundings),
            };
            (self.tell)(finished);
        }
    }
}

/// Runs a job in this thread.
pub(super) fn run(task: Arc<Task>, callback: &str, surroundings: &Arc<RunEnv>) -> Finished {
    let begun = Instant::now();
    if task.hold.is_over(begun) {
        return Finished::too_late(task);
    }
    task.begin(begun);
    let Some(kind) = &task.kind else { return Finished::too_late(task) };
    let context = task.context(surroundings);
    let outcome = match inside_a_job(|| kind.run(&task.job.message.payload, callback, &context)) {
        Ok(outcome) => outcome,
        Err(not_run) => return Finished::NotRun(task, not_run),
    };
    let took = begun.elapsed();
    let outcome = task.limits.in_time(outcome, took);
    Finished::Ran(task, outcome, took)
}

pub(super) fn call_hook(task: &Task, error: String, surroundings: &Arc<RunEnv>) -> Finished {
    if let Some(kind) = &task.kind {
        let (error, context) = (JobError::new(error), task.context(surroundings));
        let called = inside_a_job(|| kind.failed(&task.job.message.payload, &error, &context));
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
