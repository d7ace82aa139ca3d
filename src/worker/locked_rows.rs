//! Jobs that somebody else has locked in the back end, or that it lets nobody change: their holds can't be renewed and their outcomes can't be
//! written down for as long as that lasts. They are asked for again soon, by themselves, and keep nothing else
//! waiting.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::settle::Judged;
use crate::driver::Receipt;
use crate::error::Result;
use crate::event::Event;

/// How long one is left alone at most: when it is free again its lease may be over, and others may take it.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Locked {
    /// The holds that were not renewed.
    holds: HashSet<Receipt>,
    renew_at: Option<Instant>,
    /// Those that the back end refuses to renew, of which was told.
    refused: HashSet<Receipt>,
    /// When outcomes that could not be written down are to be tried again.
    settle_at: Option<Instant>,
}

impl Locked {
    /// What the last extend could not renew, of all that it was to renew.
    pub(super) fn not_renewed(&mut self, locked: Vec<Receipt>, lease: Duration) {
        self.holds = locked.into_iter().collect();
        self.renew_at = (!self.holds.is_empty()).then(|| Instant::now() + pause(lease));
    }

    /// When there is something to do, if nothing comes in before.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.renew_at.into_iter().chain(self.settle_at).min()
    }
}

/// How long what is locked is left alone.
pub(super) fn pause(lease: Duration) -> Duration {
    PAUSE.min(lease / 12)
}

impl EventLoop {
    /// Renews what is free again, and writes down what became of it.
    pub(super) fn try_locked_again(&mut self, now: Instant) -> Result<()> {
        if self.locked.renew_at.is_some_and(|at| now >= at) {
            let holds = std::mem::take(&mut self.locked.holds);
            self.extend(Some(holds))?;
        }
        if self.locked.settle_at.is_some_and(|at| now >= at) {
            self.decide_again();
        }
        Ok(())
    }

    /// Once of each.
    pub(super) fn warn_of_refused(&mut self, refused: &[(Receipt, String)]) {
        for (receipt, why) in refused {
            let Some(holding) = self.held.kept().find(|holding| holding.job().receipt == *receipt) else {
                continue;
            };
            if self.locked.refused.insert(*receipt) {
                let job = holding.job();
                self.tell(&Event::Warning(&format!(
                    "the hold on {} #{} can't be renewed, and may end before the job does: {why}",
                    job.message.name, job.id
                )));
            }
        }
        let held = &self.held;
        self.locked.refused.retain(|refused| held.kept().any(|holding| holding.job().receipt == *refused));
    }

    /// What became of a job can't be written down yet.
    pub(super) fn put_off(&mut self, judged: Judged) {
        self.parked.push(judged);
        let at = Instant::now() + pause(self.setup.lease);
        self.locked.settle_at.get_or_insert(at);
    }

    /// Takes up what was put off. What waits for its connection goes on waiting.
    pub(super) fn decide_again(&mut self) {
        self.locked.settle_at = None;
        for judged in std::mem::take(&mut self.parked) {
            self.decide(judged);
        }
    }
}
