//! A job as it travels, an envelope and bytes, and the options of a push.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::payload::{from_text, storable_text, to_text};
use crate::time;

/// The longest name of a job or a queue, in bytes: what AMQP's short strings can carry.
pub const NAME_LIMIT: usize = 255;

/// The highest priority; 0 is the lowest and the default.
pub const PRIORITY_LIMIT: u8 = 9;

/// A job on its way to or from a back end. Drivers carry the payload and never open it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
#[non_exhaustive]
pub struct Message {
    /// Identifies the job wherever it goes: pushing the same uuid twice adds the job once.
    pub uuid: Arc<str>,
    /// Which job to run: [`Queueable::NAME`](crate::Queueable::NAME).
    pub name: Arc<str>,
    /// The queue that the job waits in.
    pub queue: Arc<str>,
    /// The job's fields as JSON.
    pub payload: Arc<[u8]>,
    /// How long from now until the job is due.
    pub delay: Duration,
    /// 0 to 9, higher first.
    pub priority: u8,
    /// While a job with this key waits or runs, another push of it adds nothing. A driver lets the key go
    /// when it hands out a job that [frees it at its start](Message::frees_key_at_start).
    pub unique_key: Option<Arc<str>>,
    /// Whether this push takes the place of the job that has its unique key, as long as that one waits: its
    /// queue, payload, priority, due time and overrides, with no attempt used. `false` in a job that was taken.
    pub replaces: bool,
    /// The options of the push, as JSON ([`Overrides`]): kept for the worker, opaque to drivers.
    pub overrides: Option<Arc<str>>,
}

impl Message {
    /// A job with a new uuid, due now, and with nothing else asked for.
    pub fn new(queue: &str, name: &str, payload: &[u8]) -> Self {
        Self {
            uuid: new_uuid(),
            name: name.into(),
            queue: queue.into(),
            payload: payload.into(),
            delay: Duration::ZERO,
            priority: 0,
            unique_key: None,
            replaces: false,
            overrides: None,
        }
    }

    /// Whether the unique key is free as soon as a worker has taken the job.
    pub fn frees_key_at_start(&self) -> bool {
        // Read as JSON only where it may say so.
        let may = |overrides: &&str| self.unique_key.is_some() && overrides.contains("unique_until_start");
        let overrides = self.overrides.as_deref().filter(may);
        overrides.is_some_and(|overrides| Overrides::from_json(overrides).unique_until_start)
    }
}

/// A message as it is written; the payload is text, or `base64:…`.
#[derive(Serialize, Deserialize)]
struct Written {
    uuid: String,
    name: String,
    queue: String,
    payload: String,
    delay: Duration,
    priority: u8,
    unique_key: Option<String>,
    replaces: bool,
    overrides: Option<String>,
}

impl From<Message> for Written {
    fn from(message: Message) -> Self {
        Self {
            uuid: message.uuid.to_string(),
            name: message.name.to_string(),
            queue: message.queue.to_string(),
            payload: to_text(&message.payload).into_owned(),
            delay: message.delay,
            priority: message.priority,
            unique_key: message.unique_key.as_deref().map(str::to_owned),
            replaces: message.replaces,
            overrides: message.overrides.as_deref().map(str::to_owned),
        }
    }
}

impl From<Written> for Message {
    fn from(written: Written) -> Self {
        Self {
            uuid: written.uuid.into(),
            name: written.name.into(),
            queue: written.queue.into(),
            payload: from_text(&written.payload).into(),
            delay: written.delay,
            priority: written.priority,
            unique_key: written.unique_key.map(Arc::from),
            replaces: written.replaces,
            overrides: written.overrides.map(Arc::from),
        }
    }
}

/// The id of a job in its back end: the number of a row, or the text that a broker carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JobId {
    /// The number of a row; never used again.
    Number(i64),
    /// An AMQP message id.
    Text(Arc<str>),
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// The answer to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The job is on the queue, durably where the driver is durable.
    Added(JobId),
    /// Nothing was added: this job with the same unique key waits or runs.
    Duplicate(JobId),
    /// This job with the same unique key waited, and is now the one that was pushed
    /// ([`Push::replace`](crate::Push::replace)).
    Replaced(JobId),
}

impl Pushed {
    /// The job that is on the queue now: the pushed one, or the one that holds the unique key.
    pub fn id(&self) -> &JobId {
        match self {
            Self::Added(id) | Self::Duplicate(id) | Self::Replaced(id) => id,
        }
    }

    /// Whether the push added a job.
    pub fn is_added(&self) -> bool {
        matches!(self, Self::Added(_))
    }
}

/// The options of a push that override the settings of the job's type and of the configuration. They are kept with the
/// job, and with a failed job, so that a retried job runs as it was pushed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// How often the job is attempted before it is a failed job; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How long to wait between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// How long one attempt may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// 0 to 9, higher first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// See [`Message::unique_key`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// The unique key is free as soon as the job begins.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unique_until_start: bool,
}

impl Overrides {
    /// Reads the text that [`Overrides::to_json`] writes. Text that is not readable overrides nothing.
    pub fn from_json(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    /// Reads what a push asked for, and checks it. Empty text and `null` ask for nothing.
    ///
    /// # Errors
    /// The text is no JSON object of ours, or a value is out of its range.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let overrides =
            Self::parse(text).map_err(|cause| Error::invalid(storable_text(&format!("{text}: {cause}"))))?;
        overrides.check().map(|()| overrides)
    }

    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // A list would be read as the fields in order.
        match text.trim() {
            "" => Ok(Self::default()),
            list if list.starts_with('[') => Err(serde::de::Error::custom("a list, and no object")),
            text => Ok(serde_json::from_str::<Option<Self>>(text)?.unwrap_or_default()),
        }
    }

    /// The JSON that is kept with the job; `None` when nothing is overridden.
    pub fn to_json(&self) -> Option<Arc<str>> {
        if *self == Self::default() {
            return None;
        }
        serde_json::to_string(self).ok().map(Arc::from)
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.and_then(time::seconds_to_span)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// `attempts` is 0, `priority` is over 9, `timeout` is not a positive number, or the unique key is
    /// empty or longer than 255 bytes.
    pub fn check(&self) -> Result<()> {
        if self.attempts == Some(0) {
            return Err(Error::invalid("attempts must be at least 1"));
        }
        if let Some(priority) = self.priority.filter(|p| *p > PRIORITY_LIMIT) {
            return Err(Error::invalid(format!("priority {priority} is over {PRIORITY_LIMIT}"))
                .with_help("priorities go from 0 (the default) to 9 (first)"));
        }
        if self.timeout.is_some() && self.timeout().is_none_or(|t| t.is_zero()) {
            return Err(Error::invalid("timeout must be more than 0 seconds, and at most 36600 days"));
        }
        match &self.unique_key {
            Some(key) => check_name("unique key", key),
            None => Ok(()),
        }
    }
}

/// Checks the name of a job or a queue, or a unique key: 1 to 255 bytes, no control characters.
///
/// # Errors
/// The name is none of that; `what` and the name are part of the message.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(format!("the {what} is empty")));
    }
    if name.len() > NAME_LIMIT {
        let shown: String = name.chars().take(40).collect();
        return Err(Error::invalid(format!(
            "the {what} \"{shown}…\" has {} bytes, at most {NAME_LIMIT} fit",
            name.len()
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("the {what} {name:?} has control characters")));
    }
    Ok(())
}

/// Checks the name of a queue that is pushed to, worked or paused: what [`check_name`] asks of it, and that a
/// list with commas can hold it. Back ends carry any name, so that what is there can be shown and cleared.
///
/// # Errors
/// The name is none of that; `what` and the name are part of the message.
pub(crate) fn check_queue(what: &str, name: &str) -> Result<()> {
    check_name(what, name)?;
    let wrong = match name {
        "*" => "is no name: there is no word for all queues",
        _ if name.contains(',') => "has a comma, which separates queues",
        _ if name.trim() != name => "begins or ends with a space",
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("the {what} {name:?} {wrong}"))
        .with_help("name one queue, by letters or digits; where a list is taken, a,b means both"))
}

/// A new uuid, version 7: ordered by time down to a quarter of a microsecond (RFC 9562, section 6.2, method
/// 3), and within this process each greater than the one before, so that an index on it grows at its end.
pub fn new_uuid() -> Arc<str> {
    /// Quarters of a microsecond since 1970, as of the last one.
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = time::since_epoch();
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let fraction = u64::from(now.subsec_nanos() % 1_000_000 * 4_096 / 1_000_000);
    let tick = millis << 12 | fraction;
    let tick = match LAST.fetch_max(tick, Ordering::Relaxed) < tick {
        true => tick,
        false => LAST.fetch_add(1, Ordering::Relaxed) + 1,
    };
    let mut tail = [0; 10];
    tail[..2].copy_from_slice(&((tick & 0xfff) as u16).to_be_bytes());
    tail[2..].copy_from_slice(&fastrand::u64(..).to_be_bytes());
    let uuid = uuid::Builder::from_unix_timestamp_millis(tick >> 12, &tail).into_uuid();
    Arc::from(&*uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_ordered_by_time_and_all_different() {
        let first = new_uuid();
        assert_eq!(first.as_bytes()[14], b'7', "{first}");
        let uuids: Vec<_> = std::iter::once(first).chain((0..10_000).map(|_| new_uuid())).collect();
        assert!(uuids.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn overrides_come_back_as_they_were_and_nothing_is_written_for_none() {
        assert_eq!(Overrides::default().to_json(), None);
        let overrides = Overrides {
            attempts: Some(5),
            backoff: Some(Backoff::list([Duration::from_secs(1), Duration::from_secs(60)])),
            timeout: Some(2.5),
            priority: Some(9),
            unique_key: Some("order-1".into()),
            unique_until_start: true,
        };
        let text = overrides.to_json().unwrap();
        assert_eq!(Overrides::from_json(&text), overrides);
        assert_eq!(Overrides::from_json("{not json"), Overrides::default());
    }

    #[test]
    fn names_are_checked() {
        assert!(check_name("queue", &"q".repeat(255)).is_ok());
        for bad in ["", "a\nb", &"q".repeat(256)] {
            assert!(check_name("queue", bad).unwrap_err().is_invalid());
            assert!(check_queue("queue", bad).unwrap_err().is_invalid());
        }
        for bad in ["a,b", ",", " a", "a ", "\u{a0}a", " ", "*"] {
            assert!(check_name("queue", bad).is_ok(), "{bad:?}");
            assert!(check_queue("queue", bad).unwrap_err().is_invalid(), "{bad:?}");
        }
        for good in ["default", "a b", "mail.de", "**", "\"a\"", "é"] {
            assert!(check_queue("queue", good).is_ok(), "{good:?}");
        }
    }
}
