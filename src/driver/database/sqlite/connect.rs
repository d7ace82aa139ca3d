//! A connection, set up for our statements.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::open::Open;
use crate::config::Durability;

pub(super) fn connect(
    path: &Path,
    open: Open,
    durability: Durability,
    patience: Duration,
) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, open != Open::Existing);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else SQLite plans a statement anew whenever a value of its WHERE is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // What a statement would undo is kept in memory, not in a file: it is a batch at most.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    use_wal(&connection)?;
    set_synchronous(&connection, durability)?;
    Ok(connection)
}

/// FULL syncs the log with each commit; NORMAL leaves that to the next full commit or checkpoint.
pub(super) fn set_synchronous(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let sql = match durability {
        Durability::Full => "PRAGMA synchronous = FULL",
        Durability::Normal => "PRAGMA synchronous = NORMAL",
    };
    // Not prepared: this pragma takes effect while it is compiled, so a cached one would do nothing.
    connection.execute_batch(sql)
}

/// The mode is kept in the file. Asking first spares every later opener the write lock.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    if mode("PRAGMA journal_mode")? == "wal" {
        return Ok(());
    }
    match mode("PRAGMA journal_mode = WAL") {
        // Of those that open a new file at once SQLite refuses some without waiting. Whoever has had the
        // write lock comes after the one that was let through.
        Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            mode("PRAGMA journal_mode = WAL").map(drop)
        }
        done => done.map(drop),
    }
}
