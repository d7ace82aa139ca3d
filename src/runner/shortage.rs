//! What this process or its machine is short of is no job's fault: descriptors, processes, memory, room.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two warnings, however many jobs meet the shortage.
const PAUSE: Duration = Duration::from_secs(60);

/// Whether an error of the system says that something has run out, or is in use, and may be there again soon.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    let passing = [
        libc::EMFILE,
        libc::ENFILE,
        libc::EAGAIN,
        libc::ENOMEM,
        libc::ENOBUFS,
        libc::ENOSPC,
        libc::EDQUOT,
        // A deploy is just writing the program.
        libc::ETXTBSY,
    ];
    error.raw_os_error().is_some_and(|code| passing.contains(&code))
}

/// Warns of a shortage, once in a while.
pub(super) fn warn_of_shortage(what: &str, cause: &io::Error) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() >= PAUSE) {
        *last = Some(Instant::now());
        log::warn!(
            "{what}: {cause}. Jobs wait, and none of their attempts is used; raise the limit (ulimit -n, \
             ulimit -u, the memory or the tasks of its container), or give the worker fewer slots"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_run_out_is_told_from_what_is_wrong() {
        let table = [
            (libc::EMFILE, true),
            (libc::ENFILE, true),
            (libc::EAGAIN, true),
            (libc::ENOMEM, true),
            (libc::ENOSPC, true),
            (libc::ETXTBSY, true),
            (libc::ENOENT, false),
            (libc::EACCES, false),
            (libc::ENOEXEC, false),
            (libc::E2BIG, false),
        ];
        for (code, expected) in table {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(is_shortage(&error), expected, "{error}");
        }
    }
}
