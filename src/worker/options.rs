//! What a worker is told before it starts, and what it tells at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;

use super::Wakeup;
use crate::driver::{Backend, Control};
use crate::event::{self, Listener};
use crate::failed::FailedBackend;
use crate::policy::Policy;
use crate::registry::JobTypes;
use crate::runner::Witness;
use crate::time;

/// Everything a worker needs, put together by the queue.
pub(crate) struct WorkerOptions {
    /// The configured name of the driver.
    pub(crate) driver: String,
    /// The driver's connection; empty when it has none.
    pub(crate) connection: String,
    pub(crate) backend: Arc<dyn Backend>,
    /// Where the control messages are when the driver keeps none itself.
    pub(crate) control: Option<Box<dyn Control>>,
    /// Where the dead go when the driver does not bury them itself; `None` keeps none.
    pub(crate) failed: Option<Arc<dyn FailedBackend>>,
    pub(crate) kinds: JobTypes,
    pub(crate) queues: Vec<String>,
    /// How many jobs run at once.
    pub(crate) slots: usize,
    pub(crate) policy: Policy,
    pub(crate) poll: Duration,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
    pub(crate) bounds: Bounds,
    pub(crate) listener: Option<Listener>,
    /// Whether the listener does more than to log.
    pub(crate) is_heard: bool,
    /// Whether the process exits when the worker ends: only then may it give back jobs whose threads are
    /// not dead yet.
    pub(crate) process_ends: bool,
}

impl WorkerOptions {
    /// Whom to tell that the jobs begin that were just taken: nobody, where nobody would see it.
    pub(super) fn witness(&self) -> Option<Witness> {
        let is_heard = self.is_heard || log::log_enabled!(target: event::LOG_TARGET, log::Level::Debug);
        let listener = self.listener.clone().filter(|_| is_heard)?;
        Some(Witness { listener, taken: Instant::now() })
    }
}

/// A shorter one would be over before it was renewed.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

impl WorkerOptions {
    /// The same with spans that can be added to an instant.
    pub(super) fn bounded(mut self) -> Self {
        for span in [&mut self.poll, &mut self.lease, &mut self.grace] {
            *span = time::bounded(*span);
        }
        self.lease = self.lease.max(SHORTEST_LEASE);
        self.bounds.time = self.bounds.time.map(time::bounded);
        self
    }
}

impl Bounds {
    /// Whether it ends by itself at some time.
    pub(super) fn end_it(&self) -> bool {
        self.when_empty || self.jobs.is_some() || self.time.is_some() || self.memory.is_some()
    }
}

/// When a worker ends by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    /// When nothing is due and nothing that it put back itself is still to come.
    pub(crate) when_empty: bool,
    /// After so many jobs.
    pub(crate) jobs: Option<u64>,
    /// After so long.
    pub(crate) time: Option<Duration>,
    /// When the process has this many MB resident.
    pub(crate) memory: Option<u64>,
}

/// Stops a worker, from any thread.
#[derive(Clone)]
pub struct Stopper {
    pub(super) notes: Sender<Wakeup>,
    pub(super) stopping: Arc<AtomicBool>,
}

impl Stopper {
    /// Takes nothing new, finishes what runs for up to the grace, gives the rest back.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // An error means that the worker has ended, which is what was asked for.
        let _ = self.notes.send(Wakeup::Stop);
    }

    /// Stops at once and gives everything back. In a worker whose process goes on, running threads cannot
    /// be ended: it returns an error then, and keeps their holds alive.
    pub fn stop_now(&self) {
        self.stopping.store(true, Ordering::Release);
        let _ = self.notes.send(Wakeup::StopNow);
    }

    /// Works until nothing is due any more, then ends.
    pub fn finish(&self) {
        let _ = self.notes.send(Wakeup::Finish);
    }
}

/// What a worker did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Jobs that are done.
    pub done: u64,
    /// Jobs that are dead.
    pub failed: u64,
    /// Failed attempts that will be made again.
    pub retried: u64,
    /// Jobs without a run left that could not be kept with the failed jobs yet: they are not run again, and who takes
    /// one next tries that again.
    pub put_aside: u64,
    /// Jobs that were given back without having run to an end.
    pub returned: u64,
    /// Jobs whose hold was lost.
    pub lost: u64,
    /// Why it ended.
    pub ended: StopReason,
    /// Jobs whose outcome could not be written down before the end; they will run again. The first
    /// [`MOST_NAMED`](Report::MOST_NAMED) of them.
    pub unsettled: Vec<String>,
    /// How many there are in all.
    pub unsettled_in_all: u64,
}

impl Report {
    /// So many jobs are named at most.
    pub const MOST_NAMED: usize = 100;

    /// A sentence about jobs whose outcome could not be written down: the first ones of so many.
    pub(crate) fn of_unsettled(names: &[String], in_all: u64) -> String {
        format!("the outcome of {} could not be written down; it runs again", listed(names, in_all))
    }

    pub(super) fn note_unsettled(&mut self, name: String) {
        self.unsettled_in_all += 1;
        if self.unsettled.len() < Self::MOST_NAMED {
            self.unsettled.push(name);
        }
    }
}

/// Names for a message to people: the first ones of so many.
pub(super) fn listed(names: &[String], in_all: u64) -> String {
    const MOST: usize = 20;
    let shown = &names[..names.len().min(MOST)];
    let others = in_all.saturating_sub(shown.len() as u64);
    let others = if others > 0 { format!(" and {others} others") } else { String::new() };
    format!("{}{others}", shown.join(", "))
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    #[default]
    Stopped,
    /// It was asked to stop at once.
    StoppedNow,
    /// Its driver's workers were told to end, to be started again.
    Restarted,
    /// Nothing waits.
    Empty,
    /// It ran as many jobs as it should.
    JobLimit,
    /// It ran as long as it should.
    TimeLimit,
    /// The process grew as large as it should.
    MemoryLimit,
}
