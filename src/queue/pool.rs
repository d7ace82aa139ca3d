//! The async driver's own worker: one pool for a whole program, started with its first push.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded};

use super::desk::Inner;
use super::work;
use crate::context::is_inside_a_job;
use crate::error::{Error, Result};
use crate::worker::{Report, Stopper};

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

/// What [`Queue::close`](crate::Queue::close) left behind, in memory only: it is gone with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Due and not run.
    pub waiting: u64,
    /// Due later.
    pub delayed: u64,
    /// Still running.
    pub running: u64,
}

impl Left {
    /// Whether everything was worked off.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Pool {
    /// Starts the worker when it does not run yet.
    ///
    /// # Errors
    /// The queue is closed, or the system gives no more threads.
    pub(super) fn open(&self, inner: &Inner) -> Result<()> {
        let mut state = self.lock();
        match &*state {
            State::Open { ended, .. } => {
                return match ended.try_recv() {
                    Ok(Err(error)) => {
                        let failed = format!("the async driver's worker ended: {error}");
                        *state = State::Failed(failed.clone());
                        Err(Error::other(failed))
                    }
                    _ => Ok(()),
                };
            }
            State::Failed(why) => return Err(Error::other(why.clone())),
            // A job that runs is part of what is worked off, and so is what it pushes.
            State::Closed if is_inside_a_job() => return Ok(()),
            State::Closed => {
                return Err(Error::unavailable("the async driver is closed: its queue was closed"));
            }
            State::Idle => {}
        }
        let (prepared, stopper) = work::prepare_pool(inner)?;
        let (tell, ended) = bounded(1);
        std::thread::Builder::new()
            .name("craft-async".into())
            .spawn(move || {
                // Nobody may listen any more; the report is for `close`.
                let _ = tell.send(prepared.run());
            })
            .map_err(|cause| Error::other("cannot start the async driver's thread").because(&cause))?;
        *state = State::Open { stopper, ended };
        Ok(())
    }

    /// Works off what waits, however long it takes.
    pub(super) fn drain(&self) {
        let State::Open { stopper, ended } = std::mem::replace(&mut *self.lock(), State::Closed) else {
            return;
        };
        stopper.finish();
        // A job that drops the last handle can't wait for itself.
        if !is_inside_a_job()
            && let Ok(Err(error)) = ended.recv()
        {
            log::error!("the async driver ended with an error: {error}");
        }
    }

    /// Works off what waits, for up to `patience`; then stops, and counts what is left.
    pub(super) fn close(&self, patience: Duration) -> Result<()> {
        let State::Open { stopper, ended } = std::mem::replace(&mut *self.lock(), State::Closed) else {
            return Ok(());
        };
        stopper.finish();
        match ended.recv_timeout(patience) {
            Ok(report) => report.map(drop),
            Err(_) => {
                stopper.stop();
                Ok(())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user's runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
