//! Rows of SQLite as ours. Types are read leniently: a row that another program wrote badly must not stop
//! the queue, but fail by itself.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Params, Statement, ToSql};

use super::super::adapter::{Row, Take, Value};
use super::super::interned::Interned;
use super::super::lenient::{Reading, Shown, stand_in};
use super::super::receipts::of_row;
use super::super::value::millis;
use crate::message::{JobId, Message};
use crate::reserved::Reserved;

/// The year 9999: what is due then, or later, would never run.
const FAR: i64 = 253_370_764_800_000;

/// Runs `take.sql`, `take_one.sql` or `take_suspects.sql`, and adds what was taken in the order in which it was due.
pub(super) fn reserved(
    statement: &mut Statement<'_>,
    values: impl Params,
    take: &Take<'_>,
    jobs: &mut Vec<Reserved>,
) -> rusqlite::Result<()> {
    let (mut names, mut queues) = (Interned::default(), Interned::default());
    let mut taken: Vec<(i64, i64, Reserved)> = Vec::new();
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let mut reading = Reading::default();
        let mut texts = |column, name| -> rusqlite::Result<Option<Cow<'_, str>>> {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => None,
                value => Some(text(&mut reading, name, value)),
            })
        };
        let maybe = |text: Option<Cow<'_, str>>| text.map(Arc::from);
        let (name, queue) = (texts(2, "name")?, texts(3, "queue")?);
        let (unique_key, overrides) = (maybe(texts(11, "unique_key")?), maybe(texts(12, "options")?));
        if let ValueRef::Blob(bytes) = row.get_ref(3)? {
            reading.wrong("queue", Shown(bytes), "text");
        }
        let due = instant(&mut reading, row.get_ref(7)?);
        let job = Reserved {
            id: JobId::Number(id),
            message: Message {
                uuid: uuid(row.get_ref(1)?),
                name: names.get(&name.unwrap_or_default()),
                queue: queues.get(&queue.unwrap_or_default()),
                payload: match row.get_ref(4)? {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Arc::from(bytes),
                    other => Arc::from(text(&mut reading, "payload", other).as_bytes()),
                },
                delay: Duration::ZERO,
                priority: match whole(&mut reading, "priority", row.get_ref(6)?) {
                    Some(number) => reading.priority(number),
                    None => 0,
                },
                unique_key,
                replaces: false,
                overrides,
            },
            attempt: match whole(&mut reading, "attempts", row.get_ref(5)?) {
                Some(number) => reading.attempts(number),
                None => 1,
            },
            suspect: whole(&mut reading, "suspect", row.get_ref(8)?).unwrap_or(0) != 0,
            unknown_for: number(row.get_ref(9)?).map(millis),
            due_for: number(row.get_ref(13)?).map(millis),
            last_error: match row.get_ref(10)? {
                ValueRef::Null => None,
                value => Some(text(&mut Reading::default(), "", value).into_owned()),
            },
            unreadable: reading.done(),
            held_until: take.held_until,
            receipt: of_row(id, take.token),
        };
        taken.push((due, id, job));
    }
    // RETURNING promises no order.
    if !taken.is_sorted_by_key(|(due, id, _)| (*due, *id)) {
        taken.sort_by_key(|(due, id, _)| (*due, *id));
    }
    jobs.extend(taken.into_iter().map(|(_, _, job)| job));
    Ok(())
}

/// Runs a statement off the hot path.
pub(super) fn rows(statement: &mut Statement<'_>, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let values: rusqlite::Result<Vec<_>> = (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Number(number),
                    other => Value::Text(text(&mut Reading::default(), "", other).into_owned()),
                })
            })
            .collect();
        read.push(Row(values?));
    }
    Ok(read)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Blobs are read as text, which is what many clients write.
fn text<'a>(reading: &mut Reading, column: &str, value: ValueRef<'a>) -> Cow<'a, str> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => reading.text(column, bytes),
        ValueRef::Integer(number) => number.to_string().into(),
        ValueRef::Real(number) => number.to_string().into(),
        ValueRef::Null => Cow::Borrowed(""),
    }
}

/// What is no text in UTF-8 has a stand-in: rows with different uuids are different jobs.
fn uuid(value: ValueRef<'_>) -> Arc<str> {
    match value {
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Arc::from(text),
            _ => stand_in(bytes),
        },
        ValueRef::Blob(bytes) => stand_in(bytes),
        other => Arc::from(text(&mut Reading::default(), "", other)),
    }
}

fn whole(reading: &mut Reading, column: &str, value: ValueRef<'_>) -> Option<i64> {
    if let ValueRef::Integer(number) = value {
        return Some(number);
    }
    reading.wrong(column, shown(value), "a whole number");
    None
}

/// When a job was due. A fraction of a millisecond does not count.
fn instant(reading: &mut Reading, value: ValueRef<'_>) -> i64 {
    match number(value) {
        Some(due) if due < FAR => due,
        _ => {
            reading.wrong(
                "available_at",
                shown(value),
                "milliseconds since 1970, or a date that SQLite knows",
            );
            FAR
        }
    }
}

/// A number, rounded and within the range of ours.
pub(super) fn number(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(number) => Some(number),
        // As large as can be where it is larger.
        ValueRef::Real(number) => Some(number.round() as i64),
        _ => None,
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            format!("the text {:?}", text.chars().take(40).collect::<String>())
        }
        ValueRef::Blob(bytes) => Shown(bytes).to_string(),
    }
}
