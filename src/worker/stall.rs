//! Jobs that are ready and not begun go back for other workers while all slots stay busy. Pure.

use std::time::{Duration, Instant};

pub(super) struct Stall {
    /// The last look for jobs.
    looked: Instant,
    /// The back end is to take back what it handed out ahead of being asked.
    returns: bool,
    /// It has been asked to since the last look.
    returned: bool,
}

impl Stall {
    pub(super) fn new(now: Instant) -> Self {
        Self { looked: now, returns: false, returned: false }
    }

    /// A look for jobs was made.
    pub(super) fn looks(&mut self, now: Instant) {
        (self.looked, self.returned) = (now, false);
    }

    /// There is no room for jobs. Some back ends hand out ahead of what is asked for, and nobody has asked for a
    /// while.
    pub(super) fn no_room(&mut self, now: Instant, patience: Duration) {
        self.returns |= !self.returned && self.looked + patience <= now;
    }

    /// Whether the back end is to take back what it handed out ahead, now that it can be asked.
    pub(super) fn takes_back(&mut self, online: bool) -> bool {
        let returns = std::mem::take(&mut self.returns) && online;
        self.returned |= returns;
        returns
    }
}
