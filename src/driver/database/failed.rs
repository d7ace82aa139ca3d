//! The table of failed jobs: the contract of [`FailedJobs`] in terms of an adapter's statements.

use super::adapter::{Adapter, HasAdapter, Row, Survives, Value, list, transaction};
use super::burial;
use super::dead::Dead;
use crate::error::Result;
use crate::failed::{FailedCount, FailedGroup, FailedJob, FailedJobs, Failure, Filter, Page, Record, Search};
use crate::message::{JobId, Message, Pushed};
use crate::reserved::Reserved;
use crate::time::{Timestamp, Zone};

/// How many failed jobs a search goes through for a page: some tens of milliseconds, whatever is searched for.
const SEARCHED: i64 = 20_000;

/// How many of the newest failed jobs are grouped.
const GROUPED: i64 = 100_000;

pub(super) struct FailedTable {
    pub(super) adapter: Box<dyn Adapter>,
    /// Whether the jobs are in the same database, so that one transaction moves a job between the two.
    pub(super) shares_jobs: bool,
    pub(super) zone: Zone,
}

impl FailedJobs for FailedTable {
    fn record(&mut self, job: &Reserved, failure: &Failure) -> Result<Record> {
        burial::record_what_fits(&mut *self.adapter, &Dead::new(job, failure, &self.zone))
    }

    fn record_all(&mut self, dead: &[(&Reserved, &Failure)]) -> Result<Vec<Record>> {
        let dead: Vec<_> = dead.iter().map(|(job, failure)| Dead::new(job, failure, &self.zone)).collect();
        match burial::record(&mut *self.adapter, &dead) {
            Err(error) if error.is_invalid() => {
                dead.iter().map(|dead| burial::record_what_fits(&mut *self.adapter, dead)).collect()
            }
            done => done,
        }
    }

    fn records_of(&mut self, job: &Message, driver: &str) -> Result<Vec<JobId>> {
        burial::records_of(&mut *self.adapter, job, driver)
    }

    fn withdraw(&mut self, records: &[JobId]) -> Result<()> {
        self.forget(records).map(drop)
    }

    fn last(&mut self) -> Result<Option<JobId>> {
        let rows = self.adapter.query("last_failed", &[])?;
        Ok(rows.first().and_then(|row| row.number(0)).map(JobId::Number))
    }

    fn unmark(&mut self, ids: &[JobId]) -> Result<()> {
        self.adapter.execute("unmark", &[numbers(ids)]).map(drop)
    }

    fn list(&mut self, filter: &Filter<'_>) -> Result<Vec<FailedJob>> {
        let mut limit = match filter.limit {
            0 => i64::MAX,
            limit => i64::try_from(limit).unwrap_or(i64::MAX),
        };
        let mut after = filter.after.and_then(number).unwrap_or(0);
        let only = match filter.id.map(|id| self.row_of(id)).transpose()? {
            None => Value::Null,
            Some(Some(number)) => {
                // It is looked for from where it is, and there is no other.
                (after, limit) = (after.max(number.saturating_sub(1)), 1);
                number.into()
            }
            Some(None) => return Ok(Vec::new()),
        };
        let rows = self.adapter.query(
            "list_failed",
            &[
                after.into(),
                only,
                filter.driver.into(),
                filter.queue.into(),
                filter.job.into(),
                filter.since.into(),
                filter.before.into(),
                limit.into(),
            ],
        )?;
        Ok(rows.iter().map(|row| self.failed_job(row)).collect())
    }

    fn search(&mut self, search: &Search<'_>) -> Result<Page> {
        let before = match search.before.map(number) {
            None => i64::MAX,
            Some(Some(before)) => before,
            // Another driver's id is none of this table's; a page before it would begin anywhere.
            Some(None) => return Ok(Page { jobs: Vec::new(), next: None }),
        };
        let end = self.end_of_search(before, SEARCHED)?;
        // One more, which says whether there are more.
        let limit = i64::try_from(search.limit.saturating_add(1)).unwrap_or(i64::MAX);
        let rows = self.adapter.query(
            "search_failed",
            &[
                before.into(),
                end.unwrap_or(i64::MIN).into(),
                search.driver.into(),
                search.queue.into(),
                search.job.into(),
                search.first_line.into(),
                search.text.map(pattern).as_deref().into(),
                limit.into(),
            ],
        )?;
        let jobs: Vec<_> = rows.iter().take(search.limit).map(|row| self.failed_job(row)).collect();
        let next = match jobs.last() {
            Some(last) if rows.len() > jobs.len() => Some(last.id.clone()),
            _ => end.map(JobId::Number),
        };
        Ok(Page { jobs, next })
    }

    fn groups(&mut self, driver: &str, most: usize) -> Result<Vec<FailedGroup>> {
        let end = self.end_of_search(i64::MAX, GROUPED)?.unwrap_or(i64::MIN);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.adapter.query("group_failed", &[end.into(), driver.into(), most.into()])?;
        let group = |row: &Row| FailedGroup {
            name: row.text(0),
            first_line: row.text(1),
            count: row.count(2),
            last: JobId::Number(row.number(3).unwrap_or(0)),
        };
        Ok(rows.iter().map(group).collect())
    }

    fn forget(&mut self, ids: &[JobId]) -> Result<u64> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(self.row_of(id)?);
        }
        self.adapter.execute("forget", &[list(&rows)])
    }

    fn count(&mut self) -> Result<Vec<FailedCount>> {
        Ok(self.adapter.query("count_failed", &[])?.iter().map(count).collect())
    }

    fn count_up_to(&mut self, most: u64) -> Result<Vec<FailedCount>> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(self.adapter.query("count_failed_up_to", &[most.into()])?.iter().map(count).collect())
    }

    fn put_back(&mut self, jobs: &[(JobId, Message)]) -> Result<Option<Vec<Option<Pushed>>>> {
        if !self.shares_jobs {
            return Ok(None);
        }
        transaction(self, Survives::PowerCut, |table| table.move_back(jobs)).map(Some)
    }

    fn mark(&mut self, ids: &[JobId]) -> Result<Vec<JobId>> {
        transaction(self, Survives::PowerCut, |table| {
            let ours = table.lock("lock_unmarked", ids)?;
            table.adapter.execute("mark_retried", &[numbers(&ours)])?;
            Ok(ours)
        })
    }

    fn forget_marked(&mut self, ids: &[JobId]) -> Result<()> {
        self.adapter.execute("forget_retried", &[numbers(ids)]).map(drop)
    }
}

impl HasAdapter for FailedTable {
    type Adapter = dyn Adapter;

    fn adapter(&mut self) -> &mut Self::Adapter {
        &mut *self.adapter
    }
}

impl FailedTable {
    /// The oldest of so many failed jobs before an id; `None` where there are fewer.
    fn end_of_search(&mut self, before: i64, many: i64) -> Result<Option<i64>> {
        let rows = self.adapter.query("search_failed_end", &[before.into(), many.into()])?;
        Ok(rows.first().and_then(|row| row.number(0)))
    }

    /// The row of a failed job that is known by its id or its uuid.
    fn row_of(&mut self, id: &JobId) -> Result<Option<i64>> {
        let JobId::Text(uuid) = id else { return Ok(number(id)) };
        if let Some(number) = number(id) {
            return Ok(Some(number));
        }
        // As every push writes it, whatever it looks like here; a message of a broker may be called anything.
        let written = uuid::Uuid::parse_str(uuid).map(|uuid| uuid.hyphenated().to_string());
        for uuid in std::iter::once(uuid.to_string()).chain(written.ok()) {
            let rows = self.adapter.query("find_failed_job", &[(&*uuid).into()])?;
            if let Some(row) = rows.first() {
                return Ok(row.number(0));
            }
        }
        Ok(None)
    }

    /// Those of these that are there, locked until the transaction ends: of two retries at once the second
    /// finds nothing.
    fn lock(&mut self, statement: &str, ids: &[JobId]) -> Result<Vec<JobId>> {
        let rows = self.adapter.query(statement, &[numbers(ids)])?;
        Ok(rows.iter().filter_map(|row| row.number(0)).map(JobId::Number).collect())
    }

    fn move_back(&mut self, jobs: &[(JobId, Message)]) -> Result<Vec<Option<Pushed>>> {
        let created_at = self.zone.format(Timestamp::now());
        let ids: Vec<_> = jobs.iter().map(|(id, _)| id.clone()).collect();
        let there = self.lock("lock_failed", &ids)?;
        let there: Vec<_> = jobs.iter().map(|(id, _)| there.contains(id)).collect();
        let messages: Vec<_> = jobs
            .iter()
            .zip(&there)
            .filter(|(_, there)| **there)
            .map(|((_, message), _)| message.clone())
            .collect();
        let mut pushed = self.adapter.insert(&messages, &created_at)?.into_iter();
        let answers: Vec<_> = there.iter().map(|there| if *there { pushed.next() } else { None }).collect();
        let moved: Vec<_> = ids
            .into_iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.as_ref().is_some_and(Pushed::is_added))
            .map(|(id, _)| id)
            .collect();
        self.forget(&moved)?;
        Ok(answers)
    }

    fn failed_job(&self, row: &Row) -> FailedJob {
        FailedJob {
            id: JobId::Number(row.number(0).unwrap_or(0)),
            uuid: row.text(1),
            driver: row.text(2),
            connection: row.text(3),
            queue: row.text(4),
            name: row.text(5),
            payload: row.text(6),
            exception: row.text(7),
            attempts: u32::try_from(row.count(8)).unwrap_or(u32::MAX),
            failed_at: match Timestamp::parse(&row.text(9)) {
                Some(at) => self.zone.format(at),
                None => row.text(9),
            },
            overrides: row.maybe_text(10),
        }
    }
}

/// A text as LIKE finds it anywhere.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern + "%"
}

fn count(row: &Row) -> FailedCount {
    FailedCount { driver: row.text(0), queue: row.text(1), count: row.count(2) }
}

fn number(id: &JobId) -> Option<i64> {
    match id {
        JobId::Number(number) => Some(*number),
        JobId::Text(text) => text.parse().ok(),
    }
}

fn numbers(ids: &[JobId]) -> Value {
    list(&ids.iter().filter_map(number).collect::<Vec<_>>())
}
