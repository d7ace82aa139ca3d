//! Whether a path still leads to the file that a connection has open. SQLite itself works on with a file that was
//! removed or replaced, and nobody else ever sees what it writes there.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The file that a path led to, symbolic links followed.
#[derive(Clone)]
pub(super) struct File {
    path: PathBuf,
    id: Option<Id>,
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
        Self { id: id(&path).ok(), path }
    }

    /// The same where the connection has made the file.
    pub(super) fn or_made(mut self) -> Self {
        self.id = self.id.or_else(|| id(&self.path).ok());
        self
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
