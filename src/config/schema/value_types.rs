//! Every kind of value: its range, in words and in code.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::ValueType;
use super::value::Value;
use crate::backoff::Backoff;
use crate::config::redact::{self, MASK};
use crate::message::{check_name, check_queue};
use crate::time::{self, Zone};

// Text

/// A driver, a connection, a method, a channel.
pub(crate) const NAME: ValueType<String> =
    ValueType::new("a name of 1 to 255 bytes", text, |name| check_name("name", name).is_ok(), shown);

/// The commas of `queue:work --queue a,b` separate queues.
pub(crate) const QUEUE: ValueType<String> = ValueType::new(
    "the name of one queue, 1 to 255 bytes without a comma",
    text,
    |name| check_queue("queue", name).is_ok(),
    String::clone,
)
.hint(|name| {
    let is_odd = name == "*" || name.trim() != name;
    is_odd.then_some("a name does not begin or end with a space, and * names no queue")
});

pub(crate) const TABLE: ValueType<String> = ValueType::new(
    "a table's name of at most 52 letters (a-z), digits and underscores, not starting with a digit",
    text,
    |name| is_table(name),
    String::clone,
)
.hint(why_no_table);

pub(crate) const FAILED_TABLE: ValueType<Option<String>> = ValueType::new(
    "false, or a table's name of at most 52 letters (a-z), digits and underscores, not starting with a digit",
    |value| if value.boolean() == Some(false) { Some(None) } else { text(value).map(Some) },
    |table| table.as_deref().is_none_or(is_table),
    |table| table.clone().unwrap_or_else(|| "false".into()),
)
.hint(why_no_table);

/// Text that is passed on to a server.
pub(crate) const WORD: ValueType<String> = ValueType::new(
    "at most 255 bytes without control characters",
    text,
    |word| word.len() <= 255 && is_plain(word),
    shown,
);

/// The name of a database, or the path of its file.
pub(crate) const DATABASE: ValueType<String> = ValueType::new(
    "the name of a database or the path of an SQLite file",
    text,
    |name| !name.is_empty() && is_plain(name),
    shown,
);

pub(crate) const HOST: ValueType<String> = ValueType::new(
    "the name or the address of a host, without a port",
    text,
    |host| {
        !host.split(',').any(str::is_empty)
            && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "@?#".contains(c))
    },
    shown,
);

pub(crate) const PASSWORD: ValueType<String> =
    ValueType::new("a string", text, |_| true, |_| MASK.into()).secret();

pub(crate) const URL: ValueType<String> = PASSWORD;

pub(crate) const FILE: ValueType<PathBuf> = ValueType::new(
    "the path of a file",
    |value| text(value).filter(|path| !path.is_empty() && is_plain(path)).map(PathBuf::from),
    |path| !path.as_os_str().is_empty(),
    |path| redact::shown(&path.to_string_lossy()).to_owned(),
);

pub(crate) const ZONE: ValueType<Zone> = ValueType::new(
    "an IANA time zone such as \"UTC\" or \"Europe/Berlin\"",
    |value| Zone::named(value.text()?).ok(),
    |_| true,
    |zone| zone.name().to_owned(),
);

// Numbers

pub(crate) const ATTEMPTS: ValueType<u32> = ValueType::new(
    "a whole number from 1 to 2147483647",
    number,
    |attempts| (1..=2_147_483_647).contains(attempts),
    u32::to_string,
);

pub(crate) const WORKERS: ValueType<usize> = ValueType::new(
    "a whole number from 1 to 10000",
    number,
    |workers| (1..=10_000).contains(workers),
    usize::to_string,
);

pub(crate) const JOBS_PER_CHILD: ValueType<u64> =
    ValueType::new("a whole number, at least 1", number, |jobs| *jobs > 0, u64::to_string);

/// In MB. With less even a program that does nothing may not start.
pub(crate) const CHILD_MEMORY: ValueType<u64> = ValueType::new(
    "a number of megabytes from 16 to 16777216",
    number,
    |memory| (16..=16_777_216).contains(memory),
    u64::to_string,
);

/// The room for this many jobs is set aside at once.
pub(crate) const CAPACITY: ValueType<usize> = ValueType::new(
    "a whole number from 1 to 10000000",
    number,
    |capacity| (1..=10_000_000).contains(capacity),
    usize::to_string,
);

pub(crate) const PREFETCH: ValueType<u16> =
    ValueType::new("a whole number from 1 to 65535", number, |prefetch| *prefetch > 0, u16::to_string);

pub(crate) const MAX_PRIORITY: ValueType<u8> =
    ValueType::new("a whole number from 1 to 255", number, |priority| *priority > 0, u8::to_string);

/// A string is accepted too.
pub(crate) const PORT: ValueType<u16> = ValueType::new(
    "a port from 1 to 65535",
    |value| number(value).or_else(|| value.text()?.trim().parse().ok()),
    |port| *port > 0,
    u16::to_string,
);

pub(crate) const SWITCH: ValueType<bool> =
    ValueType::new("true or false", Value::boolean, |_| true, bool::to_string);

// Spans of time, in seconds

/// An idle worker that slept less would only burn the processor.
pub(crate) const POLL: ValueType<Duration> =
    ValueType::new("seconds from 0.001 to 86400", span, |poll| within(poll, 0.001..=86_400.0), seconds);

pub(crate) const LEASE: ValueType<Duration> =
    ValueType::new("seconds from 1 to 86400", span, |lease| within(lease, 1.0..=86_400.0), seconds);

/// Of one attempt, of a connect, of a confirm.
pub(crate) const TIMEOUT: ValueType<Duration> =
    ValueType::new("seconds, at least 0.001", span, |limit| *limit >= Duration::from_millis(1), seconds);

pub(crate) const GRACE: ValueType<Duration> =
    ValueType::new("seconds from 0 to 86400", span, |grace| within(grace, 0.0..=86_400.0), seconds);

pub(crate) const SPAN: ValueType<Duration> =
    ValueType::new("seconds, or text such as \"10 minutes\"", span, |_| true, seconds);

pub(crate) const BACKOFF: ValueType<Backoff> = ValueType::new(
    "\"exponential\", seconds, or a list of seconds",
    |value| match value {
        Value::List(waits) => Some(Backoff::list(waits.iter().map(span).collect::<Option<Vec<_>>>()?)),
        _ => span(value).map(Backoff::fixed).or_else(|| Backoff::parse(value.text()?).ok()),
    },
    |_| true,
    Backoff::to_string,
);

// The dashboard

pub(crate) const MASK_NAMES: ValueType<Vec<String>> = ValueType::new(
    "a list of names of fields: [\"password\", \"card*\"]",
    |value| match value {
        Value::List(names) => names.iter().map(text).collect(),
        _ => None,
    },
    |names| names.iter().all(|name| !name.is_empty() && is_plain(name)),
    |names| names.join(" "),
);

// Programs

pub(crate) const COMMAND: ValueType<Vec<String>> = ValueType::new(
    "a list of strings, the program first: [\"python3\", \"jobs/resize.py\"]",
    |value| match value {
        Value::List(words) => words.iter().map(text).collect(),
        _ => None,
    },
    |words| {
        words.first().is_some_and(|word| !word.is_empty()) && !words.iter().any(|word| word.contains('\0'))
    },
    |words| words.iter().map(shown).collect::<Vec<_>>().join(" "),
);

pub(crate) const FOLDER: ValueType<PathBuf> = ValueType::new(
    "the path of a folder",
    |value| text(value).map(PathBuf::from),
    |path| !path.as_os_str().is_empty() && !path.as_os_str().as_encoded_bytes().contains(&0),
    |path| path.display().to_string(),
);

pub(crate) const VARIABLES: ValueType<BTreeMap<String, String>> = ValueType::<BTreeMap<_, _>>::new(
    "a table of strings: { NAME = \"value\" }",
    |value| match value {
        Value::Table(table) => table.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        _ => None,
    },
    |variables| variables.iter().all(is_variable),
    |variables| variables.keys().map(|name| format!("{name}={MASK}")).collect::<Vec<_>>().join(" "),
)
.secret();

// How they are read and shown

/// Free text, masked where a mistake may have put a secret there.
#[allow(clippy::ptr_arg, reason = "how a kind of `String` is shown")]
fn shown(text: &String) -> String {
    redact::shown(text).to_owned()
}

fn text(value: &Value) -> Option<String> {
    value.text().map(str::to_owned)
}

fn number<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    T::try_from(value.integer()?).ok()
}

fn span(value: &Value) -> Option<Duration> {
    match value {
        Value::Integer(seconds) => time::seconds_to_span(*seconds as f64),
        Value::Float(seconds) => time::seconds_to_span(*seconds),
        _ => time::parse_span(value.text()?).ok(),
    }
}

fn seconds(span: &Duration) -> String {
    span.as_secs_f64().to_string()
}

fn within(span: &Duration, range: RangeInclusive<f64>) -> bool {
    range.contains(&span.as_secs_f64())
}

fn is_plain(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// Whether the system accepts the variable for a process.
fn is_variable((name, value): (&String, &String)) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

/// The endings of the names of indexes and tables that belong to a table.
pub(crate) const ENDINGS: [&str; 5] = ["_ready", "_held", "_uuid", "_unique_key", "_signals"];

/// PostgreSQL keeps 63 bytes of a name, and the longest ending takes 11.
const TABLE_LIMIT: usize = 52;

fn is_table(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    starts_well && is_word && name.len() <= TABLE_LIMIT && !is_taken(name)
}

/// Whether SQLite, or this crate, calls something else so.
fn is_taken(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "sqlite" || name.starts_with("sqlite_") || name == "craft_migrations"
}

fn why_no_table(name: &str) -> Option<&'static str> {
    if name.contains('.') {
        return Some(
            "name the schema in the connection: a PostgreSQL url may end with ?options=-csearch_path%3Dshop",
        );
    }
    if is_taken(name) {
        return Some(
            "SQLite keeps names that begin with sqlite for itself, and craft migrate has craft_migrations",
        );
    }
    (name.len() > TABLE_LIMIT).then_some(
        "indexes are named after it, as in jobs_unique_key, and PostgreSQL keeps 63 letters of a name",
    )
}
