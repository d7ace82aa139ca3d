//! SQLite: the embedded default. A file, compiled in, no server.

mod connect;
mod explain;
mod push_in;
mod read;
mod script;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use self::connect::{connect, set_synchronous};
use self::explain::explain;
use super::adapter::{Adapter, PutBack, Row, Survives, Take, Value, list, millis};
use super::statements::Statements;
use super::{LONG, Open};
use crate::config::Durability;
use crate::driver::{Bell, Receipt, Reserved};
use crate::error::Result;
use crate::message::{Message, Pushed};
use crate::payload;
use crate::time::whole_millis;

/// An open file.
struct Sqlite {
    connection: Connection,
    path: PathBuf,
    statements: Arc<Statements>,
    /// What was configured, and what the next commit does.
    durability: Durability,
    now: Durability,
    watch: Option<watch::Watch>,
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
    let connection =
        connect(path, open, durability, limit.unwrap_or(LONG)).map_err(|cause| explain(&cause, path))?;
    Ok(Box::new(Sqlite {
        connection,
        path: path.to_owned(),
        statements,
        durability,
        now: durability,
        watch: None,
    }))
}

impl Sqlite {
    fn attempt<T>(&self, work: impl FnOnce(&Self) -> rusqlite::Result<T>) -> Result<T> {
        work(self).map_err(|cause| explain(&cause, &self.path))
    }

    fn prepare(&self, name: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(self.statements.get(name))
    }

    /// The first clean job of the next lower priority: its priority, and in how many ms it is due.
    fn front(&self, queue: &str, below: i64) -> rusqlite::Result<Option<(i64, i64)>> {
        self.prepare("first_due")?
            .query_row(params![queue, below], |row| Ok((row.get(0)?, row.get(1)?)))
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
        let mut below = i64::MAX;
        while let Some((priority, due_in)) = self.front(queue, below)? {
            if due_in <= 0 {
                let lease = whole_millis(take.lease);
                let values = params![take.token, lease, queue, priority, (full - jobs.len()) as i64];
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

/// The row and the token of a receipt.
fn place(receipt: Receipt) -> (i64, i64) {
    (receipt.0.cast_signed(), receipt.1.cast_signed())
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
        self.attempt(|sqlite| sqlite.connection.prepare_cached("COMMIT")?.execute([]).map(drop))
    }

    fn rollback(&mut self) {
        // It fails when SQLite has rolled back by itself, as after a full disk.
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn watch(&mut self, bell: Bell) -> Result<()> {
        if !bell.is_silent() {
            self.watch = Some(self.attempt(|sqlite| watch::Watch::start(&sqlite.path, bell))?);
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

    fn first_due(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        self.attempt(|sqlite| {
            let mut first = None;
            for queue in queues {
                let mut below = i64::MAX;
                while let Some((priority, due_in)) = sqlite.front(queue, below)? {
                    first = Some(due_in.min(first.unwrap_or(i64::MAX)));
                    below = priority;
                }
            }
            Ok(first.map(millis))
        })
    }

    fn first_lease(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        let rows = self.query("first_lease", &[list(queues)])?;
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
            let values = params![take.token, whole_millis(take.lease), queues, most as i64, take.charged];
            let mut statement = sqlite.prepare("take_suspects")?;
            read::reserved(&mut statement, values, take, &mut jobs)?;
            Ok(jobs)
        })
    }

    fn delete(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        self.attempt(|sqlite| {
            let mut done = sqlite.prepare("done")?;
            fenced(receipts, |receipt| Ok((done.execute(place(*receipt))?, *receipt)))
        })
    }

    fn put_back(&mut self, jobs: &[PutBack<'_>], fresh_token: i64) -> Result<Vec<Receipt>> {
        self.attempt(|sqlite| {
            let (mut again, mut give_back) = (sqlite.prepare("again")?, sqlite.prepare("give_back")?);
            fenced(jobs, |job| match *job {
                PutBack::Again { receipt, after, uncounted, error } => {
                    let (id, token) = place(receipt);
                    let error = payload::storable_text(error);
                    let values = params![id, token, whole_millis(after), uncounted, error];
                    Ok((again.execute(values)?, receipt))
                }
                PutBack::Unrun { receipt, after, unknown } => {
                    let (id, token) = place(receipt);
                    let values = params![id, token, fresh_token, whole_millis(after), unknown];
                    Ok((give_back.execute(values)?, receipt))
                }
            })
        })
    }

    fn extend(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>> {
        self.attempt(|sqlite| {
            let mut extend = sqlite.prepare("extend")?;
            fenced(receipts, |receipt| {
                let (id, token) = place(*receipt);
                Ok((extend.execute(params![id, token, whole_millis(lease)])?, *receipt))
            })
        })
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Row>> {
        self.attempt(|sqlite| {
            let mut statement = sqlite.prepare(statement)?;
            read::rows(&mut statement, values)
        })
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64> {
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
mod tests {
    use std::time::Instant;

    use rusqlite::StatementStatus;

    use super::super::statements::Dialect;
    use super::*;

    /// A new file with our tables.
    fn open_new(name: &str) -> (PathBuf, Sqlite) {
        let folder = std::env::temp_dir().join(format!("craft-sqlite-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("jobs.sqlite3");
        let connection = connect(&path, Open::Migrate, Durability::Full, Duration::from_secs(1)).unwrap();
        let statements = Arc::new(Statements::new(Dialect::Sqlite, "jobs", "failed_jobs"));
        let (durability, now) = (Durability::Full, Durability::Full);
        let mut sqlite = Sqlite { connection, path, statements, durability, now, watch: None };
        let tables = sqlite.statements.get("create_jobs").to_owned();
        sqlite.run_script(&tables).unwrap();
        (folder, sqlite)
    }

    #[test]
    fn a_full_commit_stays_full_after_a_take() {
        let (folder, mut sqlite) = open_new("durability");
        for (survives, level) in
            [(Survives::PowerCut, 2), (Survives::Crash, 1), (Survives::PowerCut, 2), (Survives::Crash, 1)]
        {
            sqlite.begin(survives).unwrap();
            let read = sqlite.connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0));
            assert_eq!(read, Ok(level), "{survives:?}");
            sqlite.commit().unwrap();
        }
        drop(sqlite);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_take_is_planned_once() {
        let (folder, mut sqlite) = open_new("planned");
        sqlite.push(&[message(), message()], "now").unwrap();
        let queues = ["default".to_owned()];
        for token in 1..=2 {
            let take = Take {
                queues: &queues,
                token,
                lease: Duration::from_secs(60),
                held_until: Instant::now(),
                charged: true,
            };
            assert_eq!(sqlite.take(&take, 1).unwrap().len(), 1);
        }
        let take = sqlite.prepare("take").unwrap();
        assert_eq!(
            (take.get_status(StatementStatus::Run), take.get_status(StatementStatus::RePrepare)),
            (2, 0)
        );
        drop(take);
        drop(sqlite);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Fault 18.
    #[test]
    fn a_full_disk_takes_no_part_of_a_push_and_a_file_that_is_read_only_none() {
        let (folder, mut sqlite) = open_new("full");
        let messages: Vec<_> = (0..50).map(|_| message()).collect();
        let set = |sqlite: &Sqlite, pragma: &str| sqlite.connection.execute_batch(pragma).unwrap();
        let count = |sqlite: &Sqlite| {
            sqlite.connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0))
        };
        // The smallest limit is the size that the file has.
        set(&sqlite, "PRAGMA max_page_count = 1");
        let full = sqlite.push(&messages, "now").unwrap_err();
        assert!(full.is_unavailable(), "{full:?}");
        assert!(full.to_string().ends_with("jobs.sqlite3 is full"), "{full}");
        assert_eq!(full.help(), Some("make room; nothing is lost, and it works on by itself then"));
        assert_eq!(count(&sqlite), Ok(0), "all or none");
        set(&sqlite, "PRAGMA max_page_count = 1000000");
        sqlite.push(&messages, "now").unwrap();
        assert_eq!(count(&sqlite), Ok(50));

        set(&sqlite, "PRAGMA query_only = ON");
        let read_only = sqlite.push(&[message()], "now").unwrap_err();
        assert!(!read_only.is_unavailable(), "{read_only:?}");
        assert!(read_only.to_string().ends_with("jobs.sqlite3 can't be written"), "{read_only}");
        assert_eq!(count(&sqlite), Ok(50));
        drop(sqlite);
        std::fs::remove_dir_all(folder).unwrap();
    }

    fn message() -> Message {
        Message {
            uuid: crate::message::new_uuid(),
            name: "A".into(),
            queue: "default".into(),
            payload: Arc::from(vec![b'1'; 1_000]),
            delay: Duration::ZERO,
            priority: 0,
            unique_key: None,
            replaces: false,
            overrides: None,
        }
    }
}
