//! Single jobs of the table: shown by pages, and cancelled.

use super::adapter::{Adapter, Row, Value};
use crate::driver::{Cancelled, JobDetails, JobFilter, JobState, QueuedJob};
use crate::error::Result;
use crate::message::JobId;
use crate::payload;
use crate::time::{Timestamp, Zone};

/// How many columns a job has, before those of its details.
const COLUMNS: usize = 12;

pub(super) fn list(adapter: &mut dyn Adapter, filter: &JobFilter<'_>, zone: &Zone) -> Result<Vec<QueuedJob>> {
    let after = match filter.after {
        Some(JobId::Number(id)) => *id,
        // Another driver's id is none of this table's; a page after it would begin anywhere.
        Some(JobId::Text(_)) => return Ok(Vec::new()),
        None => i64::MIN,
    };
    let limit = match filter.limit {
        0 => i64::MAX,
        limit => i64::try_from(limit).unwrap_or(i64::MAX),
    };
    let state = filter.state.map(JobState::as_str);
    let values = [after.into(), filter.queue.into(), filter.job.into(), state.into(), limit.into()];
    Ok(adapter.query("list_jobs", &values)?.iter().map(|row| job(row, zone)).collect())
}

pub(super) fn show(adapter: &mut dyn Adapter, id: &JobId, zone: &Zone) -> Result<Option<JobDetails>> {
    let Some(id) = number(adapter, id)? else { return Ok(None) };
    let rows = adapter.query("show_job", &[id.into()])?;
    Ok(rows.first().map(|row| JobDetails {
        job: job(row, zone),
        payload: payload::to_text(row.text(COLUMNS).as_bytes()).into_owned(),
        options: row.maybe_text(COLUMNS + 1),
        unique_key: row.maybe_text(COLUMNS + 2),
        last_error: row.maybe_text(COLUMNS + 3),
    }))
}

/// Each is a statement of its own, which removes the job or does nothing.
pub(super) fn cancel(adapter: &mut dyn Adapter, ids: &[JobId]) -> Result<Vec<Cancelled>> {
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(match number(adapter, id)? {
            None => Cancelled::Unknown,
            Some(id) if adapter.execute("cancel", &[id.into()])? > 0 => Cancelled::Removed,
            Some(id) if adapter.query("show_job", &[id.into()])?.is_empty() => Cancelled::Unknown,
            Some(_) => Cancelled::Held,
        });
    }
    Ok(answers)
}

/// The row of a job that is known by its id or by its uuid.
fn number(adapter: &mut dyn Adapter, id: &JobId) -> Result<Option<i64>> {
    match id {
        JobId::Number(number) => Ok(Some(*number)),
        JobId::Text(text) => match uuid::Uuid::parse_str(text) {
            Err(_) => Ok(None),
            Ok(uuid) => {
                // As every push writes it, whatever it looks like here.
                let rows = adapter.query("find_job", &[Value::Text(uuid.hyphenated().to_string())])?;
                Ok(rows.first().and_then(|row| row.number(0)))
            }
        },
    }
}

fn job(row: &Row, zone: &Zone) -> QueuedJob {
    QueuedJob {
        id: JobId::Number(row.number(0).unwrap_or(0)),
        uuid: row.text(1),
        name: row.text(2),
        queue: row.text(3),
        attempts: u32::try_from(row.count(4)).unwrap_or(u32::MAX),
        priority: u8::try_from(row.count(5)).unwrap_or(u8::MAX),
        state: JobState::parse(&row.text(6)).unwrap_or(JobState::Running),
        due_in_ms: row.number(7),
        created_at: match Timestamp::parse(&row.text(8)) {
            Some(at) => zone.format(at),
            None => row.text(8),
        },
        hold_ends_in_ms: row.number(9),
        suspect: row.number(10).is_some_and(|suspect| suspect != 0),
        unknown_for_ms: row.number(11).map(|unknown_for| unknown_for.max(0)),
    }
}
