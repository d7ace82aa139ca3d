//! Where results go: stdout. With `--json` it is for JSON alone, so what jobs in this process and its children
//! print to theirs goes to stderr.

use std::fs::File;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The stdout that the process was started with, once its descriptor leads elsewhere.
static OWN: OnceLock<File> = OnceLock::new();

/// Has everything but results go to stderr from now on.
pub(super) fn keep_for_results() {
    #[cfg(unix)]
    if OWN.get().is_none() {
        // Where it fails, results and what jobs print share a stream, as without it.
        if let Ok(own) = crate::runner::stdout_becomes_stderr() {
            let _ = OWN.set(own.into());
        }
    }
}

/// Where results are written.
pub(super) fn results() -> Results {
    Results
}

pub(super) struct Results;

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match OWN.get() {
            Some(mut own) => own.write(bytes),
            None => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match OWN.get() {
            Some(mut own) => own.flush(),
            None => io::stdout().flush(),
        }
    }
}
