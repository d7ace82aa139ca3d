//! The jobs that a worker holds and their outcomes, until these are written down: holds renewed, verdicts settled,
//! events emitted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::failed_writes::{FailedWrites, Next};
use super::in_flight::{Held, InFlight};
use super::locked_rows::LockedRows;
use super::recorder::Answer;
use super::settle::Judged;
use super::turn::Turn;
use super::unknown_names::UnknownNames;
use super::{Report, backlog};
use crate::driver::{Extended, Receipt, Settlement, Verdict};
use crate::error::{Error, Result};
use crate::event::{Event, JobInfo};
use crate::runner::{Task, Work};

pub(super) struct Outcomes {
    pub(super) in_flight: InFlight,
    pub(super) failed: FailedWrites,
    pub(super) locked: LockedRows,
    pub(super) unknown: UnknownNames,
    pub(super) report: Report,
    /// Hooks that are to begin.
    pub(super) hooks: Vec<Work>,
    /// How many hooks are to begin or run.
    pub(super) running_hooks: usize,
    pub(super) backlog: Backlog,
    /// So many were left lately that no more jobs are taken.
    is_full: bool,
}

impl Outcomes {
    pub(super) fn new(failed: FailedWrites) -> Self {
        Self {
            in_flight: InFlight::default(),
            failed,
            locked: LockedRows::default(),
            unknown: UnknownNames::default(),
            report: Report::default(),
            hooks: Vec::new(),
            running_hooks: 0,
            backlog: Backlog::default(),
            is_full: false,
        }
    }

    /// How many jobs are ready or running.
    pub(super) fn busy(&self) -> usize {
        self.in_flight.len().saturating_sub(self.unwritten())
    }

    /// Whether nothing is ready or running.
    pub(super) fn is_idle(&self) -> bool {
        self.busy() == 0 && self.running_hooks == 0 && self.failed.survivors() == 0
    }

    /// How many outcomes are not written down.
    pub(super) fn unwritten(&self) -> usize {
        self.backlog.len() + self.failed.len()
    }

    pub(super) fn is_unsettled(&self) -> bool {
        self.backlog.ready() > 0
    }

    /// Whether so many outcomes wait for the back end that no more jobs are taken.
    pub(super) fn is_full(&self) -> bool {
        self.is_full && self.unwritten() > 0
    }

    fn weigh(&mut self) {
        self.is_full = backlog::is_full(self.backlog.iter().chain(self.failed.locked()));
    }

    /// The jobs that are held and have not ended.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &Held> {
        let judged = self.backlog.iter().map(|judged| judged.task.job.receipt);
        let decided: HashSet<_> = judged.chain(self.failed.receipts()).collect();
        self.in_flight.all().filter(move |held| !decided.contains(&held.task.job.receipt))
    }

    /// The attempt of a job that runs. An adopted job has that of its last delivery.
    pub(super) fn attempt_of(&self, task: &Task) -> u32 {
        self.in_flight.get(task).map_or(task.job.attempt, |held| held.job().attempt)
    }

    /// A verdict was made; the next exchange writes it down. If somebody else has the job by now, it is dropped.
    pub(super) fn decide(&mut self, judged: Judged) {
        match self.in_flight.get(&judged.task) {
            None => {}
            Some(held) if held.lost => drop(self.in_flight.remove(&judged.task)),
            Some(held) if held.in_question => self.backlog.defer(judged),
            Some(_) => match self.failed.route(judged) {
                Some(judged) => self.backlog.push(judged),
                None => self.is_full |= self.failed.press(),
            },
        }
    }

    /// Gives a job back that has not run to an end.
    pub(super) fn give_back(&mut self, task: Arc<Task>, after: Duration) {
        self.decide(Judged::returned(task, after));
    }

    /// Takes up what was deferred. Where the hold is still in question it is deferred again.
    pub(super) fn decide_again(&mut self) {
        self.locked.settles();
        for judged in self.backlog.take_deferred() {
            self.decide(judged);
        }
    }

    /// The holds ended with the connection. The jobs may come back, or go to somebody else.
    pub(super) fn holds_are_in_question(&mut self) {
        self.in_flight.holds_are_in_question();
        self.backlog.holds_are_in_question(self.failed.take_waiting());
    }
}

/// Holds.
impl Outcomes {
    /// Renews all holds, or some of them, and drops those that are lost.
    pub(super) fn extend(&mut self, turn: &mut Turn<'_>, some: Option<&HashSet<Receipt>>) -> Result<()> {
        let before = Instant::now();
        let Extended { mut lost, locked, refused } = self.in_flight.extend(turn, some)?;
        self.warn_of_refused(&refused, turn);
        let refused = refused.into_iter().map(|(receipt, _)| receipt);
        self.locked.not_renewed(locked.into_iter().chain(refused).collect(), turn.options.lease);
        if !lost.is_empty() {
            // What may have been settled is not held any more, and not lost either: the next settle shows which.
            let in_doubt = self.in_doubt();
            lost.retain(|receipt| !in_doubt.contains(receipt));
        }
        lost.into_iter().for_each(|receipt| self.lose(receipt, turn));
        if self.in_flight.any_in_question() {
            // What is not back by then belongs to somebody else.
            let settled_in = turn.connection.settled_in(turn.options.lease);
            turn.schedule.may_come_back(before, settled_in);
            self.reclaim(turn, before);
        }
        Ok(())
    }

    fn in_doubt(&self) -> HashSet<Receipt> {
        let judged = self.backlog.iter().chain(self.failed.waiting());
        let in_doubt = judged.filter(|judged| judged.in_doubt);
        in_doubt.filter_map(|judged| Some(self.in_flight.get(&judged.task)?.job().receipt)).collect()
    }

    /// Goes on with the jobs that came back to this connection, and writes down what is decided on them.
    pub(super) fn reclaim(&mut self, turn: &mut Turn<'_>, now: Instant) {
        if !self.in_flight.any_in_question() {
            return;
        }
        let until = now + turn.options.lease;
        let Some(driver) = turn.connection.driver() else { return };
        self.in_flight.reclaim(until, |job| driver.came_back(job));
        self.decide_again();
    }

    /// Renews what is free again, and takes up the outcomes of locked jobs.
    pub(super) fn retry_locked(&mut self, turn: &mut Turn<'_>, now: Instant) -> Result<()> {
        if let Some(holds) = self.locked.take_renewable(now) {
            self.extend(turn, Some(&holds))?;
        }
        if self.locked.is_time_to_settle(now) {
            self.decide_again();
        }
        Ok(())
    }

    fn warn_of_refused(&mut self, refused: &[(Receipt, String)], turn: &Turn<'_>) {
        let warnings = self.locked.warnings(refused, &self.in_flight);
        warnings.iter().for_each(|warning| turn.options.emit(&Event::Warning(warning)));
    }

    /// Somebody else has a job. Its run may go on; what it returns is dropped.
    fn lose(&mut self, receipt: Receipt, turn: &Turn<'_>) {
        let Some(held) = self.in_flight.lose(receipt) else { return };
        let job = JobInfo { job: &held.task.job, attempts: held.task.limits.attempts, took: None };
        self.report.lost += 1;
        turn.options.emit(&Event::Lost(job));
    }
}

/// Writing down.
impl Outcomes {
    /// Settles what is decided. After a batch was refused only a part of it, one by one: says whether more of that is
    /// to be done in the next turn, in which holds are renewed before.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) -> Result<bool> {
        let slice = turn.slice();
        while self.backlog.ready() > 0 {
            if turn.connection.driver().is_none() {
                return Err(Error::unavailable("the back end is away"));
            }
            let batch = self.backlog.next_batch();
            let settled = self.in_flight.settled(&batch);
            let answer = match turn.stops {
                true => turn.connection.settle_surely(&settled),
                false => turn.connection.settle(&settled),
            };
            drop(settled);
            let takes_all = answer.as_ref().is_ok_and(|settlement| settlement.pending.is_empty());
            self.answered(batch, answer, turn)?;
            if !takes_all {
                // Asked again in the next turn: meanwhile the inbox is read, and holds are renewed.
                return Ok(false);
            }
            if self.backlog.is_one_by_one() && Instant::now() >= slice {
                return Ok(self.backlog.ready() > 0);
            }
        }
        self.backlog.is_written();
        Ok(false)
    }

    /// The back end answered to a batch.
    pub(super) fn answered(
        &mut self,
        batch: Vec<Judged>,
        answer: Result<Settlement>,
        turn: &mut Turn<'_>,
    ) -> Result<()> {
        match answer {
            Ok(settlement) => {
                turn.connection.works();
                self.written_down(batch, &settlement, turn);
                Ok(())
            }
            Err(error) => {
                let refused = self.backlog.batch_failed(batch, &error);
                refused.into_iter().for_each(|judged| self.put_aside(judged, &error.to_string(), turn));
                Err(error)
            }
        }
    }

    fn written_down(&mut self, batch: Vec<Judged>, settlement: &Settlement, turn: &mut Turn<'_>) {
        for judged in batch {
            let Some(held) = self.in_flight.get(&judged.task) else { continue };
            let (receipt, told_as_lost) = (held.job().receipt, held.lost);
            if settlement.pending.contains(&receipt) {
                self.backlog.push(judged);
                continue;
            }
            if let Some((_, why)) = settlement.refused.iter().find(|(other, _)| *other == receipt) {
                self.put_aside(judged, why, turn);
                continue;
            }
            if settlement.locked.contains(&receipt) {
                self.backlog.defer(judged);
                self.locked.not_settled(turn.options.lease);
                continue;
            }
            self.in_flight.remove(&judged.task);
            if settlement.lost.contains(&receipt) && !judged.was_written_before() {
                self.failed.withdraw_record(&judged);
                if !told_as_lost {
                    self.report.lost += 1;
                    turn.options.emit(&Event::Lost(judged.info()));
                }
                continue;
            }
            let failed_id = settlement.buried.iter().find(|(other, _)| *other == receipt);
            self.count_and_tell(&judged, &judged.event(failed_id.map(|(_, id)| id)), turn);
        }
        self.is_full = false;
        if self.unwritten() > 0 {
            self.weigh();
        }
        if turn.options.bounds.when_empty && self.in_flight.is_empty() {
            turn.schedule.became_idle(Instant::now());
        }
    }

    fn count_and_tell(&mut self, judged: &Judged, event: &Event<'_>, turn: &mut Turn<'_>) {
        match (event, &judged.verdict) {
            (Event::Again { .. }, Verdict::Unknown { .. }) => {
                self.report.returned += 1;
                if !self.unknown.note(&judged.task.job.message.name, Instant::now()) {
                    return;
                }
            }
            (Event::Again { after, .. }, _) => turn.schedule.put_back(Instant::now(), *after),
            (Event::Buried { error, .. }, _) if judged.task.job_type.is_some() => {
                self.running_hooks += 1;
                self.hooks.push(Work::Hook(judged.task.clone(), (*error).to_owned()));
            }
            _ => {}
        }
        if !matches!(judged.verdict, Verdict::Unknown { .. }) {
            self.report.count(event);
        }
        turn.options.emit(event);
    }

    /// The back end refuses an outcome, and would refuse it again: the job is put back so that it is not run, or let
    /// go when that is refused as well.
    fn put_aside(&mut self, mut judged: Judged, why: &str, turn: &Turn<'_>) {
        let (warning, is_put_aside) = judged.put_aside(why);
        turn.options.emit(&Event::Warning(&warning));
        if is_put_aside {
            self.decide(judged);
        } else {
            self.in_flight.remove(&judged.task);
            self.report.note_unsettled(judged.name());
        }
    }
}

/// Failed jobs.
impl Outcomes {
    /// Writes down what waits for the failed jobs. After a batch was refused only a part of it, one by one: says
    /// whether more of that is to be done in the next turn, in which holds are renewed before.
    pub(super) fn write_failed(&mut self, turn: &mut Turn<'_>, now: Instant) -> Result<bool> {
        if self.failed.write_at().is_none_or(|at| now < at) {
            return Ok(false);
        }
        self.failed.drop_lost(&mut self.in_flight);
        match self.failed.are_by_driver() {
            true => self.settle_failed(turn),
            false => self.send_failed(turn).map(|()| false),
        }
    }

    fn settle_failed(&mut self, turn: &mut Turn<'_>) -> Result<bool> {
        let slice = turn.slice();
        while turn.connection.driver().is_some() {
            let Some(batch) = self.failed.next_batch() else { return Ok(false) };
            let began = Instant::now();
            let answer = turn.connection.settle(&self.in_flight.settled(&batch));
            match answer {
                Ok(settlement) => {
                    turn.connection.works();
                    self.failed.batch_is_written();
                    self.written_down(batch, &settlement, turn);
                    turn.schedule.settled(began, Instant::now());
                    if self.failed.is_one_by_one() && Instant::now() >= slice {
                        return Ok(true);
                    }
                }
                Err(error) => {
                    let refused = self.failed.batch_failed(batch, &error);
                    refused.into_iter().for_each(|judged| self.put_aside(judged, &error.to_string(), turn));
                    return Err(error);
                }
            }
        }
        Ok(false)
    }

    /// Proves the holds by renewing them, and hands the jobs to the recorder.
    fn send_failed(&mut self, turn: &mut Turn<'_>) -> Result<()> {
        let lease = turn.options.lease;
        let before = Instant::now();
        let jobs = self.failed.to_prove(&self.in_flight);
        let Some(driver) = turn.connection.driver() else { return Ok(()) };
        let Extended { lost, locked, refused } = driver.extend_around_locks(&jobs, lease)?;
        turn.connection.works();
        self.warn_of_refused(&refused, turn);
        lost.into_iter().for_each(|receipt| self.lose(receipt, turn));
        let locked = locked.into_iter().chain(refused.into_iter().map(|(receipt, _)| receipt)).collect();
        if let Err(error) = self.failed.send(&mut self.in_flight, &locked, before, lease) {
            turn.options.emit(&Event::Warning(&format!("cannot record failed jobs: {error}")));
        }
        if !locked.is_empty() {
            self.weigh();
        }
        Ok(())
    }

    /// The recorder answers. What the failed jobs don't take now stays, unless the worker is to end.
    pub(super) fn recorded(&mut self, answer: Answer, turn: &Turn<'_>) {
        let waits = !turn.stops && !turn.options.bounds.when_empty;
        let (next, warning) = self.failed.answered(answer, &mut self.in_flight, waits);
        warning.iter().for_each(|warning| turn.options.emit(&Event::Warning(warning)));
        for next in next {
            match next {
                Next::Decide(judged) => self.decide(judged),
                Next::PutAside(judged, why) => self.put_aside(judged, &why, turn),
            }
        }
        self.weigh();
    }
}
