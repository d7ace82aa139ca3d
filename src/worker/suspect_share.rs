//! How the room for jobs is shared between clean ones and suspects.
//!
//! In threads a suspect runs alone. In child processes suspects run beside other jobs at first: while some are due,
//! they and the clean ones have all the room in turn, so that neither waits behind an endless flow of the other, and
//! never more is taken than there is room for. What was running beside others when a worker died a second time is
//! left in the back end for one that runs it alone.

use crate::driver::Suspects;

/// All that decides what to look for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// For how many jobs there is room.
    pub(super) room: usize,
    /// How many slots have nothing to do.
    pub(super) free: usize,
    /// How many of them may be clean.
    pub(super) fresh: usize,
    /// Whether it is time to look for suspects.
    pub(super) looks: bool,
    /// Whether suspects may be taken.
    pub(super) settled_in: bool,
    /// Whether suspects run beside other jobs.
    pub(super) isolates: bool,
    /// One is to be taken, alone.
    pub(super) due: bool,
    /// The last look saw one.
    pub(super) seen: bool,
    /// It is the turn of the suspects.
    pub(super) their_turn: bool,
    /// Nothing is ready or running.
    pub(super) idle: bool,
    /// The worker ends by itself at some time.
    pub(super) ends: bool,
}

impl Share {
    /// How many clean jobs to take, and what to do about suspects.
    pub(super) fn decide(self) -> (usize, Suspects) {
        let Self { room, free, fresh, isolates, .. } = self;
        // It runs alone, so that a death is charged to nobody else.
        if self.due {
            return (0, if self.idle { Suspects::Take(1) } else { Suspects::Look });
        }
        if !self.looks {
            return (fresh, Suspects::Ignore);
        }
        if !self.settled_in {
            // A worker that ends when all is done leaves none behind; nor does one that never gets old.
            return (fresh, if self.ends { Suspects::Look } else { Suspects::Ignore });
        }
        match isolates && self.seen && (self.their_turn || fresh == 0) {
            // In child processes it is known what killed, so none is charged with the end of its worker. No more than
            // begin at once: those that run when it ends nevertheless run alone afterwards.
            true => (0, Suspects::TakeUncharged(room.min(free.max(1)))),
            false => (fresh, Suspects::Look),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker of processes with room for 5 jobs, that has seen suspects.
    const SEEN: Share = Share {
        room: 5,
        free: 9,
        fresh: 5,
        looks: true,
        settled_in: true,
        isolates: true,
        due: false,
        seen: true,
        their_turn: true,
        idle: false,
        ends: false,
    };

    #[test]
    fn what_is_looked_for() {
        let threads = Share { isolates: false, ..SEEN };
        let early = Share { settled_in: false, ..SEEN };
        #[rustfmt::skip] // a table
        let table = [
            ("their turn", SEEN, (0, Suspects::TakeUncharged(5))),
            ("the turn of the clean ones", Share { their_turn: false, ..SEEN }, (5, Suspects::Look)),
            ("no room for clean ones", Share { their_turn: false, fresh: 0, ..SEEN }, (0, Suspects::TakeUncharged(5))),
            ("their turn, few slots are free", Share { free: 3, ..SEEN }, (0, Suspects::TakeUncharged(3))),
            ("their turn, no slot is free", Share { free: 0, ..SEEN }, (0, Suspects::TakeUncharged(1))),
            ("what is due runs alone", Share { due: true, ..SEEN }, (0, Suspects::Look)),
            ("what is due runs alone, idle", Share { due: true, idle: true, ..SEEN }, (0, Suspects::Take(1))),
            ("none were seen", Share { seen: false, ..SEEN }, (5, Suspects::Look)),
            ("not now", Share { looks: false, ..SEEN }, (5, Suspects::Ignore)),
            ("it has not settled in", early, (5, Suspects::Ignore)),
            ("it has not settled in and will end", Share { ends: true, ..early }, (5, Suspects::Look)),
            ("threads", threads, (5, Suspects::Look)),
            ("threads, one is due", Share { due: true, ..threads }, (0, Suspects::Look)),
            ("threads, one is due, idle", Share { due: true, idle: true, ..threads }, (0, Suspects::Take(1))),
            ("threads, one is due, not now", Share { due: true, looks: false, ..threads }, (0, Suspects::Look)),
        ];
        for (what, share, expected) in table {
            assert_eq!(share.decide(), expected, "{what}: {share:?}");
        }
    }

    /// However it is set, no more is asked for than there is room for.
    #[test]
    fn both_together_never_exceed_the_room() {
        let is = |bits: u32, bit: u32| bits >> bit & 1 == 1;
        for bits in 0..1 << 7 {
            for (room, fresh) in [(1, 0), (1, 1), (5, 0), (5, 4), (5, 5)] {
                let share = Share {
                    room,
                    free: 3,
                    fresh,
                    looks: is(bits, 0),
                    settled_in: is(bits, 1),
                    isolates: is(bits, 2),
                    due: is(bits, 3),
                    seen: is(bits, 4),
                    their_turn: is(bits, 5),
                    idle: is(bits, 6),
                    ends: false,
                };
                let (fresh, suspects) = share.decide();
                assert!(fresh + suspects.most() <= room, "{share:?}: {fresh} and {suspects:?}");
            }
        }
    }
}
