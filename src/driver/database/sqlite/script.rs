//! A script of many statements, as a migration file holds it.

#[allow(unused_imports, reason = "older versions of rusqlite have the same method without the trait")]
use fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};

/// Runs all statements, and answers the one that failed along with its error.
pub(super) fn run(connection: &Connection, sql: &str) -> Result<(), (rusqlite::Error, String)> {
    let mut batch = Batch::new(connection, sql);
    for index in 0.. {
        let ran = match batch.next() {
            Ok(None) => break,
            Ok(Some(mut statement)) => statement.raw_query().next().map(drop),
            Err(cause) => Err(cause),
        };
        ran.map_err(|cause| (cause, shown(sql, index)))?;
    }
    Ok(())
}

/// A statement of a script, for a message: on one line, without comments, at most 100 characters. A
/// semicolon within a text or a trigger counts, too, so it may be another part of that statement.
fn shown(sql: &str, index: usize) -> String {
    let code: Vec<&str> = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    let joined = code.join(" ");
    joined.split(';').nth(index).unwrap_or_default().trim().chars().take(100).collect()
}
