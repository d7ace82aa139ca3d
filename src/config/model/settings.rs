//! The settings that the section of every driver has.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::schema::{Choice, Field, ValueType, value_types};
use crate::policy::{Limits, Policy};
use crate::time::Zone;

/// The settings that the section of every driver has.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The queue for pushes and workers that name none: 1 to 255 bytes without a comma.
    pub queue: String,
    /// How often a job is attempted before it is a failed job; 1 to 2,147,483,647.
    pub attempts: u32,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How long one attempt may take; at least 1 millisecond.
    pub timeout: Option<Duration>,
    /// The longest an idle worker sleeps before it looks for jobs; from 1 millisecond to a day, and at
    /// most the lease.
    pub poll: Duration,
    /// How long a worker holds a job without extending its lease; from 1 second to a day. Only
    /// the database driver and drivers of your own have leases.
    pub lease: Duration,
    /// How long a stopping worker waits for running jobs; at most a day.
    pub grace: Duration,
    /// How long a job with an unknown name is kept before it fails.
    pub unknown_for: Duration,
    /// The zone of what is saved and shown for people.
    pub tz: Zone,
    /// The method of a job that runs.
    pub callback: String,
    /// Threads or child processes.
    pub mode: Mode,
    /// How many jobs run at once; 1 to 10,000.
    pub workers: usize,
    /// After how many jobs a child process is replaced; at least 1.
    pub max_jobs_per_child: Option<u64>,
    /// The most memory that a child process may have, in MB; at least 16.
    pub child_memory: Option<u64>,
    /// The connection, a key of `[connections]`, that holds the failed jobs; `None`: the database
    /// driver's, where it can be used.
    pub failed_connection: Option<String>,
    /// The table of failed jobs; `None` keeps none. Letters, digits and underscores, at most 52.
    pub failed_table: Option<String>,
}

/// How a worker runs jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In threads.
    #[default]
    Threading,
    /// In child processes.
    Multiprocess,
}

impl Choice for Mode {
    const EXPECTED: &'static str = "\"threading\" or \"multiprocess\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("threading", Self::Threading), ("multiprocess", Self::Multiprocess)];
}

impl Settings {
    /// The keys of every driver's section. `failed_connection_key` names the connection of the failed jobs: in
    /// `[database]`, `connection` is already that of the jobs.
    pub(crate) fn fields(&mut self, failed_connection_key: &'static str) -> Vec<Field<'_>> {
        // Destructured, so that a setting without a key does not compile.
        let Self {
            queue,
            attempts,
            backoff,
            timeout,
            poll,
            lease,
            grace,
            unknown_for,
            tz,
            callback,
            mode,
            workers,
            max_jobs_per_child,
            child_memory,
            failed_connection,
            failed_table,
        } = self;
        vec![
            Field::new("failed_table", failed_table, value_types::FAILED_TABLE),
            Field::new("attempts", attempts, value_types::ATTEMPTS),
            Field::new("poll", poll, value_types::POLL),
            Field::new("tz", tz, value_types::ZONE),
            Field::new("lease", lease, value_types::LEASE),
            Field::new("backoff", backoff, value_types::BACKOFF),
            Field::new("queue", queue, value_types::QUEUE),
            Field::optional("timeout", timeout, value_types::TIMEOUT),
            Field::new("grace", grace, value_types::GRACE),
            Field::new("unknown_for", unknown_for, value_types::SPAN),
            Field::new("callback", callback, value_types::NAME),
            Field::new("mode", mode, ValueType::choice()),
            Field::new("workers", workers, value_types::WORKERS),
            Field::optional("max_jobs_per_child", max_jobs_per_child, value_types::JOBS_PER_CHILD),
            Field::optional("child_memory", child_memory, value_types::CHILD_MEMORY),
            Field::optional(failed_connection_key, failed_connection, value_types::NAME),
        ]
    }

    /// The part that decides about retries and failures.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            limits: Limits { attempts: self.attempts, backoff: self.backoff.clone(), timeout: self.timeout },
            unknown_for: self.unknown_for,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let Policy { limits, unknown_for } = Policy::default();
        Self {
            queue: "default".into(),
            attempts: limits.attempts,
            backoff: limits.backoff,
            timeout: limits.timeout,
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(60),
            grace: Duration::from_secs(25),
            unknown_for,
            tz: Zone::default(),
            callback: "handle".into(),
            mode: Mode::Threading,
            workers: 1,
            max_jobs_per_child: None,
            child_memory: None,
            failed_connection: None,
            failed_table: Some("failed_jobs".into()),
        }
    }
}
