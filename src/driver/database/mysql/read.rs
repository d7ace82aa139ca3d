//! Rows of MySQL as ours.

use std::sync::Arc;
use std::time::Duration;

use ::mysql::prelude::FromValue;
use ::mysql::{Row as ServerRow, Value as ServerValue};

use super::super::adapter::{Row, Take, Value, millis};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, PRIORITY_LIMIT};
use crate::reserved::{Receipt, Reserved};

/// The column of `take.sql` that says when a job was due.
pub(super) const AVAILABLE_AT: usize = 12;

/// A job as it lies in the table; what the take changes is the caller's to add.
pub(super) fn reserved(mut row: ServerRow, take: &Take<'_>) -> Result<Reserved> {
    let id: i64 = get(&mut row, 0)?;
    let mut text = |column| get::<Option<String>>(&mut row, column);
    let message = Message {
        uuid: text(1)?.unwrap_or_default().into(),
        name: text(2)?.unwrap_or_default().into(),
        queue: text(3)?.unwrap_or_default().into(),
        payload: Arc::from(text(4)?.unwrap_or_default().into_bytes()),
        delay: Duration::ZERO,
        priority: 0,
        unique_key: text(10)?.map(Arc::from),
        replaces: false,
        overrides: text(11)?.map(Arc::from),
    };
    let last_error = text(9)?;
    Ok(Reserved {
        id: JobId::Number(id),
        message: Message {
            priority: u8::try_from(get::<i64>(&mut row, 6)?).unwrap_or(PRIORITY_LIMIT),
            ..message
        },
        attempt: u32::try_from(get::<i64>(&mut row, 5)?).unwrap_or(0),
        suspect: get::<i64>(&mut row, 7)? != 0,
        unknown_for: get::<Option<i64>>(&mut row, 8)?.map(millis),
        due_for: get::<Option<i64>>(&mut row, 13)?.map(millis),
        last_error,
        held_until: take.held_until,
        receipt: Receipt(id.cast_unsigned(), take.token.cast_unsigned()),
    })
}

fn get<T: FromValue>(row: &mut ServerRow, column: usize) -> Result<T> {
    match row.take_opt(column) {
        Some(Ok(value)) => Ok(value),
        _ => Err(Error::schema(format!("column {column} has another type than ours"))),
    }
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
