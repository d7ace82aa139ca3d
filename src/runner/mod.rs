//! How a job is run: in a thread, or in a child process. The seam between the worker and what runs.

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod escaped;
#[cfg(unix)]
mod exit_status;
#[cfg(all(unix, feature = "cli"))]
mod orphans;
#[cfg(unix)]
mod process_pool;
#[cfg(unix)]
mod reaper;
#[cfg(unix)]
mod shortage;
mod thread;
#[cfg(unix)]
#[allow(
    unsafe_code,
    reason = "system calls that the standard library lacks; each block says what it relies on"
)]
mod unix;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::context::{Context, Hold, RunEnv};
use crate::error::{Error, Result};
use crate::event::{self, Event, JobInfo, Listener};
use crate::policy::{Limits, NotRun, Outcome};
use crate::registry::Kind;
use crate::reserved::Reserved;
use crate::time;

#[cfg(unix)]
pub(crate) use command::Program;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use orphans::reap_orphans;
#[cfg(unix)]
pub(crate) use process_pool::{Processes, Rules};
pub(crate) use thread::Threads;
#[cfg(unix)]
pub(crate) use unix::{Ignored, is_ignored};
#[cfg(all(unix, feature = "cli"))]
pub(crate) use unix::{hear_of_children, stdout_becomes_stderr};

/// Whether this process is told how its children end, those that are programs included.
///
/// # Errors
/// It ignores SIGCHLD: then the system forgets how they ended.
#[cfg(unix)]
pub(crate) fn hears_of_ends() -> Result<()> {
    if !is_ignored(Ignored::Child) {
        return Ok(());
    }
    Err(Error::config(
        "jobs cannot run in processes of their own: this process ignores SIGCHLD, so that nobody can tell how \
         they end",
    )
    .with_help("set the signal to its default action before the worker starts; `trap '' CHLD` is inherited"))
}

/// Runs jobs beside each other. What becomes of each is told through the function it was made with.
pub(crate) trait Runner: Send {
    /// Begins pieces of work in order, or lets them wait for a slot. Never waits itself.
    fn begin(&mut self, work: Vec<Work>);

    /// Takes back jobs that have not begun, those that came last first; at most this many.
    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>>;

    /// Whether a job that kills what runs it hurts no other, and is known: then suspects run beside other jobs until a
    /// worker dies again, and a timeout ends its job.
    fn isolates(&self) -> bool {
        false
    }

    /// Ends what runs at once, where that is possible. Nothing is told of it.
    fn kill(&mut self) {}
}

/// Makes a runner, which tells what becomes of its work through the given function.
pub(crate) type MakeRunner = Box<dyn FnOnce(Tell) -> Result<Box<dyn Runner>> + Send>;

/// Where a runner tells that a piece of work is over.
pub(crate) type Tell = Arc<dyn Fn(Finished) + Send + Sync>;

/// A piece of work.
pub(crate) enum Work {
    Run(Arc<Task>),
    /// Call the hook `failed` with this error.
    Hook(Arc<Task>, String),
}

/// A piece of work that is over.
pub(crate) enum Finished {
    Ran(Arc<Task>, Outcome, Duration),
    /// It was not begun, because the hold on it may have been over; or it did not come to an end, and
    /// nothing of that is its own doing.
    NotRun(Arc<Task>, NotRun),
    Hooked,
    /// Nothing can be run any more, and this is why.
    Broken(Error),
}

impl Finished {
    pub(crate) fn too_late(task: Arc<Task>) -> Self {
        Self::NotRun(task, NotRun { after: Duration::ZERO })
    }
}

/// A job that is held, and all that is needed to run it.
pub(crate) struct Task {
    pub(crate) job: Reserved,
    pub(crate) limits: Limits,
    /// `None` when this worker does not know the name; then it is never begun.
    pub(crate) kind: Option<Arc<dyn Kind>>,
    pub(crate) hold: Arc<Hold>,
    /// When it was begun.
    begun: OnceLock<Instant>,
    /// Whom to tell when it begins.
    witness: Option<Witness>,
}

/// Is told when a job begins.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) listener: Listener,
    /// When the job was taken.
    pub(crate) taken: Instant,
}

impl Task {
    pub(crate) fn new(job: Reserved, limits: Limits, kind: Option<Arc<dyn Kind>>) -> Self {
        let hold = Arc::new(Hold::until_then(job.held_until));
        Self { job, limits, kind, hold, begun: OnceLock::new(), witness: None }
    }

    pub(crate) fn witnessed_by(self, witness: Option<Witness>) -> Self {
        Self { witness, ..self }
    }

    /// When it was begun, if it was.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.begun.get().copied()
    }

    /// Whether somebody waits to be told that it begins.
    pub(crate) fn is_awaited(&self) -> bool {
        self.witness.is_some() && self.begun.get().is_none()
    }

    /// It was begun at this moment; whoever sees it first tells.
    pub(crate) fn begin(&self, at: Instant) {
        if self.begun.set(at).is_ok()
            && let Some(Witness { listener, taken }) = &self.witness
        {
            let waited = self.job.due_for.map(|due_for| due_for + at.saturating_duration_since(*taken));
            let job = JobInfo { job: &self.job, attempts: self.limits.attempts, took: None };
            event::tell(listener, &Event::Began { job, waited });
        }
    }

    /// When it is over time; `None` before it was begun, or without a timeout.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(time::after(self.begun()?, self.limits.timeout?))
    }

    /// When its thread is over time. Not that of a program: it is ended by then.
    pub(crate) fn stuck_after(&self) -> Option<Instant> {
        self.deadline().filter(|_| self.kind.as_ref().is_none_or(|kind| !kind.is_program()))
    }

    pub(crate) fn context(&self, surroundings: &Arc<RunEnv>) -> Context {
        Context {
            id: self.job.id.clone(),
            uuid: self.job.message.uuid.clone(),
            queue: self.job.message.queue.clone(),
            attempt: self.job.attempt,
            attempts: self.limits.attempts,
            deadline: self.deadline(),
            hold: self.hold.clone(),
            surroundings: surroundings.clone(),
        }
    }
}
