//! From a judgement to a line in the back end: what is decided, recorded, written down, and told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WorkerOptions;
use super::event_loop::EventLoop;
use super::in_flight::InFlight;
use crate::driver::{Receipt, Settled, Settlement, Verdict};
use crate::error::{Error, Result};
use crate::event::{Event, JobInfo};
use crate::failed::{Failure, Record};
use crate::message::JobId;
use crate::policy::Judgement;
use crate::runner::{Task, Work};

/// How long a job waits at first whose failure could not be recorded.
const UNRECORDED_WAIT: Duration = Duration::from_secs(30);

/// How long it waits at last.
const LONG_WAIT: Duration = Duration::from_secs(3_600);

/// What is done one by one is interrupted after this long, to read the inbox.
const SLICE: Duration = Duration::from_millis(100);

/// A decision that is not yet written down.
pub(super) struct Judged {
    pub(super) task: Arc<Task>,
    pub(super) verdict: Verdict,
    error: Option<String>,
    took: Option<Duration>,
    pub(super) step: Step,
    /// An earlier settle ended in an error.
    pub(super) in_doubt: bool,
    /// And may have gone through: "lost" may mean that it did.
    may_be_written: bool,
}

/// How far a decision is with the failed jobs, where they lie elsewhere.
pub(super) enum Step {
    /// Nothing was done there.
    Settle,
    /// It is to be looked for what predecessors recorded.
    Look,
    /// Which is this, and is withdrawn once the hold is proven to be older than they are.
    Found(Vec<JobId>),
    /// All is done there. It is recorded like this; `None` when it lives, or when failed jobs are not kept.
    Recorded(Option<Record>),
}

impl Judged {
    pub(super) fn new(
        task: Arc<Task>,
        judgement: Judgement,
        took: Option<Duration>,
        setup: &WorkerOptions,
    ) -> Self {
        let (verdict, error) = match judgement {
            Judgement::Done => (Verdict::Done, None),
            Judgement::Again { after, counted, error } if took.is_some() => {
                (Verdict::Again { after, counted, error: error.clone() }, Some(error))
            }
            Judgement::Again { after, error, .. } => (Verdict::Unknown { after }, Some(error)),
            Judgement::Bury { exception } => {
                let failure = Failure::now(&setup.driver, &setup.connection, &exception);
                (Verdict::Bury(failure), Some(exception))
            }
        };
        Self { task, verdict, error, took, step: Step::Settle, in_doubt: false, may_be_written: false }
    }

    pub(super) fn returned(task: Arc<Task>, after: Duration) -> Self {
        let verdict = Verdict::Unstarted { after };
        Self {
            task,
            verdict,
            error: None,
            took: None,
            step: Step::Settle,
            in_doubt: false,
            may_be_written: false,
        }
    }
}

impl EventLoop {
    /// Settles what is decided. After a batch was refused only a part of it, one by one: says whether more of that is
    /// to be done in the next turn, in which holds are renewed before.
    pub(super) fn settle(&mut self) -> Result<bool> {
        let slice = self.slice();
        while !self.judged.is_empty() {
            // Without a driver nothing is written down.
            if self.line.driver().is_none() {
                return Err(Error::unavailable("the back end is away"));
            }
            let judged = self.settleable();
            let settled = settled(&self.held, &judged);
            let answer = match self.line.driver() {
                Some(driver) if self.stop.is_no() => driver.settle(&settled),
                Some(driver) => driver.settle_surely(&settled),
                None => Ok(Settlement::default()),
            };
            drop(settled);
            match answer {
                Ok(settlement) => {
                    self.line.works();
                    let takes_all = settlement.pending.is_empty();
                    self.written_down(judged, settlement);
                    if !takes_all {
                        // Asked again in the next turn: meanwhile the inbox is read, and holds are renewed.
                        return Ok(false);
                    }
                    if self.one_by_one && Instant::now() >= slice {
                        return Ok(!self.judged.is_empty());
                    }
                }
                Err(error) => return Err(self.not_written_down(judged, error)),
            }
        }
        self.one_by_one = false;
        Ok(false)
    }

    /// Until when a turn may go on with what is done one by one.
    pub(super) fn slice(&self) -> Instant {
        self.schedule.extend_at().min(Instant::now() + SLICE)
    }

    /// What is settled next: all of it, or one after a batch was refused.
    pub(super) fn settleable(&mut self) -> Vec<Judged> {
        match self.one_by_one {
            true => self.judged.pop().into_iter().collect(),
            // About as many will be over next time.
            false => {
                let next = Vec::with_capacity(self.judged.len());
                std::mem::replace(&mut self.judged, next)
            }
        }
    }

    pub(super) fn not_written_down(&mut self, mut judged: Vec<Judged>, error: Error) -> Error {
        judged.iter_mut().for_each(|judged| judged.is_in_doubt(&error));
        // A refusal, not an absence: find the one that is refused.
        if !error.is_unavailable() {
            self.one_by_one = true;
        }
        if error.is_invalid() && judged.len() == 1 {
            judged.into_iter().for_each(|only| self.put_aside(only, &error.to_string()));
        } else {
            // One by one they are taken from the end: what is refused keeps none of the others waiting.
            self.judged.splice(0..0, judged);
        }
        error
    }

    pub(super) fn written_down(&mut self, judged: Vec<Judged>, settlement: Settlement) {
        let takes_all = settlement.pending.is_empty();
        for judged in judged {
            let Some(holding) = self.held.get(&judged.task) else { continue };
            let receipt = holding.job().receipt;
            if settlement.pending.contains(&receipt) {
                self.judged.push(judged);
                continue;
            }
            if let Some((_, why)) = settlement.refused.iter().find(|(other, _)| *other == receipt) {
                self.put_aside(judged, why);
                continue;
            }
            if settlement.locked.contains(&receipt) {
                self.put_off(judged);
                continue;
            }
            // While the hold lasts nobody else can have taken it: an earlier settle went through.
            let settled_before = judged.may_be_written && !judged.task.hold.is_lost();
            let told_as_lost = holding.lost;
            self.held.remove(&judged.task);
            if settlement.lost.contains(&receipt) && !settled_before {
                self.take_record_back(&judged);
                if !told_as_lost {
                    self.report.lost += 1;
                    self.tell(&Event::Lost(judged.told()));
                }
                continue;
            }
            let buried = settlement.buried.iter().find(|(other, _)| *other == receipt);
            self.count_and_tell(&judged, buried.map(|(_, id)| id));
        }
        self.backlog_is_full = false;
        if !takes_all {
            self.weigh_backlog();
        }
        if self.setup.bounds.when_empty && self.held.is_empty() {
            self.schedule.became_idle(Instant::now());
        }
    }

    /// The back end refuses what became of a job, and would refuse it again. It is put back so that nobody runs it
    /// and it is soon buried; when that is refused as well, it is let go.
    pub(super) fn put_aside(&mut self, mut judged: Judged, why: &str) {
        let job = &judged.task.job;
        let name = format!("{} #{}", job.message.name, job.id);
        let (after, error) = match &judged.verdict {
            Verdict::Done => {
                let done = || format!("it is done, and could not be removed: {why}");
                (LONG_WAIT, judged.error.clone().unwrap_or_else(done))
            }
            Verdict::Again { error, .. } => (unrecorded_wait(&judged.task), error.clone()),
            Verdict::Bury(failure) => (unrecorded_wait(&judged.task), failure.exception.clone()),
            Verdict::Exhausted { .. } | Verdict::Unknown { .. } | Verdict::Unstarted { .. } => {
                let warning = format!("what became of {name} is refused, and it runs again: {why}");
                self.tell(&Event::Warning(&warning));
                self.held.remove(&judged.task);
                self.report.note_unsettled(name);
                return;
            }
        };
        let warning = match judged.verdict {
            Verdict::Bury(_) => {
                format!("cannot keep failed job {name}, it is put back and not run again: {why}")
            }
            _ => format!("what became of {name} is refused, it is put aside: {why}"),
        };
        self.tell(&Event::Warning(&warning));
        let attempts = judged.task.limits.attempts.max(job.attempt);
        judged.error.get_or_insert_with(|| error.clone());
        (judged.verdict, judged.step) = (Verdict::Exhausted { after, attempts, error }, Step::Settle);
        self.decide(judged);
    }

    /// An adopted job has the attempt of its last delivery.
    pub(super) fn attempt_of(&self, task: &Task) -> u32 {
        let holding = self.held.get(task);
        holding.map_or(task.job.attempt, |holding| holding.job().attempt)
    }

    fn count_and_tell(&mut self, judged: &Judged, buried: Option<&JobId>) {
        let job = judged.told();
        let error = judged.error.as_deref().unwrap_or_default();
        match (&judged.verdict, &judged.step) {
            (Verdict::Done, Step::Recorded(record)) if judged.error.is_some() => {
                self.count_dead(judged, record.as_ref().map(|record| &record.id), error);
            }
            (Verdict::Done, _) => {
                self.report.done += 1;
                self.tell(&Event::Done(job));
            }
            (Verdict::Bury(_), _) => self.count_dead(judged, buried, error),
            (Verdict::Exhausted { after, .. }, _) => {
                self.report.put_aside += 1;
                self.tell(&Event::PutAside { job, after: *after, error });
            }
            (Verdict::Again { after, counted, .. }, _) => {
                self.report.retried += 1;
                self.schedule.put_back(Instant::now(), *after);
                self.tell(&Event::Again { job, after: *after, counted: *counted, error });
            }
            (Verdict::Unknown { after }, _) => {
                self.report.returned += 1;
                if self.unknown.note(&job.job.message.name, Instant::now()) {
                    self.tell(&Event::Again { job, after: *after, counted: false, error });
                }
            }
            (Verdict::Unstarted { .. }, _) => {
                self.report.returned += 1;
                self.tell(&Event::Returned(job));
            }
        }
    }

    fn count_dead(&mut self, judged: &Judged, failed_id: Option<&JobId>, error: &str) {
        self.report.failed += 1;
        self.tell(&Event::Buried { job: judged.told(), failed_id, error });
        if judged.task.kind.is_some() {
            self.hooks += 1;
            self.runner.begin(vec![Work::Hook(judged.task.clone(), error.to_owned())]);
        }
    }

    /// A hold is gone. The run may go on; what it returns is dropped.
    pub(super) fn lose(&mut self, receipt: Receipt) {
        let Some(holding) = self.held.lose(receipt) else { return };
        let task = holding.task.clone();
        self.report.lost += 1;
        let told = JobInfo { job: &task.job, attempts: task.limits.attempts, took: None };
        self.tell(&Event::Lost(told));
    }
}

/// Verdicts as the driver takes them, each with the receipt that counts.
pub(super) fn settled<'a>(held: &'a InFlight, judged: &'a [Judged]) -> Vec<Settled<'a>> {
    judged
        .iter()
        .map(|judged| {
            let holding = held.get(&judged.task);
            let job = holding.map_or(&judged.task.job, |holding| holding.job());
            Settled { job, verdict: judged.verdict.clone() }
        })
        .collect()
}

impl Judged {
    /// The connection that held its job is gone. If the job comes back, nothing was written down.
    pub(super) fn park(&mut self) {
        (self.in_doubt, self.may_be_written) = (false, false);
    }

    /// A settle of it ended in this error.
    pub(super) fn is_in_doubt(&mut self, error: &Error) {
        self.in_doubt = true;
        self.may_be_written |= !error.is_undone();
    }

    fn told(&self) -> JobInfo<'_> {
        JobInfo { job: &self.task.job, attempts: self.task.limits.attempts, took: self.took }
    }
}

/// Each time that a dead job is taken and can't be buried it waits longer.
fn unrecorded_wait(task: &Task) -> Duration {
    let times = task.job.attempt.saturating_sub(task.limits.attempts).saturating_sub(1);
    UNRECORDED_WAIT.saturating_mul(2u32.saturating_pow(times)).min(LONG_WAIT)
}
