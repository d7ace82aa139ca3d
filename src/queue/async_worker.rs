//! The async driver's own worker: one pool for a whole program, started with its first push.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};

use super::unfinished::{PANICKED, Unfinished, has_failed, how_it_ended};
use crate::context::is_inside_a_job;
use crate::error::{Error, Result};
use crate::worker::{Report, Stopper};

/// Runs a worker until it ends.
pub(super) type RunWorker = Box<dyn FnOnce() -> Result<Report> + Send>;

#[derive(Default)]
pub(super) struct Pool(Mutex<State>);

#[derive(Default)]
enum State {
    /// Nothing was pushed yet.
    #[default]
    Idle,
    Open {
        stopper: Stopper,
        /// Answers once, when the worker has ended.
        ended: Receiver<Result<Report>>,
    },
    /// Its worker ended with this error.
    Failed(String),
    Closed,
}

impl Pool {
    /// Starts the worker that `prepare` makes, when none runs yet.
    ///
    /// # Errors
    /// The queue is closed, the worker has ended, or the system gives no more threads.
    pub(super) fn open(&self, prepare: impl FnOnce() -> Result<(RunWorker, Stopper)>) -> Result<()> {
        let mut state = self.lock();
        match &*state {
            State::Open { ended, .. } => {
                let Some(failed) = how_it_ended(ended.try_recv()) else { return Ok(()) };
                *state = State::Failed(failed.clone());
                return Err(has_failed(&failed));
            }
            State::Failed(why) => return Err(has_failed(why)),
            // A job that runs is part of what is worked off, and so is what it pushes.
            State::Closed if is_inside_a_job() => return Ok(()),
            State::Closed => {
                return Err(Error::unavailable("the async driver is closed: its queue was closed"));
            }
            State::Idle => {}
        }
        let (run, stopper) = prepare()?;
        let (tell, ended) = bounded(1);
        std::thread::Builder::new()
            .name("craft-async".into())
            .spawn(move || {
                // The receiver may be gone; the report is for `close`, which sees a panic as a dropped sender.
                let _ = tell.send(run());
            })
            .map_err(|cause| Error::other("cannot start the async driver's thread").because(&cause))?;
        *state = State::Open { stopper, ended };
        Ok(())
    }

    /// Works off what waits, however long it takes. `left` counts what is still there afterwards.
    pub(super) fn drain(&self, left: impl Fn() -> Unfinished) {
        let why = match self.shut() {
            State::Idle | State::Closed => return,
            State::Failed(why) => Some(why),
            State::Open { stopper, ended } => {
                stopper.finish();
                // A job that drops the last handle can't wait for itself.
                if is_inside_a_job() {
                    return;
                }
                match ended.recv() {
                    Ok(Ok(_)) => None,
                    ended => how_it_ended(ended.map_err(|_| TryRecvError::Disconnected)),
                }
            }
        };
        let Unfinished { waiting, delayed, running } = left();
        let lost = waiting + running;
        match why {
            Some(why) if lost + delayed > 0 => log::error!(
                "the worker of the async driver has ended: {why}; {lost} jobs that waited in memory are lost, and {delayed} that were due later"
            ),
            Some(why) => log::error!("the worker of the async driver has ended: {why}"),
            None if lost > 0 => {
                log::error!("{lost} jobs that waited in memory are lost: their queue was dropped")
            }
            None => {}
        }
    }

    /// Works off what waits, for up to `patience`; then stops.
    pub(super) fn close(&self, patience: Duration) -> Result<()> {
        match self.shut() {
            State::Idle | State::Closed => Ok(()),
            State::Failed(why) => Err(has_failed(&why)),
            State::Open { stopper, ended } => {
                stopper.finish();
                match ended.recv_timeout(patience) {
                    Ok(report) => report.map(drop).map_err(|error| has_failed(&error.to_string())),
                    Err(RecvTimeoutError::Disconnected) => Err(has_failed(PANICKED)),
                    Err(RecvTimeoutError::Timeout) => {
                        stopper.stop();
                        Ok(())
                    }
                }
            }
        }
    }

    /// What it was before: the lock is free again, as a job that is waited for may push.
    fn shut(&self) -> State {
        std::mem::replace(&mut *self.lock(), State::Closed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user's runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
