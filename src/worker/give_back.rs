//! What is ready and not begun is anybody's: when all slots stay busy, it goes back for others to take.

use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::schedule::Action;

pub(super) struct Stall {
    /// The last look for jobs.
    pub(super) looked: Instant,
    /// The back end is to take back what it handed out ahead of being asked.
    pub(super) returns: bool,
    /// It has been told so since the last look.
    pub(super) returned: bool,
}

impl Stall {
    pub(super) fn new(now: Instant) -> Self {
        Self { looked: now, returns: false, returned: false }
    }

    /// A look for jobs was made, or is about to be.
    pub(super) fn looks(&mut self, now: Instant) {
        (self.looked, self.returned) = (now, false);
    }
}

impl EventLoop {
    pub(super) fn give_back_what_stalls(&mut self, now: Instant) {
        if !self.is_due(Action::CheckStall, now) {
            return;
        }
        let patience = self.pace.patience();
        self.schedule.checked_stall(now, patience);
        if !self.stop.begins_jobs() || !self.all_slots_are_busy() {
            return;
        }
        let waits = self.held.all().any(|holding| {
            let unbegun = !holding.lost && holding.task.begun().is_none();
            unbegun && holding.since + patience <= now
        });
        if waits {
            self.give_back_unbegun(now);
        }
        // Some back ends hand out ahead of what is asked for; nobody has asked for a while.
        if self.room(now) == 0 && !self.stall.returned && self.stall.looked + patience <= now {
            self.stall.returns = true;
        }
    }

    fn give_back_unbegun(&mut self, now: Instant) {
        let tasks = self.runner.take_back(usize::MAX);
        if tasks.is_empty() {
            return;
        }
        self.pace.stall(now);
        self.begun -= tasks.len() as u64;
        for task in tasks {
            self.give_back(task, Duration::ZERO);
        }
        // It has not run as many as it should.
        self.stop.take_back_job_limit();
    }

    /// Whether nothing that is ready could begin. In processes a child may be on its way for it.
    fn all_slots_are_busy(&self) -> bool {
        let over = self.judged.len() + self.parked.len() + self.burials.len();
        self.held.running().saturating_sub(over) >= self.setup.slots
    }
}
