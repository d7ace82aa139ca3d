//! A back end that fails: most of it is waited for, and what no second try mends ends the worker.

use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::in_flight::Held;
use super::settle::Judged;
use super::shutdown::Stop;
use crate::error::Error;
use crate::event::Event;

impl EventLoop {
    /// The back end answered: what was refused before is forgotten once nothing waits to be written down.
    pub(super) fn exchanged(&mut self) {
        let is_written = self.judged.is_empty() && self.parked.is_empty() && self.burials.len() == 0;
        if is_written && self.line.driver().is_some() {
            self.refused_since = None;
        }
    }

    /// The back end failed. What no second try mends is said once, and ends the worker: when it holds nothing, or
    /// when what runs has ended and nobody has mended it for as long as the holds may last.
    pub(super) fn face(&mut self, error: Error, now: Instant) {
        if error.is_config() {
            let since = *self.refused_since.get_or_insert(now);
            if self.holds_nothing() || self.runs_nothing(now) && now >= since + self.longest_hope() {
                self.stop = Stop::Broken(error);
                return;
            }
        }
        self.lose_line(&error);
    }

    fn holds_nothing(&self) -> bool {
        self.held.is_empty() && self.judged.is_empty() && self.parked.is_empty()
    }

    /// Whether all is over that may end by itself.
    fn runs_nothing(&self, now: Instant) -> bool {
        let has_ended = match self.stop {
            Stop::Stuck => self.undecided().all(|holding| self.is_stuck(holding, now)),
            _ => self.busy() == 0,
        };
        has_ended && self.hooks == 0
    }

    /// What is held and has not ended.
    pub(super) fn undecided(&self) -> impl Iterator<Item = &Held> {
        let judged = self.judged.iter().chain(&self.parked).map(|judged| judged.task.job.receipt);
        let decided: Vec<_> = judged.chain(self.burials.receipts()).collect();
        self.held.all().filter(move |holding| !decided.contains(&holding.task.job.receipt))
    }

    pub(super) fn is_stuck(&self, holding: &Held, now: Instant) -> bool {
        holding.task.stuck_after().is_some_and(|at| at + self.setup.grace <= now)
    }

    /// How long an outcome may be of use to which the back end says no: its job is somebody else's afterwards.
    fn longest_hope(&self) -> Duration {
        let (backend, lease) = (&self.setup.backend, self.setup.lease);
        if backend.holds_outlive_connection() { lease } else { backend.settling_in(lease) }
    }

    fn lose_line(&mut self, error: &Error) {
        let now = Instant::now();
        // While jobs are held, it must be back long before their lease is over.
        let longest = if self.held.is_empty() { Duration::MAX } else { self.setup.lease / 12 };
        let retry_in = self.line.lose(now, longest);
        if !self.setup.backend.holds_outlive_connection() {
            self.held.send_away();
            self.judged.append(&mut self.burials.give_up());
            self.judged.iter_mut().for_each(Judged::park);
            self.parked.append(&mut self.judged);
        }
        self.tell(&Event::Disconnected { error, retry_in });
    }
}
