//! What a worker tells those who listen: for logs, metrics and tests.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::message::JobId;
use crate::reserved::Reserved;

/// Something that happened in a worker.
///
/// Events about outcomes are told after the outcome is written down. A listener runs in the worker's own
/// thread: it must be quick and must not wait for the worker. A panic of it is logged. More events may be added.
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
    /// A job begins to run. This alone is told from the thread that the job runs in, or that looks after its
    /// process. A job that is running has been told of with `Began`, and with none of `Done`, `Again`, `Buried`,
    /// `PutAside`, `Returned` and `Lost` since. A job is settled without having begun when its worker does not know
    /// it, when its attempts were used up before, or when it is given back.
    Began {
        /// The job.
        job: JobInfo<'a>,
        /// How long it was due before it began; `None` on AMQP, which does not tell.
        waited: Option<Duration>,
    },
    /// A job is done.
    Done(JobInfo<'a>),
    /// A job failed or is not ready, and runs again.
    Again {
        /// The job.
        job: JobInfo<'a>,
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
        job: JobInfo<'a>,
        /// What the failed jobs call it; `None` when they are not kept, or held it already.
        failed_id: Option<&'a JobId>,
        /// What went wrong.
        error: &'a str,
    },
    /// No run of a job is left, and it could not be kept with the failed jobs, or removed, yet: it is put back, is not
    /// run again, and the worker that takes it next tries to keep it.
    PutAside {
        /// The job.
        job: JobInfo<'a>,
        /// How long until that is tried.
        after: Duration,
        /// What went wrong.
        error: &'a str,
    },
    /// A job was given back without having run to an end.
    Returned(JobInfo<'a>),
    /// The hold on a job was lost: what its run returned is dropped, another worker has it.
    Lost(JobInfo<'a>),
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
pub struct JobInfo<'a> {
    /// The job.
    pub job: &'a Reserved,
    /// How often it may be attempted.
    pub attempts: u32,
    /// How long it ran; `None` when it was not run.
    pub took: Option<Duration>,
}

/// The target of the log lines of a worker.
pub(crate) const LOG_TARGET: &str = "craft_queue::worker";

/// What is called with each event.
pub type Listener = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// Tells a listener, whose panic is its own.
pub(crate) fn tell(listener: &Listener, event: &Event<'_>) {
    if catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
        log::error!("a listener panicked, at {event:?}");
    }
}

/// Tells every event to the log, and what has a listener to that as well.
pub(crate) fn logged(listener: Option<Listener>) -> Listener {
    let is_away = AtomicBool::new(false);
    Arc::new(move |event| {
        // Said once, and not at each try.
        let is_known = match event {
            Event::Disconnected { .. } => is_away.swap(true, Ordering::Relaxed),
            Event::Reconnected => !is_away.swap(false, Ordering::Relaxed),
            _ => false,
        };
        if !is_known {
            log_event(event);
        }
        if let Some(listener) = &listener {
            listener(event);
        }
    })
}

/// What a person must see is a warning or an error, what changes the worker's state is info, what happens
/// with each job is debug. Nothing is put together that is not logged.
fn log_event(event: &Event<'_>) {
    match event {
        Event::Started => log::info!(target: LOG_TARGET, "the worker works"),
        Event::Polled { .. } => {}
        Event::Began { job, waited } => match waited {
            Some(waited) => log::debug!(target: LOG_TARGET, "{job} begins, {waited:.1?} after it was due"),
            None => log::debug!(target: LOG_TARGET, "{job} begins"),
        },
        Event::Done(job) => {
            log::debug!(target: LOG_TARGET, "{job} is done after {:.1?}", job.took.unwrap_or_default())
        }
        Event::Again { job, after, counted: true, error } => {
            log::info!(target: LOG_TARGET, "{job} failed, and runs again in {after:.1?}: {}", escaped(error));
        }
        // A deploy that is behind may put off thousands.
        Event::Again { job, after, counted: false, error } => {
            log::debug!(target: LOG_TARGET, "{job} is put off for {after:.1?}: {}", escaped(error));
        }
        Event::Buried { job, failed_id: Some(id), error } => {
            log::error!(target: LOG_TARGET, "{job} is dead, and kept as failed job {id}: {}", escaped(error));
        }
        Event::Buried { job, failed_id: None, error } => {
            log::error!(target: LOG_TARGET, "{job} is dead: {}", escaped(error))
        }
        Event::PutAside { job, after, error } => {
            let when = format!("is not run again, and could not be kept yet: tried again in {after:.1?}");
            log::error!(target: LOG_TARGET, "{job} {when}: {}", escaped(error));
        }
        Event::Returned(job) => log::debug!(target: LOG_TARGET, "{job} is given back"),
        Event::Lost(job) => {
            log::warn!(target: LOG_TARGET, "{job} is lost to another worker: what its run returned is dropped")
        }
        Event::Disconnected { error, retry_in } => {
            log::warn!(target: LOG_TARGET, "the back end is away, next try in {retry_in:.1?}: {error}");
        }
        Event::Reconnected => log::warn!(target: LOG_TARGET, "the back end is there again"),
        Event::Paused { queue } => log::info!(target: LOG_TARGET, "queue \"{}\" is paused", escaped(queue)),
        Event::Resumed { queue } => {
            log::info!(target: LOG_TARGET, "queue \"{}\" is worked off again", escaped(queue))
        }
        Event::Restarting { running } => {
            log::info!(target: LOG_TARGET, "told to restart: waits for {running} running jobs")
        }
        Event::Stopping { running, grace } => {
            log::info!(target: LOG_TARGET, "stops: waits up to {grace:.1?} for {running} running jobs");
        }
        Event::Warning(warning) => log::warn!(target: LOG_TARGET, "{}", escaped(warning)),
    }
}

/// One line, whatever others wrote.
fn escaped(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
}

impl fmt::Display for JobInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reserved { id, message, attempt, .. } = self.job;
        let (name, queue) = (escaped(&message.name), escaped(&message.queue));
        write!(
            f,
            "{name} {} of queue \"{queue}\", attempt {attempt} of {}",
            escaped(&id.to_string()),
            self.attempts
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_one_line() {
        assert_eq!(escaped("no\nmoney \u{1b}[31m\u{9b}2J é"), "no\\nmoney \\u{1b}[31m\\u{9b}2J é");
    }
}
