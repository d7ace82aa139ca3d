//! What a take and a settle change of a job: the one rule that all drivers follow.
//!
//! A driver keeps a [`Lifecycle`] of each job, in whatever form, and asks it what to write. The table driver has the
//! same rule as SQL (`take.sql`, `take_suspects.sql`, `again.sql` and `give_back.sql` of each dialect), because one
//! statement there takes or settles many jobs.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;
use super::want::Suspects;
use crate::time::{self, Timestamp};

/// A point in time of a driver's clock.
pub trait Moment: Copy {
    /// The moment that is this much later; at most the latest there is.
    #[must_use]
    fn later(self, span: Duration) -> Self;
}

impl Moment for Instant {
    fn later(self, span: Duration) -> Self {
        time::after(self, span)
    }
}

impl Moment for Timestamp {
    fn later(self, span: Duration) -> Self {
        self.plus(span)
    }
}

/// The time since some beginning, such as 1970.
impl Moment for Duration {
    fn later(self, span: Duration) -> Self {
        self.saturating_add(span)
    }
}

/// What takes and settles change of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle<T> {
    /// When it is due, and its place among those that are.
    pub due: T,
    /// How often it was attempted; the attempt that runs counts.
    pub attempts: u32,
    /// Whether it was last taken as a suspect, by a worker that runs it alone: another loss of its hold is charged.
    pub suspect: bool,
    /// Whether it was last taken as a suspect, by a worker that runs it [beside others](Suspects::TakeUncharged):
    /// another loss of its hold is charged to nobody.
    pub uncharged: bool,
    /// When a worker first found that it does not know the name.
    pub unknown_since: Option<T>,
}

/// Where a job is after a settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// It is gone.
    Gone,
    /// It waits until it is due, and nobody holds it.
    Waits,
    /// It waits as a suspect: held until then under a token that no worker has.
    HeldUntil(T),
}

impl<T: Moment> Lifecycle<T> {
    /// A job that was pushed now.
    pub fn new(now: T, delay: Duration) -> Self {
        Self { due: now.later(delay), attempts: 0, suspect: false, uncharged: false, unknown_since: None }
    }

    /// A worker takes it, as a clean job or as a suspect, whose hold has ended. The first loss leaves the attempts as
    /// they are: the job may be a bystander.
    pub fn take(&mut self, is_suspect: bool, suspects: Suspects) {
        let counts = !is_suspect || self.suspect;
        self.attempts = self.attempts.saturating_add(u32::from(counts));
        if is_suspect {
            (self.suspect, self.uncharged) = (suspects.are_charged(), !suspects.are_charged());
        }
    }

    /// Whether only a worker that runs it alone may take it, now that its hold has ended.
    pub fn runs_alone(&self) -> bool {
        self.suspect || self.uncharged
    }

    /// Its worker settles it.
    pub fn settle(&mut self, verdict: &Verdict, now: T) -> Next<T> {
        match verdict {
            Verdict::Done | Verdict::Bury(_) => Next::Gone,
            Verdict::Again { after, counted, .. } => {
                let attempts = self.attempts.saturating_sub(u32::from(!counted));
                self.ran(attempts, now.later(*after))
            }
            Verdict::Exhausted { after, attempts, .. } => {
                self.ran(self.attempts.max(*attempts), now.later(*after))
            }
            Verdict::Unknown { after } => {
                self.unknown_since.get_or_insert(now);
                self.give_back(*after, now)
            }
            Verdict::Unstarted { after } => self.give_back(*after, now),
        }
    }

    /// It ran and survived: no suspect any more.
    fn ran(&mut self, attempts: u32, due: T) -> Next<T> {
        *self = Self { due, attempts, suspect: false, uncharged: false, unknown_since: None };
        Next::Waits
    }

    /// It was not run to an end: its attempt is taken back. Without a delay a clean job keeps its place.
    fn give_back(&mut self, after: Duration, now: T) -> Next<T> {
        // An uncharged take has counted none.
        self.attempts = self.attempts.saturating_sub(u32::from(!self.uncharged));
        if self.runs_alone() {
            self.uncharged = false;
            return Next::HeldUntil(now.later(after));
        }
        if !after.is_zero() {
            self.due = now.later(after);
        }
        Next::Waits
    }
}

/// The attempt that a run would be, from 1, for a back end that counts how often a hold was lost: after so many
/// attempts that have ended, and so many charged takes that were lost since.
pub fn attempt_after(ended: u32, lost: u32) -> u32 {
    ended.saturating_add(lost.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);
    const SOON: Duration = Duration::from_secs(60);

    fn job(attempts: u32, suspect: bool, uncharged: bool) -> Lifecycle<Duration> {
        let due = Duration::from_secs(900);
        Lifecycle { due, attempts, suspect, uncharged, unknown_since: None }
    }

    #[test]
    fn a_take_counts_an_attempt_and_a_loss_is_charged_from_the_second_on() {
        let after = |takes: &[(bool, Suspects)]| {
            let mut job = job(0, false, false);
            takes.iter().for_each(|(is_suspect, suspects)| job.take(*is_suspect, *suspects));
            (job.attempts, job.suspect, job.uncharged)
        };
        let (clean, alone) = ((false, Suspects::Ignore), (true, Suspects::Take(1)));
        let beside = (true, Suspects::TakeUncharged(1));
        for (takes, expected) in [
            (&[clean][..], (1, false, false)),
            (&[clean, alone], (1, true, false)),
            (&[clean, alone, alone], (2, true, false)),
            (&[clean, alone, alone, alone], (3, true, false)),
            (&[clean, beside], (1, false, true)),
            (&[clean, beside, alone], (1, true, false)),
            (&[clean, beside, alone, alone], (2, true, false)),
        ] {
            assert_eq!(after(takes), expected, "{takes:?}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table
    fn each_verdict_changes_what_it_says() {
        let again = |counted| Verdict::Again { after: SOON, counted, error: String::new() };
        let exhausted = |attempts| Verdict::Exhausted { after: SOON, attempts, error: String::new() };
        let unstarted = |after| Verdict::Unstarted { after };
        let (clean, suspect, beside) = (job(3, false, false), job(3, true, false), job(3, false, true));
        let ran = |attempts| Lifecycle { due: NOW + SOON, ..job(attempts, false, false) };
        let later = |job| Lifecycle { due: NOW + SOON, ..job };
        let none = job(0, false, false);
        for (before, verdict, after, next) in [
            (clean, Verdict::Done, clean, Next::Gone),
            (clean, again(true), ran(3), Next::Waits),
            (clean, again(false), ran(2), Next::Waits),
            (suspect, again(true), ran(3), Next::Waits),
            (beside, again(false), ran(2), Next::Waits),
            (none, again(false), ran(0), Next::Waits),
            (suspect, exhausted(2), ran(3), Next::Waits),
            (clean, exhausted(5), ran(5), Next::Waits),
            (clean, unstarted(Duration::ZERO), job(2, false, false), Next::Waits),
            (clean, unstarted(SOON), later(job(2, false, false)), Next::Waits),
            (none, unstarted(SOON), later(none), Next::Waits),
            (suspect, unstarted(Duration::ZERO), job(2, true, false), Next::HeldUntil(NOW)),
            (suspect, unstarted(SOON), job(2, true, false), Next::HeldUntil(NOW + SOON)),
            (beside, unstarted(SOON), job(3, false, false), Next::HeldUntil(NOW + SOON)),
        ] {
            let mut job = before;
            assert_eq!((job.settle(&verdict, NOW), job), (next, after), "{before:?}, {verdict:?}");
        }
    }

    #[test]
    fn a_name_is_unknown_since_it_was_first_found_so_and_until_the_job_runs() {
        let mut job = job(1, true, false);
        let unknown = Verdict::Unknown { after: SOON };
        assert_eq!(job.settle(&unknown, NOW), Next::HeldUntil(NOW + SOON));
        assert_eq!((job.attempts, job.unknown_since), (0, Some(NOW)));
        job.take(true, Suspects::Take(1));
        job.settle(&unknown, NOW + SOON);
        assert_eq!((job.attempts, job.suspect, job.unknown_since), (0, true, Some(NOW)));
        job.settle(&Verdict::Again { after: SOON, counted: true, error: String::new() }, NOW);
        assert_eq!(job.unknown_since, None);
    }

    #[test]
    fn a_back_end_that_counts_losses_comes_to_the_same_attempts() {
        for lost in 0..5 {
            let mut job = job(7, false, false);
            job.take(false, Suspects::Ignore);
            (0..lost).for_each(|_| job.take(true, Suspects::Take(1)));
            assert_eq!(attempt_after(7, lost), job.attempts, "{lost}");
        }
        assert_eq!(attempt_after(u32::MAX, u32::MAX), u32::MAX);
    }
}
