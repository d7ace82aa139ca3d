//! When a worker looks for suspects, and for how long it keeps its slots empty for one.
//!
//! In threads a suspect runs alone, and in child processes one that has been a suspect before: once one is due,
//! nothing new begins until what runs has ended. That costs idle slots, so the worker looks again meanwhile, as
//! another one may have taken it; it goes on with clean jobs when the suspect cannot be taken though it is due
//! (another program has its row locked), and for a while when what runs takes very long.

use std::time::{Duration, Instant};

use crate::driver::Suspects;

/// Suspects and control flags are looked for no more often than this, however short the poll is: they can wait a
/// moment more, and the next job need not wait for the answers.
pub(super) const SELDOM: Duration = Duration::from_millis(100);

/// Slots are not kept empty for longer than this at a stretch.
const LONGEST_DRAIN: Duration = Duration::from_secs(3_600);

/// What a look that asked about suspects brought.
pub(super) struct Found {
    pub(super) asked: Suspects,
    /// Whether a suspect was taken.
    pub(super) took: bool,
    /// Whether more are due.
    pub(super) due: bool,
    /// Whether they may be taken: running workers had the time to renew their holds.
    pub(super) settled_in: bool,
    /// Whether suspects run beside other jobs.
    pub(super) isolates: bool,
}

pub(super) struct SuspectSchedule {
    /// One is to be taken, alone.
    pub(super) due: bool,
    /// The last look saw one that may be taken, now or when the worker has settled in.
    pub(super) seen: bool,
    /// In processes: the next look that finds the time takes suspects, and not clean jobs.
    pub(super) their_turn: bool,
    pub(super) next_look: Instant,
    /// Until when the slots are kept empty for it.
    drain_until: Instant,
    drain_for: Duration,
    first_drain: Duration,
    /// How often in a row one was due and could not be taken.
    in_vain: u32,
}

impl SuspectSchedule {
    pub(super) fn new(now: Instant, lease: Duration) -> Self {
        let first_drain = (lease / 3).clamp(SELDOM, LONGEST_DRAIN);
        Self {
            due: false,
            seen: false,
            their_turn: true,
            next_look: now,
            drain_until: now,
            drain_for: first_drain,
            first_drain,
            in_vain: 0,
        }
    }

    /// Decides what follows from a look; `pause` is how long suspects are left alone between two looks.
    pub(super) fn looked(&mut self, now: Instant, found: &Found, pause: Duration) {
        let takes = found.asked.most() > 0;
        let alone = takes && found.asked.are_charged();
        let in_vain = alone && found.due && !found.took;
        self.in_vain = if in_vain { self.in_vain + 1 } else { self.in_vain };
        if found.took || !found.due {
            (self.in_vain, self.drain_for) = (0, self.first_drain);
        }
        self.seen = found.due && !in_vain;
        // After one that ran alone the next of them may.
        self.their_turn = !takes || alone;
        // In processes what is left when others are taken has to run alone.
        let runs_alone = match found.isolates {
            true if takes => !alone && !found.took,
            true => self.due,
            false => true,
        };
        let drains = self.seen && found.settled_in && runs_alone;
        if !drains {
            self.due = false;
        } else if !self.due {
            (self.due, self.drain_until) = (true, now + self.drain_for);
        } else if !takes && now >= self.drain_until {
            // What runs takes long: the clean ones have their turn.
            self.due = false;
            self.next_look = now + self.drain_for;
            self.drain_for = self.drain_for.saturating_mul(2).min(LONGEST_DRAIN);
            return;
        }
        self.next_look = match found.isolates && found.settled_in && self.seen && !self.due {
            true => now,
            false if in_vain => now + (SELDOM * 2u32.pow(self.in_vain.min(16))).min(self.first_drain * 3),
            false => now + pause,
        };
    }

    /// In processes: whether what that look saw is to be taken with the next one.
    pub(super) fn are_next(&self, now: Instant, looked: Suspects) -> bool {
        looked == Suspects::Look && self.seen && self.next_look <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_secs(1);

    fn found(asked: Suspects, took: bool, due: bool) -> Found {
        Found { asked, took, due, settled_in: true, isolates: false }
    }

    #[test]
    fn one_that_is_gone_keeps_no_slot_empty() {
        let now = Instant::now();
        let mut schedule = SuspectSchedule::new(now, LEASE);
        schedule.looked(now, &found(Suspects::Look, false, true), PAUSE);
        assert!(schedule.due && schedule.seen);
        assert_eq!(schedule.next_look, now + PAUSE, "it looks again while others run");
        schedule.looked(now + PAUSE, &found(Suspects::Look, false, false), PAUSE);
        assert!(!schedule.due && !schedule.seen);
    }

    #[test]
    fn one_that_cannot_be_taken_is_left_alone_for_longer_each_time() {
        let now = Instant::now();
        let mut schedule = SuspectSchedule::new(now, LEASE);
        let mut before = Duration::ZERO;
        for _ in 0..20 {
            schedule.looked(now, &found(Suspects::Look, false, true), PAUSE);
            schedule.looked(now, &found(Suspects::Take(1), false, true), PAUSE);
            assert!(!schedule.due && !schedule.seen, "clean jobs are not kept waiting");
            let wait = schedule.next_look - now;
            assert!(wait >= before && wait > Duration::ZERO && wait <= LEASE, "{wait:?} after {before:?}");
            before = wait;
        }
        assert_eq!(before, LEASE);
        schedule.looked(now, &found(Suspects::Take(1), true, true), PAUSE);
        assert!(schedule.due, "the next one is taken at once");
    }

    #[test]
    fn clean_jobs_have_their_turn_beside_a_job_that_runs_for_hours() {
        let start = Instant::now();
        let mut schedule = SuspectSchedule::new(start, LEASE);
        let (mut now, mut empty) = (start, Duration::ZERO);
        while now < start + Duration::from_secs(7_200) {
            schedule.looked(now, &found(Suspects::Look, false, true), PAUSE);
            let next = schedule.next_look;
            empty += if schedule.due { next - now } else { Duration::ZERO };
            now = next;
        }
        assert!(empty > Duration::from_secs(600), "the slots are kept empty for longer each time: {empty:?}");
        assert!(empty < Duration::from_secs(5_400), "the clean ones have their turn: {empty:?}");
    }

    #[test]
    fn in_processes_the_next_ones_are_taken_at_once() {
        let now = Instant::now();
        let mut schedule = SuspectSchedule::new(now, LEASE);
        schedule.looked(
            now,
            &Found { isolates: true, ..found(Suspects::TakeUncharged(4), true, true) },
            PAUSE,
        );
        assert!(!schedule.due);
        assert_eq!(schedule.next_look, now);
    }

    #[test]
    fn in_processes_suspects_and_clean_jobs_take_turns_while_suspects_are_due() {
        let now = Instant::now();
        let mut schedule = SuspectSchedule::new(now, LEASE);
        let found = |asked, took| Found { isolates: true, ..found(asked, took, true) };
        for _ in 0..3 {
            schedule.looked(now, &found(Suspects::Look, false), PAUSE);
            assert!(schedule.seen && schedule.their_turn && schedule.are_next(now, Suspects::Look));
            schedule.looked(now, &found(Suspects::TakeUncharged(4), true), PAUSE);
            assert!(schedule.seen && !schedule.their_turn && schedule.next_look == now);
        }
    }

    #[test]
    fn in_processes_what_others_leave_runs_alone() {
        let now = Instant::now();
        let mut schedule = SuspectSchedule::new(now, LEASE);
        let found = |asked, took| Found { isolates: true, ..found(asked, took, true) };
        for _ in 0..3 {
            schedule.looked(now, &found(Suspects::TakeUncharged(4), false), PAUSE);
            assert!(schedule.due && schedule.next_look > now, "it waits for the slots to be empty");
            schedule.looked(now, &found(Suspects::Look, false), PAUSE);
            assert!(schedule.due, "and goes on to wait");
            schedule.looked(now, &found(Suspects::Take(1), true), PAUSE);
            assert!(
                !schedule.due && schedule.their_turn && schedule.next_look == now,
                "others may run beside each other"
            );
        }
        schedule.looked(now, &found(Suspects::TakeUncharged(4), false), PAUSE);
        schedule.looked(now, &found(Suspects::Take(1), false), PAUSE);
        assert!(
            !schedule.due && !schedule.seen && schedule.next_look > now,
            "it is locked: the clean ones have their turn"
        );
    }

    #[test]
    fn before_it_has_settled_in_it_only_notes_that_there_are_some() {
        let now = Instant::now();
        let mut schedule = SuspectSchedule::new(now, LEASE);
        schedule.looked(now, &Found { settled_in: false, ..found(Suspects::Look, false, true) }, PAUSE);
        assert!(!schedule.due && schedule.seen);
    }
}
