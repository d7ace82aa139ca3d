//! Rows by their ids: those that a take would find, and those that none ever does.

use rusqlite::params;

use super::super::adapter::{Kind, Odd, Survives, Take, Value, list, skipped, transaction};
use super::super::one_by_one::is_refusal;
use super::{HIGHEST, Sqlite, read};
use crate::error::Result;
use crate::reserved::Reserved;
use crate::time::whole_millis;

/// A row and the instant that its text means.
type Date = (i64, i64);

impl Sqlite {
    pub(super) fn ids_of_due(&self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        if kind == Kind::Suspect {
            let Value::Text(queues) = list(take.queues) else { return Ok(ids) };
            return self.attempt(|sqlite| {
                let mut statement = sqlite.prepare("due_suspects")?;
                let rows = statement
                    .query_map(params![queues, most as i64, self.passed_over, take.charged], |row| {
                        row.get(0)
                    })?;
                rows.collect()
            });
        }
        self.attempt(|sqlite| {
            for queue in take.queues {
                let mut below = HIGHEST;
                while let Some((priority, _)) = sqlite.front(queue, &below)? {
                    let mut statement = sqlite.prepare("due_ids")?;
                    let values = params![queue, priority, (most - ids.len()) as i64, self.passed_over];
                    for id in statement.query_map(values, |row| row.get(0))? {
                        ids.push(id?);
                    }
                    below = priority;
                }
            }
            Ok(ids)
        })
    }

    /// Gives dates that are text the instant they mean, and answers the ids of all else.
    pub(super) fn find_and_mend(&mut self, take: &Take<'_>) -> Result<Odd> {
        let (dates, mut ids) = self.attempt(|sqlite| sqlite.dates_and_odd(take.queues))?;
        if dates.is_empty() {
            return Ok(Odd { ids, mended: false });
        }
        // Those that are refused keep no others from being mended.
        let mended = match self.mend(&dates) {
            Err(error) if is_refusal(&error) => {
                let mut mended = Vec::new();
                for date in &dates {
                    match self.mend(&[*date]) {
                        Err(error) if is_refusal(&error) => {}
                        done => mended.extend(done?),
                    }
                }
                mended
            }
            done => done?,
        };
        ids.extend(dates.iter().map(|(id, _)| *id).filter(|id| !mended.contains(id)));
        Ok(Odd { ids, mended: !mended.is_empty() })
    }

    /// Answers which were changed.
    fn mend(&mut self, dates: &[Date]) -> Result<Vec<i64>> {
        transaction(self, Survives::Crash, |sqlite| {
            sqlite.attempt(|sqlite| {
                let (mut mend, mut mended) = (sqlite.prepare("mend_date")?, Vec::new());
                for date in dates {
                    if mend.execute(*date)? > 0 {
                        mended.push(date.0);
                    }
                }
                Ok(mended)
            })
        })
    }

    pub(super) fn take_by_id(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>> {
        let Value::Text(queues) = list(take.queues) else { return Ok(None) };
        transaction(self, Survives::Crash, |sqlite| {
            let is_there = sqlite.attempt(|sqlite| {
                sqlite.prepare("lock_one")?.exists(params![id, kind.name(), take.charged, queues])
            })?;
            if !is_there {
                return Ok(None);
            }
            let mut jobs = Vec::new();
            sqlite.attempt(|sqlite| {
                let values = params![take.token, whole_millis(take.lease), id, kind.name(), take.charged];
                let mut statement = sqlite.prepare("take_one")?;
                read::reserved(&mut statement, values, take, &mut jobs)
            })?;
            jobs.pop().map(Some).ok_or_else(skipped)
        })
    }

    /// Dates that are text, and the ids of all else that no take finds.
    fn dates_and_odd(&self, queues: &[String]) -> rusqlite::Result<(Vec<Date>, Vec<i64>)> {
        let (mut dates, mut odd) = (Vec::new(), Vec::new());
        for queue in queues {
            let mut below = HIGHEST;
            while let Some((priority, _)) = self.front(queue, &below)? {
                let mut statement = self.prepare("find_odd")?;
                let mut rows = statement.query(params![queue, priority, self.passed_over])?;
                while let Some(row) = rows.next()? {
                    match row.get(1)? {
                        Some(instant) => dates.push((row.get(0)?, instant)),
                        None => odd.push(row.get(0)?),
                    }
                }
                below = priority;
            }
        }
        let mut strays = self.prepare("find_stray")?;
        let mut rows = strays.query([&self.passed_over])?;
        while let Some(row) = rows.next()? {
            odd.push(row.get(0)?);
        }
        Ok((dates, odd))
    }
}
