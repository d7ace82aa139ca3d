//! What the pump says to the back end in one turn: settle, extend, reserve, in that order. What is over
//! leaves first, holds are renewed before anything is added to them.

use std::time::{Duration, Instant};

use super::verdicts::settled;
use super::{Pump, Stop};
use crate::driver::{Suspects, Taken, Want};
use crate::error::Result;
use crate::event::Event;

/// While jobs run, settling takes at most a tenth of the time: what ends meanwhile shares the next commit.
const SETTLES_REST: u32 = 9;

/// But nothing that is over waits longer than this to be written down.
const LONGEST_REST: Duration = Duration::from_millis(5);

/// Suspects and signals are looked for no more often than this, however short the poll is: what has waited for a
/// lease, or for a person, can wait a moment more, and the next job need not wait for the answers.
pub(super) const SELDOM: Duration = Duration::from_millis(100);

/// The shortest sleep between two looks that found nothing.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

impl Pump {
    pub(super) fn exchange(&mut self, now: Instant) -> Result<()> {
        if self.line.reopen(now)? {
            self.next_extend = now;
            self.next_look = now;
            self.tell(&Event::Reconnected);
        }
        if self.line.driver().is_none() {
            return Ok(());
        }
        self.obey_signals(now)?;
        if now >= self.next_extend {
            // What could not be written down must not keep the holds of the others from being renewed.
            if self.settle_failed {
                self.extend()?;
            }
            self.settle()?;
            if now >= self.next_extend {
                self.extend()?;
            }
        }
        if now >= self.settles_at(now) {
            self.bury(now)?;
        }
        let done = match self.want(now) {
            Some((fresh, suspects)) => self.settle_and_reserve(now, fresh, suspects),
            None if now < self.settles_at(now) => return Ok(()),
            None => self.settle(),
        };
        self.rest_after(now);
        done
    }

    /// What ends meanwhile shares the next commit.
    pub(super) fn rest_after(&mut self, began: Instant) {
        let ended = Instant::now();
        self.next_settle = ended + (ended - began).saturating_mul(SETTLES_REST).min(LONGEST_REST);
    }

    /// When what is over is to be written down; at once where nothing runs that could be over meanwhile.
    pub(super) fn settles_at(&self, now: Instant) -> Instant {
        if self.busy() == 0 { now } else { self.next_settle }
    }

    fn extend(&mut self) -> Result<()> {
        let before = Instant::now();
        let lease = self.setup.lease;
        self.next_extend = before + lease / 3;
        let Some(driver) = self.line.driver() else { return Ok(()) };
        let kept: Vec<_> = self.held.kept().map(|holding| holding.job()).collect();
        if kept.is_empty() {
            return Ok(());
        }
        let lost = driver.extend(&kept, lease)?;
        self.line.works();
        for holding in self.held.kept().filter(|holding| !holding.away) {
            holding.task.hold.renew(before + lease);
        }
        lost.into_iter().for_each(|receipt| self.lose(receipt));
        if self.held.any_away() {
            // What is not back by then belongs to somebody else.
            let settled_in = self.line.opened() + self.setup.backend.settling_in(lease);
            if before < settled_in {
                self.next_extend = self.next_extend.min(settled_in);
            }
            self.welcome_back(before);
        }
        Ok(())
    }

    /// Goes on with what came back to this connection, and writes down what is decided on those jobs.
    fn welcome_back(&mut self, now: Instant) {
        let until = now + self.setup.lease;
        let Some(driver) = self.line.driver() else { return };
        self.held.welcome_back(until, |job| driver.came_back(job));
        for judged in std::mem::take(&mut self.parked) {
            self.decide(judged);
        }
    }

    /// How many clean jobs to take, and what to do about suspects; `None` when it is no time to look.
    fn want(&mut self, now: Instant) -> Option<(usize, Suspects)> {
        if !self.may_look(now) || now < self.next_look {
            return None;
        }
        if !self.may_take(now) {
            return Some((0, Suspects::Ignore));
        }
        // In threads a suspect runs alone, so that a death is charged to nobody else.
        if self.suspects_due && !self.runner.isolates() {
            return Some((0, Suspects::Take(1)));
        }
        let room = self.room(now);
        let suspects = match self.has_settled_in(now) {
            _ if now < self.next_look_for_suspects => Suspects::Ignore,
            true if self.runner.isolates() => Suspects::Take(room),
            true => Suspects::Look,
            // A worker that ends when all is done leaves none behind.
            false if self.setup.bounds.when_empty => Suspects::Look,
            false => Suspects::Ignore,
        };
        Some((room, suspects))
    }

    /// Whether suspects may be taken: right after a reconnect the living holders get the first chance to renew.
    fn has_settled_in(&self, now: Instant) -> bool {
        now >= self.line.opened() + self.setup.backend.settling_in(self.setup.lease)
    }

    /// Whether a look may find something: there is room for it, or jobs may come back that are here already.
    pub(super) fn may_look(&mut self, now: Instant) -> bool {
        self.held.any_away() || self.may_take(now)
    }

    /// Whether there is room for what a look may find.
    fn may_take(&mut self, now: Instant) -> bool {
        if !matches!(self.stop, Stop::No) || self.is_paused() {
            return false;
        }
        // Before a suspect begins and until it has ended nothing else runs.
        let alone = self.suspects_due || self.held.has_suspect();
        match alone && !self.runner.isolates() {
            true => self.busy() == 0 && self.hooks == 0 && self.burials.survivors() == 0,
            false => self.room(now) > 0,
        }
    }

    /// How many jobs are ready or running.
    fn busy(&self) -> usize {
        let decided = self.judged.len() + self.parked.len() + self.burials.len();
        self.held.len().saturating_sub(decided)
    }

    /// How many more to take; 0 until a good part of what is ready has run: few steps, and large ones.
    fn room(&mut self, now: Instant) -> usize {
        let prefetch = self.pace.prefetch(now);
        let room = (self.setup.slots + prefetch).saturating_sub(self.busy());
        if room < prefetch / 4 {
            return 0;
        }
        match self.setup.bounds.jobs {
            Some(most) => room.min(usize::try_from(most.saturating_sub(self.begun)).unwrap_or(room)),
            None => room,
        }
    }

    fn settle_and_reserve(&mut self, now: Instant, fresh: usize, suspects: Suspects) -> Result<()> {
        if self.one_by_one {
            // What may be refused is not sent together with a look.
            self.settle()?;
        }
        // From here on a ring counts: a job that is pushed after this look wakes the sleep that follows it.
        self.line.listen();
        let judged = self.settleable();
        let settled = settled(&self.held, &judged);
        let want = Want { queues: &self.orders.queues, fresh, suspects, lease: self.setup.lease };
        let began = Instant::now();
        let answer = match self.line.driver() {
            Some(driver) => driver.settle_and_reserve(&settled, &want).map(Some),
            None => Ok(None),
        };
        self.pace.exchanged(began.elapsed());
        drop(settled);
        match answer {
            Ok(Some((settlement, taken))) => {
                self.line.works();
                self.written_down(judged, settlement);
                self.take(now, taken, suspects);
                Ok(())
            }
            Ok(None) => {
                self.judged.extend(judged);
                Ok(())
            }
            Err(error) => Err(self.not_written_down(judged, error)),
        }
    }

    fn take(&mut self, now: Instant, taken: Taken, looked: Suspects) {
        if looked != Suspects::Ignore {
            self.suspects_due = taken.suspects_due && self.has_settled_in(now);
            self.next_look_for_suspects = now + self.setup.poll.max(SELDOM);
        }
        let found = taken.jobs.len();
        self.tell(&Event::Polled { found });
        // No reason to end is what is due and could not be taken yet, or what a job or a hook may push that
        // still runs.
        let more_is_due = taken.suspects_due || taken.next_due == Some(Duration::ZERO);
        let nothing_runs = self.held.is_empty() && self.hooks == 0;
        let is_empty = found == 0 && !more_is_due && nothing_runs;
        self.found_nothing_at = (is_empty && looked != Suspects::Ignore).then_some(now);
        if is_empty && looked == Suspects::Ignore && self.setup.bounds.when_empty {
            // Before it ends it looks for suspects too.
            self.next_look_for_suspects = now;
        }
        if found == 0 && !self.suspects_due {
            // Counted from where the look began: its own time is part of the poll.
            self.next_look = (now + self.nap(now, taken.next_due)).max(Instant::now() + SHORTEST_NAP);
        }
        if self.held.any_away() {
            self.welcome_back(now);
        }
        let witness = self.setup.witness();
        let accept = |job| self.accept(job, witness.clone());
        let work: Vec<_> = taken.jobs.into_iter().filter_map(accept).collect();
        if !work.is_empty() {
            self.runner.begin(work);
        }
    }

    /// Quick while busy, quiet when idle: a tenth of the time since the last job, never over the poll.
    fn nap(&self, now: Instant, next_due: Option<Duration>) -> Duration {
        let idle = now.saturating_duration_since(self.last_job) / 10;
        idle.min(self.setup.poll).min(next_due.unwrap_or(Duration::MAX)).max(SHORTEST_NAP)
    }
}
