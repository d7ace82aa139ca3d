//! What a worker tells those who listen: for logs, metrics and tests.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::message::JobId;
use crate::reserved::Reserved;

/// Something that happened in a worker.
///
/// Events about outcomes are told after the outcome is written down. A listener runs in the worker's own
/// thread: it must be quick and must not wait for the worker. More events may be added.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The worker is about to look for jobs for the first time.
    Started,
    /// A look for jobs found this many.
    Polled {
        /// How many jobs were taken.
        found: usize,
    },
    /// A job is done.
    Done(Told<'a>),
    /// A job failed or is not ready, and runs again.
    Again {
        /// The job.
        job: Told<'a>,
        /// How long until it is due.
        after: Duration,
        /// Whether the attempt counted.
        counted: bool,
        /// What went wrong.
        error: &'a str,
    },
    /// A job is dead.
    Buried {
        /// The job.
        job: Told<'a>,
        /// What the failed jobs call it; `None` when they are not kept, or held it already.
        failed_id: Option<&'a JobId>,
        /// What went wrong.
        error: &'a str,
    },
    /// A job was given back without having run to an end.
    Returned(Told<'a>),
    /// The hold on a job was lost: what its run returned is dropped, another worker has it.
    Lost(Told<'a>),
    /// The back end is away.
    Disconnected {
        /// Why.
        error: &'a Error,
        /// How long until the next try.
        retry_in: Duration,
    },
    /// The back end is there again.
    Reconnected,
    /// A queue was paused: nothing new is taken from it.
    Paused {
        /// Which one.
        queue: &'a str,
    },
    /// A queue is worked off again.
    Resumed {
        /// Which one.
        queue: &'a str,
    },
    /// The workers were told to end, to be started again: this one takes nothing new and waits for what
    /// runs.
    Restarting {
        /// How many jobs are running.
        running: usize,
    },
    /// The worker takes nothing new and waits for what runs.
    Stopping {
        /// How many jobs are running.
        running: usize,
        /// How long it waits for them at most.
        grace: Duration,
    },
    /// Something that a person should know.
    Warning(&'a str),
}

/// A job in an event.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The job.
    pub job: &'a Reserved,
    /// How often it may be attempted.
    pub attempts: u32,
    /// How long it ran; `None` when it was not run.
    pub took: Option<Duration>,
}

/// What is called with each event.
pub type Listener = Arc<dyn Fn(&Event<'_>) + Send + Sync>;
