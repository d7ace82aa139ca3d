//! Rows of SQLite as ours. Types are read leniently: a row that another program wrote badly must not stop
//! the queue, but fail by itself.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Params, Statement, ToSql};

use super::super::adapter::{Row, Take, Value, millis};
use super::super::interned::Interned;
use crate::message::{JobId, Message, PRIORITY_LIMIT};
use crate::reserved::{Receipt, Reserved};

/// Runs `take.sql` or `take_suspects.sql`, and adds what was taken in the order in which it was due.
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
        let maybe_text = |column| -> rusqlite::Result<Option<Cow<'_, str>>> {
            Ok(Some(row.get_ref(column)?).filter(|value| *value != ValueRef::Null).map(text))
        };
        let job = Reserved {
            id: JobId::Number(id),
            message: Message {
                uuid: Arc::from(text(row.get_ref(1)?)),
                name: names.get(&text(row.get_ref(2)?)),
                queue: queues.get(&text(row.get_ref(3)?)),
                payload: match row.get_ref(4)? {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Arc::from(bytes),
                    other => Arc::from(text(other).as_bytes()),
                },
                delay: Duration::ZERO,
                priority: u8::try_from(number(row.get_ref(6)?)).unwrap_or(PRIORITY_LIMIT),
                unique_key: maybe_text(11)?.map(Arc::from),
                replaces: false,
                overrides: maybe_text(12)?.map(Arc::from),
            },
            attempt: u32::try_from(number(row.get_ref(5)?)).unwrap_or(1),
            suspect: number(row.get_ref(8)?) != 0,
            unknown_for: row.get::<_, Option<i64>>(9)?.map(millis),
            due_for: Some(millis(number(row.get_ref(13)?))),
            last_error: maybe_text(10)?.map(Cow::into_owned),
            held_until: take.held_until,
            receipt: Receipt(id.cast_unsigned(), take.token.cast_unsigned()),
        };
        taken.push((number(row.get_ref(7)?), id, job));
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
                    other => Value::Text(text(other).into_owned()),
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

fn text(value: ValueRef<'_>) -> Cow<'_, str> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes),
        ValueRef::Integer(number) => number.to_string().into(),
        ValueRef::Real(number) => number.to_string().into(),
        ValueRef::Null => Cow::Borrowed(""),
    }
}

fn number(value: ValueRef<'_>) -> i64 {
    match value {
        ValueRef::Integer(number) => number,
        _ => 0,
    }
}
