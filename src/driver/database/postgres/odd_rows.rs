//! Rows by their ids: those that a take would find, those that none ever does, and those that can't be read.

use super::super::adapter::{Kind, Survives, Take, skipped, transaction};
use super::{Postgres, count, lines, read};
use crate::error::Result;
use crate::reserved::Reserved;
use crate::time::whole_millis;

impl Postgres {
    pub(super) fn ids_of_due(&self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>> {
        let passed_over = self.passed_over.clone();
        let rows = if kind == Kind::Suspect {
            let (queues, most, charged) = (take.queues.to_vec(), count(most), take.charged);
            self.session.call(move |session| {
                session.query("due_suspects", &[&queues, &most, &passed_over, &charged])
            })?
        } else {
            let ((queues, priorities), most) = (lines(take.queues), count(most));
            self.session
                .call(move |session| session.query("due_ids", &[&queues, &priorities, &most, &passed_over]))?
        };
        rows.iter().map(|row| read::get(row, 0)).collect()
    }

    pub(super) fn ids_of_odd(&self, take: &Take<'_>, most: usize) -> Result<Vec<i64>> {
        let ((queues, priorities), most) = (lines(take.queues), count(most));
        let passed_over = self.passed_over.clone();
        let rows = self
            .session
            .call(move |session| session.query("find_odd", &[&queues, &priorities, &most, &passed_over]))?;
        rows.iter().map(|row| read::get(row, 0)).collect()
    }

    pub(super) fn take_by_id(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>> {
        let (token, lease, charged) = (take.token, whole_millis(take.lease), take.charged);
        let queues = take.queues.to_vec();
        transaction(self, Survives::Crash, |postgres| {
            let rows = postgres.session.call(move |session| {
                let kind = kind.name();
                if session.query("lock_one", &[&id, &queues, &kind, &charged])?.is_empty() {
                    return Ok(None);
                }
                session.query("take_one", &[&id, &token, &lease, &kind, &charged]).map(Some)
            })?;
            let Some(rows) = rows else { return Ok(None) };
            read::reserved(&rows, take)?.pop().map(Some).ok_or_else(skipped)
        })
    }

    /// Takes the rows of which a text can't be read, as raw bytes.
    pub(super) fn take_raw(&self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let mut due = self.ids_of_due(take, Kind::Fresh, most)?;
        due.extend(self.ids_of_due(take, Kind::Suspect, most)?);
        let (token, lease) = (take.token, whole_millis(take.lease));
        let taken = self.session.call(move |session| {
            let mut taken = Vec::new();
            for id in due {
                for column in ["name", "payload", "last_error", "unique_key", "options"] {
                    let Err(error) = session.query("read_job", &[&id, &column]) else { continue };
                    if !error.is_invalid() {
                        return Err(error);
                    }
                    match session.query("take_raw", &[&id, &token, &lease]) {
                        // It is refused, too.
                        Err(error) if error.is_invalid() => {}
                        rows => taken.push((rows?, format!("the row cannot be read: {column}: {error}"))),
                    }
                    break;
                }
            }
            Ok(taken)
        })?;
        let mut jobs = Vec::new();
        for (rows, reason) in taken {
            for mut job in read::reserved(&rows, take)? {
                job.unreadable.get_or_insert_with(|| reason.clone());
                jobs.push(job);
            }
        }
        Ok(jobs)
    }
}
