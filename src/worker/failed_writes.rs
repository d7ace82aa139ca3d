//! Outcomes that concern the failed jobs: dead jobs are stored there, and records that a predecessor made of a job that
//! lives are withdrawn. All of it in calls of its own, so that failed jobs that are slow, away, or refuse something
//! hold up nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::in_flight::InFlight;
use super::locked_rows::pause;
use super::recorder::{Answer, Answers, Recorder, Request, Update, UpdateResult};
use super::settle::{Judged, Step};
use super::{WorkerOptions, backlog};
use crate::driver::{Receipt, Verdict};
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedJobs};
use crate::reserved::Reserved;

/// How often records of an earlier worker are looked for while the failed jobs are away.
const LOOKS: u32 = 4;

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Who stores the failed jobs.
enum Store {
    /// The driver, when it settles them.
    Driver,
    /// A store of their own, to which the recorder's thread writes.
    Elsewhere(Elsewhere),
    /// Nobody.
    Nowhere,
}

struct Elsewhere {
    backend: Arc<dyn FailedBackend>,
    /// Opened at the start, for the recorder.
    open: Option<Box<dyn FailedJobs>>,
    /// The name of the worker's driver.
    driver: String,
    /// The inbox of the worker, for the answers.
    answers: Answers,
}

/// What is to be done with an outcome after the failed jobs were asked.
pub(super) enum Next {
    /// Write it down.
    Decide(Judged),
    /// Put the job aside, for this reason.
    PutAside(Judged, String),
}

pub(super) struct FailedWrites {
    store: Store,
    waiting: Vec<Judged>,
    /// Those that the recorder has.
    sent: Vec<Receipt>,
    /// How many of both are jobs that survived.
    survivors: usize,
    /// How many of those that wait are locked by somebody else.
    locked: usize,
    recorder: Option<Recorder>,
    failures: u32,
    retry_at: Instant,
    /// After a refusal that names no job.
    one_by_one: bool,
}

impl FailedWrites {
    /// # Errors
    /// The failed jobs can't be opened: a missing table is an error at the start, and not when the first job dies.
    pub(super) fn open(options: &WorkerOptions, by_driver: bool, answers: Answers) -> Result<Self> {
        let open = options.failed.as_ref().map(|failed| failed.open()).transpose()?;
        let store = match &options.failed {
            _ if by_driver => Store::Driver,
            Some(backend) => {
                let (backend, driver) = (backend.clone(), options.driver.clone());
                Store::Elsewhere(Elsewhere { backend, open, driver, answers })
            }
            None => Store::Nowhere,
        };
        Ok(Self {
            store,
            waiting: Vec::new(),
            sent: Vec::new(),
            survivors: 0,
            locked: 0,
            recorder: None,
            failures: 0,
            retry_at: Instant::now(),
            one_by_one: false,
        })
    }

    pub(super) fn are_by_driver(&self) -> bool {
        matches!(self.store, Store::Driver)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.sent.len()
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Judged> {
        self.waiting.iter()
    }

    /// Those that wait because somebody else has locked their jobs.
    pub(super) fn locked(&self) -> impl Iterator<Item = &Judged> {
        self.waiting.iter().take(self.locked)
    }

    pub(super) fn is_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    pub(super) fn receipts(&self) -> impl Iterator<Item = Receipt> {
        self.waiting.iter().map(|judged| judged.task.job.receipt).chain(self.sent.iter().copied())
    }

    /// How many suspects have survived their run and are not settled yet: until then a death would be charged to them.
    pub(super) fn survivors(&self) -> usize {
        self.survivors
    }

    /// When there is something to write, if nothing comes in before.
    pub(super) fn write_at(&self) -> Option<Instant> {
        (!self.waiting.is_empty() && self.sent.is_empty()).then_some(self.retry_at)
    }

    /// What waits is tried again at once.
    pub(super) fn retry_now(&mut self, now: Instant) {
        self.retry_at = now;
    }

    /// The holds ended with their connection: what waits is decided anew when the jobs come back.
    pub(super) fn take_waiting(&mut self) -> Vec<Judged> {
        self.survivors -= self.waiting.iter().filter(|judged| is_alive(judged)).count();
        self.locked = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Keeps an outcome that goes by the failed jobs, or answers it when it is only settled.
    pub(super) fn route(&mut self, mut judged: Judged) -> Option<Judged> {
        match (&judged.verdict, &judged.step, &self.store) {
            (Verdict::Bury(_), _, Store::Nowhere) => {
                (judged.verdict, judged.step) = (Verdict::Done, Step::Recorded(None));
                return Some(judged);
            }
            (Verdict::Bury(_), ..) | (_, Step::Look | Step::Found(_), _) => {}
            // A predecessor may have died between the record and the settle.
            (Verdict::Done | Verdict::Again { .. }, Step::Settle, Store::Elsewhere(_))
                if judged.task.job.suspect =>
            {
                judged.step = Step::Look;
            }
            _ => return Some(judged),
        }
        self.survivors += usize::from(is_alive(&judged));
        self.waiting.push(judged);
        None
    }

    /// So many may wait, and no more: then they are tried at once, and those that can't be written down now are put
    /// aside. Says whether the answer to others is to come first.
    pub(super) fn press(&mut self) -> bool {
        let is_put_off = self.is_sent() || Instant::now() < self.retry_at;
        if !is_put_off || !backlog::is_full(self.waiting.iter()) {
            return false;
        }
        if !self.is_sent() {
            self.retry_at = Instant::now();
        }
        self.is_sent()
    }

    /// Forgets what waits for jobs that somebody else has.
    pub(super) fn drop_lost(&mut self, in_flight: &mut InFlight) {
        let survivors = &mut self.survivors;
        self.waiting.retain(|judged| {
            let is_held = in_flight.get(&judged.task).is_some_and(|held| !held.lost);
            if !is_held {
                in_flight.remove(&judged.task);
                *survivors -= usize::from(is_alive(judged));
            }
            is_held
        });
        self.locked = 0;
    }
}

/// Where the driver stores them.
impl FailedWrites {
    /// What is settled next: all of it, or one after a batch was refused.
    pub(super) fn next_batch(&mut self) -> Option<Vec<Judged>> {
        if self.waiting.is_empty() {
            self.one_by_one = false;
            return None;
        }
        let count = if self.one_by_one { 1 } else { self.waiting.len() };
        Some(self.waiting.drain(..count).collect())
    }

    pub(super) fn batch_is_written(&mut self) {
        self.works();
    }

    /// Whether what is left is done one by one.
    pub(super) fn is_one_by_one(&self) -> bool {
        self.one_by_one && !self.waiting.is_empty()
    }

    /// A settle of these ended in an error: answers those that are put aside.
    pub(super) fn batch_failed(&mut self, mut batch: Vec<Judged>, error: &Error) -> Vec<Judged> {
        batch.iter_mut().for_each(|judged| judged.is_in_doubt(error));
        if error.is_unavailable() || error.is_outcome_unknown() {
            self.waiting.append(&mut batch);
            self.postpone();
        } else if batch.len() > 1 && !error.is_schema() {
            self.waiting.append(&mut batch);
            self.one_by_one = true;
        }
        batch
    }
}

/// Where they are stored elsewhere.
impl FailedWrites {
    /// The jobs whose holds are proven, by renewing them, before anything is recorded of them.
    pub(super) fn to_prove<'a>(&self, in_flight: &'a InFlight) -> Vec<&'a Reserved> {
        self.waiting.iter().filter_map(|judged| Some(in_flight.get(&judged.task)?.job())).collect()
    }

    /// Hands the jobs to the recorder whose holds were proven at `proven`.
    ///
    /// # Errors
    /// There is no thread for it: tried again later.
    pub(super) fn send(
        &mut self,
        in_flight: &mut InFlight,
        locked: &HashSet<Receipt>,
        proven: Instant,
        lease: Duration,
    ) -> Result<()> {
        let recorder = match self.recorder() {
            Ok(recorder) => recorder,
            Err(error) => {
                self.postpone();
                return Err(error);
            }
        };
        let mut updates = Vec::new();
        for judged in std::mem::take(&mut self.waiting) {
            match in_flight.get(&judged.task) {
                // Whether it is still held is not certain for long enough.
                Some(held) if !held.lost && locked.contains(&held.job().receipt) => {
                    self.waiting.push(judged);
                    self.retry_at = Instant::now() + pause(lease);
                }
                Some(held) if !held.lost => {
                    held.task.hold.renew(proven + lease);
                    let job = held.job().clone();
                    self.sent.push(judged.task.job.receipt);
                    updates.push(Update { judged, job, result: UpdateResult::Pending });
                }
                _ => {
                    self.survivors -= usize::from(is_alive(&judged));
                    in_flight.remove(&judged.task);
                }
            }
        }
        self.locked = self.waiting.len();
        if !updates.is_empty() {
            recorder.ask(Request::Update(updates));
        }
        self.recorder = Some(recorder);
        Ok(())
    }

    fn recorder(&mut self) -> Result<Recorder> {
        match (self.recorder.take(), &mut self.store) {
            (Some(recorder), _) => Ok(recorder),
            (None, Store::Elsewhere(place)) => {
                let (backend, open) = (place.backend.clone(), place.open.take());
                Recorder::start(backend, open, place.driver.clone(), place.answers.clone())
            }
            (None, Store::Driver | Store::Nowhere) => Err(Error::other("they are not kept")),
        }
    }

    /// The recorder answers: what to do with each outcome, and a warning. `waits`: whether outcomes that can't be
    /// recorded now may stay here until they can.
    pub(super) fn answered(
        &mut self,
        Answer { updates, error }: Answer,
        in_flight: &mut InFlight,
        waits: bool,
    ) -> (Vec<Next>, Option<String>) {
        self.sent.clear();
        let mut warning = None;
        match &error {
            None => self.works(),
            Some(error) => {
                if self.failures == 0 {
                    warning = Some(format!("cannot reach the failed jobs, and tries again: {error}"));
                }
                self.postpone();
            }
        }
        let why = error.map_or_else(|| "the hold was nearly over".to_owned(), |error| error.to_string());
        let mut next = Vec::with_capacity(updates.len());
        for Update { mut judged, result, .. } in updates {
            self.survivors -= usize::from(is_alive(&judged));
            if in_flight.get(&judged.task).is_none_or(|held| held.lost) {
                in_flight.remove(&judged.task);
                if let UpdateResult::Recorded(record) = result {
                    judged.step = Step::Recorded(Some(record));
                }
                self.withdraw_record(&judged);
                continue;
            }
            match result {
                UpdateResult::Recorded(record) => {
                    (judged.verdict, judged.step) = (Verdict::Done, Step::Recorded(Some(record)));
                }
                UpdateResult::Found(records) if !records.is_empty() => judged.step = Step::Found(records),
                UpdateResult::Found(_) | UpdateResult::Withdrawn => judged.step = Step::Recorded(None),
                UpdateResult::Refused(why) => {
                    next.push(Next::PutAside(judged, why));
                    continue;
                }
                UpdateResult::Pending if waits && self.may_wait(&judged, &next) => {}
                UpdateResult::Pending if matches!(judged.verdict, Verdict::Bury(_)) => {
                    next.push(Next::PutAside(judged, why.clone()));
                    continue;
                }
                // A record of it that may be there is the lesser evil: it can be forgotten.
                UpdateResult::Pending => {
                    let job = &judged.task.job;
                    log::warn!("cannot look whether job #{} was recorded as failed: {why}", job.id);
                    judged.step = Step::Recorded(None);
                }
            }
            next.push(Next::Decide(judged));
        }
        (next, warning)
    }

    fn may_wait(&self, judged: &Judged, next: &[Next]) -> bool {
        fn stays(next: &Next) -> Option<&Judged> {
            match next {
                Next::Decide(judged) if !matches!(judged.step, Step::Recorded(_)) => Some(judged),
                Next::Decide(_) | Next::PutAside(..) => None,
            }
        }
        let most = if is_alive(judged) { LOOKS } else { u32::MAX };
        !backlog::is_full(self.waiting.iter().chain(next.iter().filter_map(stays))) && self.failures < most
    }

    /// The record of a job that somebody else has is wrong, if it is this worker's and nobody counts on it.
    pub(super) fn withdraw_record(&self, judged: &Judged) {
        if let (Step::Recorded(Some(record)), Some(recorder)) = (&judged.step, &self.recorder)
            && record.fresh
            && !judged.in_doubt
        {
            recorder.ask(Request::Withdraw(record.id.clone()));
        }
    }

    fn works(&mut self) {
        (self.failures, self.retry_at) = (0, Instant::now());
    }

    fn postpone(&mut self) {
        let wait = FIRST_RETRY.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Instant::now() + wait;
    }
}

/// Whether the job is not dead, but one of which something may be recorded.
fn is_alive(judged: &Judged) -> bool {
    matches!(judged.step, Step::Look | Step::Found(_))
}
