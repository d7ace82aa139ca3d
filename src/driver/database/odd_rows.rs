//! What a reserve does beyond a plain take: rows that no take would ever find, or that the database can't
//! read, are put aside; suspects that somebody has locked are left for later; large jobs are taken by few.

use std::time::{Duration, Instant};

use super::jobs::{JobsTable, RECENTLY, hold, is_dead};
use super::one_by_one::is_refusal;
use crate::driver::{Extended, Receipt, Reserved, Settled, Settlement, Suspects, Taken, Want};
use crate::error::Result;
use crate::time;

/// How often a busy worker looks for rows that no take finds, such as those due at no instant.
const LOOK_FOR_ODD: Duration = Duration::from_secs(1);

/// How many such rows are taken at once.
const MOST_ODD: usize = 100;

/// When suspects that somebody has locked are looked at again: it is taking them, or will let them go.
const LOCKED: Duration = Duration::from_millis(250);

impl JobsTable {
    /// Takes what is due, and what is odd.
    pub(super) fn find(&mut self, want: &Want<'_>) -> Result<Taken> {
        let want = &self.bounded(want);
        self.pass_over_refused();
        let mut jobs = self.take_refused_again(want)?;
        if jobs.is_empty() && self.shall_look_for_odd(want, LOOK_FOR_ODD) {
            (jobs, _) = self.take_odd(want)?;
        }
        if !jobs.is_empty() {
            return Ok(Taken { jobs, ..Taken::default() });
        }
        let taken = match self.look_and_take(want) {
            // A value of one row keeps all others from being read.
            Err(error) if error.is_invalid() => {
                let jobs = self.adapter.take_unreadable(&hold(want), want.fresh.clamp(1, MOST_ODD))?;
                match jobs.is_empty() {
                    true => self.take_one_by_one(want, error)?,
                    false => Taken { jobs, ..Taken::default() },
                }
            }
            Err(error) if is_refusal(&error) => self.take_one_by_one(want, error)?,
            taken => taken?,
        };
        self.weight.took(&taken.jobs);
        self.or_odd(want, taken)
    }

    /// Where nothing was found, what is odd is looked for before anybody believes that there is nothing.
    fn or_odd(&mut self, want: &Want<'_>, taken: Taken) -> Result<Taken> {
        let last_look = want.suspects != Suspects::Ignore;
        let after = if last_look { Duration::ZERO } else { RECENTLY };
        if !taken.jobs.is_empty() || !self.shall_look_for_odd(want, after) {
            return Ok(taken);
        }
        let refused = self.refused.len();
        let (jobs, mended) = self.take_odd(want)?;
        match jobs.is_empty() {
            true if mended => self.look_and_take(want),
            // What is refused may have hidden others.
            true if self.refused.len() > refused => Ok(Taken { next_due: Some(Duration::ZERO), ..taken }),
            _ => Ok(Taken { jobs, ..taken }),
        }
    }

    /// The same after a settle, in one commit where that can be: the dead are buried in a transaction of their own.
    pub(super) fn settle_and_find(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        let looks_first = self.shall_look_for_odd(want, LOOK_FOR_ODD) || self.shall_try_refused(want);
        if settled.is_empty() || looks_first || settled.iter().any(is_dead) {
            return self.settle_then_find(settled, want);
        }
        let bounded = self.bounded(want);
        match self.settle_and_take(settled, &bounded) {
            // What is refused of one job keeps no other from being settled, nor any from being taken.
            Err(error) if is_refusal(&error) => self.settle_then_find(settled, want),
            done => {
                let (settlement, taken) = done?;
                self.weight.took(&taken.jobs);
                // What was settled is to be told; the next reserve meets the same error.
                let taken = self.or_odd(&bounded, taken).unwrap_or_else(|_| again_at_once());
                Ok((settlement, taken))
            }
        }
    }

    pub(super) fn settle_then_find(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        let settlement = self.settle_free(settled)?;
        match self.find(want) {
            // What was settled is to be told; the next reserve meets the same error.
            Err(_) if !settled.is_empty() => Ok((settlement, again_at_once())),
            taken => Ok((settlement, taken?)),
        }
    }

    /// Settles around the rows that somebody else has locked: each of them would keep all the others waiting until
    /// the server gives the statement up. A settle looks for them only where an extend has met some within a lease,
    /// so that it costs nothing where nobody locks anything; a settle that meets the first one is given up once, and
    /// the worker opens a new connection and extends before it settles again.
    pub(super) fn around_locks<T>(
        &mut self,
        settled: &[Settled<'_>],
        settle: impl FnOnce(&mut Self, &[Settled<'_>]) -> Result<(Settlement, T)>,
    ) -> Result<(Settlement, T)> {
        if !self.expects_locks() || settled.is_empty() {
            return settle(self, settled);
        }
        let receipts: Vec<_> = settled.iter().map(|settled| settled.job.receipt).collect();
        let locked = self.adapter.locked(&receipts)?;
        let is_free = |settled: &&Settled<'_>| !locked.contains(&settled.job.receipt);
        let free: Vec<_> = settled.iter().filter(is_free).cloned().collect();
        let (settlement, more) = settle(self, &free)?;
        Ok((Settlement { locked, ..settlement }, more))
    }

    fn expects_locks(&self) -> bool {
        self.locks_until.is_some_and(|until| Instant::now() < until)
    }

    /// After an extend: notes whether settles have to look for locks. An extend of a few holds does not end what one
    /// of all holds has found. A lock that does not keep a hold from being renewed (PostgreSQL: `FOR KEY SHARE`, as
    /// a foreign key takes it) may still keep a job from being removed, and is asked for by the first extend of a
    /// connection, which follows each settle that was given up, and by those that come soon after a lock.
    pub(super) fn watch_locks(
        &mut self,
        receipts: &[Receipt],
        extended: &Extended,
        lease: Duration,
    ) -> Result<()> {
        if receipts.is_empty() {
            return Ok(());
        }
        let asks = self.locks_until.is_none() || self.expects_locks();
        let now = Instant::now();
        if !extended.locked.is_empty() || asks && !self.adapter.locked(receipts)?.is_empty() {
            self.locks_until = Some(time::after(now, lease));
        }
        self.locks_until.get_or_insert(now);
        Ok(())
    }

    /// As many as was asked for, or fewer where they are large.
    fn bounded<'a>(&self, want: &Want<'a>) -> Want<'a> {
        Want { fresh: self.weight.bound(want.fresh), ..*want }
    }

    /// Whether it was so long ago, or never.
    fn shall_look_for_odd(&self, want: &Want<'_>, after: Duration) -> bool {
        want.fresh > 0
            && !want.queues.is_empty()
            && self.looked_for_odd.is_none_or(|looked| looked.elapsed() >= after)
    }

    /// Also says whether others were mended, so that a take finds them now.
    fn take_odd(&mut self, want: &Want<'_>) -> Result<(Vec<Reserved>, bool)> {
        self.looked_for_odd = Some(Instant::now());
        let most = want.fresh.min(MOST_ODD);
        let mut odd = self.adapter.find_odd(&hold(want), most)?;
        odd.ids.truncate(most);
        Ok((self.take_each_odd(want, &odd.ids)?, odd.mended))
    }

    /// In how long the first hold ends; of those that have ended, only what nobody has locked counts as due.
    pub(super) fn first_suspect(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        match self.adapter.first_lease(queues)? {
            Some(Duration::ZERO) if !self.adapter.has_free_suspect(queues)? => Ok(Some(LOCKED)),
            hold_ends => Ok(hold_ends),
        }
    }
}

fn again_at_once() -> Taken {
    Taken { next_due: Some(Duration::ZERO), ..Taken::default() }
}
