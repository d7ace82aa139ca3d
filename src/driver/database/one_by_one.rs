//! What the database refuses of one row does not keep the others from being taken, nor from being held: after a
//! refusal they are tried one by one, and the refused one is passed over from then on.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::adapter::{Kind, Survives, Take, transaction};
use super::jobs::{JobsTable, hold};
use super::lenient;
use crate::driver::{Extended, Receipt, Reserved, Taken, Want};
use crate::error::{Error, Result};

/// How many rows are tried in one look at most. The rest is for the next look.
const MOST: usize = 100;

/// So many rows get a warning each, then one each time that they are twice as many: where many are refused, it is
/// mostly for one reason.
const TOLD_OF: usize = 10;

/// Holds that were refused are remembered, as many as these.
const MOST_HOLDS: usize = 1_000;

/// Whether the database may have refused a statement because of one of its rows.
pub(super) fn is_refusal(error: &Error) -> bool {
    !(error.is_unavailable() || error.is_config() || error.is_unsupported() || error.is_outcome_unknown())
}

/// What came of rows that were tried one by one.
#[derive(Default)]
struct Tried {
    jobs: Vec<Reserved>,
    refused: Vec<(i64, Kind, Error)>,
    /// Those that are gone, or that somebody else has by now.
    gone: Vec<i64>,
}

impl JobsTable {
    /// After a take that the database refused. That is an error still where it refuses all and it may not be about
    /// a row at all.
    pub(super) fn take_one_by_one(&mut self, want: &Want<'_>, refusal: Error) -> Result<Taken> {
        let tried = self.try_due(want, kinds(want))?;
        let is_about_rows = refusal.is_invalid() && !self.refused.is_full() || !tried.jobs.is_empty();
        if tried.refused.is_empty() && tried.gone.is_empty() && tried.jobs.is_empty() || !is_about_rows {
            return Err(refusal);
        }
        Ok(Taken { jobs: self.note(tried), next_due: Some(Duration::ZERO), ..Taken::default() })
    }

    /// After a take that found nothing of what a look had found due. Another worker has it by now, or has it locked;
    /// or the database skips it, which is a refusal that says nothing. Where there is more than that, one is enough:
    /// the next take finds the rest.
    pub(super) fn take_skipped(&mut self, want: &Want<'_>) -> Result<Taken> {
        let mut tried = self.try_due(want, kinds(want).map(|(kind, most)| (kind, most.min(1))))?;
        if tried.jobs.is_empty()
            && self.refused.is_full()
            && let Some((_, _, why)) = tried.refused.pop()
        {
            return Err(why);
        }
        // What is skipped may have hidden others.
        let next_due = (!tried.refused.is_empty()).then_some(Duration::ZERO);
        Ok(Taken { jobs: self.note(tried), next_due, ..Taken::default() })
    }

    fn try_due(&mut self, want: &Want<'_>, kinds: [(Kind, usize); 2]) -> Result<Tried> {
        let (hold, deadline) = (hold(want), deadline(want));
        let mut tried = Tried::default();
        for (kind, most) in kinds {
            if most > 0 {
                let ids = self.adapter.due_ids(&hold, kind, MOST)?;
                self.try_each(&hold, (kind, most), &ids, deadline, &mut tried)?;
            }
            if !tried.jobs.is_empty() {
                break;
            }
        }
        Ok(tried)
    }

    /// What was refused a while ago.
    pub(super) fn take_refused_again(&mut self, want: &Want<'_>) -> Result<Vec<Reserved>> {
        if self.refused.is_empty() {
            return Ok(Vec::new());
        }
        let (hold, deadline, now) = (hold(want), deadline(want), Instant::now());
        let mut tried = Tried::default();
        for (kind, most) in kinds(want).into_iter().chain([(Kind::Odd, want.fresh)]) {
            let ids = self.refused.due(kind, now);
            self.try_each(&hold, (kind, most), &ids, deadline, &mut tried)?;
        }
        Ok(self.note(tried))
    }

    /// Whether a take without these first would meet one of them.
    pub(super) fn shall_try_refused(&self, want: &Want<'_>) -> bool {
        let now = Instant::now();
        !self.refused.is_empty()
            && kinds(want).into_iter().any(|(kind, most)| most > 0 && !self.refused.due(kind, now).is_empty())
    }

    /// Rows that no take finds.
    pub(super) fn take_each_odd(&mut self, want: &Want<'_>, ids: &[i64]) -> Result<Vec<Reserved>> {
        let mut tried = Tried::default();
        self.try_each(&hold(want), (Kind::Odd, want.fresh), ids, deadline(want), &mut tried)?;
        Ok(self.note(tried))
    }

    /// Until it has taken so many.
    ///
    /// # Errors
    /// The database is away, and nothing was taken yet. What was is to be begun.
    fn try_each(
        &mut self,
        hold: &Take<'_>,
        (kind, most): (Kind, usize),
        ids: &[i64],
        deadline: Instant,
        tried: &mut Tried,
    ) -> Result<()> {
        let full = tried.jobs.len() + most;
        for id in ids {
            if tried.jobs.len() == full {
                break;
            }
            match self.adapter.take_one(hold, kind, *id) {
                Ok(None) => tried.gone.push(*id),
                Ok(Some(mut job)) => {
                    job.suspect |= kind == Kind::Suspect;
                    if kind == Kind::Odd {
                        lenient::held_without_end(&mut job);
                    }
                    tried.jobs.push(job);
                }
                Err(error) if is_refusal(&error) => tried.refused.push((*id, kind, error)),
                Err(error) if tried.jobs.is_empty() => return Err(error),
                Err(_) => break,
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(())
    }

    /// Remembers what was refused, and tells what is new.
    fn note(&mut self, tried: Tried) -> Vec<Reserved> {
        let taken = tried.jobs.iter().map(|job| job.receipt.0.cast_signed());
        taken.chain(tried.gone).for_each(|id| self.refused.forget(id));
        let now = Instant::now();
        let table = self.database.jobs.as_deref().unwrap_or("jobs");
        for (id, kind, why) in tried.refused {
            if !self.refused.note(id, kind, now) {
                continue;
            }
            let count = self.refused.len();
            if count <= TOLD_OF {
                self.warnings.push(format!(
                    "row {id} of table \"{table}\" is due and can't be taken; it is left there and tried again later: {why}"
                ));
            } else if count.is_multiple_of(TOLD_OF) && (count / TOLD_OF).is_power_of_two() {
                self.warnings.push(format!(
                    "{count} rows of table \"{table}\" are due and can't be taken; they are left there and tried again later, as this one, row {id}: {why}"
                ));
            }
        }
        self.pass_over_refused();
        tried.jobs
    }

    /// Tells the adapter which rows takes pass over.
    pub(super) fn pass_over_refused(&mut self) {
        if self.refused.is_empty() && self.passed_over.is_empty() {
            return;
        }
        let left_alone = self.refused.left_alone(Instant::now());
        if left_alone != self.passed_over {
            self.adapter.pass_over(&left_alone);
            self.passed_over = left_alone;
        }
    }

    /// Renews holds; one that is refused keeps no other from being renewed. Those that were refused before are
    /// renewed last, and alone.
    pub(super) fn extend_each(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Extended> {
        let deadline = Instant::now() + lease / 12;
        let mut extended = Extended::default();
        let (before, others): (Vec<_>, Vec<_>) =
            receipts.iter().copied().partition(|receipt| self.refused_holds.contains(receipt));
        if !others.is_empty() || before.is_empty() {
            self.extend_or_split(&others, lease, deadline, &mut extended)?;
        }
        for receipt in before {
            self.extend_in_time(&[receipt], lease, deadline, &mut extended)?;
        }
        let tried: HashSet<_> =
            receipts.iter().filter(|receipt| !extended.locked.contains(receipt)).collect();
        self.refused_holds.retain(|receipt| !tried.contains(receipt));
        if self.refused_holds.len() < MOST_HOLDS {
            self.refused_holds.extend(extended.refused.iter().map(|(receipt, _)| *receipt));
        }
        Ok(extended)
    }

    fn extend_or_split(
        &mut self,
        receipts: &[Receipt],
        lease: Duration,
        deadline: Instant,
        extended: &mut Extended,
    ) -> Result<()> {
        let done = transaction(self, Survives::Crash, |table| table.adapter.extend(receipts, lease));
        match (done, receipts) {
            (Ok(done), _) => {
                extended.lost.extend(done.lost);
                extended.locked.extend(done.locked);
            }
            (Err(error), [one]) if error.is_invalid() => extended.refused.push((*one, error.to_string())),
            (Err(error), [_, _, ..]) if error.is_invalid() => {
                let (front, back) = receipts.split_at(receipts.len() / 2);
                self.extend_in_time(front, lease, deadline, extended)?;
                self.extend_in_time(back, lease, deadline, extended)?;
            }
            (Err(error), _) => return Err(error),
        }
        Ok(())
    }

    /// What there is no time for is asked for again soon, as what is locked.
    fn extend_in_time(
        &mut self,
        receipts: &[Receipt],
        lease: Duration,
        deadline: Instant,
        extended: &mut Extended,
    ) -> Result<()> {
        if Instant::now() < deadline {
            return self.extend_or_split(receipts, lease, deadline, extended);
        }
        extended.locked.extend(receipts);
        Ok(())
    }
}

/// How many of each kind are asked for.
fn kinds(want: &Want<'_>) -> [(Kind, usize); 2] {
    [(Kind::Suspect, want.suspects.most()), (Kind::Fresh, want.fresh)]
}

/// Nothing slow stands between two extends.
fn deadline(want: &Want<'_>) -> Instant {
    Instant::now() + want.lease / 12
}
