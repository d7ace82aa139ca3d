//! The events of a worker, for logs, metrics and tests.

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
/// An event about an outcome comes after the outcome is written to the back end. A listener runs in the worker's own
/// thread: it must be quick and must not wait for the worker. A panic in a listener is logged. More events may be
/// added.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The worker is about to ask for jobs for the first time.
    Started,
    /// The worker asked for jobs.
    Polled {
        /// How many jobs were taken.
        found: usize,
    },
    /// A job begins to run. Only this event comes from the thread that the job runs in, or that supervises its
    /// process. A job is running from its `Began` to the next of `Done`, `Again`, `Buried`, `PutAside`, `Returned` and
    /// `Lost`. A job is settled without a `Began` when its worker does not know its name, when its attempts were used
    /// up before, or when it is given back.
    Began {
        /// The job.
        job: JobInfo<'a>,
        /// How long the job was due before it began; `None` on AMQP, where the broker does not say.
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
    /// A job failed for good: it is dead.
    Buried {
        /// The job.
        job: JobInfo<'a>,
        /// Its id among the failed jobs; `None` when failed jobs are not kept, or had this one already.
        failed_id: Option<&'a JobId>,
        /// What went wrong.
        error: &'a str,
    },
    /// A job has no attempt left, and could not yet be kept with the failed jobs, or removed. It is put back and not
    /// run again; the worker that takes it next tries again to keep it.
    PutAside {
        /// The job.
        job: JobInfo<'a>,
        /// How long until the next try.
        after: Duration,
        /// What went wrong.
        error: &'a str,
    },
    /// A job was given back without having run to an end.
    Returned(JobInfo<'a>),
    /// The hold on a job was lost: another worker may have the job, and the result of this run is dropped.
    Lost(JobInfo<'a>),
    /// The back end is unavailable.
    Disconnected {
        /// Why.
        error: &'a Error,
        /// How long until the next try.
        retry_in: Duration,
    },
    /// The back end is available again.
    Reconnected,
    /// Of several hosts, the worker is connected to this one: told after `Started` and after `Reconnected`.
    Connected {
        /// Its name or address, and its port where that was named.
        host: &'a str,
    },
    /// A queue was paused: the worker takes nothing new from it.
    Paused {
        /// Which one.
        queue: &'a str,
    },
    /// A queue was resumed.
    Resumed {
        /// Which one.
        queue: &'a str,
    },
    /// All workers of the driver were asked to restart: this one takes nothing new, waits for its running jobs, and
    /// ends.
    Restarting {
        /// How many jobs are running.
        running: usize,
    },
    /// The worker takes nothing new, and waits for its running jobs.
    Stopping {
        /// How many jobs are running.
        running: usize,
        /// The longest that the worker waits for them.
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
    /// How many attempts the job has in all.
    pub attempts: u32,
    /// How long the run took; `None` when the job did not run.
    pub took: Option<Duration>,
}

/// The target of the log lines of a worker.
pub(crate) const LOG_TARGET: &str = "craft_queue::worker";

/// A function that is called with each event.
pub type Listener = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// Calls a listener, and logs its panic.
pub(crate) fn emit(listener: &Listener, event: &Event<'_>) {
    if catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
        log::error!("a listener panicked, at {event:?}");
    }
}

/// A listener that writes every event to the log, and hands it on to another listener.
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

/// What a person must see is a warning or an error, a change of the worker's state is info, and what happens with each
/// job is debug. No text is built that is not logged.
fn log_event(event: &Event<'_>) {
    match event {
        Event::Started => log::info!(target: LOG_TARGET, "worker started"),
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
            log::debug!(target: LOG_TARGET, "{job} is put back for {after:.1?}: {}", escaped(error));
        }
        Event::Buried { job, failed_id: Some(id), error } => {
            log::error!(target: LOG_TARGET, "{job} is dead, stored as failed job {id}: {}", escaped(error));
        }
        Event::Buried { job, failed_id: None, error } => {
            log::error!(target: LOG_TARGET, "{job} is dead: {}", escaped(error))
        }
        Event::PutAside { job, after, error } => {
            let when =
                format!("has no attempt left and is not stored as a failed job yet, next try in {after:.1?}");
            log::error!(target: LOG_TARGET, "{job} {when}: {}", escaped(error));
        }
        Event::Returned(job) => log::debug!(target: LOG_TARGET, "{job} is released"),
        Event::Lost(job) => {
            log::warn!(target: LOG_TARGET, "the hold on {job} is lost: the result of its run is dropped")
        }
        Event::Disconnected { error, retry_in } => {
            log::warn!(target: LOG_TARGET, "back end unavailable, next try in {retry_in:.1?}: {error}");
        }
        Event::Reconnected => log::warn!(target: LOG_TARGET, "back end available again"),
        Event::Connected { host } => log::info!(target: LOG_TARGET, "connected to {}", escaped(host)),
        Event::Paused { queue } => log::info!(target: LOG_TARGET, "queue \"{}\" is paused", escaped(queue)),
        Event::Resumed { queue } => {
            log::info!(target: LOG_TARGET, "queue \"{}\" is resumed", escaped(queue))
        }
        Event::Restarting { running } => {
            log::info!(target: LOG_TARGET, "restarting: waiting for {running} running jobs")
        }
        Event::Stopping { running, grace } => {
            log::info!(target: LOG_TARGET, "stopping: waiting up to {grace:.1?} for {running} running jobs");
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
