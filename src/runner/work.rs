//! Work: a job to run or a hook to call, how it ended, and the port of the runners.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::task::Task;
use crate::error::{Error, Result};
use crate::policy::{NotRun, Outcome};

/// Runs jobs beside each other. The function that the runner was made with receives what becomes of each.
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

    /// Ends what runs at once, where that is possible, and reports nothing of it.
    fn kill(&mut self) {}
}

/// Makes a runner, which calls the given function with each piece of work that is over.
pub(crate) type MakeRunner = Box<dyn FnOnce(OnFinished) -> Result<Box<dyn Runner>> + Send>;

/// Called with each piece of work that is over.
pub(crate) type OnFinished = Arc<dyn Fn(Finished) + Send + Sync>;

/// A piece of work.
pub(crate) enum Work {
    Run(Arc<Task>),
    /// Call the hook `failed` with this error.
    Hook(Arc<Task>, String),
}

impl Work {
    /// Whether it is done by a program of its own.
    pub(crate) fn is_program(&self) -> bool {
        let (Self::Run(task) | Self::Hook(task, _)) = self;
        task.job_type.as_ref().is_some_and(|job_type| job_type.is_program())
    }
}

/// Takes jobs out that wait, those that came last first; at most this many.
pub(super) fn take_back(waiting: &mut VecDeque<Work>, most: usize) -> Vec<Arc<Task>> {
    let mut taken = Vec::new();
    while taken.len() < most
        && let Some(last) = waiting.iter().rposition(|work| matches!(work, Work::Run(_)))
    {
        if let Some(Work::Run(task)) = waiting.remove(last) {
            taken.push(task);
        }
    }
    taken
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
