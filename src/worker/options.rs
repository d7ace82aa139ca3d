//! The options of a worker, and the bounds at which it ends by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::StopReason;
use crate::driver::{Backend, Control};
use crate::event::{self, Event, Listener};
use crate::failed::FailedBackend;
use crate::policy::Policy;
use crate::registry::{JobType, JobTypes};
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
    /// Where failed jobs are stored when the driver does not do it itself; `None` stores none.
    pub(crate) failed: Option<Arc<dyn FailedBackend>>,
    pub(crate) job_types: JobTypes,
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
    /// The witness of jobs that were just taken; none where no listener would see that they begin.
    pub(super) fn witness(&self) -> Option<Witness> {
        let is_heard = self.is_heard || log::log_enabled!(target: event::LOG_TARGET, log::Level::Debug);
        let listener = self.listener.clone().filter(|_| is_heard)?;
        Some(Witness { listener, taken: Instant::now() })
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        if let Some(listener) = &self.listener {
            event::emit(listener, event);
        }
    }

    pub(super) fn emit_host(&self, host: Option<String>) {
        if let Some(host) = host {
            self.emit(&Event::Connected { host: &host });
        }
    }

    /// How long an outcome may be of use that the back end does not take: its job is somebody else's afterwards.
    pub(super) fn outcome_useful_for(&self) -> Duration {
        match self.backend.holds_outlive_connection() {
            true => self.lease,
            false => self.backend.settling_in(self.lease),
        }
    }

    /// A job that is held for too long is taken away while it runs, and may run elsewhere at once.
    pub(super) fn warn_of_short_holds(&self) {
        let Some((longest, option)) = self.backend.longest_hold() else { return };
        let timeout = |job_type: &Arc<dyn JobType>| self.policy.limits_for(None, &job_type.limits()).timeout;
        let too_long: Vec<_> = (self.job_types.iter())
            .filter(|(_, job_type)| timeout(job_type).is_some_and(|timeout| timeout >= longest))
            .map(|(name, _)| &**name)
            .collect();
        if !too_long.is_empty() {
            let warning = format!(
                "{} may run for as long as {option} or longer, which is {}: then the job is taken away and run \
                 again. Give it a shorter timeout, or raise {option} and the broker's limit",
                too_long.join(", "),
                time::format_duration(longest),
            );
            self.emit(&Event::Warning(&warning));
        }
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

    /// The bound that a worker has reached which has begun so many jobs.
    pub(super) fn reached(&self, begun: u64, time_is_up: bool) -> Option<StopReason> {
        if self.jobs.is_some_and(|most| begun >= most) {
            return Some(StopReason::JobLimit);
        }
        if time_is_up {
            return Some(StopReason::TimeLimit);
        }
        let resident = || resident_megabytes().unwrap_or(0);
        self.memory.is_some_and(|most| resident() >= most).then_some(StopReason::MemoryLimit)
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

/// Resident memory of this process; `None` where the system has no /proc.
fn resident_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}
