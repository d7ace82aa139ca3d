//! From a judgement to a line in the back end: what is decided, recorded, written down, and told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::held::Held;
use super::{Pump, Setup};
use crate::driver::{Receipt, Settled, Settlement, Verdict};
use crate::error::{Error, Result};
use crate::event::{Event, Told};
use crate::failed::Failure;
use crate::message::{JobId, Message};
use crate::policy::Judgement;
use crate::runner::{Task, Work};

/// How long a job waits whose failure could not be recorded.
const UNRECORDED_WAIT: Duration = Duration::from_secs(30);

/// A decision that is not yet written down.
pub(super) struct Judged {
    pub(super) task: Arc<Task>,
    pub(super) verdict: Verdict,
    error: Option<String>,
    took: Option<Duration>,
    /// The failed jobs hold it already; the verdict that is left is `Done`.
    recorded: Recorded,
    /// An earlier settle ended in an error and may have gone through: "lost" means nothing then.
    in_doubt: bool,
}

/// What the failed jobs answered.
#[derive(PartialEq)]
enum Recorded {
    No,
    /// It is in there, under this name if this worker put it there.
    Yes(Option<JobId>),
}

impl Judged {
    pub(super) fn new(task: Arc<Task>, judgement: Judgement, took: Option<Duration>, setup: &Setup) -> Self {
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
        Self { task, verdict, error, took, recorded: Recorded::No, in_doubt: false }
    }

    pub(super) fn returned(task: Arc<Task>, after: Duration) -> Self {
        let verdict = Verdict::Unstarted { after };
        Self { task, verdict, error: None, took: None, recorded: Recorded::No, in_doubt: false }
    }
}

impl Pump {
    /// Keeps the dead, for a driver that can't do it in the same transaction: proves the hold by renewing
    /// it, records, and leaves `Done` to be settled.
    pub(super) fn record_dead(&mut self) -> Result<()> {
        let Some(driver) = self.line.driver() else { return Ok(()) };
        if driver.buries() || !self.judged.iter().any(|judged| matches!(judged.verdict, Verdict::Bury(_))) {
            return Ok(());
        }
        let mut judged = std::mem::take(&mut self.judged);
        let result = judged.iter_mut().try_for_each(|judged| self.record(judged));
        self.judged.extend(judged);
        result
    }

    fn record(&mut self, judged: &mut Judged) -> Result<()> {
        let Verdict::Bury(failure) = &judged.verdict else { return Ok(()) };
        let Some(holding) = self.held.get(&judged.task) else { return Ok(()) };
        let Some(backend) = &self.setup.failed else {
            judged.recorded = Recorded::Yes(None);
            judged.verdict = Verdict::Done;
            return Ok(());
        };
        let Some(driver) = self.line.driver() else { return Ok(()) };
        let lost = !driver.extend(&[holding.job()], self.setup.lease)?.is_empty();
        if lost {
            // The fence of the settle answers it as lost.
            judged.verdict = Verdict::Done;
        } else {
            let recorded = match &mut self.failed_jobs {
                Some(open) => open.record(holding.job(), failure),
                none => backend.open().and_then(|open| none.insert(open).record(holding.job(), failure)),
            };
            match recorded {
                Ok(id) => {
                    judged.recorded = Recorded::Yes(id);
                    judged.verdict = Verdict::Done;
                }
                Err(error) => {
                    self.failed_jobs = None;
                    let warning = format!("cannot keep a failed job, it is put back: {error}");
                    self.tell(&Event::Warning(&warning));
                    judged.put_off(failure.exception.clone());
                }
            }
        }
        Ok(())
    }

    /// Settles what is decided.
    pub(super) fn settle(&mut self) -> Result<()> {
        while !self.judged.is_empty() {
            // Without a driver nothing is written down.
            if self.line.driver().is_none() {
                return Err(Error::unavailable("the back end is away"));
            }
            let judged = self.settleable();
            let settled = settled(&self.held, &judged);
            let answer = match self.line.driver() {
                Some(driver) => driver.settle(&settled),
                None => Ok(Settlement::default()),
            };
            drop(settled);
            match answer {
                Ok(settlement) => {
                    self.line.works();
                    self.written_down(judged, settlement);
                }
                Err(error) => return Err(self.not_written_down(judged, error)),
            }
        }
        self.one_by_one = false;
        Ok(())
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
        // A refusal, not an absence: find the one that is refused.
        if !error.is_unavailable() {
            if let [only] = &mut judged[..]
                && let Verdict::Bury(failure) = &only.verdict
            {
                let exception = failure.exception.clone();
                only.put_off(exception);
            }
            self.one_by_one = true;
        }
        judged.iter_mut().for_each(|judged| judged.in_doubt = true);
        self.judged.extend(judged);
        error
    }

    pub(super) fn written_down(&mut self, judged: Vec<Judged>, settlement: Settlement) {
        for judged in judged {
            let Some(holding) = self.held.remove(&judged.task) else { continue };
            let receipt = holding.job().receipt;
            if settlement.lost.contains(&receipt) && !judged.in_doubt {
                self.tidy_up_after_loss(&judged);
                self.report.lost += 1;
                self.tell(&Event::Lost(judged.told()));
                continue;
            }
            let buried = settlement.buried.iter().find(|(other, _)| *other == receipt);
            self.count_and_tell(&judged, buried.map(|(_, id)| id));
        }
        if self.setup.bounds.when_empty && self.held.is_empty() {
            self.next_look = Instant::now();
        }
    }

    fn count_and_tell(&mut self, judged: &Judged, buried: Option<&JobId>) {
        let job = judged.told();
        let error = judged.error.as_deref().unwrap_or_default();
        match (&judged.verdict, &judged.recorded) {
            (Verdict::Done, Recorded::No) => {
                self.report.done += 1;
                if job.job.suspect {
                    self.withdraw_record(&job.job.message);
                }
                self.tell(&Event::Done(job));
            }
            (Verdict::Done, Recorded::Yes(id)) => self.bury(judged, id.as_ref(), error),
            (Verdict::Bury(_), _) => self.bury(judged, buried, error),
            (Verdict::Again { after, counted, .. }, _) => {
                self.report.retried += 1;
                self.note_retry(*after);
                self.tell(&Event::Again { job, after: *after, counted: *counted, error });
            }
            (Verdict::Unknown { after }, _) => {
                self.report.returned += 1;
                self.tell(&Event::Again { job, after: *after, counted: false, error });
            }
            (Verdict::Unstarted { .. }, _) => {
                self.report.returned += 1;
                self.tell(&Event::Returned(job));
            }
        }
    }

    fn bury(&mut self, judged: &Judged, failed_id: Option<&JobId>, error: &str) {
        self.report.failed += 1;
        self.tell(&Event::Buried { job: judged.told(), failed_id, error });
        if judged.task.kind.is_some() {
            self.hooks += 1;
            self.runner.begin(vec![Work::Hook(judged.task.clone(), error.to_owned())]);
        }
    }

    fn note_retry(&mut self, after: Duration) {
        // The back end may count in whole milliseconds.
        let due = Instant::now() + after + Duration::from_millis(2);
        self.own_retries_until = self.own_retries_until.max(due);
        // It may be due before the next look.
        self.next_look = self.next_look.min(due);
    }

    /// The record of a job that somebody else has is wrong, if it is this worker's.
    fn tidy_up_after_loss(&mut self, judged: &Judged) {
        if matches!(judged.recorded, Recorded::Yes(Some(_))) {
            self.withdraw_record(&judged.task.job.message);
        }
    }

    /// A predecessor may have died between the record and the settle of a job that is done now.
    fn withdraw_record(&mut self, job: &Message) {
        if let Some(failed_jobs) = &mut self.failed_jobs
            && let Err(error) = failed_jobs.withdraw(job)
        {
            self.failed_jobs = None;
            let uuid = &job.uuid;
            log::warn!("cannot remove job {uuid} from the failed jobs, though it is not dead: {error}");
        }
    }

    /// A hold is gone. The run may go on; what it returns is dropped.
    pub(super) fn lose(&mut self, receipt: Receipt) {
        let Some(holding) = self.held.lose(receipt) else { return };
        let task = holding.task.clone();
        self.report.lost += 1;
        let told = Told { job: &task.job, attempts: task.limits.attempts, took: None };
        self.tell(&Event::Lost(told));
    }
}

/// Verdicts as the driver takes them, each with the receipt that counts.
pub(super) fn settled<'a>(held: &'a Held, judged: &'a [Judged]) -> Vec<Settled<'a>> {
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
        self.in_doubt = false;
    }

    fn told(&self) -> Told<'_> {
        Told { job: &self.task.job, attempts: self.task.limits.attempts, took: self.took }
    }

    /// The failed jobs can't take it now: it is put back with its attempt counted and its error kept. The
    /// next take is over the limit, and buries it without a run.
    fn put_off(&mut self, error: String) {
        self.verdict = Verdict::Again { after: UNRECORDED_WAIT, counted: true, error };
    }
}
