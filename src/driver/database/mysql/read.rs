//! Rows of MySQL as ours.

use std::sync::Arc;
use std::time::Duration;

use ::mysql::{Row as ServerRow, Value as ServerValue};

use super::super::adapter::{Row, Take, Value};
use super::super::lenient::{Reading, Shown, lossy};
use super::super::receipts::of_row;
use super::super::value::millis;
use crate::error::{Error, Result};
use crate::message::{JobId, Message};
use crate::reserved::Reserved;

/// The column of `take.sql` that says when a job was due.
pub(super) const AVAILABLE_AT: usize = 12;

/// A job as the table has it; what the take changes is added: how many attempts more.
pub(super) fn reserved(row: ServerRow, take: &Take<'_>, more: impl Fn(bool) -> i64) -> Result<Reserved> {
    let columns = row.unwrap();
    let [
        id,
        uuid,
        name,
        queue,
        payload,
        attempts,
        priority,
        suspect,
        unknown_for,
        last_error,
        unique_key,
        options,
        due,
        due_for,
    ] = &columns[..]
    else {
        return Err(Error::schema("a statement answers other columns than ours"));
    };
    let mut reading = Reading::default();
    let id = number(id).ok_or_else(|| Error::schema("the column id has another type than ours"))?;
    let whole = |reading: &mut Reading, column, value| {
        number(value).unwrap_or_else(|| {
            reading.wrong(column, shown(value), "a whole number");
            0
        })
    };
    let suspect = whole(&mut reading, "suspect", suspect) != 0;
    let message = Message {
        uuid: text(&mut reading, "uuid", uuid),
        name: text(&mut reading, "name", name),
        queue: text(&mut reading, "queue", queue),
        payload: Arc::from(bytes(payload).unwrap_or_default()),
        delay: Duration::ZERO,
        priority: {
            let priority = whole(&mut reading, "priority", priority);
            reading.priority(priority)
        },
        unique_key: maybe(&mut reading, "unique_key", unique_key),
        replaces: false,
        overrides: maybe(&mut reading, "options", options),
    };
    let attempts = whole(&mut reading, "attempts", attempts).saturating_add(more(suspect));
    match due {
        ServerValue::Date(1..=9998, 1.., 1.., ..) => {}
        other => reading.wrong("available_at", shown(other), "when the job is due"),
    }
    Ok(Reserved {
        id: JobId::Number(id),
        message,
        attempt: reading.attempts(attempts),
        suspect,
        unknown_for: number(unknown_for).map(millis),
        due_for: number(due_for).map(millis),
        last_error: bytes(last_error).map(|bytes| lossy(bytes).into_owned()),
        unreadable: reading.done(),
        held_until: take.held_until,
        receipt: of_row(id, take.token),
    })
}

fn bytes(value: &ServerValue) -> Option<&[u8]> {
    match value {
        ServerValue::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn number(value: &ServerValue) -> Option<i64> {
    match value {
        ServerValue::Int(number) => Some(*number),
        ServerValue::UInt(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

fn shown(value: &ServerValue) -> String {
    match value {
        ServerValue::Bytes(bytes) => Shown(bytes).to_string(),
        // As the server writes it, in quotes.
        other => other.as_sql(false),
    }
}

fn maybe(reading: &mut Reading, column: &str, value: &ServerValue) -> Option<Arc<str>> {
    bytes(value).map(|bytes| Arc::from(reading.text(column, bytes)))
}

fn text(reading: &mut Reading, column: &str, value: &ServerValue) -> Arc<str> {
    maybe(reading, column, value).unwrap_or_else(|| Arc::from(""))
}

/// A row of a statement off the hot path.
pub(super) fn row(row: ServerRow) -> Row {
    Row(row.unwrap().into_iter().map(value).collect())
}

fn value(value: ServerValue) -> Value {
    match value {
        ServerValue::Int(number) => Value::Number(number),
        ServerValue::UInt(number) => Value::Number(number.cast_signed()),
        ServerValue::Bytes(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Null,
    }
}

impl From<&Value> for ServerValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Number(number) => Self::Int(*number),
            Value::Text(text) => Self::Bytes(text.clone().into_bytes()),
        }
    }
}
