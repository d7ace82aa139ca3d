//! What parent and child must agree on to the instant: three words of shared memory.
//!
//! Which work the child has begun last must be known exactly after it died, and its unbegun work must be
//! taken back without asking it, since it may be in the middle of a long job. Messages can do neither.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::runner::unix::{Shared, clock};

const WORDS: usize = 3;

pub(super) struct SharedState(Shared);

/// How far the child is. Work is numbered in the order in which it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Raised when the parent takes back: work that was given in an earlier round may not be begun.
    pub(super) round: u32,
    /// The number of the work that was begun last; 0 before the first.
    pub(super) begun: u32,
}

/// Whether work may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Now,
    /// The hold on it may be over.
    TooLate,
    /// The parent has taken it back.
    NoLonger,
}

impl Turn {
    fn pack(self) -> u64 {
        u64::from(self.round) << 32 | u64::from(self.begun)
    }

    fn unpack(word: u64) -> Self {
        Self { round: (word >> 32) as u32, begun: word as u32 }
    }
}

impl SharedState {
    /// New memory, and the descriptor by which the child finds it.
    pub(super) fn new() -> std::io::Result<(Self, OwnedFd)> {
        let (shared, file) = Shared::new(WORDS)?;
        Ok((Self(shared), file))
    }

    pub(super) fn of(file: &OwnedFd) -> std::io::Result<Self> {
        Ok(Self(Shared::of(file, WORDS)?))
    }

    fn turn_word(&self) -> &AtomicU64 {
        &self.0[0]
    }

    /// When the work that was begun last was begun.
    fn begun_at(&self) -> &AtomicU64 {
        &self.0[1]
    }

    fn held_until(&self) -> &AtomicU64 {
        &self.0[2]
    }

    // The parent's side

    pub(super) fn turn(&self) -> Turn {
        Turn::unpack(self.turn_word().load(Ordering::Acquire))
    }

    /// Takes back everything that is not begun: after this the child begins none of it.
    pub(super) fn take_back(&self) -> Turn {
        let next = |word| {
            let turn = Turn::unpack(word);
            Some(Turn { round: turn.round.wrapping_add(1), ..turn }.pack())
        };
        let _ = self.turn_word().fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        self.turn()
    }

    /// When the work that was begun last was begun, as near as the two clocks can tell.
    pub(super) fn begun(&self, now: Instant) -> Instant {
        let ago = clock().saturating_sub(self.begun_at().load(Ordering::Acquire));
        now.checked_sub(Duration::from_micros(ago)).unwrap_or(now)
    }

    /// Promises that all work the child has is held for so long.
    pub(super) fn hold(&self, remaining: Duration) {
        let remaining = u64::try_from(remaining.as_micros()).unwrap_or(u64::MAX);
        self.held_until().store(clock().saturating_add(remaining), Ordering::Release);
    }

    // The child's side

    /// Asks whether work may be begun; if so, it counts as begun.
    pub(super) fn begin(&self, number: u32, round: u32) -> Begin {
        let now = clock();
        if now >= self.held_until().load(Ordering::Acquire) {
            return Begin::TooLate;
        }
        self.begun_at().store(now, Ordering::Release);
        let begin = |word| {
            let turn = Turn::unpack(word);
            (turn.round == round).then_some(Turn { round, begun: number }.pack())
        };
        match self.turn_word().fetch_update(Ordering::AcqRel, Ordering::Acquire, begin) {
            Ok(_) => Begin::Now,
            Err(_) => Begin::NoLonger,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_not_begun_and_what_is_begun_is_not_taken_back() {
        let (parent, file) = SharedState::new().unwrap();
        let child = SharedState::of(&file).unwrap();
        assert_eq!(child.begin(1, 0), Begin::TooLate, "nothing is promised yet");
        parent.hold(Duration::from_secs(60));
        assert_eq!(child.begin(1, 0), Begin::Now);
        assert_eq!(parent.take_back(), Turn { round: 1, begun: 1 });
        assert_eq!(child.begin(2, 0), Begin::NoLonger);
        assert_eq!(child.begin(3, 1), Begin::Now);
        assert_eq!(parent.turn(), Turn { round: 1, begun: 3 });
        parent.hold(Duration::ZERO);
        assert_eq!(child.begin(4, 1), Begin::TooLate);
    }

    /// The two race for each number: exactly one of them gets it.
    #[test]
    fn each_number_is_begun_or_taken_back_and_never_both() {
        let (parent, file) = SharedState::new().unwrap();
        let child = SharedState::of(&file).unwrap();
        parent.hold(Duration::from_secs(60));
        for number in 1..2_000 {
            let round = parent.turn().round;
            let began = std::thread::scope(|scope| {
                let begin = scope.spawn(|| child.begin(number, round) == Begin::Now);
                let taken = parent.take_back().begun != number;
                let began = begin.join().unwrap();
                assert_ne!(began, taken);
                began
            });
            assert_eq!(parent.turn().begun == number, began);
        }
    }
}
