//! A held job with its limits, its type and its listener.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::context::{Context, Hold, RunEnv};
use crate::event::{self, Event, JobInfo, Listener};
use crate::policy::Limits;
use crate::registry::JobType;
use crate::reserved::Reserved;
use crate::time;

/// A job that is held, and all that is needed to run it.
pub(crate) struct Task {
    pub(crate) job: Reserved,
    pub(crate) limits: Limits,
    /// `None` when this worker does not know the name; then it is never begun.
    pub(crate) job_type: Option<Arc<dyn JobType>>,
    pub(crate) hold: Arc<Hold>,
    /// When it was begun.
    begun: OnceLock<Instant>,
    /// Calls a listener when it begins.
    witness: Option<Witness>,
}

/// The listener to call when a job begins.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) listener: Listener,
    /// When the job was taken.
    pub(crate) taken: Instant,
}

impl Task {
    pub(crate) fn new(job: Reserved, limits: Limits, job_type: Option<Arc<dyn JobType>>) -> Self {
        let hold = Arc::new(Hold::until_then(job.held_until));
        Self { job, limits, job_type, hold, begun: OnceLock::new(), witness: None }
    }

    pub(crate) fn witnessed_by(self, witness: Option<Witness>) -> Self {
        Self { witness, ..self }
    }

    /// When it was begun, if it was.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.begun.get().copied()
    }

    /// Whether a listener waits for its beginning.
    pub(crate) fn is_awaited(&self) -> bool {
        self.witness.is_some() && self.begun.get().is_none()
    }

    /// Notes that the job began at this moment. The first call tells the listener.
    pub(crate) fn begin(&self, at: Instant) {
        if self.begun.set(at).is_ok()
            && let Some(Witness { listener, taken }) = &self.witness
        {
            let waited = self.job.due_for.map(|due_for| due_for + at.saturating_duration_since(*taken));
            let job = JobInfo { job: &self.job, attempts: self.limits.attempts, took: None };
            event::emit(listener, &Event::Began { job, waited });
        }
    }

    /// When it is over time; `None` before it was begun, or without a timeout.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(time::after(self.begun()?, self.limits.timeout?))
    }

    /// When its thread is over time. Not that of a program: it is ended by then.
    pub(crate) fn stuck_after(&self) -> Option<Instant> {
        self.deadline().filter(|_| self.job_type.as_ref().is_none_or(|job_type| !job_type.is_program()))
    }

    pub(crate) fn context(&self, run_env: &Arc<RunEnv>) -> Context {
        Context {
            id: self.job.id.clone(),
            uuid: self.job.message.uuid.clone(),
            queue: self.job.message.queue.clone(),
            attempt: self.job.attempt,
            attempts: self.limits.attempts,
            deadline: self.deadline(),
            hold: self.hold.clone(),
            run_env: run_env.clone(),
        }
    }
}
