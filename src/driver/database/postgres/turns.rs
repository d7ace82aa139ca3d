//! In a crowd takes follow one another.
//!
//! Of many workers that take at once, each steps over the rows that the others have locked, which costs the server more
//! than the takes themselves; and a take that also removes what is done may meet another one crosswise. So a worker that
//! sees many others removes what is done by itself, and takes in its turn, by an advisory lock of the transaction, which a
//! pool between it and the server does not get in the way of. The lock only spares work: whose job it is rests on the rows.
//! Who does not get it in time takes without, for a while, as its holder may be stopped.

use std::time::{Duration, Instant};

/// So many other busy workers are a crowd: a few take more quickly side by side.
const CROWD: i64 = 6;

/// How often a busy worker looks how many others there are.
const LOOKS: Duration = Duration::from_secs(1);

/// How long somebody takes without a turn who did not get one in time.
const WITHOUT: Duration = Duration::from_secs(10);

/// A wait for a turn takes up to a second (`take_turn.sql`), which must fit between two extends.
const PATIENCE: Duration = Duration::from_secs(3);

/// The lock in `take_turn.sql`, and that of the second line.
pub(super) const FIRST_LINE: &str = ", 0);";
const SECOND_LINE: &str = ", 1);";

pub(super) struct Turns {
    are_wanted: bool,
    pub(super) line: &'static str,
    look_at: Option<Instant>,
    pub(super) is_crowd: bool,
}

impl Turns {
    /// `limit` is how long each statement may take.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        let line = if fastrand::bool() { FIRST_LINE } else { SECOND_LINE };
        let are_wanted = limit.is_none_or(|limit| limit >= PATIENCE);
        Self { are_wanted, line, look_at: None, is_crowd: false }
    }

    pub(super) fn shall_look(&self, now: Instant) -> bool {
        self.are_wanted && self.look_at.is_none_or(|at| at <= now)
    }

    pub(super) fn saw(&mut self, others: i64, now: Instant) {
        self.is_crowd = others >= CROWD;
        self.look_at = Some(now + LOOKS);
    }

    pub(super) fn missed(&mut self, now: Instant) {
        self.is_crowd = false;
        self.look_at = Some(now + WITHOUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_looked_for_once_a_second_and_later_where_no_turn_came() {
        let now = Instant::now();
        let mut turns = Turns::new(Some(Duration::from_secs(5)));
        assert!(turns.shall_look(now) && !turns.is_crowd);
        turns.saw(CROWD, now);
        assert!(turns.is_crowd && !turns.shall_look(now) && turns.shall_look(now + LOOKS));
        turns.missed(now);
        assert!(!turns.is_crowd && !turns.shall_look(now + LOOKS) && turns.shall_look(now + WITHOUT));
        assert!(
            !Turns::new(Some(Duration::from_millis(250))).shall_look(now),
            "no wait fits into such a lease"
        );
    }

    #[test]
    fn each_line_has_its_lock() {
        let sql = include_str!("../../../../sql/postgres/take_turn.sql");
        assert_eq!(sql.matches(FIRST_LINE).count(), 1);
        assert!(include_str!("../../../../sql/postgres/done_and_take.sql").contains("craft_take"));
    }
}
