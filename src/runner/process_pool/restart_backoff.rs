//! When the next child may be started, and when the program is given up.

use std::time::{Duration, Instant};

use crate::error::Error;

/// The program is given up when it dies this often in a row before it is ready.
const MOST: u32 = 4;

/// How long to wait for what the system is short of.
const SHORTAGE_WAIT: Duration = Duration::from_millis(500);

pub(super) struct RestartBackoff {
    /// How often in a row a child died before it was ready.
    failed: u32,
    next: Instant,
}

impl RestartBackoff {
    pub(super) fn new(now: Instant) -> Self {
        Self { failed: 0, next: now }
    }

    /// When the next one may be started, if that is later than now.
    pub(super) fn later_than(&self, now: Instant) -> Option<Instant> {
        Some(self.next).filter(|next| *next > now)
    }

    pub(super) fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// A child could not be started or died before it was ready. Each further one is tried a little later. Returns
    /// false when no further one makes sense.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failed += 1;
        self.next = now + Duration::from_millis(50) * 2u32.pow(self.failed.min(8));
        self.failed < MOST
    }

    /// The system is short of something. That says nothing about the program.
    pub(super) fn wait_for_more(&mut self, now: Instant) {
        self.next = now + SHORTAGE_WAIT;
    }
}

pub(super) fn cannot_serve(how: &str) -> Error {
    Error::other(format!("child processes of this program end before they can take a job: {how}")).with_help(
        "see what it printed; Jobs::serve_if_child must be the first call in main, and --child-memory must \
         leave room for the program itself",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_longer_and_the_fourth_in_a_row_is_the_last() {
        let now = Instant::now();
        let mut starts = RestartBackoff::new(now);
        assert_eq!(starts.later_than(now), None);
        for wait in [100, 200, 400] {
            assert!(starts.failed(now));
            assert_eq!(starts.later_than(now), Some(now + Duration::from_millis(wait)));
        }
        assert!(!starts.failed(now));
        starts.succeeded();
        assert!(starts.failed(now));
        starts.wait_for_more(now);
        assert_eq!(starts.later_than(now), Some(now + SHORTAGE_WAIT));
        assert_eq!(starts.later_than(now + SHORTAGE_WAIT), None);
    }
}
