//! How many jobs to take, and what to do about suspects. Pure.

use std::time::{Duration, Instant};

use super::WorkerOptions;
use super::schedule::Looked;
use super::stall::Stall;
use super::suspect_share::Share;
use super::suspects::{Found, SELDOM, SuspectSchedule};
use crate::driver::{Suspects, Taken};

/// How many clean jobs a look asks for, and what it does about suspects.
pub(super) type Wanted = (usize, Suspects);

/// What the worker has to do already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// How many jobs are ready or running.
    pub(super) busy: usize,
    /// For how many more there is room.
    pub(super) room: usize,
    /// How many jobs were begun in all.
    pub(super) begun: u64,
    /// Whether nothing is ready or running, hooks included.
    pub(super) idle: bool,
    /// Whether no job is held.
    pub(super) empty: bool,
    /// Whether the time limit is reached.
    pub(super) time_is_up: bool,
    /// Whether suspects may be taken: right after a reconnect workers that still run their jobs get the first chance to
    /// renew.
    pub(super) settled_in: bool,
    /// Whether suspects run beside other jobs.
    pub(super) isolates: bool,
}

pub(super) struct Poll {
    pub(super) suspects: SuspectSchedule,
    pub(super) stall: Stall,
}

impl Poll {
    pub(super) fn new(now: Instant, lease: Duration) -> Self {
        Self { suspects: SuspectSchedule::new(now, lease), stall: Stall::new(now) }
    }

    /// What the next look asks for.
    pub(super) fn want(&self, now: Instant, load: &Load, options: &WorkerOptions) -> Wanted {
        let share = Share {
            room: load.room,
            free: options.slots.saturating_sub(load.busy),
            fresh: self.room_for_fresh(load, options),
            looks: now >= self.suspects.next_look,
            settled_in: load.settled_in,
            isolates: load.isolates,
            due: self.suspects.due,
            seen: self.suspects.seen,
            their_turn: self.suspects.their_turn,
            idle: load.idle,
            ends: options.bounds.end_it(),
        };
        share.decide()
    }

    /// The last job of a limit, and the time after a time limit, is for a suspect that is due.
    fn room_for_fresh(&self, load: &Load, options: &WorkerOptions) -> usize {
        let room = load.room;
        if !self.suspects.seen {
            return room;
        }
        if load.time_is_up {
            return 0;
        }
        match options.bounds.jobs {
            Some(most @ 2..) => room.min(usize::try_from(most - load.begun - 1).unwrap_or(room)),
            _ => room,
        }
    }

    /// What a look brought, for the schedule.
    pub(super) fn looked(
        &mut self,
        (began, ended): (Instant, Instant),
        taken: &Taken,
        (fresh, suspects): Wanted,
        load: &Load,
        options: &WorkerOptions,
    ) -> Looked {
        self.stall.looks(began);
        let asks_suspects = suspects != Suspects::Ignore;
        if asks_suspects {
            let found = Found {
                asked: suspects,
                took: taken.jobs.iter().any(|job| job.suspect),
                due: taken.suspects_due,
                settled_in: load.settled_in,
                isolates: load.isolates,
            };
            self.suspects.looked(began, &found, options.poll.max(SELDOM));
        }
        let found = taken.jobs.len();
        // No reason to end is what is due and could not be taken yet, or what a job may push that still runs.
        let due_in_vain = found == 0 && taken.next_due == Some(Duration::ZERO);
        let is_empty = found == 0 && fresh > 0 && !taken.suspects_due && !due_in_vain && load.empty;
        if is_empty && !asks_suspects && options.bounds.when_empty {
            // Before it ends it looks for suspects too.
            self.suspects.next_look = began;
        }
        // What the look left out has its turn at once.
        let left_out_clean = fresh == 0 && suspects.most() > 0;
        let left_out_suspects = self.suspects.are_next(began, suspects);
        Looked {
            began,
            ended,
            found,
            next_due: taken.next_due,
            empty: is_empty && asks_suspects,
            again: self.suspects.due && load.idle || left_out_clean || left_out_suspects,
        }
    }
}
