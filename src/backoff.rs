//! How long to wait between attempts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
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
        Self::list([wait])
    }

    /// One wait after another; the last one repeats. An empty list means no wait. Each is at most 36,600 days.
    pub fn list(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self(Curve::List(waits.into_iter().map(time::bounded).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

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
