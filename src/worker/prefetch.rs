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

/// Nor is more held ready than so many bytes of payloads.
pub(super) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What is ready and waits for longer than this for its slot goes back; at least, and at so many times as what is
/// held ready should last.
const PATIENCE: Duration = Duration::from_millis(500);
const TIMES_AHEAD: u32 = 4;

const WINDOW: Duration = Duration::from_millis(50);

pub(super) struct Prefetch {
    since: Instant,
    count: usize,
    prefetch: usize,
    ahead: Duration,
    /// The size of a payload: at once the largest, and slowly less.
    size: usize,
}

impl Prefetch {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, count: 0, prefetch: 0, ahead: AHEAD, size: 0 }
    }

    /// Counts jobs that have run.
    pub(super) fn count(&mut self, jobs: usize) {
        self.count += jobs;
    }

    /// A job with so many bytes was taken.
    pub(super) fn sized(&mut self, bytes: usize) {
        self.size = bytes.max(self.size - self.size / 64);
    }

    /// How long what is held ready may wait for a slot.
    pub(super) fn patience(&self) -> Duration {
        PATIENCE.max(self.ahead * TIMES_AHEAD)
    }

    /// What was ready had to wait for too long: nothing is held ready until the pace says so again.
    pub(super) fn stall(&mut self, now: Instant) {
        (self.since, self.count, self.prefetch) = (now, 0, 0);
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
        self.prefetch.min(MOST_BYTES / self.size.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_jobs_are_not_held_ahead_and_quick_ones_are_up_to_a_bound() {
        let start = Instant::now();
        let mut prefetch = Prefetch::new(start);
        assert_eq!(prefetch.prefetch(start), 0);
        prefetch.count(1);
        assert_eq!(prefetch.prefetch(start + Duration::from_secs(1)), 0);
        prefetch.count(100);
        assert_eq!(prefetch.prefetch(start + Duration::from_millis(1_100)), 50);
        prefetch.count(1_000_000);
        assert_eq!(prefetch.prefetch(start + Duration::from_millis(1_200)), 500);
        assert_eq!(prefetch.prefetch(start + Duration::from_millis(1_300)), 0);
    }

    #[test]
    fn large_jobs_are_held_ready_by_their_bytes() {
        let start = Instant::now();
        let mut prefetch = Prefetch::new(start);
        prefetch.count(1_000_000);
        prefetch.sized(2 * 1024 * 1024);
        assert_eq!(prefetch.prefetch(start + Duration::from_secs(1)), 8);
        prefetch.sized(1 << 30);
        assert_eq!(prefetch.prefetch(start + Duration::from_secs(1)), 0);
        (0..2_000).for_each(|_| prefetch.sized(100));
        assert_eq!(prefetch.prefetch(start + Duration::from_secs(1)), 500, "small ones again");
    }

    #[test]
    fn after_a_stall_nothing_is_held_ready() {
        let start = Instant::now();
        let mut prefetch = Prefetch::new(start);
        prefetch.count(1_000_000);
        assert_eq!(prefetch.prefetch(start + Duration::from_millis(100)), 500);
        prefetch.stall(start + Duration::from_millis(100));
        assert_eq!(prefetch.prefetch(start + Duration::from_millis(101)), 0);
    }

    #[test]
    fn the_longer_an_exchange_takes_the_more_jobs_are_held_ready() {
        let start = Instant::now();
        let ready = |took| {
            let mut prefetch = Prefetch::new(start);
            prefetch.exchanged(took);
            prefetch.count(100);
            prefetch.prefetch(start + Duration::from_secs(1))
        };
        assert_eq!(ready(Duration::from_millis(1)), 5);
        assert_eq!(ready(Duration::from_millis(100)), 80);
        assert_eq!(ready(Duration::from_secs(5)), 400);
    }
}
