//! A job: a type that can be kept as JSON and run later.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backoff::Backoff;
use crate::context::Context;
use crate::error;

/// What a job's `handle` returns.
pub type JobResult = Result<(), JobError>;

/// A job that can be put on a queue.
///
/// ```
/// use craft_queue::{Context, JobResult, Queueable};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct CreateInvoice {
///     order_id: i64,
/// }
///
/// impl Queueable for CreateInvoice {
///     const NAME: &'static str = "CreateInvoice";
///
///     fn handle(&self, job: &Context) -> JobResult {
///         std::fs::write(format!("{}.txt", self.order_id), format!("attempt {}", job.attempt()))?;
///         Ok(())
///     }
/// }
/// ```
///
/// The fields are the payload; keep them small and let `handle` load the rest. A job may run more than
/// once (its worker may die after the work and before the note that it is done), so write `handle` so
/// that a second run does no harm.
pub trait Queueable: Serialize + DeserializeOwned + 'static {
    /// The name that is written to the queue. Keep it when the type moves or is renamed: jobs that
    /// already wait carry it.
    const NAME: &'static str;

    /// Does the work.
    ///
    /// # Errors
    /// Any error fails this attempt; the job is tried again after its backoff, or ends in the failed
    /// jobs. [`JobError::fail_now`] and [`JobError::again_after`] steer that.
    fn handle(&self, job: &Context) -> JobResult;

    /// Called once the job is in the failed jobs. After a crash at that very moment it may be called
    /// again or not at all. A panic in it is caught and logged.
    fn failed(&self, error: &JobError) {
        let _ = error;
    }

    /// Runs the method that the option `callback` names. Override it to offer more than `handle`.
    ///
    /// # Errors
    /// As [`Queueable::handle`]; and when there is no such method.
    fn call(&self, callback: &str, job: &Context) -> JobResult {
        match callback {
            "handle" => self.handle(job),
            other => Err(JobError::fail_now(format!(
                "{} has no method \"{other}\": override Queueable::call, or set callback = \"handle\"",
                Self::NAME
            ))),
        }
    }

    /// How often this job is attempted, at least 1; `None` leaves it to the worker.
    fn attempts() -> Option<u32> {
        None
    }

    /// How long to wait between attempts; `None` leaves it to the worker.
    fn backoff() -> Option<Backoff> {
        None
    }

    /// How long one attempt may take; `None` leaves it to the worker.
    fn timeout() -> Option<Duration> {
        None
    }

    /// The queue this job goes to when the push names none.
    fn queue() -> Option<&'static str> {
        None
    }
}

/// Why a job failed, and what shall become of it.
///
/// Every error converts into it, so `?` works in `handle`. It is not an [`Error`](std::error::Error)
/// itself, as that would forbid the conversion.
pub struct JobError {
    message: String,
    steer: Steer,
}

/// What a failed job wishes to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steer {
    /// As the policy says: again after the backoff, or dead when the attempts are used up.
    Policy,
    FailNow,
    AgainAfter(Duration),
    /// As `AgainAfter`, after the backoff.
    Again,
}

impl JobError {
    /// A failed attempt with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: Steer::Policy }
    }

    /// No further attempt makes sense: the job goes to the failed jobs now.
    pub fn fail_now(message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: Steer::FailNow }
    }

    /// Not yet: run it again after `delay` without using up an attempt.
    pub fn again_after(delay: Duration, message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: Steer::AgainAfter(delay) }
    }

    /// Not yet: run it again after its backoff, without using up an attempt.
    pub(crate) fn again(message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: Steer::Again }
    }

    /// What went wrong, causes included.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn steer(&self) -> Steer {
        self.steer
    }
}

impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::new(error::chain(&error))
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.steer, self.message)
    }
}
