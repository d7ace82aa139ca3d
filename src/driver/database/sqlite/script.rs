//! A script of many statements, as a migration file holds it.

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};

/// Runs all statements, and answers the one that failed along with its error.
pub(super) fn run(connection: &Connection, sql: &str) -> Result<(), (rusqlite::Error, String)> {
    let mut batch = Batch::new(connection, sql);
    loop {
        match batch.next() {
            Ok(None) => return Ok(()),
            Ok(Some(mut statement)) => {
                let ran = statement.raw_query().next().map(drop);
                ran.map_err(|cause| (cause, shown(&statement.expanded_sql().unwrap_or_default())))?;
            }
            // What could not be compiled stands at the beginning of what is left.
            Err(rusqlite::Error::SqlInputError { error, msg, sql, offset }) => {
                let statement = shown(&sql);
                return Err((rusqlite::Error::SqlInputError { error, msg, sql, offset }, statement));
            }
            Err(cause) => return Err((cause, String::new())),
        }
    }
}

/// The first statement of a text, on one line, without comments, at most 100 characters.
fn shown(sql: &str) -> String {
    let code: Vec<&str> = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    let joined = code.join(" ");
    joined.split(';').next().unwrap_or_default().chars().take(100).collect()
}
