//! Tells an idle worker that somebody wrote to the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::file::File;
use crate::driver::Notifier;

/// How often the file is looked at: from every 2 ms when somebody has just written to less often in a quiet
/// hour. The look itself costs about 2 µs, the waking ten times that.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(8);

/// The file is looked at again after this part of the time since somebody wrote to it.
const PART: u32 = 500;

/// How often it is looked whether the path still leads to that file.
const LOOK_FOR_FILE: Duration = Duration::from_millis(200);

/// A thread that looks at `PRAGMA data_version` and rings the notifier when it has changed, or when the path leads to
/// another file by now, as the worker's next look tells. It ends when this is dropped.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(path: &Path, file: File, notifier: Notifier) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let watch = move || {
            let mut seen = None;
            let mut written = Instant::now();
            let mut looked_for_file = written;
            while !stopped.load(Ordering::Relaxed) {
                // Not a channel's wait, which spins for a while first.
                std::thread::park_timeout((written.elapsed() / PART).clamp(SHORTEST, LONGEST));
                // A busy worker looks for itself. What changes meanwhile still differs from `seen`.
                if !notifier.is_awaited() {
                    continue;
                }
                let version = connection
                    .prepare_cached("PRAGMA data_version")
                    .and_then(|mut look| look.query_row([], |row| row.get::<_, i64>(0)));
                if looked_for_file.elapsed() >= LOOK_FOR_FILE {
                    looked_for_file = Instant::now();
                    if file.is_elsewhere() {
                        notifier.notify();
                    }
                }
                // On an error the worker's own poll is what finds jobs, and tells what is wrong.
                if let Ok(version) = version
                    && seen.replace(version) != Some(version)
                {
                    written = Instant::now();
                    notifier.notify();
                }
            }
        };
        let started = std::thread::Builder::new().name("craft-watch".into()).spawn(watch);
        let thread = started
            .inspect_err(|cause| {
                let path = path.display();
                log::warn!("cannot start a thread that watches {path}: {cause}; polling only");
            })
            .ok();
        Ok(Self { stop, thread })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The last connection to be closed tidies the file up, and that is not to be this one, which may
            // not write. A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}
