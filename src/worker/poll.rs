//! What the event loop says to the back end in one turn: extend, settle, reserve, in that order. Holds are renewed before
//! anything that may fail or take long.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::prefetch::MOST_BYTES;
use super::schedule::{Action, Looked};
use super::settle::settled;
use super::share::Share;
use super::suspects::{Found, SELDOM};
use crate::driver::{Extended, Receipt, Suspects, Taken, Want};
use crate::error::Result;
use crate::event::Event;
use crate::reserved::Reserved;
use crate::runner::Work;

impl EventLoop {
    pub(super) fn exchange(&mut self, now: Instant) -> Result<()> {
        if self.line.reopen(now)? {
            self.schedule.reconnected(now);
            self.tell(&Event::Reconnected);
        }
        if self.line.driver().is_none() {
            return Ok(());
        }
        // Before anything that may fail: what can't be written down must not keep the holds of the others from being
        // renewed.
        if self.is_due(Action::Extend, now) {
            // Nor must holds that can't be renewed keep the others from being written down: they have the next turn.
            if std::mem::take(&mut self.extend_failed) {
                self.settle()?;
            }
            self.extend_failed = true;
            self.extend(None)?;
            self.extend_failed = false;
        }
        if self.is_due(Action::RetryLocked, now) {
            self.try_locked_again(now)?;
        }
        if self.is_due(Action::ReadControl, now) {
            self.obey_signals()?;
        }
        self.fetch_nothing_ahead_while_stalled()?;
        if self.is_due(Action::WriteFailed, now) {
            self.bury(now)?;
        }
        let done = match self.want(now) {
            Some((fresh, suspects)) => self.settle_and_reserve(now, fresh, suspects),
            None if !self.is_due(Action::Settle, now) => return Ok(()),
            None => self.settle().map(drop),
        };
        self.schedule.settled(now, Instant::now());
        done
    }

    /// Renews all holds, or some of them.
    pub(super) fn extend(&mut self, some: Option<HashSet<Receipt>>) -> Result<()> {
        let before = Instant::now();
        let lease = self.setup.lease;
        if some.is_none() {
            self.schedule.extends(before);
        }
        let is_meant = |job: &Reserved| some.as_ref().is_none_or(|some| some.contains(&job.receipt));
        let Some(driver) = self.line.driver() else { return Ok(()) };
        let kept: Vec<_> =
            self.held.kept().map(|holding| holding.job()).filter(|job| is_meant(job)).collect();
        // Also with nothing to renew: a worker that only reads would not notice that nobody can write, and would
        // take the jobs of the living at the moment when they all can again.
        let Extended { mut lost, mut locked, refused } = driver.extend_around_locks(&kept, lease)?;
        self.line.works();
        if some.is_none() {
            self.line.extended(before.elapsed(), lease);
        }
        locked.extend(refused.iter().map(|(receipt, _)| *receipt));
        let left_out: HashSet<_> = lost.iter().chain(&locked).copied().collect();
        for holding in self.held.kept().filter(|holding| !holding.away && is_meant(holding.job())) {
            if !left_out.contains(&holding.job().receipt) {
                holding.task.hold.renew(before + lease);
            }
        }
        self.locked.not_renewed(locked, lease);
        self.warn_of_refused(&refused);
        if !lost.is_empty() {
            // What may have been settled is not held any more, and not lost either: the next settle tells.
            let judged = self.judged.iter().chain(&self.parked).chain(self.burials.waiting());
            let in_doubt = judged.filter(|judged| judged.in_doubt);
            let receipts = in_doubt.filter_map(|judged| Some(self.held.get(&judged.task)?.job().receipt));
            let in_doubt: HashSet<_> = receipts.collect();
            lost.retain(|receipt| !in_doubt.contains(receipt));
        }
        lost.into_iter().for_each(|receipt| self.lose(receipt));
        if self.held.any_away() {
            // What is not back by then belongs to somebody else.
            let settled_in = self.line.opened() + self.setup.backend.settling_in(lease);
            self.schedule.may_come_back(before, settled_in);
            self.welcome_back(before);
        }
        Ok(())
    }

    /// Goes on with what came back to this connection, and writes down what is decided on those jobs.
    fn welcome_back(&mut self, now: Instant) {
        let until = now + self.setup.lease;
        let Some(driver) = self.line.driver() else { return };
        self.held.welcome_back(until, |job| driver.came_back(job));
        self.decide_again();
    }

    /// How many clean jobs to take, and what to do about suspects; `None` when it is no time to look.
    fn want(&mut self, now: Instant) -> Option<(usize, Suspects)> {
        if !self.is_due(Action::Take, now) {
            return self.is_due(Action::Adopt, now).then_some((0, Suspects::Ignore));
        }
        let room = self.room(now);
        let share = Share {
            room,
            free: self.setup.slots.saturating_sub(self.busy()),
            fresh: self.room_for_fresh(room, now),
            looks: now >= self.suspects.next_look,
            settled_in: self.has_settled_in(now),
            isolates: self.runner.isolates(),
            due: self.suspects.due,
            seen: self.suspects.seen,
            their_turn: self.suspects.their_turn,
            idle: self.is_idle(),
            ends: self.setup.bounds.end_it(),
        };
        Some(share.decide())
    }

    /// The last job of a limit, and what is left of a life whose time is up, is for a suspect that is due.
    fn room_for_fresh(&self, room: usize, now: Instant) -> usize {
        if !self.suspects.seen {
            return room;
        }
        if self.time_is_up(now) {
            return 0;
        }
        match self.setup.bounds.jobs {
            Some(most @ 2..) => room.min(usize::try_from(most - self.begun - 1).unwrap_or(room)),
            _ => room,
        }
    }

    /// Whether suspects may be taken: right after a reconnect the living holders get the first chance to renew.
    pub(super) fn has_settled_in(&self, now: Instant) -> bool {
        now >= self.line.opened() + self.setup.backend.settling_in(self.setup.lease)
    }

    /// Whether nothing is ready or running.
    pub(super) fn is_idle(&self) -> bool {
        self.busy() == 0 && self.hooks == 0 && self.burials.survivors() == 0
    }

    /// How many jobs are ready or running.
    pub(super) fn busy(&self) -> usize {
        let decided = self.judged.len() + self.parked.len() + self.burials.len();
        self.held.len().saturating_sub(decided)
    }

    /// How many more to take; 0 until a good part of what is ready has run: few steps, and large ones.
    pub(super) fn room(&mut self, now: Instant) -> usize {
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
        // What may be refused is not sent together with a look.
        if self.one_by_one && self.settle()? {
            return Ok(());
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
                self.take(now, taken, (fresh, suspects));
                Ok(())
            }
            Ok(None) => {
                self.judged.extend(judged);
                Ok(())
            }
            Err(error) => Err(self.not_written_down(judged, error)),
        }
    }

    fn take(&mut self, now: Instant, taken: Taken, (fresh, looked): (usize, Suspects)) {
        self.stall.looks(now);
        if looked != Suspects::Ignore {
            let found = Found {
                asked: looked,
                took: taken.jobs.iter().any(|job| job.suspect),
                due: taken.suspects_due,
                settled_in: self.has_settled_in(now),
                isolates: self.runner.isolates(),
            };
            self.suspects.looked(now, &found, self.setup.poll.max(SELDOM));
        }
        taken.warnings.iter().for_each(|warning| self.tell(&Event::Warning(warning)));
        let found = taken.jobs.len();
        self.tell(&Event::Polled { found });
        // No reason to end is what is due and could not be taken yet, or what a job may push that still runs.
        let due_in_vain = found == 0 && taken.next_due == Some(Duration::ZERO);
        let more_is_due = taken.suspects_due || due_in_vain;
        let is_empty = found == 0 && fresh > 0 && !more_is_due && self.held.is_empty();
        if is_empty && looked == Suspects::Ignore && self.setup.bounds.when_empty {
            // Before it ends it looks for suspects too.
            self.suspects.next_look = now;
        }
        // What the look left out has its turn at once.
        let left_out_clean = fresh == 0 && looked.most() > 0;
        let left_out_suspects = self.suspects.are_next(now, looked);
        let looks_again = self.suspects.due && self.is_idle() || left_out_clean || left_out_suspects;
        self.schedule.looked(&Looked {
            began: now,
            ended: Instant::now(),
            found,
            next_due: taken.next_due,
            empty: is_empty && looked != Suspects::Ignore,
            again: looks_again,
        });
        if self.held.any_away() {
            self.welcome_back(now);
        }
        self.begin(taken.jobs, now, looked.are_charged());
    }

    fn begin(&mut self, jobs: Vec<Reserved>, now: Instant, charged: bool) {
        let (mut bytes, witness) = (0, self.setup.witness());
        let mut work = Vec::with_capacity(jobs.len());
        for job in jobs {
            let size = job.message.payload.len();
            self.pace.sized(size);
            bytes += size;
            let begun = self.accept(job, now, charged, witness.clone());
            match begun {
                // More than anybody expected: what no slot is free for goes back.
                Some(Work::Run(task)) if bytes > 4 * MOST_BYTES && work.len() >= self.setup.slots => {
                    self.begun -= 1;
                    self.give_back(task, Duration::ZERO);
                }
                begun => work.extend(begun),
            }
        }
        if !work.is_empty() {
            self.schedule.jobs_wait(now, self.pace.patience());
            self.runner.begin(work);
        }
    }

    /// While all slots stay busy, what the back end handed out ahead of being asked goes back.
    fn fetch_nothing_ahead_while_stalled(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.stall.returns) || self.line.driver().is_none() {
            return Ok(());
        }
        self.stall.returned = true;
        self.fetch_nothing_ahead(0)
    }
}
