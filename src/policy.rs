//! What happens after a job was taken, and after it ran: done, again after a while, or dead.
//!
//! Pure: no clock, no chance, no back end. Attempts are counted when a job is taken, by the back end;
//! here they are only compared.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::{JobError, Steer};
use crate::message::Overrides;
use crate::time;

/// How long to wait between attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Backoff(Curve);

#[derive(Clone, Debug, PartialEq)]
enum Curve {
    Exponential,
    List(Vec<Duration>),
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// How far an exponential wait is spread, so that jobs that failed together don't come back together.
const JITTER: f64 = 0.2;

impl Backoff {
    /// 1 s, doubling up to 10 minutes, each spread by up to a fifth either way. The default.
    pub fn exponential() -> Self {
        Self(Curve::Exponential)
    }

    /// The same wait each time, to the millisecond.
    pub fn fixed(wait: Duration) -> Self {
        Self(Curve::List(vec![wait]))
    }

    /// One wait after another; the last one repeats. An empty list means no wait.
    pub fn list(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self(Curve::List(waits.into_iter().collect()))
    }

    /// Reads `exponential`, seconds (`5`), or a list of them (`1,10,60`).
    ///
    /// # Errors
    /// The text is none of that.
    pub fn parse(text: &str) -> Result<Self> {
        if text.trim() == "exponential" {
            return Ok(Self::exponential());
        }
        let waits: Result<Vec<_>> = text.split(',').map(time::parse_span).collect();
        match waits {
            Ok(waits) => Ok(Self::list(waits)),
            Err(_) => Err(Error::invalid(format!("\"{text}\" is no backoff"))
                .with_help("write \"exponential\", seconds (5), or a list of them (1,10,60)")),
        }
    }

    /// How long to wait after attempt `attempt` (from 1). `chance` is from 0 to 1 and places the wait in
    /// its spread.
    pub fn wait(&self, attempt: u32, chance: f64) -> Duration {
        let index = attempt.saturating_sub(1);
        match &self.0 {
            Curve::Exponential => {
                let doubled = FIRST.saturating_mul(2u32.saturating_pow(index));
                doubled.min(LONGEST).mul_f64(1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
            }
            Curve::List(waits) => {
                waits.get(index as usize).or(waits.last()).copied().unwrap_or(Duration::ZERO)
            }
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential()
    }
}

/// As [`Backoff::parse`] reads it.
impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Curve::Exponential => f.write_str("exponential"),
            Curve::List(waits) if waits.is_empty() => f.write_str("0"),
            Curve::List(waits) => {
                let waits: Vec<_> = waits.iter().map(|wait| wait.as_secs_f64().to_string()).collect();
                f.write_str(&waits.join(","))
            }
        }
    }
}

impl From<Duration> for Backoff {
    fn from(wait: Duration) -> Self {
        Self::fixed(wait)
    }
}

impl<const N: usize> From<[Duration; N]> for Backoff {
    fn from(waits: [Duration; N]) -> Self {
        Self::list(waits)
    }
}

/// A backoff as it is written in queue.toml and kept with a job: a word, seconds, or a list of them.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "backoff is \"exponential\", seconds, or a list of seconds")]
enum Written {
    Word(String),
    Seconds(f64),
    List(Vec<f64>),
}

impl TryFrom<Written> for Backoff {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        let span = |seconds: f64| {
            time::seconds_to_span(seconds)
                .ok_or_else(|| Error::config(format!("backoff {seconds} is not a span in seconds")))
        };
        match written {
            Written::Word(word) => Self::parse(&word),
            Written::Seconds(seconds) => span(seconds).map(Self::fixed),
            Written::List(list) => list.into_iter().map(span).collect::<Result<Vec<_>>>().map(Self::list),
        }
    }
}

impl From<Backoff> for Written {
    fn from(backoff: Backoff) -> Self {
        match backoff.0 {
            Curve::Exponential => Self::Word("exponential".into()),
            Curve::List(waits) => Self::List(waits.iter().map(Duration::as_secs_f64).collect()),
        }
    }
}

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
    /// The payload does not fit the job; running it again can't help.
    Unrunnable(String),
    /// It took longer than this.
    TimedOut(Duration),
    /// The child process that ran it ended, and this is how.
    Died(String),
}

/// What shall become of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It is done and leaves the queue.
    Done,
    /// It runs again after this wait.
    Again {
        /// How long until it is due.
        after: Duration,
        /// Whether the attempt counts.
        counted: bool,
        /// What went wrong.
        error: String,
    },
    /// It goes to the failed jobs, for this reason.
    Bury {
        /// Why it is dead.
        exception: String,
    },
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

impl Policy {
    /// The limits of one job: what its push asked for, else its type, else the worker's.
    pub(crate) fn limits_for(&self, overrides: Option<&str>, of_type: &TypeLimits) -> Limits {
        let overrides = overrides.map(Overrides::from_json).unwrap_or_default();
        let timeout = overrides.timeout();
        Limits {
            attempts: overrides.attempts.or(of_type.attempts).unwrap_or(self.limits.attempts).max(1),
            backoff: overrides
                .backoff
                .or_else(|| of_type.backoff.clone())
                .unwrap_or_else(|| self.limits.backoff.clone()),
            timeout: timeout.or(of_type.timeout).or(self.limits.timeout),
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

    /// Judges a job whose name this worker does not know. `known_missing` is how long ago a worker first
    /// said so.
    pub fn judge_unknown(&self, name: &str, known_missing: Option<Duration>) -> Judgement {
        let error = format!("no worker knows a job named \"{name}\"");
        if known_missing.is_some_and(|span| span >= self.unknown_for) {
            let exception = format!("{error}, for {}", time::humane(self.unknown_for));
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
                Steer::FailNow => return Judgement::Bury { exception: error.to_string() },
                Steer::AgainAfter(after) => {
                    return Judgement::Again { after, counted: false, error: error.to_string() };
                }
                Steer::Policy => error.to_string(),
            },
            Outcome::TimedOut(limit) => format!("timed out after {}", time::humane(*limit)),
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
        let pushed = r#"{"attempts":7,"backoff":[2.0],"timeout":0.5}"#;
        let limits = policy.limits_for(Some(pushed), &of_type);
        assert_eq!(limits.attempts, 7);
        assert_eq!(limits.backoff, Backoff::fixed(Duration::from_secs(2)));
        assert_eq!(limits.timeout, Some(Duration::from_millis(500)));
    }

    #[test]
    fn exponential_waits_double_to_ten_minutes_within_their_spread() {
        let backoff = Backoff::exponential();
        let middle = [(1, 1), (2, 2), (4, 8), (10, 512), (11, 600), (u32::MAX, 600)];
        for (attempt, seconds) in middle {
            assert_eq!(backoff.wait(attempt, 0.5), Duration::from_secs(seconds));
        }
        assert_eq!(backoff.wait(1, 0.0), Duration::from_millis(800));
        assert_eq!(backoff.wait(1, 1.0), Duration::from_millis(1_200));
    }

    #[test]
    fn backoffs_are_read_as_written() {
        assert_eq!(Backoff::parse("exponential").unwrap(), Backoff::exponential());
        assert_eq!(Backoff::parse("5").unwrap(), Backoff::fixed(Duration::from_secs(5)));
        let list = Backoff::list([1, 10].map(Duration::from_secs));
        assert_eq!(Backoff::parse("1, 10").unwrap(), list);
        assert!(Backoff::parse("often").unwrap_err().is_invalid());
        for text in ["exponential", "5", "1,0.5,600"] {
            assert_eq!(Backoff::parse(text).unwrap().to_string(), text);
        }
    }
}
