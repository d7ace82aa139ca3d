//! Tells an idle worker that somebody wrote to the file.

use std::path::Path;
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use rusqlite::{Connection, OpenFlags};

use crate::driver::Bell;

/// How often the file is looked at while the worker is idle. A look costs about 2 µs.
const EVERY: Duration = Duration::from_millis(2);

/// A thread that looks at `PRAGMA data_version` and rings the bell when it has changed. It ends when this
/// is dropped.
pub(super) struct Watch {
    _stop: Sender<()>,
}

impl Watch {
    pub(super) fn start(path: &Path, bell: Bell) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        let (stop, stopped) = bounded::<()>(0);
        let watch = move || {
            let mut seen = None;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                // A busy worker looks for itself. What changes meanwhile still differs from `seen`.
                if !bell.is_awaited() {
                    continue;
                }
                let version = connection
                    .prepare_cached("PRAGMA data_version")
                    .and_then(|mut look| look.query_row([], |row| row.get::<_, i64>(0)));
                // On an error the worker's own poll is what finds jobs, and tells what is wrong.
                if let Ok(version) = version
                    && seen.replace(version) != Some(version)
                {
                    bell.ring();
                }
            }
        };
        let started = std::thread::Builder::new().name("craft-watch".into()).spawn(watch);
        if let Err(cause) = started {
            log::warn!("cannot start a thread that watches {}: {cause}; polling only", path.display());
        }
        Ok(Self { _stop: stop })
    }
}
