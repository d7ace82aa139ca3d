//! Takes follow one another.
//!
//! Of many workers that take at once, each steps over the rows that the others have locked, which costs the server more
//! than the takes themselves. So each takes in its turn, by a named lock of the server. The lock only spares work: whose
//! job it is rests on the rows. Who does not get it in time takes without, for a while, as its holder may be stopped.

use std::time::{Duration, Instant};

/// How long somebody takes without a turn who did not get one in time.
const WITHOUT: Duration = Duration::from_secs(10);

/// A wait for a turn takes up to a second (`take_turn.sql`), which must fit between two extends.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) struct Turns {
    without_until: Option<Instant>,
    are_wanted: bool,
}

impl Turns {
    /// `limit` is how long each statement may take.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { without_until: None, are_wanted: limit.is_none_or(|limit| limit >= PATIENCE) }
    }

    pub(super) fn missed(&mut self, now: Instant) {
        self.without_until = Some(now + WITHOUT);
    }

    pub(super) fn are_taken(&self, now: Instant) -> bool {
        self.are_wanted && self.without_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_did_not_get_a_turn_in_time_takes_without_for_a_while() {
        let now = Instant::now();
        let mut turns = Turns::new(Some(Duration::from_secs(5)));
        assert!(turns.are_taken(now));
        turns.missed(now);
        assert!(!turns.are_taken(now));
        assert!(turns.are_taken(now + WITHOUT));
        assert!(
            !Turns::new(Some(Duration::from_millis(250))).are_taken(now),
            "no wait fits into such a lease"
        );
    }
}
