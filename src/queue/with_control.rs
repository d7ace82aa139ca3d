//! A driver whose back end has no place for signals: its workers are told through a database beside it.
//!
//! That database may be away while the back end works: then what it said last holds, and it is asked again
//! a little later. Only a worker that starts must know.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::driver::database::{ControlTable, Database};
use crate::driver::{
    Backend, Cancelled, ControlFlags, ControlMessage, Driver, Extended, JobDetails, JobFilter, Notifier,
    QueuedJob, Receipt, Reserved, Settled, Settlement, Size, Taken, Want,
};
use crate::error::Result;
use crate::message::{JobId, Message, Pushed};

/// How long a database that could not be read is left alone: the worker waits for it meanwhile.
const PAUSE: Duration = Duration::from_secs(15);

pub(super) struct WithControl {
    backend: Arc<dyn Backend>,
    board: ControlBoard,
}

impl WithControl {
    pub(super) fn new(backend: Arc<dyn Backend>, driver: &str, database: Database) -> Self {
        let board = ControlBoard { driver: driver.to_owned(), database, last: Arc::default() };
        Self { backend, board }
    }
}

impl Backend for WithControl {
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>> {
        let driver = self.backend.open(notifier)?;
        Ok(Box::new(DriverWithControl {
            driver,
            board: self.board.clone(),
            table: None,
            next_look: Instant::now(),
        }))
    }

    fn describe(&self) -> String {
        self.backend.describe()
    }

    fn longest_hold(&self) -> Option<(Duration, &'static str)> {
        self.backend.longest_hold()
    }

    fn holds_outlive_connection(&self) -> bool {
        self.backend.holds_outlive_connection()
    }

    fn pushes_wait_for_keys(&self) -> bool {
        self.backend.pushes_wait_for_keys()
    }

    fn knows_unique_keys(&self) -> bool {
        self.backend.knows_unique_keys()
    }

    fn push_limit(&self) -> Option<Duration> {
        self.backend.push_limit()
    }

    fn settling_in(&self, lease: Duration) -> Duration {
        self.backend.settling_in(lease)
    }
}

/// Where the signals are.
#[derive(Clone)]
struct ControlBoard {
    driver: String,
    database: Database,
    /// What was read last, by whichever driver: a lost connection to the back end does not forget it.
    last: Arc<Mutex<Option<ControlFlags>>>,
}

struct DriverWithControl {
    driver: Box<dyn Driver>,
    board: ControlBoard,
    table: Option<ControlTable>,
    next_look: Instant,
}

impl DriverWithControl {
    fn read(&mut self) -> Result<ControlFlags> {
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(self.board.database.open_signals(&self.board.driver)?),
        };
        table.list()
    }
}

impl Driver for DriverWithControl {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        self.driver.push(messages)
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        self.driver.reserve(want)
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.driver.settle(settled)
    }

    fn settle_surely(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.driver.settle_surely(settled)
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        self.driver.extend(held, lease)
    }

    fn extend_around_locks(&mut self, held: &[&Reserved], lease: Duration) -> Result<Extended> {
        self.driver.extend_around_locks(held, lease)
    }

    fn came_back(&mut self, job: &Reserved) -> bool {
        self.driver.came_back(job)
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        self.driver.size(queues)
    }

    fn size_up_to(&mut self, queues: &[String], most: u64) -> Result<Vec<Size>> {
        self.driver.size_up_to(queues, most)
    }

    fn jobs(&mut self, filter: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        self.driver.jobs(filter)
    }

    fn job(&mut self, id: &JobId) -> Result<Option<JobDetails>> {
        self.driver.job(id)
    }

    fn cancel(&mut self, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        self.driver.cancel(ids)
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        self.driver.clear(queue)
    }

    fn settle_and_reserve(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        self.driver.settle_and_reserve(settled, want)
    }

    fn signals(&mut self) -> Result<ControlFlags> {
        let last = self.board.last.clone();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signals) = &*last
            && Instant::now() < self.next_look
        {
            return Ok(signals.clone());
        }
        match self.read() {
            Ok(signals) => Ok(last.insert(signals).clone()),
            Err(error) => {
                self.table = None;
                self.next_look = Instant::now() + PAUSE;
                match &*last {
                    // Without such a table nobody can have told anything.
                    _ if error.is_schema() => Ok(last.insert(ControlFlags::default()).clone()),
                    Some(signals) => {
                        log::warn!("cannot read whether to pause or to restart: {error}");
                        Ok(signals.clone())
                    }
                    None => Err(error.context("cannot tell which queues are paused")),
                }
            }
        }
    }

    fn signal(&mut self, signal: &ControlMessage<'_>) -> Result<bool> {
        self.board.database.open_signals(&self.board.driver)?.send(signal)
    }

    fn buries(&self) -> bool {
        self.driver.buries()
    }
}
