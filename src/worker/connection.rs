//! The connection of a worker to its back end: one open driver, opened again after an error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::driver::{Backend, Driver, Notifier, Settled, Settlement, Suspects, Taken, Want};
use crate::error::{Error, Result};

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// An extend that takes this part of the lease may have been held up.
const SLOW: u32 = 12;

pub(super) struct Connection {
    backend: Arc<dyn Backend>,
    notifier: Notifier,
    driver: Option<Box<dyn Driver>>,
    /// When it was last opened.
    opened: Instant,
    /// How often in a row it was lost or not to be opened.
    failures: u32,
    retry_at: Instant,
    /// How long an extend usually takes.
    usual: Duration,
}

impl Connection {
    /// Opens it for the first time: an error here is for a person.
    pub(super) fn open(backend: Arc<dyn Backend>, notifier: Notifier) -> Result<Self> {
        let driver = Some(backend.open(notifier.clone())?);
        let now = Instant::now();
        Ok(Self { backend, notifier, driver, opened: now, failures: 0, retry_at: now, usual: Duration::ZERO })
    }

    /// The open driver, if there is one.
    pub(super) fn driver(&mut self) -> Option<&mut dyn Driver> {
        match &mut self.driver {
            Some(driver) => Some(&mut **driver),
            None => None,
        }
    }

    /// Which of several hosts it is open to.
    pub(super) fn host(&self) -> Option<String> {
        self.driver.as_ref()?.host()
    }

    /// Opens it again when it is time; says whether it did.
    pub(super) fn reopen(&mut self, now: Instant) -> Result<bool> {
        if self.driver.is_some() || now < self.retry_at {
            return Ok(false);
        }
        self.driver = Some(self.backend.open(self.notifier.clone())?);
        self.opened = Instant::now();
        Ok(true)
    }

    /// An error that says which of several hosts it is from.
    pub(super) fn at_host(&self, error: Error) -> Error {
        match self.host() {
            Some(host) if !error.to_string().contains(&host) => error.context(format!("at {host}")),
            _ => error,
        }
    }

    /// Drops the driver after an error, and says how long it waits before it opens another, never over `longest`.
    pub(super) fn lose(&mut self, now: Instant, longest: Duration) -> Duration {
        self.driver = None;
        let wait = retry_after(self.failures, longest, fastrand::f64());
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + wait;
        wait
    }

    /// Something was exchanged: the next loss is a first one.
    pub(super) fn works(&mut self) {
        self.failures = 0;
    }

    /// Settles and looks for jobs. From here on a notification counts: a job that is pushed after this look wakes the
    /// sleep that follows it.
    pub(super) fn settle_and_reserve(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        self.listen();
        self.driver().ok_or_else(not_connected)?.settle_and_reserve(settled, want)
    }

    pub(super) fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.driver().ok_or_else(not_connected)?.settle(settled)
    }

    /// Settles what can't be settled again, as the worker ends.
    pub(super) fn settle_surely(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.driver().ok_or_else(not_connected)?.settle_surely(settled)
    }

    /// Has the back end take back jobs that it handed out before they were asked for.
    pub(super) fn fetch_nothing_ahead(&mut self, fresh: usize, lease: Duration) -> Result<()> {
        let want = Want { queues: &[], fresh, suspects: Suspects::Ignore, lease };
        match self.driver() {
            Some(driver) => driver.reserve(&want).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn listen(&self) {
        self.notifier.listen();
    }

    /// When to try again; `None` while it is open.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.driver.is_none().then_some(self.retry_at)
    }

    /// An extend took this long. When that is a good part of the lease, and more than usual, it was held up, and so
    /// were others: they get the same time to renew their holds as after a connect. What is always slow holds up
    /// nobody.
    pub(super) fn extended(&mut self, took: Duration, lease: Duration) {
        if took >= lease / SLOW && took > self.usual * 4 {
            self.opened = Instant::now();
        }
        self.usual = (self.usual * 3 + took) / 4;
    }

    /// From when on it may take suspects: by then other workers that lost the same back end have renewed their holds.
    pub(super) fn settled_in(&self, lease: Duration) -> Instant {
        self.opened + self.backend.settling_in(lease)
    }
}

/// How long to wait after so many failures in a row: doubling, and spread by `chance` from 0 to 1. Workers that lost
/// the same host at the same moment must not all come to the next one at the same moment.
fn retry_after(failures: u32, longest: Duration, chance: f64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(2u32.saturating_pow(failures));
    doubled.min(LONGEST_RETRY).min(longest).mul_f64(0.75 + 0.5 * chance)
}

fn not_connected() -> Error {
    Error::unavailable("the back end is away")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_is_put_off_twice_as_long_each_time_and_spread() {
        let table = [
            (0, Duration::MAX, 150, 250),
            (1, Duration::MAX, 300, 500),
            (5, Duration::MAX, 4_800, 8_000),
            (8, Duration::MAX, 22_500, 37_500),
            (u32::MAX, Duration::MAX, 22_500, 37_500),
            // A worker that holds jobs has to be back before their lease is over.
            (8, Duration::from_secs(5), 3_750, 6_250),
        ];
        for (failures, longest, least, most) in table {
            let at = |chance| retry_after(failures, longest, chance).as_millis();
            assert_eq!((at(0.0), at(1.0)), (least, most), "{failures}");
            assert!(at(0.0) < at(0.5) && at(0.5) < at(1.0), "{failures}");
        }
    }
}
