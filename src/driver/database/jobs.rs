//! The table of jobs: the contract of [`Driver`] in terms of an adapter's statements.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::adapter::{self, Adapter, HasAdapter, PutBack, Survives, Take, transaction};
use super::batch_size::Weight;
use super::dead::Dead;
use super::refused::RefusedRows;
use super::weaker_texts::weaker_texts;
use super::{Database, inspect};
use crate::driver::{
    Cancelled, Control, Driver, Extended, JobDetails, JobFilter, QueuedJob, Receipt, Reserved, Settled,
    Settlement, Size, Suspects, Taken, Verdict, Want,
};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
use crate::time::{self, Timestamp};

/// An open table of jobs.
pub(super) struct JobsTable {
    pub(super) adapter: Box<dyn Adapter>,
    pub(super) database: Database,
    /// The control table was missing: nobody can have sent a message.
    pub(super) no_control_table: bool,
    /// When it was last asked in how long the first job is due.
    pub(super) asked_when_due: Option<Instant>,
    /// When it last looked for rows that no take finds.
    pub(super) looked_for_odd: Option<Instant>,
    pub(super) weight: Weight,
    /// Until when settles look for rows that somebody else has locked; `None` before the first extend.
    pub(super) locks_until: Option<Instant>,
    pub(super) refused: RefusedRows,
    /// Of these the adapter knows.
    pub(super) passed_over: Vec<i64>,
    pub(super) refused_holds: HashSet<Receipt>,
    /// What is to be told with the next answer.
    pub(super) warnings: Vec<String>,
}

/// What was asked this short a while ago is not asked again: a worker with a short poll looks soon enough.
pub(super) const RECENTLY: Duration = Duration::from_millis(100);

impl Driver for JobsTable {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        let created_at = self.database.zone.format(Timestamp::now());
        self.adapter.push(messages, &created_at)
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        let taken = self.find(want)?;
        let taken = self.let_keys_go(taken, true)?;
        Ok(self.with_warnings(taken))
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.around_locks(settled, |table, free| Ok((table.settle_free(free)?, ()))).map(|(told, ())| told)
    }

    fn settle_and_reserve(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        let (settlement, taken) =
            self.around_locks(settled, |table, free| table.settle_and_find(free, want))?;
        let taken = self.let_keys_go(taken, settled.is_empty()).map_err(Error::done_in_part)?;
        Ok((settlement, self.with_warnings(taken)))
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        let Extended { lost, locked, refused } = self.extend_around_locks(held, lease)?;
        match (refused.first(), locked.is_empty()) {
            (None, true) => Ok(lost),
            (Some((_, why)), _) => Err(Error::invalid(why)),
            (None, false) => Err(Error::unavailable("somebody else has locked a job that is held")),
        }
    }

    fn extend_around_locks(&mut self, held: &[&Reserved], lease: Duration) -> Result<Extended> {
        let receipts: Vec<_> = held.iter().map(|job| job.receipt).collect();
        let extended = self.extend_each(&receipts, lease)?;
        self.watch_locks(&receipts, &extended, lease)?;
        Ok(extended)
    }

    fn host(&self) -> Option<String> {
        self.adapter.host().map(str::to_owned)
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        let rows = self.adapter.query("size", &[adapter::list(queues)])?;
        let mut sizes: Vec<Size> = rows.iter().map(adapter::Row::size).collect();
        for queue in queues {
            if !sizes.iter().any(|size| size.queue == *queue) {
                sizes.push(Size {
                    queue: queue.clone(),
                    waiting: Some(0),
                    delayed: Some(0),
                    running: Some(0),
                    oldest_wait: None,
                });
            }
        }
        Ok(sizes)
    }

    fn size_up_to(&mut self, queues: &[String], most: u64) -> Result<Vec<Size>> {
        self.adapter.size_up_to(queues, most)
    }

    fn jobs(&mut self, filter: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        inspect::list(&mut *self.adapter, filter, &self.database.zone)
    }

    fn job(&mut self, id: &JobId) -> Result<Option<JobDetails>> {
        inspect::show(&mut *self.adapter, id, &self.database.zone)
    }

    fn cancel(&mut self, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        inspect::cancel(&mut *self.adapter, ids)
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        // Servers remove at most 10,000 at a time, or a large queue would outlast the patience.
        let mut removed = 0;
        loop {
            let count = self.adapter.clear(queue)?;
            removed += count;
            if count < 10_000 {
                return Ok(removed);
            }
        }
    }

    fn control(&mut self) -> Result<&mut dyn Control> {
        Ok(self)
    }

    fn buries(&self) -> bool {
        self.database.keeps_failed()
    }
}

impl HasAdapter for JobsTable {
    type Adapter = dyn Adapter;

    fn adapter(&mut self) -> &mut Self::Adapter {
        &mut *self.adapter
    }
}

impl JobsTable {
    pub(super) fn settle_free(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let (dead, others): (Vec<_>, Vec<_>) = settled.iter().partition(|settled| is_dead(settled));
        let mut settlement = Settlement::default();
        if !others.is_empty() {
            self.write_down_or_split(&others, &mut settlement)?;
        }
        if !dead.is_empty() {
            let zone = self.database.zone.clone();
            let dead = dead.into_iter().filter_map(|settled| match &settled.verdict {
                Verdict::Bury(failure) => Some(Dead::new(settled.job, failure, &zone)),
                _ => None,
            });
            let buried = self.bury(dead.collect(), &mut settlement);
            buried.map_err(|error| if others.is_empty() { error } else { error.done_in_part() })?;
        }
        Ok(settlement)
    }

    pub(super) fn look_and_take(&mut self, want: &Want<'_>) -> Result<Taken> {
        if self.adapter.take_is_a_look() && want.fresh > 0 && want.suspects == Suspects::Ignore {
            let (_, jobs) = self.adapter.delete_and_take(&[], &hold(want), want.fresh)?;
            if !jobs.is_empty() || self.asked_when_due.is_some_and(|asked| asked.elapsed() < RECENTLY) {
                return Ok(Taken { jobs, ..Taken::default() });
            }
        }
        let (taken, due) = self.look(want)?;
        if !due {
            return Ok(taken);
        }
        let found = if want.suspects.most() > 0 {
            transaction(self, Survives::Crash, |table| table.take(want))?
        } else {
            let (_, jobs) = self.adapter.delete_and_take(&[], &hold(want), want.fresh)?;
            Taken { jobs, suspects_due: taken.suspects_due, ..Taken::default() }
        };
        match found.jobs.is_empty() {
            true => Ok(Taken { suspects_due: found.suspects_due, ..self.take_skipped(want)? }),
            false => Ok(found),
        }
    }

    /// In one commit, where none of them is dead.
    pub(super) fn settle_and_take(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        let (lost, taken) = match all_done(settled).filter(|_| want.suspects == Suspects::Ignore) {
            Some(done) => {
                let (lost, jobs) = self.adapter.delete_and_take(&done, &hold(want), want.fresh)?;
                (lost, Taken { jobs, ..Taken::default() })
            }
            None => transaction(self, Survives::PowerCut, |table| {
                let lost = table.write_down(&settled.iter().collect::<Vec<_>>())?;
                Ok((lost, table.take(want)?))
            })?,
        };
        Ok((Settlement { lost, ..Settlement::default() }, taken))
    }

    /// Finds out, without taking the write lock, whether a take would find anything.
    fn look(&mut self, want: &Want<'_>) -> Result<(Taken, bool)> {
        let due_in = match want.fresh {
            0 => None,
            _ => {
                self.asked_when_due = Some(Instant::now());
                self.adapter.first_due(want.queues)?
            }
        };
        let hold_ends = match want.suspects {
            Suspects::Ignore => None,
            _ => self.first_suspect(want.queues)?,
        };
        let suspects_due = hold_ends == Some(Duration::ZERO);
        let take_suspects = suspects_due && want.suspects.most() > 0;
        let taken = Taken {
            jobs: Vec::new(),
            suspects_due,
            next_due: [due_in, hold_ends].into_iter().flatten().min(),
            warnings: Vec::new(),
        };
        Ok((taken, due_in == Some(Duration::ZERO) || take_suspects))
    }

    fn take(&mut self, want: &Want<'_>) -> Result<Taken> {
        let hold = hold(want);
        let mut taken = Taken::default();
        let most = want.suspects.most();
        if most > 0 {
            taken.jobs = self.adapter.take_suspects(&hold, most)?;
            // Also those that the row calls clean while this hold lasts.
            taken.jobs.iter_mut().for_each(|job| job.suspect = true);
        }
        if want.fresh > 0 {
            taken.jobs.extend(self.adapter.take(&hold, want.fresh)?);
        }
        if want.suspects != Suspects::Ignore {
            taken.suspects_due = self.first_suspect(want.queues)? == Some(Duration::ZERO);
        }
        Ok(taken)
    }

    /// Writes down what became of jobs that are not dead; what is refused of one of them is that job's alone.
    fn write_down_or_split(&mut self, settled: &[&Settled<'_>], settlement: &mut Settlement) -> Result<()> {
        match transaction(self, Survives::PowerCut, |table| table.write_down(settled)) {
            Ok(lost) => settlement.lost.extend(lost),
            Err(error) if error.is_invalid() => match settled {
                [one] => return self.write_down_what_fits(one, &error, settlement),
                many => {
                    let (front, back) = many.split_at(many.len() / 2);
                    self.write_down_or_split(front, settlement)?;
                    self.write_down_or_split(back, settlement).map_err(Error::done_in_part)?;
                }
            },
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Its error may be what is refused.
    fn write_down_what_fits(
        &mut self,
        settled: &Settled<'_>,
        refusal: &Error,
        settlement: &mut Settlement,
    ) -> Result<()> {
        let weaker = match &settled.verdict {
            Verdict::Again { error, .. } | Verdict::Exhausted { error, .. } => {
                weaker_texts(&mut *self.adapter, error)?
            }
            _ => Vec::new(),
        };
        for text in weaker {
            let mut verdict = settled.verdict.clone();
            if let Verdict::Again { error, .. } | Verdict::Exhausted { error, .. } = &mut verdict {
                *error = text;
            }
            let settled = Settled { job: settled.job, verdict };
            match transaction(self, Survives::PowerCut, |table| table.write_down(&[&settled])) {
                Err(error) if error.is_invalid() => {}
                done => return done.map(|lost| settlement.lost.extend(lost)),
            }
        }
        settlement.refused.push((settled.job.receipt, refusal.to_string()));
        Ok(())
    }

    /// Within a transaction, and as its first step; answers what was lost.
    fn write_down(&mut self, settled: &[&Settled<'_>]) -> Result<Vec<Receipt>> {
        let mut done = Vec::with_capacity(settled.len());
        let mut back = Vec::new();
        for Settled { job, verdict } in settled {
            let receipt = job.receipt;
            match verdict {
                // The dead are buried in a transaction of their own.
                Verdict::Done | Verdict::Bury(_) => done.push(receipt),
                Verdict::Again { after, counted, error } => {
                    back.push(PutBack::Again {
                        receipt,
                        after: *after,
                        uncounted: i32::from(!counted),
                        error,
                    });
                }
                Verdict::Exhausted { after, attempts, error } => {
                    let missing = attempts.saturating_sub(job.attempt);
                    let uncounted = -i32::try_from(missing).unwrap_or(i32::MAX);
                    back.push(PutBack::Again { receipt, after: *after, uncounted, error });
                }
                Verdict::Unknown { after } => {
                    back.push(PutBack::Unrun { receipt, after: *after, unknown: true, suspect: job.suspect });
                }
                Verdict::Unstarted { after } => {
                    back.push(PutBack::Unrun {
                        receipt,
                        after: *after,
                        unknown: false,
                        suspect: job.suspect,
                    });
                }
            }
        }
        let mut lost = if done.is_empty() { Vec::new() } else { self.adapter.delete(&done)? };
        if !back.is_empty() {
            lost.extend(self.adapter.put_back(&back, new_token())?);
        }
        Ok(lost)
    }
}

pub(super) fn is_dead(settled: &Settled<'_>) -> bool {
    matches!(settled.verdict, Verdict::Bury(_))
}

/// The receipts, when every job is simply done.
fn all_done(settled: &[Settled<'_>]) -> Option<Vec<Receipt>> {
    let receipt = |settled: &Settled<'_>| match settled.verdict {
        Verdict::Done => Some(settled.job.receipt),
        _ => None,
    };
    settled.iter().map(receipt).collect()
}

pub(super) fn hold<'a>(want: &Want<'a>) -> Take<'a> {
    let held_until = time::after(Instant::now(), want.lease);
    let charged = want.suspects.are_charged();
    Take { queues: want.queues, token: new_token(), lease: want.lease, held_until, charged }
}

/// A token that no other reservation has, made here so that a batch needs no answer to know it. 63 bits,
/// as SQL has no unsigned numbers; below 0, as the table asks for since version 2.
fn new_token() -> i64 {
    -fastrand::i64(1..)
}
