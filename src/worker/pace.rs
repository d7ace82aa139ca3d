//! How quickly jobs pass, and so how many to hold ready.

use std::time::{Duration, Instant};

/// Jobs are held ready for at least this long; a round trip to a database near by is far shorter.
const AHEAD: Duration = Duration::from_millis(50);

/// And for this long at most, where each exchange takes its time.
const FAR_AHEAD: Duration = Duration::from_secs(4);

/// In exchanges with the back end: a look is made when a quarter of what is ready has run, and that must
/// last for longer than the look does.
const EXCHANGES_AHEAD: u32 = 8;

/// More than this many ready jobs gain nothing, and come back one by one when the worker dies.
const MOST: usize = 500;

const WINDOW: Duration = Duration::from_millis(50);

pub(super) struct Pace {
    since: Instant,
    count: usize,
    prefetch: usize,
    ahead: Duration,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, count: 0, prefetch: 0, ahead: AHEAD }
    }

    /// Counts jobs that have run.
    pub(super) fn count(&mut self, jobs: usize) {
        self.count += jobs;
    }

    /// An exchange with the back end took this long: over a long way, or over many rows that are gone and not
    /// yet swept. Were only few jobs held ready, the slots would idle while it lasts, the pace would fall,
    /// fewer jobs would be taken, and it would fall again.
    pub(super) fn exchanged(&mut self, took: Duration) {
        self.ahead = took.saturating_mul(EXCHANGES_AHEAD).clamp(AHEAD, FAR_AHEAD);
    }

    /// How many jobs to hold beyond the slots: what the last moments' pace runs in that time, at most 500.
    pub(super) fn prefetch(&mut self, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            let ahead = self.count as f64 * self.ahead.as_secs_f64() / elapsed.as_secs_f64();
            self.prefetch = (ahead as usize).min(MOST);
            self.since = now;
            self.count = 0;
        }
        self.prefetch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_jobs_are_not_held_ahead_and_quick_ones_are_up_to_a_bound() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.prefetch(start), 0);
        pace.count(1);
        assert_eq!(pace.prefetch(start + Duration::from_secs(1)), 0);
        pace.count(100);
        assert_eq!(pace.prefetch(start + Duration::from_millis(1_100)), 50);
        pace.count(1_000_000);
        assert_eq!(pace.prefetch(start + Duration::from_millis(1_200)), 500);
        assert_eq!(pace.prefetch(start + Duration::from_millis(1_300)), 0);
    }

    #[test]
    fn the_longer_an_exchange_takes_the_more_jobs_are_held_ready() {
        let start = Instant::now();
        let ready = |took| {
            let mut pace = Pace::new(start);
            pace.exchanged(took);
            pace.count(100);
            pace.prefetch(start + Duration::from_secs(1))
        };
        assert_eq!(ready(Duration::from_millis(1)), 5);
        assert_eq!(ready(Duration::from_millis(100)), 80);
        assert_eq!(ready(Duration::from_secs(5)), 400);
    }
}
