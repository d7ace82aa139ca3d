//! SQLite's errors as sentences for people.

use std::fmt;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::Error;

/// What went wrong with the file, and what to do about it.
pub(super) fn explain(cause: &rusqlite::Error, path: &Path) -> Error {
    let file = path.display();
    let code = cause.sqlite_error_code();
    if let rusqlite::Error::SqliteFailure(failure, _) = cause
        && failure.extended_code == rusqlite::ffi::SQLITE_BUSY_SNAPSHOT
    {
        return Error::unavailable(format!(
            "the transaction on {file} has a stale snapshot: it read before another program wrote, so it may not \
             write any more, however long it waits"
        ))
        .with_help("begin it with TransactionBehavior::Immediate (BEGIN IMMEDIATE), and do all of it again");
    }
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::unavailable(format!("another process keeps {file} locked"))
                .with_help("end the transaction that holds it; the database works on by itself then")
                .undone()
        }
        Some(ErrorCode::DiskFull) => Error::unavailable(format!("the disk that holds {file} is full"))
            .with_help("make room; nothing is lost, and it works on by itself then")
            .undone(),
        Some(ErrorCode::SystemIoFailure) => {
            Error::unavailable(format!("reading or writing {file} failed")).because(&Said(cause))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Error::other(format!("{file} can't be written"))
                .with_help("the file and its folder must be writable, as SQLite keeps a log beside it")
        }
        Some(ErrorCode::CannotOpen) => Error::other(format!("{file} can't be opened or created"))
            .with_help("does the folder exist, and may this user write there?"),
        Some(ErrorCode::NotADatabase) => Error::other(format!("{file} is no SQLite database"))
            .with_help("name another file in queue.toml; this one was left as it is"),
        // By a constraint or a trigger, of ours or of somebody else's.
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
            Error::invalid(format!("SQLite refuses a value in {file}")).because(&Said(cause))
        }
        Some(ErrorCode::DatabaseCorrupt) => Error::other(format!("{file} is damaged"))
            .with_help(format!("look at it with: sqlite3 {file} 'PRAGMA integrity_check'")),
        _ => match Said(cause).to_string() {
            said if said.contains("no such table") || said.contains("no such column") => Error::schema(said),
            said => Error::other(format!("SQLite refused a statement on {file}: {said}")),
        },
    }
}

/// What SQLite said, without the whole script around it and without the number of its error.
#[derive(Debug)]
struct Said<'a>(&'a rusqlite::Error);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rusqlite::Error::SqlInputError { msg, .. } => f.write_str(msg),
            rusqlite::Error::SqliteFailure(_, Some(said)) => f.write_str(said),
            other => write!(f, "{other}"),
        }
    }
}

impl std::error::Error for Said<'_> {}
