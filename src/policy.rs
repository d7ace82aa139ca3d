//! The policy: what happens to a job after it was taken, and after it ran. Done, again after a while, or dead.
//!
//! The policy is pure: no clock, no chance, no back end. The back end counts an attempt when a job is taken; the policy
//! only compares.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::job::{JobError, RetryHint};
use crate::message::Overrides;
use crate::time;

/// The limits under which one job runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// How often the job is attempted, at least 1.
    pub attempts: u32,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
}

impl Default for Limits {
    /// 3 attempts, exponential backoff, no timeout.
    fn default() -> Self {
        Self { attempts: 3, backoff: Backoff::default(), timeout: None }
    }
}

/// The part of the limits that a job's type sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeLimits {
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) timeout: Option<Duration>,
}

/// How one run of a job ended.
#[derive(Debug)]
pub enum Outcome {
    /// `handle` returned `Ok`.
    Ok,
    /// `handle` returned an error or panicked.
    Failed(JobError),
    /// The payload does not fit the job; another run can't help.
    Unrunnable(String),
    /// The run took longer than this.
    TimedOut(Duration),
    /// The child process that ran the job ended in this way.
    Died(String),
}

/// A job was not run to an end, and that says nothing about the job: it goes back with no attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRun {
    /// How long it waits before it is tried again.
    pub(crate) after: Duration,
}

/// What the policy decides about a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// The job is done and leaves the queue.
    Done,
    /// The job runs again after this wait.
    Again {
        /// How long until it is due.
        after: Duration,
        /// Whether the attempt counts.
        counted: bool,
        /// What went wrong.
        error: String,
    },
    /// The job goes to the failed jobs, for this reason.
    Bury {
        /// Why it is dead.
        exception: String,
    },
}

/// How the error of a suspect begins that asked to run later. Kept with the job, it says so when that comes again.
const ASKED_LATER: &str = "its worker died, then it asked to run later: ";

impl Judgement {
    /// The same for a job that was a suspect, in threads. One that asks to run later without using up an attempt is
    /// no suspect any more, as others may have killed that worker. But when it was one the last time too, and asked
    /// the same, then it kills a worker each time in between: the attempt counts.
    pub(crate) fn of_suspect(self, attempt: u32, last_error: Option<&str>, limits: &Limits) -> Self {
        let Self::Again { after, counted: false, error } = self else { return self };
        let counted = last_error.is_some_and(|last| last.starts_with(ASKED_LATER));
        if counted && attempt >= limits.attempts {
            let exception =
                format!("the worker died while running it, whenever it did not ask to run later ({error})");
            return Self::Bury { exception };
        }
        Self::Again { after, counted, error: format!("{ASKED_LATER}{error}") }
    }
}

impl Limits {
    /// What counts of a run that took so long: over its time it has timed out, however it ended.
    pub(crate) fn in_time(&self, outcome: Outcome, took: Duration) -> Outcome {
        match self.timeout {
            Some(limit) if took >= limit => Outcome::TimedOut(limit),
            _ => outcome,
        }
    }
}

/// Decides. One per worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What holds where neither the push nor the job's type says anything.
    pub limits: Limits,
    /// How long a job whose name no worker knows is put back before it is failed.
    pub unknown_for: Duration,
}

impl Default for Policy {
    /// [`Limits::default`], and unknown names are kept for an hour, because a deploy is the usual cause.
    fn default() -> Self {
        Self { limits: Limits::default(), unknown_for: Duration::from_secs(3_600) }
    }
}

/// How long a job with an unknown name waits before a worker looks at it again.
const UNKNOWN_WAIT: Duration = Duration::from_secs(15);

/// The highest limit. Databases count attempts up to one more, so that there is always a count over the limit.
const MOST_ATTEMPTS: u32 = i32::MAX as u32 - 1;

impl Policy {
    /// The limits of one job: what its push asked for, else its type, else the worker's.
    pub(crate) fn limits_for(&self, overrides: Option<&str>, of_type: &TypeLimits) -> Limits {
        let overrides = overrides.map(Overrides::from_json).unwrap_or_default();
        let timeout = overrides.timeout();
        Limits {
            attempts: overrides
                .attempts
                .or(of_type.attempts)
                .unwrap_or(self.limits.attempts)
                .clamp(1, MOST_ATTEMPTS),
            backoff: overrides
                .backoff
                .or_else(|| of_type.backoff.clone())
                .unwrap_or_else(|| self.limits.backoff.clone()),
            timeout: timeout.or(of_type.timeout).or(self.limits.timeout).map(time::bounded),
        }
    }

    /// Judges a job that was just taken, before it is run: over its limit it is buried without being run.
    pub fn judge_before(
        &self,
        attempt: u32,
        suspect: bool,
        last_error: Option<&str>,
        limits: &Limits,
    ) -> Option<Judgement> {
        if attempt <= limits.attempts {
            return None;
        }
        let exception = match (suspect, last_error) {
            (true, _) => "the worker died while running it".to_owned(),
            (false, Some(error)) => error.to_owned(),
            (false, None) => format!("attempts used up ({attempt} of {})", limits.attempts),
        };
        Some(Judgement::Bury { exception })
    }

    /// Judges a job of which the back end could not read a part, or whose options mean nothing: what its push
    /// asked for is not known, so it is buried without being run.
    pub(crate) fn judge_unreadable(
        &self,
        unreadable: Option<&str>,
        overrides: Option<&str>,
    ) -> Option<Judgement> {
        let of_options = || {
            let error = Overrides::read(overrides?).err()?;
            Some(format!("its options can't be read: {error}"))
        };
        let exception = unreadable.map(str::to_owned).or_else(of_options)?;
        Some(Judgement::Bury { exception })
    }

    /// Judges a job whose name this worker does not know. `known_missing` is how long ago a worker first
    /// said so.
    pub fn judge_unknown(&self, name: &str, known_missing: Option<Duration>) -> Judgement {
        let error = format!("no worker knows a job named \"{name}\"");
        if known_missing.is_some_and(|span| span >= self.unknown_for) {
            let exception = format!("{error}, for {}", time::format_duration(self.unknown_for));
            return Judgement::Bury { exception };
        }
        Judgement::Again { after: UNKNOWN_WAIT.min(self.unknown_for), counted: false, error }
    }

    /// Judges a job that ran. `chance` is from 0 to 1, for the spread of the wait.
    pub fn judge(&self, attempt: u32, outcome: &Outcome, limits: &Limits, chance: f64) -> Judgement {
        let error = match outcome {
            Outcome::Ok => return Judgement::Done,
            Outcome::Unrunnable(why) => return Judgement::Bury { exception: why.clone() },
            Outcome::Failed(error) => match error.steer() {
                RetryHint::FailNow => return Judgement::Bury { exception: error.to_string() },
                RetryHint::AgainAfter(after) => {
                    return Judgement::Again { after, counted: false, error: error.to_string() };
                }
                RetryHint::Again => {
                    let after = limits.backoff.wait(attempt, chance);
                    return Judgement::Again { after, counted: false, error: error.to_string() };
                }
                RetryHint::Policy => error.to_string(),
            },
            Outcome::TimedOut(limit) => format!("timed out after {}", time::format_duration(*limit)),
            Outcome::Died(how) => how.clone(),
        };
        if attempt >= limits.attempts {
            return Judgement::Bury { exception: error };
        }
        Judgement::Again { after: limits.backoff.wait(attempt, chance), counted: true, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(attempts: u32) -> Limits {
        Limits { attempts, backoff: Backoff::list([1, 10, 60].map(Duration::from_secs)), timeout: None }
    }

    fn again(seconds: u64, counted: bool, error: &str) -> Judgement {
        Judgement::Again { after: Duration::from_secs(seconds), counted, error: error.into() }
    }

    fn bury(exception: &str) -> Judgement {
        Judgement::Bury { exception: exception.into() }
    }

    #[test]
    fn after_a_run() {
        let failed = || Outcome::Failed(JobError::new("no"));
        let later = || Outcome::Failed(JobError::again_after(Duration::from_secs(7), "wait"));
        let table = [
            (1, 3, Outcome::Ok, Judgement::Done),
            (9, 3, Outcome::Ok, Judgement::Done),
            (1, 3, failed(), again(1, true, "no")),
            (2, 3, failed(), again(10, true, "no")),
            (3, 3, failed(), bury("no")),
            (1, 1, failed(), bury("no")),
            (5, 9, failed(), again(60, true, "no")),
            (1, 3, Outcome::Failed(JobError::fail_now("never")), bury("never")),
            (3, 3, later(), again(7, false, "wait")),
            (3, 3, Outcome::Failed(JobError::again("wait")), again(60, false, "wait")),
            (1, 3, Outcome::Unrunnable("bad payload".into()), bury("bad payload")),
            (1, 2, Outcome::TimedOut(Duration::from_secs(60)), again(1, true, "timed out after 1m")),
            (2, 2, Outcome::TimedOut(Duration::from_secs(59)), bury("timed out after 59s")),
            (1, 2, Outcome::Died("killed by SIGSEGV".into()), again(1, true, "killed by SIGSEGV")),
            (2, 2, Outcome::Died("killed by SIGSEGV".into()), bury("killed by SIGSEGV")),
        ];
        for (attempt, attempts, outcome, expected) in table {
            let judged = Policy::default().judge(attempt, &outcome, &limits(attempts), 0.5);
            assert_eq!(judged, expected, "attempt {attempt} of {attempts}, {outcome:?}");
        }
    }

    /// Kills its worker in odd runs and asks to run later in even ones.
    #[test]
    fn a_suspect_that_asks_to_run_later_again_and_again_is_charged() {
        let asks =
            |last: Option<&str>, attempt| again(7, false, "wait").of_suspect(attempt, last, &limits(3));
        let first = asks(None, 1);
        let Judgement::Again { counted: false, error, .. } = first else { panic!("{first:?}") };
        for (attempt, counted) in [(1, true), (2, true)] {
            let judged = asks(Some(&error), attempt);
            assert_eq!(judged, again(7, counted, &error));
        }
        assert!(matches!(asks(Some(&error), 3), Judgement::Bury { .. }));
        assert_eq!(asks(Some("smtp: refused"), 3), again(7, false, &error), "a bystander is not charged");
        for other in [Judgement::Done, again(1, true, "no"), bury("no")] {
            assert_eq!(other.clone().of_suspect(3, Some(&error), &limits(3)), other);
        }
    }

    #[test]
    fn before_a_run() {
        let table = [
            (1, 1, false, None, None),
            (2, 2, true, None, None),
            (2, 1, true, None, Some(bury("the worker died while running it"))),
            (3, 2, false, None, Some(bury("attempts used up (3 of 2)"))),
            (3, 2, false, Some("smtp: refused"), Some(bury("smtp: refused"))),
        ];
        for (attempt, attempts, suspect, last_error, expected) in table {
            let judged = Policy::default().judge_before(attempt, suspect, last_error, &limits(attempts));
            assert_eq!(judged, expected, "attempt {attempt} of {attempts}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_run() {
        let policy = Policy::default();
        for fine in [None, Some(""), Some(" "), Some("null"), Some("{}"), Some(r#"{"attempts":1}"#)] {
            assert_eq!(policy.judge_unreadable(None, fine), None, "{fine:?}");
        }
        assert_eq!(policy.judge_unreadable(Some("why"), None), Some(bury("why")));
        for bad in ["{not json", "[]", "7", r#"{"attempts":"3"}"#, r#"{"attempts":0}"#, r#"{"timeout":-1}"#] {
            match policy.judge_unreadable(None, Some(bad)) {
                Some(Judgement::Bury { exception }) => {
                    assert!(exception.starts_with("its options can't be read: "), "{exception}");
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn unknown_names_wait_for_a_deploy_and_then_fail() {
        let policy = Policy::default();
        let error = "no worker knows a job named \"Gone\"";
        assert_eq!(policy.judge_unknown("Gone", None), again(15, false, error));
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
        assert_eq!(policy.judge_unknown("Gone", Some(minute)), again(15, false, error));
        assert_eq!(policy.judge_unknown("Gone", Some(hour)), bury(&format!("{error}, for 1h")));
    }

    #[test]
    fn the_push_rules_over_the_type_and_the_type_over_the_worker() {
        let policy = Policy::default();
        let of_type = TypeLimits {
            attempts: Some(5),
            backoff: Some(Backoff::fixed(Duration::from_secs(9))),
            timeout: Some(Duration::from_secs(8)),
        };
        assert_eq!(policy.limits_for(None, &TypeLimits::default()), policy.limits);
        assert_eq!(policy.limits_for(None, &of_type).attempts, 5);
        let for_ever = policy.limits_for(Some(r#"{"attempts":4294967295}"#), &of_type);
        assert_eq!(for_ever.attempts, 2_147_483_646, "one more can be counted");
        let pushed = r#"{"attempts":7,"backoff":[2.0],"timeout":0.5}"#;
        let limits = policy.limits_for(Some(pushed), &of_type);
        assert_eq!(limits.attempts, 7);
        assert_eq!(limits.backoff, Backoff::fixed(Duration::from_secs(2)));
        assert_eq!(limits.timeout, Some(Duration::from_millis(500)));
    }
}
