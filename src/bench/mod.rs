//! Measures a back end with jobs that do nothing: `craft queue:bench` and `examples/bench.rs`.
//!
//! The jobs wait in a table or queue of the bench's own, which is removed afterwards. Each run counts how
//! often every job ran, so that a figure never hides a loss.

mod ledger;
mod workloads;

use std::time::Duration;

use serde::Serialize;

use crate::config::{Config, Connection, DriverKind, Mode};
#[cfg(feature = "amqp")]
use crate::driver::amqp::{AmqpBackend, AmqpOptions};
use crate::driver::database::Database;
use crate::error::{Error, Result};
use crate::message::new_uuid;
use crate::queue::Queue;
use crate::registry::Jobs;
use crate::time::Timestamp;

use self::ledger::{Ledger, Nothing};

/// The table, or the beginning of the queue's name, that a bench makes and removes.
const OWN: &str = "craft_bench_jobs";

/// What to measure.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Which back end, and how it is reached.
    pub config: Config,
    /// The driver: a key of the configuration.
    pub driver: String,
    /// How many jobs the quick workloads move.
    pub jobs: usize,
    /// How many threads push at once, in the workload that does so.
    pub threads: usize,
    /// How many slots the worker of the second drain has.
    pub workers: usize,
    /// How many further jobs wait behind those of `drain_deep`, and are due tomorrow in `drain_future`; 0
    /// leaves both out.
    pub backlog: usize,
    /// How many jobs are timed from push to begin; 0 leaves that workload out.
    pub pickups: usize,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// `pickup`, `push`, `push_many`, `drain`, `drain_deep`, `drain_future`, or `push_and_run`.
    pub workload: &'static str,
    /// `sqlite`, `postgres`, `mysql`, `amqp` or `async`.
    pub backend: String,
    /// Threads that push, or slots that run.
    pub threads: usize,
    /// How many jobs were moved.
    pub jobs: usize,
    /// Jobs a second; 0 for `pickup`.
    pub per_second: f64,
    /// From push to begin, for `pickup`.
    pub p50_ms: Option<f64>,
    /// From push to begin, for `pickup`.
    pub p99_ms: Option<f64>,
    /// Jobs that did not run.
    pub lost: usize,
    /// Jobs that ran more than once.
    pub doubled: usize,
}

impl Bench {
    /// 20,000 jobs through the configuration's default driver.
    pub fn new(config: Config) -> Self {
        let driver = config.default.clone();
        Self { config, driver, jobs: 20_000, threads: 16, workers: 10, backlog: 0, pickups: 20 }
    }

    /// What is measured, for the line above the figures: back end, durability, machine, version, time.
    pub fn settings(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let durability = match self.connection() {
            Some(Connection::Sqlite { .. }) => {
                format!(", durability {:?}", self.config.database.durability).to_lowercase()
            }
            _ => String::new(),
        };
        format!(
            "craft-queue {} on {}{durability}, {cores} cores, {}, {}",
            env!("CARGO_PKG_VERSION"),
            self.backend(),
            self.config.settings(&self.driver).tz.format_short(Timestamp::now()),
            if cfg!(debug_assertions) { "debug build: the figures mean nothing" } else { "release build" },
        )
    }

    /// Runs all workloads, and tells each figure as soon as it is measured.
    ///
    /// # Errors
    /// The back end can't be used, or has something under the bench's own name.
    pub fn run(&self, mut tell: impl FnMut(Figure)) -> Result<()> {
        let ledger = Ledger::default();
        let mut config = self.config.clone();
        config.default.clone_from(&self.driver);
        config.database.table = OWN.into();
        config.database.settings.failed_table = None;
        config.memory.settings.failed_table = None;
        config.amqp.settings.failed_table = None;
        // A name that nobody has: a queue that is there can't be told from one that is empty.
        config.amqp.settings.queue = format!("{OWN}.{}", new_uuid());
        let jobs = Jobs::new().state(ledger.clone()).add::<Nothing>();
        let mut queue = Queue::builder(config.clone(), jobs);
        if config.settings(&self.driver).mode == Mode::Multiprocess {
            let ledger = ledger.clone();
            queue = queue.listener(move |event| ledger.note_told(event));
        }
        let queue = queue.open()?;
        self.set_up(&config)?;
        let measured = workloads::Workloads { bench: self, queue: &queue, ledger: &ledger }.all(&mut tell);
        drop(queue);
        // A figure that failed must not leave the table behind, and the first error is the one to tell.
        let removed = self.clean_up(&config);
        measured.and(removed)
    }

    /// The kind of back end, as figures name it.
    pub fn backend(&self) -> &str {
        match self.connection() {
            Some(connection) => connection.driver(),
            None => &self.driver,
        }
    }

    /// The connection of the database driver.
    fn connection(&self) -> Option<&Connection> {
        let is_database = self.kind() == DriverKind::Database;
        self.config.connection(&self.config.database.connection).ok().filter(|_| is_database)
    }

    fn kind(&self) -> DriverKind {
        DriverKind::of(&self.driver)
    }

    fn set_up(&self, config: &Config) -> Result<()> {
        if self.kind() != DriverKind::Database {
            return Ok(());
        }
        let database = Database::of_jobs(config, &config.database.connection)?;
        if database.has_jobs_table()? {
            return Err(Error::invalid(format!("cannot bench: there is a table \"{OWN}\" already"))
                .with_help("a bench that was killed may have left it; drop it, if it is nobody's"));
        }
        database.install()
    }

    fn clean_up(&self, config: &Config) -> Result<()> {
        match self.kind() {
            DriverKind::Database => Database::of_jobs(config, &config.database.connection)?.uninstall_jobs(),
            #[cfg(feature = "amqp")]
            DriverKind::Amqp => {
                let backend = AmqpBackend::new(AmqpOptions::from_config(&config.amqp)?);
                backend.remove_queue(&config.amqp.settings.queue).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Makes the bench's job known to the child processes of a program that measures `mode = "multiprocess"`.
pub(crate) fn known_to_children(jobs: Jobs) -> Jobs {
    jobs.add::<Nothing>()
}

impl Figure {
    /// The figure as a line of a table for people.
    pub fn line(&self) -> String {
        let speed = match (self.p50_ms, self.p99_ms) {
            (Some(p50), Some(p99)) => format!("p50 {p50:.2} ms   p99 {p99:.2} ms"),
            _ => format!("{:>10.0} jobs/s", self.per_second),
        };
        let workload = self.workload;
        let threads = self.threads;
        format!(
            "{:<8} {workload:<13} {threads:>3} threads {:>9} jobs   {speed}   {} lost, {} doubled",
            self.backend, self.jobs, self.lost, self.doubled
        )
    }
}

/// The longest a workload waits for a job that does not come, before it counts it as lost.
const PATIENCE: Duration = Duration::from_secs(60);
