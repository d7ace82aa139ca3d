//! Outcomes that concern the failed jobs: who is dead is kept there, and what a predecessor recorded of a job that
//! lives is taken back. All of it in calls of its own, so that failed jobs that are slow, away, or refuse something
//! hold up nothing else.

use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::failed_thread::{Answer, Recorder, Request, Tended, Tending};
use super::locked_rows::pause;
use super::settle::{Judged, Step, settled};
use crate::driver::{Extended, Receipt, Verdict};
use crate::error::{Error, Result};
use crate::event::Event;

/// How many dead jobs a worker keeps in its hands while they can't be recorded, and how many bytes of payload.
const MOST_HELD: usize = 1_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How long it waits for the failed jobs before it ends.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked for what a predecessor recorded, when the failed jobs are away.
const LOOKS: u32 = 4;

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

pub(super) struct FailedWrites {
    /// Whether the driver moves dead jobs itself.
    by_driver: bool,
    waiting: Vec<Judged>,
    /// Those in the recorder's hands.
    away: Vec<Receipt>,
    /// How many of both are alive.
    survivors: usize,
    recorder: Option<Recorder>,
    failures: u32,
    retry_at: Instant,
    /// After a refusal that names no job.
    one_by_one: bool,
}

impl FailedWrites {
    pub(super) fn new(by_driver: bool, now: Instant) -> Self {
        Self {
            by_driver,
            waiting: Vec::new(),
            away: Vec::new(),
            survivors: 0,
            recorder: None,
            failures: 0,
            retry_at: now,
            one_by_one: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.away.len()
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Judged> {
        self.waiting.iter()
    }

    pub(super) fn receipts(&self) -> impl Iterator<Item = Receipt> {
        self.waiting.iter().map(|judged| judged.task.job.receipt).chain(self.away.iter().copied())
    }

    /// How many suspects have survived their run and are not settled yet: until then a death would be charged to them.
    pub(super) fn survivors(&self) -> usize {
        self.survivors
    }

    /// When there is something to do, if nothing comes in before.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        (!self.waiting.is_empty() && self.away.is_empty()).then_some(self.retry_at)
    }

    /// The holds ended with their connection: what waits is decided anew when the jobs come back.
    pub(super) fn give_up(&mut self) -> Vec<Judged> {
        self.survivors -= self.waiting.iter().filter(|judged| is_alive(judged)).count();
        std::mem::take(&mut self.waiting)
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

impl EventLoop {
    /// Whether an outcome goes by the failed jobs; it is taken then, to be written down when that is done.
    pub(super) fn send_to_failed_jobs(&mut self, mut judged: Judged) -> Option<Judged> {
        match (&judged.verdict, &judged.step) {
            (Verdict::Bury(_), _) if self.burials.by_driver || self.setup.failed.is_some() => {}
            // They are not kept.
            (Verdict::Bury(_), _) => {
                (judged.verdict, judged.step) = (Verdict::Done, Step::Recorded(None));
                return Some(judged);
            }
            // A predecessor may have died between the record and the settle.
            (Verdict::Done | Verdict::Again { .. }, Step::Settle)
                if judged.task.job.suspect && !self.burials.by_driver && self.setup.failed.is_some() =>
            {
                judged.step = Step::Look;
            }
            (_, Step::Look | Step::Found(_)) => {}
            _ => return Some(judged),
        }
        self.keep_waiting(judged);
        None
    }

    /// Does what waits. After a batch was refused only a part of it, one by one: says whether more of that is to be
    /// done in the next turn, in which holds are renewed before.
    pub(super) fn bury(&mut self, now: Instant) -> Result<bool> {
        if now < self.burials.retry_at || !self.burials.away.is_empty() || self.burials.waiting.is_empty() {
            return Ok(false);
        }
        let (held, survivors) = (&mut self.held, &mut self.burials.survivors);
        self.burials.waiting.retain(|judged| {
            let is_held = held.get(&judged.task).is_some_and(|holding| !holding.lost);
            if !is_held {
                held.remove(&judged.task);
                *survivors -= usize::from(is_alive(judged));
            }
            is_held
        });
        match self.burials.by_driver {
            true => self.settle_dead(),
            false => self.send_to_recorder().map(|()| false),
        }
    }

    fn settle_dead(&mut self) -> Result<bool> {
        let slice = self.slice();
        while !self.burials.waiting.is_empty() {
            let count = if self.burials.one_by_one { 1 } else { self.burials.waiting.len() };
            let mut dead: Vec<_> = self.burials.waiting.drain(..count).collect();
            let Some(driver) = self.line.driver() else {
                self.burials.waiting.append(&mut dead);
                return Ok(false);
            };
            let began = Instant::now();
            match driver.settle(&settled(&self.held, &dead)) {
                Ok(settlement) => {
                    self.line.works();
                    self.burials.works();
                    self.written_down(dead, settlement);
                    self.schedule.settled(began, Instant::now());
                    if self.burials.one_by_one && Instant::now() >= slice {
                        return Ok(!self.burials.waiting.is_empty());
                    }
                }
                Err(error) => {
                    dead.iter_mut().for_each(|judged| judged.is_in_doubt(&error));
                    if error.is_unavailable() || error.is_outcome_unknown() {
                        self.burials.waiting.append(&mut dead);
                        self.burials.postpone();
                    } else if dead.len() > 1 && !error.is_schema() {
                        self.burials.waiting.append(&mut dead);
                        self.burials.one_by_one = true;
                    } else {
                        dead.into_iter().for_each(|judged| self.put_aside(judged, &error.to_string()));
                    }
                    return Err(error);
                }
            }
        }
        self.burials.one_by_one = false;
        Ok(false)
    }

    /// Proves the holds by renewing them, and hands the jobs to the recorder.
    fn send_to_recorder(&mut self) -> Result<()> {
        let Some(driver) = self.line.driver() else { return Ok(()) };
        let jobs: Vec<_> = self
            .burials
            .waiting
            .iter()
            .filter_map(|judged| Some(self.held.get(&judged.task)?.job()))
            .collect();
        let before = Instant::now();
        let Extended { lost, mut locked, refused } = driver.extend_around_locks(&jobs, self.setup.lease)?;
        self.line.works();
        locked.extend(refused.iter().map(|(receipt, _)| *receipt));
        self.warn_of_refused(&refused);
        lost.into_iter().for_each(|receipt| self.lose(receipt));
        let recorder = match self.recorder() {
            Ok(recorder) => recorder,
            Err(error) => {
                self.tell(&Event::Warning(&format!("cannot record failed jobs: {error}")));
                self.burials.postpone();
                return Ok(());
            }
        };
        self.burials.recorder = Some(recorder);
        let mut tended = Vec::new();
        for judged in std::mem::take(&mut self.burials.waiting) {
            match self.held.get(&judged.task) {
                // Whether it is still held is not certain for long enough.
                Some(holding) if !holding.lost && locked.contains(&holding.job().receipt) => {
                    self.burials.waiting.push(judged);
                    self.burials.retry_at = Instant::now() + pause(self.setup.lease);
                }
                Some(holding) if !holding.lost => {
                    holding.task.hold.renew(before + self.setup.lease);
                    let job = holding.job().clone();
                    self.burials.away.push(judged.task.job.receipt);
                    tended.push(Tended { judged, job, outcome: Tending::No });
                }
                _ => {
                    self.burials.survivors -= usize::from(is_alive(&judged));
                    self.held.remove(&judged.task);
                }
            }
        }
        if let Some(recorder) = self.burials.recorder.as_ref().filter(|_| !tended.is_empty()) {
            recorder.ask(Request::Tend(tended));
        }
        Ok(())
    }

    fn recorder(&mut self) -> Result<Recorder> {
        match (self.burials.recorder.take(), &self.setup.failed) {
            (Some(recorder), _) => Ok(recorder),
            (None, Some(backend)) => {
                let (open, notes) = (self.failed_jobs.take(), self.notes.clone());
                Recorder::start(backend.clone(), open, self.setup.driver.clone(), notes)
            }
            (None, None) => Err(Error::other("they are not kept")),
        }
    }

    /// The recorder answers.
    pub(super) fn tended(&mut self, Answer { tended, error }: Answer) {
        self.burials.away.clear();
        match &error {
            None => self.burials.works(),
            Some(error) => {
                if self.burials.failures == 0 {
                    let warning = format!("cannot reach the failed jobs, and tries again: {error}");
                    self.tell(&Event::Warning(&warning));
                }
                self.burials.postpone();
            }
        }
        let why = error.map_or_else(|| "the hold was nearly over".to_owned(), |error| error.to_string());
        for Tended { mut judged, outcome, .. } in tended {
            self.burials.survivors -= usize::from(is_alive(&judged));
            if self.held.get(&judged.task).is_none_or(|holding| holding.lost) {
                self.held.remove(&judged.task);
                if let Tending::Recorded(record) = outcome {
                    judged.step = Step::Recorded(Some(record));
                }
                self.take_record_back(&judged);
                continue;
            }
            match outcome {
                Tending::Recorded(record) => {
                    (judged.verdict, judged.step) = (Verdict::Done, Step::Recorded(Some(record)));
                    self.decide(judged);
                }
                Tending::Found(records) if !records.is_empty() => {
                    judged.step = Step::Found(records);
                    self.decide(judged);
                }
                Tending::Found(_) | Tending::Withdrawn => {
                    judged.step = Step::Recorded(None);
                    self.decide(judged);
                }
                Tending::Refused(why) => self.put_aside(judged, &why),
                Tending::No if self.may_wait(&judged) => self.decide(judged),
                Tending::No if matches!(judged.verdict, Verdict::Bury(_)) => self.put_aside(judged, &why),
                // A record of it that may be there is the lesser evil: it can be forgotten.
                Tending::No => {
                    let job = &judged.task.job;
                    log::warn!("cannot look whether job #{} was recorded as failed: {why}", job.id);
                    judged.step = Step::Recorded(None);
                    self.decide(judged);
                }
            }
        }
    }

    fn keep_waiting(&mut self, judged: Judged) {
        self.burials.survivors += usize::from(is_alive(&judged));
        self.burials.waiting.push(judged);
    }

    /// Whether what can't be done now stays here until it can. A worker that is to end does not wait for it.
    fn may_wait(&self, judged: &Judged) -> bool {
        let stays = self.stop.is_no() && !self.setup.bounds.when_empty;
        let most = if is_alive(judged) { LOOKS } else { u32::MAX };
        let bytes = |judged: &Judged| judged.task.job.message.payload.len();
        let room = self.burials.waiting.len() < MOST_HELD
            && self.burials.waiting.iter().map(bytes).sum::<usize>() < MOST_BYTES;
        stays && room && self.burials.failures < most
    }

    /// The record of a job that somebody else has is wrong, if it is this worker's and nobody counts on it.
    pub(super) fn take_record_back(&self, judged: &Judged) {
        if let (Step::Recorded(Some(record)), Some(recorder)) = (&judged.step, &self.burials.recorder)
            && record.fresh
            && !judged.in_doubt
        {
            recorder.ask(Request::Withdraw(record.id.clone()));
        }
    }

    /// Before the worker ends: what the failed jobs don't take by then is put back.
    pub(super) fn end_burials(&mut self) {
        let deadline = Instant::now() + LAST_WAIT;
        loop {
            if self.extend_in_time().is_err() {
                return;
            }
            self.burials.retry_at = Instant::now();
            match self.bury(Instant::now()) {
                Ok(true) => continue,
                Ok(false) if !self.burials.away.is_empty() => {}
                Ok(false) | Err(_) => return,
            }
            let wakes = deadline.min(self.schedule.extend_at());
            match self.inbox.recv_timeout(wakes.saturating_duration_since(Instant::now())) {
                Ok(note) => self.read(note),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether it is no dead job, but one of which something may be recorded.
fn is_alive(judged: &Judged) -> bool {
    matches!(judged.step, Step::Look | Step::Found(_))
}
