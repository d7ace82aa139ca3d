//! SQLite: WAL, prepared statements, one connection a thread.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};

use crate::{A_CALL, A_TAKE, Figure, PAYLOAD, Result, drain};

const TABLE: &str = "CREATE TABLE craft_limits (
        id INTEGER PRIMARY KEY, queue TEXT NOT NULL, payload TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, available_at INTEGER NOT NULL DEFAULT 0, reserved_at INTEGER
    );
    CREATE INDEX craft_limits_ready ON craft_limits (queue, id) WHERE reserved_at IS NULL;";

const PUSH: &str = "INSERT INTO craft_limits (queue, payload) VALUES ('default', ?1)";

const DONE: &str = "DELETE FROM craft_limits WHERE id = ?1";

/// The file, in a folder that is removed at the end.
struct File(PathBuf, &'static str);

impl File {
    fn open(&self) -> Result<Connection> {
        let connection = Connection::open(self.0.join("limits.sqlite3"))?;
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", self.1)?;
        Ok(connection)
    }

    fn fresh(&self) -> Result<Connection> {
        if Path::exists(&self.0) {
            std::fs::remove_dir_all(&self.0)?;
        }
        std::fs::create_dir_all(&self.0)?;
        let connection = self.open()?;
        connection.execute_batch(TABLE)?;
        Ok(connection)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // What is left in the folder of temporary files hurts nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn measure(backend: &str, synchronous: &'static str) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("craft-limits-{}", std::process::id()));
    let file = File(folder, synchronous);
    let connection = file.fresh()?;
    let mut push = connection.prepare(PUSH)?;
    let (jobs, start) = (4_000, Instant::now());
    for _ in 0..jobs {
        push.execute(params![PAYLOAD])?;
    }
    Figure { backend, workload: "push", threads: 1, jobs, start }.tell();
    drop(push);
    drop(connection);

    let mut connection = file.fresh()?;
    let (jobs, start) = (100_000, Instant::now());
    fill(&mut connection, jobs)?;
    Figure { backend, workload: "push_many", threads: 1, jobs, start }.tell();
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")?;
    drop(connection);
    drain((backend, 1, jobs), || file.open(), step)
}

fn fill(connection: &mut Connection, jobs: usize) -> Result<()> {
    for _ in 0..jobs / A_CALL {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut push = transaction.prepare_cached(PUSH)?;
            for _ in 0..A_CALL {
                push.execute(params![PAYLOAD])?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Takes a batch in one transaction and removes it in the next.
fn step(connection: &mut Connection) -> Result<usize> {
    let take = format!(
        "UPDATE craft_limits SET reserved_at = 1, attempts = attempts + 1
         WHERE id IN (SELECT id FROM craft_limits WHERE queue = 'default' AND reserved_at IS NULL
                      ORDER BY id LIMIT {A_TAKE})
         RETURNING id, payload"
    );
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: Vec<i64> = {
        let mut take = transaction.prepare_cached(&take)?;
        let rows = take.query_map([], |row| row.get::<_, String>(1).and_then(|_| row.get(0)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    transaction.commit()?;
    if taken.is_empty() {
        return Ok(0);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut done = transaction.prepare_cached(DONE)?;
        for id in &taken {
            done.execute(params![id])?;
        }
    }
    transaction.commit()?;
    Ok(taken.len())
}
