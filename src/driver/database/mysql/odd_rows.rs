//! Rows by their ids: those that a take would find, and those that none ever does.

use ::mysql::Params;

use super::super::adapter::{Kind, Survives, Take, transaction};
use super::super::receipts::row_and_token;
use super::{Mysql, read};
use crate::error::Result;
use crate::reserved::Reserved;

impl Mysql {
    /// Each statement is a transaction of its own, which locks nothing when it has ended.
    pub(super) fn ids_of_due(&mut self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>> {
        self.cursor.forget();
        let mut jobs = Vec::new();
        if kind == Kind::Suspect {
            jobs = self.lock_suspects(take, most)?;
        } else {
            for queue in take.queues {
                jobs.extend(self.take_from(queue, take, most - jobs.len())?);
            }
        }
        self.cursor.forget();
        Ok(jobs.iter().map(|job| row_and_token(job.receipt).0).collect())
    }

    /// Locks jobs whose hold has run out.
    pub(super) fn lock_suspects(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let mut jobs: Vec<Reserved> = Vec::new();
        for queue in take.queues {
            let room = most - jobs.len();
            if room > 0 {
                let values = (queue, queue.len(), take.charged, &self.passed_over, room);
                for row in self.session.select("take_suspects", values)? {
                    jobs.push(Reserved { suspect: true, ..read::reserved(row, take, i64::from)? });
                }
            }
        }
        Ok(jobs)
    }

    pub(super) fn ids_of_odd(&mut self, take: &Take<'_>) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        for queue in take.queues {
            let length = queue.len();
            let once = || [queue.into(), length.into(), (&self.passed_over).into()];
            let values = Params::Positional([once(), once(), once()].concat());
            let rows = self.session.rows("find_odd", values)?;
            ids.extend(rows.iter().filter_map(|row| row.number(0)));
        }
        Ok(ids)
    }

    pub(super) fn take_by_id(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>> {
        transaction(self, Survives::Crash, |mysql| {
            let Some(row) = mysql.session.select("lock_one", (id, kind.name(), take.charged))?.pop() else {
                return Ok(None);
            };
            let job = read::reserved(row, take, |suspect| match kind {
                Kind::Suspect => i64::from(suspect),
                Kind::Fresh | Kind::Odd => 1,
            })?;
            if !take.queues.iter().any(|queue| **queue == *job.message.queue) {
                return Ok(None);
            }
            mysql.hold(std::slice::from_ref(&job), take)?;
            Ok(Some(job))
        })
    }
}
