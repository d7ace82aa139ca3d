//! Jobs in threads of this process. A thread cannot be killed, so a timeout here is a request: the job
//! sees it in its [`Context`](crate::Context), and whenever it ends it counts as timed out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::run::perform;
use super::task::Task;
use super::work::{OnFinished, Runner, Work, take_back};
use crate::context::RunEnv;
use crate::error::{Error, Result};

/// A pool of threads. It ends, without waiting for what runs, when it is dropped.
pub(crate) struct Threads {
    queue: Arc<WorkQueue>,
    killed: Arc<AtomicBool>,
}

impl Threads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(crate) fn start(count: usize, callback: &str, run_env: &RunEnv, tell: &OnFinished) -> Result<Self> {
        let queue = Arc::new(WorkQueue::default());
        for number in 1..=count {
            let slot = Slot {
                queue: queue.clone(),
                callback: callback.to_owned(),
                run_env: Arc::new(run_env.clone()),
                tell: tell.clone(),
            };
            std::thread::Builder::new()
                .name(format!("craft-job-{number}"))
                .spawn(move || slot.serve())
                .map_err(|cause| {
                    Error::other(format!("cannot start thread {number} of {count} for jobs")).because(&cause)
                })?;
        }
        Ok(Self { queue, killed: run_env.killed.clone() })
    }
}

impl Runner for Threads {
    fn begin(&mut self, work: Vec<Work>) {
        let mut waiting = self.queue.lock();
        waiting.work.extend(work);
        self.queue.wake_one(waiting);
    }

    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>> {
        take_back(&mut self.queue.lock().work, most)
    }

    fn kill(&mut self) {
        self.killed.store(true, Ordering::Release);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.is_closed = true;
        waiting.work.clear();
        self.queue.wake.notify_all();
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
        // No code of users runs under this lock.
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
    queue: Arc<WorkQueue>,
    callback: String,
    run_env: Arc<RunEnv>,
    tell: OnFinished,
}

impl Slot {
    fn serve(self) {
        while let Some(work) = self.queue.next() {
            (self.tell)(perform(work, &self.callback, &self.run_env));
        }
    }
}
