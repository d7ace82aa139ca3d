//! Whether a path still leads to the file that a connection has open. SQLite itself works on with a file that was
//! removed or replaced, and nobody else ever sees what it writes there.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Error, Result};

/// The file that a path led to, symbolic links followed.
#[derive(Clone)]
pub(super) struct File {
    path: PathBuf,
    id: Option<Id>,
    log: Option<Log>,
}

/// The log beside a file, which SQLite finds by the file's name.
#[derive(Clone)]
struct Log {
    /// Of the file, without symbolic links.
    of: PathBuf,
    path: PathBuf,
    id: Id,
}

#[cfg(unix)]
type Id = (u64, u64);
/// Elsewhere a file that is open can't be replaced.
#[cfg(not(unix))]
type Id = ();

impl File {
    /// Called before the connection is opened: of a file that takes its place meanwhile, the first check tells.
    pub(super) fn at(path: &Path) -> Self {
        // A program that changes its folder has not moved the file.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { id: id(&path).ok(), path, log: None }
    }

    /// The same once the connection is open, and has perhaps made the file.
    pub(super) fn opened(mut self, connection: &Connection) -> Self {
        self.id = self.id.or_else(|| id(&self.path).ok());
        // Reading opens the log.
        let reads = connection.query_row("PRAGMA schema_version", [], |_| Ok(())).is_ok();
        self.log = Log::of(&self.path).filter(|_| reads && !self.is_elsewhere());
        self
    }

    /// Called before the connection is closed. Where the file has left its place, its log has not: SQLite would apply
    /// it to the file that comes there. What is in it is written to the file that it belongs to, and it is removed.
    pub(super) fn take_log_along(&self, connection: &Connection) {
        let Some(log) = self.log.as_ref().filter(|log| self.has_left(log)) else { return };
        let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        let is_written = checkpoint == Ok(0);
        // As long as no other file is there it may be put back, and needs its log.
        if !is_written && id(&log.of).is_err() {
            return;
        }
        // Of all that have the old file open one removes it: the next one may meet the log of the new file.
        if connection.execute_batch("BEGIN IMMEDIATE").is_ok() {
            if self.has_left(log) {
                let removed = std::fs::remove_file(log.beside("-shm"))
                    .or_else(|cause| if is_gone(&cause) { Ok(()) } else { Err(cause) })
                    .and_then(|()| std::fs::remove_file(&log.path));
                if let Err(cause) = removed {
                    let path = log.path.display();
                    log::error!(
                        "{path} is the log of a file that was replaced, and can't be removed: {cause}"
                    );
                }
            }
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    fn has_left(&self, log: &Log) -> bool {
        let is_there = id(&log.of).is_ok_and(|found| Some(found) == self.id);
        !is_there && id(&log.path).is_ok_and(|found| found == log.id)
    }

    /// Whether the path leads to another file by now, or to none. Costs about a microsecond.
    pub(super) fn is_elsewhere(&self) -> bool {
        match id(&self.path) {
            Ok(found) => self.id.is_some_and(|id| id != found),
            // A user who may no longer look into the folder can't tell.
            Err(cause) => self.id.is_some() && is_gone(&cause),
        }
    }

    /// # Errors
    /// The path leads to another file by now, or to none. What is not committed yet is not to be.
    pub(super) fn check(&self) -> Result<()> {
        if !self.is_elsewhere() {
            return Ok(());
        }
        let path = self.path.display();
        let error = match id(&self.path) {
            Ok(_) => Error::unavailable(format!("{path} was replaced by another file while it was open"))
                .with_help("nothing more is written to the old file; the new one is opened instead"),
            Err(_) => Error::unavailable(format!("{path} was moved or removed while it was open"))
                .with_help("put the file back in its place, or install its tables anew"),
        };
        Err(error.undone())
    }
}

impl Log {
    fn of(file: &Path) -> Option<Self> {
        let of = file.canonicalize().ok()?;
        let path = beside(&of, "-wal");
        Some(Self { id: id(&path).ok()?, path, of })
    }

    fn beside(&self, end: &str) -> PathBuf {
        beside(&self.of, end)
    }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(unix)]
fn id(path: &Path) -> io::Result<Id> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn id(path: &Path) -> io::Result<Id> {
    std::fs::metadata(path).map(drop)
}

fn is_gone(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
