//! Measures a back end with jobs that do nothing: `craft queue:bench` and `examples/bench.rs`.
//!
//! The jobs wait in a table or queue of the bench's own, which is removed afterwards. Each run counts how
//! often every job ran, so that a figure never hides a loss.

mod ledger;
mod run;
mod workloads;

use serde::Serialize;

use crate::config::{Config, Connection, DriverKind};
use crate::registry::Jobs;
use crate::time::Timestamp;

use self::ledger::Nothing;

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
