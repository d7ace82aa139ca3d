//! Rows of PostgreSQL as ours.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use ::postgres::Row as ServerRow;
use ::postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::super::adapter::{Row, Take, Value};
use super::super::interned::Interned;
use super::super::lenient::{Reading, lossy};
use super::super::receipts::of_row;
use super::super::value::millis;
use super::raw::Raw;
use super::values::Instant;
use crate::error::{Error, Result};
use crate::message::{JobId, Message};
use crate::reserved::{Receipt, Reserved};

/// The column of `done_and_take.sql` that holds the token of a lost job.
pub(super) const LOST: usize = 14;

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a ServerRow, column: usize) -> Result<T> {
    row.try_get(column).map_err(|cause| Error::schema("a column has another type than ours").because(&cause))
}

pub(super) fn receipt(row: &ServerRow, id: usize, token: usize) -> Result<Receipt> {
    Ok(of_row(get(row, id)?, get(row, token)?))
}

/// Whether a row of `done_and_take.sql` is no taken job, but a lost one.
pub(super) fn is_lost(row: &ServerRow) -> bool {
    row.try_get::<_, Option<Raw<'_>>>(2).is_ok_and(|name| name.is_none())
}

/// The jobs that were taken, in the order in which they should be begun: RETURNING promises none.
pub(super) fn reserved(rows: &[ServerRow], take: &Take<'_>) -> Result<Vec<Reserved>> {
    let (mut names, mut queues) = (Interned::default(), Interned::default());
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let id: i64 = get(row, 0)?;
        let uuid: Uuid = get(row, 1)?;
        let mut reading = Reading::default();
        let name = names.get(&reading.text("name", get::<Raw<'_>>(row, 2)?.0));
        let queue = queues.get(&reading.text("queue", get::<Raw<'_>>(row, 3)?.0));
        let mut maybe = |column, name| -> Result<Option<Arc<str>>> {
            Ok(get::<Option<Raw<'_>>>(row, column)?.map(|raw| Arc::from(reading.text(name, raw.0))))
        };
        let (unique_key, overrides) = (maybe(11, "unique_key")?, maybe(12, "options")?);
        let (due, taken_at): (Instant, Instant) = (get(row, 7)?, get(row, 13)?);
        if due.is_far() {
            reading.wrong("available_at", "infinity or in the year 9999 or later", "when the job is due");
        }
        let priority: i16 = get(row, 6)?;
        let job = Reserved {
            id: JobId::Number(id),
            message: Message {
                uuid: Arc::from(&*uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
                name,
                queue,
                payload: Arc::from(get::<Raw<'_>>(row, 4)?.0),
                delay: Duration::ZERO,
                priority: reading.priority(i64::from(priority)),
                unique_key,
                replaces: false,
                overrides,
            },
            attempt: reading.attempts(i64::from(get::<i32>(row, 5)?)),
            suspect: get(row, 8)?,
            unknown_for: get::<Option<i64>>(row, 9)?.map(millis),
            due_for: Some(taken_at.since(due)),
            last_error: get::<Option<Raw<'_>>>(row, 10)?.map(|raw| lossy(raw.0).into_owned()),
            unreadable: reading.done(),
            held_until: take.held_until,
            receipt: of_row(id, take.token),
        };
        let place = take.queues.iter().position(|wanted| **wanted == *job.message.queue);
        taken.push(((place, Reverse(priority), due, id), job));
    }
    if !taken.is_sorted_by_key(|(place, _)| *place) {
        taken.sort_by_key(|(place, _)| *place);
    }
    Ok(taken.into_iter().map(|(_, job)| job).collect())
}

/// A job's place in its queue: when it was due, and its id.
pub(super) type Place = (Instant, i64);

pub(super) const BEFORE_ALL: Place = (Instant::BEFORE_ALL, i64::MIN);

/// The queue, the priority and the place of a taken job.
pub(super) fn place(row: &ServerRow) -> Result<(Cow<'_, str>, i16, Place)> {
    Ok((lossy(get::<Raw<'_>>(row, 3)?.0), get(row, 6)?, (get(row, 7)?, get(row, 0)?)))
}

/// The rows of a statement off the hot path.
pub(super) fn rows(rows: &[ServerRow]) -> Result<Vec<Row>> {
    let value = |row: &ServerRow, at: usize| -> Result<Value> {
        Ok(match *row.columns()[at].type_() {
            Type::BOOL => get::<Option<bool>>(row, at)?.map(i64::from).into(),
            Type::INT8 => get::<Option<i64>>(row, at)?.into(),
            _ => get::<Option<Raw<'_>>>(row, at)?.map(|raw| lossy(raw.0)).as_deref().into(),
        })
    };
    let read = |row: &ServerRow| (0..row.len()).map(|at| value(row, at)).collect::<Result<_>>().map(Row);
    rows.iter().map(read).collect()
}
