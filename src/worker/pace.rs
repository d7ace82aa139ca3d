//! How quickly jobs pass, and so how many to hold ready.

use std::time::{Duration, Instant};

/// Jobs are held ready for this long; a round trip to a database is far shorter.
const AHEAD: Duration = Duration::from_millis(50);

/// More than this many ready jobs gain nothing, and come back one by one when the worker dies.
const MOST: usize = 500;

const WINDOW: Duration = Duration::from_millis(50);

pub(super) struct Pace {
    since: Instant,
    count: usize,
    prefetch: usize,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, count: 0, prefetch: 0 }
    }

    /// Counts jobs that have run.
    pub(super) fn count(&mut self, jobs: usize) {
        self.count += jobs;
    }

    /// How many jobs to hold beyond the slots: what the last moments' pace runs in 50 ms, at most 500.
    pub(super) fn prefetch(&mut self, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            let ahead = self.count as f64 * AHEAD.as_secs_f64() / elapsed.as_secs_f64();
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
}
