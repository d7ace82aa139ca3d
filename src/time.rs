//! The wall clock, time zones, and durations as people write them.
//!
//! This is the only file that reads the wall clock. Due times and leases never do: they are judged by
//! the database's clock. What is kept here is for people: when a job was pushed, when it failed.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::error::{Error, Result};

/// An instant of the wall clock, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// What the machine's clock says.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// From milliseconds since 1970-01-01 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant moved into the past.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(span)))
    }

    /// This instant moved into the future.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(span)))
    }

    /// How long after an earlier instant this one is; zero when it is before that.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an instant as [`Zone::format`] writes it, or any RFC 3339 text.
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.trim().parse().ok()?;
        Some(Self(timestamp.as_millisecond()))
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

/// The longest span that anything here waits for: 36,600 days, a hundred years. Whatever asks for a longer one,
/// [`Duration::MAX`] for one, gets this.
pub(crate) const LONGEST: Duration = Duration::from_secs(36_600 * 86_400);

/// A span that can be added to any instant of ours, and that every database can store: at most 36,600 days.
pub(crate) fn bounded(span: Duration) -> Duration {
    span.min(LONGEST)
}

/// The instant after a span.
pub(crate) fn after(start: Instant, span: Duration) -> Instant {
    start + bounded(span)
}

/// Whole milliseconds of a span, at most 36,600 days.
pub(crate) fn whole_millis(span: Duration) -> i64 {
    // A hundred years are far fewer than an i64 holds.
    i64::try_from(bounded(span).as_millis()).unwrap_or(i64::MAX)
}

/// Time since the Unix epoch, for identifiers that are ordered by time.
pub(crate) fn since_epoch() -> Duration {
    Duration::try_from(jiff::Timestamp::now().duration_since(jiff::Timestamp::UNIX_EPOCH)).unwrap_or_default()
}

/// An IANA time zone: the option `tz`. It rules what is saved for people and everything shown.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Finds a zone by its IANA name ("UTC", "America/New_York").
    ///
    /// # Errors
    /// The name is not in the IANA database.
    pub fn named(name: &str) -> Result<Self> {
        match TimeZone::get(name) {
            Ok(zone) => Ok(Self(zone)),
            Err(_) => Err(Error::config(format!("time zone \"{name}\" is not known"))
                .with_help("use an IANA name such as \"UTC\", \"Europe/Berlin\" or \"Asia/Tokyo\"")),
        }
    }

    /// The zone's IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// RFC 3339 with milliseconds and the zone's offset: `2026-11-01T01:30:00.000-05:00`. The offset
    /// keeps the repeated hour of a clock change unambiguous.
    pub fn format(&self, at: Timestamp) -> String {
        at.timestamp().to_zoned_datetime(self.0.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }

    /// Local date and time without the offset, to the second: `2026-11-01 01:30:00`.
    pub fn format_short(&self, at: Timestamp) -> String {
        at.timestamp().to_zoned_datetime(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The local time of day: `10:52:04`.
    pub fn format_clock(&self, at: Timestamp) -> String {
        at.timestamp().to_zoned_datetime(self.0.clone()).strftime("%H:%M:%S").to_string()
    }

    /// A stamp that sorts as text, for names of files: `2026_11_01_013000`.
    pub fn format_stamp(&self, at: Timestamp) -> String {
        at.timestamp().to_zoned_datetime(self.0.clone()).strftime("%Y_%m_%d_%H%M%S").to_string()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

/// Reads a span of time as people write it: `90`, `0.5` (seconds), `30s`, `10 minutes`, `1h 30m`.
///
/// # Errors
/// The text is no such span, is negative, or is longer than 36,600 days.
pub fn parse_span(text: &str) -> Result<Duration> {
    let trimmed = text.trim();
    let wrong = |why: &str| {
        Error::invalid(format!("\"{text}\" is {why}"))
            .with_help("write seconds (90, 0.5) or words: 30s, 10 minutes, 1h 30m, 2 days")
    };
    let no_span = || wrong("not a span of time");
    let seconds = match trimmed.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let span: jiff::Span = trimmed.parse().map_err(|_| no_span())?;
            let span: SignedDuration =
                span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| no_span())?;
            span.as_secs_f64()
        }
    };
    match seconds_to_span(seconds) {
        Some(span) => Ok(span),
        None if seconds < 0.0 => Err(wrong("negative, and not a span of time")),
        None if seconds.is_nan() => Err(no_span()),
        None => Err(wrong("too long a span of time: the limit is 36600 days (100 years)")),
    }
}

/// Seconds, also with a fraction, as a span; `None` when negative, not a number, or over 36,600 days.
pub(crate) fn seconds_to_span(seconds: f64) -> Option<Duration> {
    (0.0..=LONGEST.as_secs_f64()).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// A span as people read it: `3.02ms`, `500ms`, `1.5s`, `36s`, `4m 5s`, `2h 3m`, `5d 1h`.
pub fn format_duration(span: Duration) -> String {
    let seconds = span.as_secs();
    let fraction = span.as_secs_f64();
    if span < Duration::from_secs(1) && span.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{}ms", span.as_millis())
    } else if span < Duration::from_secs(1) {
        format!("{:.2}ms", fraction * 1e3)
    } else if seconds < 60 {
        let text = format!("{fraction:.1}");
        format!("{}s", text.strip_suffix(".0").unwrap_or(&text))
    } else if seconds < 3_600 {
        two_units(seconds / 60, "m", seconds % 60, "s")
    } else if seconds < 86_400 {
        two_units(seconds / 3_600, "h", seconds % 3_600 / 60, "m")
    } else {
        two_units(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h")
    }
}

fn two_units(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        let cases = [
            ("90", 90.0),
            ("0.5", 0.5),
            ("30s", 30.0),
            ("10 minutes", 600.0),
            ("1h 30m", 5_400.0),
            ("2 days", 172_800.0),
            ("0", 0.0),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_span(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
        for text in ["", "soon", "-1", "NaN", "1e300", "10 parsecs", "-5 minutes"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_that_cannot_be_is_refused_with_the_limit() {
        for (text, said) in [
            ("36601 days", "\"36601 days\" is too long a span of time: the limit is 36600 days (100 years)"),
            ("1e300", "\"1e300\" is too long a span of time: the limit is 36600 days (100 years)"),
            ("-5", "\"-5\" is negative, and not a span of time"),
            ("-5 minutes", "\"-5 minutes\" is negative, and not a span of time"),
            ("soon", "\"soon\" is not a span of time"),
            ("NaN", "\"NaN\" is not a span of time"),
        ] {
            assert_eq!(parse_span(text).unwrap_err().to_string(), said);
        }
        assert_eq!(parse_span("36600 days").unwrap(), LONGEST);
    }

    #[test]
    fn no_span_is_too_long_for_an_instant_or_a_database() {
        assert_eq!(bounded(Duration::MAX), LONGEST);
        assert_eq!(whole_millis(Duration::MAX), 3_162_240_000_000);
        assert!(after(Instant::now(), Duration::MAX) > Instant::now());
    }

    #[test]
    fn the_repeated_hour_of_a_clock_change_keeps_its_offset() {
        let zone = Zone::named("America/New_York").unwrap();
        // 2026-11-01 05:30 UTC is 01:30 EDT; an hour later it is 01:30 again, EST.
        let first = Timestamp::parse("2026-11-01T05:30:00Z").unwrap();
        let second = first.plus(Duration::from_secs(3_600));
        assert_eq!(zone.format(first), "2026-11-01T01:30:00.000-04:00");
        assert_eq!(zone.format(second), "2026-11-01T01:30:00.000-05:00");
        assert_eq!(Timestamp::parse(&zone.format(second)), Some(second));
    }

    #[test]
    fn spans_are_shown_short() {
        let cases = [
            (0.003_02, "3.02ms"),
            (0.5, "500ms"),
            (1.0, "1s"),
            (1.5, "1.5s"),
            (36.0, "36s"),
            (245.0, "4m 5s"),
            (7_380.0, "2h 3m"),
            (435_600.0, "5d 1h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(format_duration(Duration::from_secs_f64(seconds)), text);
        }
    }
}
