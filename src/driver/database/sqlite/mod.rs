//! SQLite: the embedded default. A file, compiled in, no server.

mod connect;
mod errors;
mod file;
mod odd_rows;
mod push_in;
mod read;
mod script;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use self::connect::{connect, set_synchronous};
use self::errors::explain;
use self::file::File;
use super::adapter::{Adapter, Kind, Odd, PutBack, Row, Survives, Take, Value, list, transaction};
use super::open::{LONG, Open};
use super::receipts::row_and_token;
use super::statements::Statements;
use super::value::millis;
use crate::config::Durability;
use crate::driver::{Extended, Notifier, Receipt, Reserved};
use crate::error::Result;
use crate::message::{Message, Pushed};
use crate::payload;
use crate::time::whole_millis;

/// A priority, as a column may hold it.
type Below = rusqlite::types::Value;

/// Above all priorities.
const HIGHEST: Below = Below::Integer(i64::MAX);

/// No ids.
const NONE: &str = "[]";

/// An open file.
struct Sqlite {
    connection: Connection,
    path: PathBuf,
    file: File,
    statements: Arc<Statements>,
    /// What was configured, and what the next commit does.
    durability: Durability,
    now: Durability,
    watch: Option<watch::Watch>,
    /// The ids that takes pass over, as a list in JSON.
    passed_over: String,
}

/// Opens the file. `limit` is how long a statement waits for another process to let go of the write lock.
///
/// # Errors
/// It can't be created or read, or is no SQLite file.
pub(super) fn open(
    path: &Path,
    open: Open,
    statements: Arc<Statements>,
    durability: Durability,
    limit: Option<Duration>,
) -> Result<Box<dyn Adapter>> {
    let file = File::at(path);
    let connection =
        connect(path, open, durability, limit.unwrap_or(LONG)).map_err(|cause| explain(&cause, path))?;
    Ok(Box::new(Sqlite {
        file: file.opened(&connection),
        connection,
        path: path.to_owned(),
        statements,
        durability,
        now: durability,
        watch: None,
        passed_over: NONE.to_owned(),
    }))
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.watch = None;
        self.file.take_log_along(&self.connection);
    }
}

impl Sqlite {
    fn attempt<T>(&self, work: impl FnOnce(&Self) -> rusqlite::Result<T>) -> Result<T> {
        work(self).map_err(|cause| explain(&cause, &self.path))
    }

    fn prepare(&self, name: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(self.statements.get(name))
    }

    /// The first clean job of the next lower priority: its priority, which others may have written as they
    /// like, and in how many ms it is due.
    fn front(&self, queue: &str, below: &Below) -> rusqlite::Result<Option<(Below, Option<i64>)>> {
        self.prepare("first_due")?
            .query_row(params![queue, below, self.passed_over], |row| {
                Ok((row.get(0)?, read::number(row.get_ref(1)?)))
            })
            .optional()
    }

    fn take_from(
        &self,
        queue: &str,
        take: &Take<'_>,
        most: usize,
        jobs: &mut Vec<Reserved>,
    ) -> rusqlite::Result<()> {
        let full = jobs.len() + most;
        let mut below = HIGHEST;
        while let Some((priority, due_in)) = self.front(queue, &below)? {
            if due_in.is_some_and(|due_in| due_in <= 0) {
                let lease = whole_millis(take.lease);
                let most = (full - jobs.len()) as i64;
                let values = params![take.token, lease, queue, priority, most, self.passed_over];
                let mut statement = self.prepare("take")?;
                read::reserved(&mut statement, values, take, jobs)?;
            }
            if jobs.len() == full {
                break;
            }
            below = priority;
        }
        Ok(())
    }
}

/// Runs a fenced statement for each item, and answers the receipts for which it changed nothing. One
/// prepared statement per row is as fast as a list of ids, and tells which hold is lost.
fn fenced<T>(
    items: &[T],
    mut run: impl FnMut(&T) -> rusqlite::Result<(usize, Receipt)>,
) -> rusqlite::Result<Vec<Receipt>> {
    let mut lost = Vec::new();
    for item in items {
        let (changed, receipt) = run(item)?;
        if changed == 0 {
            lost.push(receipt);
        }
    }
    Ok(lost)
}

impl Adapter for Sqlite {
    fn begin(&mut self, survives: Survives) -> Result<()> {
        let durability = match survives {
            Survives::PowerCut => self.durability,
            Survives::Crash => Durability::Normal,
        };
        if durability != self.now {
            self.attempt(|sqlite| set_synchronous(&sqlite.connection, durability))?;
            self.now = durability;
        }
        self.attempt(|sqlite| sqlite.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop))
    }

    fn commit(&mut self) -> Result<()> {
        self.file.check()?;
        self.attempt(|sqlite| sqlite.connection.prepare_cached("COMMIT")?.execute([]).map(drop))
    }

    fn rollback(&mut self) {
        // It fails when SQLite has rolled back by itself, as after a full disk.
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn watch(&mut self, notifier: Notifier) -> Result<()> {
        if !notifier.is_silent() {
            self.watch = Some(
                self.attempt(|sqlite| watch::Watch::start(&sqlite.path, sqlite.file.clone(), notifier))?,
            );
        }
        Ok(())
    }

    fn insert(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        self.attempt(|sqlite| {
            push_in::insert(
                &sqlite.connection,
                &|name| sqlite.statements.get(name).to_owned(),
                messages,
                created_at,
            )
        })
    }

    fn push(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        let pushed = transaction(self, Survives::PowerCut, |sqlite| sqlite.insert(messages, created_at));
        if let Err(error) = &pushed
            && self.file.is_elsewhere()
        {
            // Whoever pushes opens it again and tells nobody why.
            log::warn!("{error}");
        }
        pushed
    }

    fn first_due(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        self.file.check()?;
        self.attempt(|sqlite| {
            let mut first = None;
            for queue in queues {
                let mut below = HIGHEST;
                while let Some((priority, due_in)) = sqlite.front(queue, &below)? {
                    first = [first, due_in].into_iter().flatten().min();
                    below = priority;
                }
            }
            Ok(first.map(millis))
        })
    }

    fn first_lease(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        let rows = self.query("first_lease", &[list(queues), self.passed_over.as_str().into()])?;
        Ok(rows.first().and_then(|row| row.millis(0)))
    }

    fn take(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        self.attempt(|sqlite| {
            let mut jobs = Vec::new();
            for queue in take.queues {
                sqlite.take_from(queue, take, most - jobs.len(), &mut jobs)?;
            }
            Ok(jobs)
        })
    }

    fn take_suspects(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let Value::Text(queues) = list(take.queues) else { return Ok(Vec::new()) };
        self.attempt(|sqlite| {
            let mut jobs = Vec::new();
            let (lease, most) = (whole_millis(take.lease), most as i64);
            let values = params![take.token, lease, queues, most, take.charged, sqlite.passed_over];
            let mut statement = sqlite.prepare("take_suspects")?;
            read::reserved(&mut statement, values, take, &mut jobs)?;
            Ok(jobs)
        })
    }

    fn pass_over(&mut self, ids: &[i64]) {
        if let Value::Text(ids) = list(ids) {
            self.passed_over = ids;
        }
    }

    fn due_ids(&mut self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>> {
        self.ids_of_due(take, kind, most)
    }

    fn find_odd(&mut self, take: &Take<'_>, _: usize) -> Result<Odd> {
        self.find_and_mend(take)
    }

    fn take_one(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>> {
        self.take_by_id(take, kind, id)
    }

    fn delete(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        self.attempt(|sqlite| {
            let mut done = sqlite.prepare("done")?;
            fenced(receipts, |receipt| Ok((done.execute(row_and_token(*receipt))?, *receipt)))
        })
    }

    fn put_back(&mut self, jobs: &[PutBack<'_>], fresh_token: i64) -> Result<Vec<Receipt>> {
        self.attempt(|sqlite| {
            let (mut again, mut give_back) = (sqlite.prepare("again")?, sqlite.prepare("give_back")?);
            fenced(jobs, |job| match *job {
                PutBack::Again { receipt, after, uncounted, error } => {
                    let (id, token) = row_and_token(receipt);
                    let error = payload::storable_text(error);
                    let values = params![id, token, whole_millis(after), uncounted, error];
                    Ok((again.execute(values)?, receipt))
                }
                PutBack::Unrun { receipt, after, unknown, suspect } => {
                    let (id, token) = row_and_token(receipt);
                    let values = params![id, token, fresh_token, whole_millis(after), unknown, suspect];
                    Ok((give_back.execute(values)?, receipt))
                }
            })
        })
    }

    fn extend(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Extended> {
        let lost = self.attempt(|sqlite| {
            let mut extend = sqlite.prepare("extend")?;
            fenced(receipts, |receipt| {
                let (id, token) = row_and_token(*receipt);
                Ok((extend.execute(params![id, token, whole_millis(lease)])?, *receipt))
            })
        })?;
        Ok(Extended { lost, ..Extended::default() })
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Row>> {
        self.file.check()?;
        self.attempt(|sqlite| {
            let mut statement = sqlite.prepare(statement)?;
            read::rows(&mut statement, values)
        })
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64> {
        self.file.check()?;
        self.attempt(|sqlite| {
            let changed = sqlite.prepare(statement)?.execute(rusqlite::params_from_iter(values))?;
            Ok(changed as u64)
        })
    }

    fn run_script(&mut self, sql: &str) -> Result<()> {
        script::run(&self.connection, sql).map_err(|(cause, statement)| {
            explain(&cause, &self.path).context(format!("in the statement `{statement}`"))
        })
    }
}

#[cfg(test)]
mod tests;
