//! How a process ended, in words, and whether this process can learn it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::unix::{Ignored, is_ignored};
use crate::error::{Error, Result};

/// How long a process has between SIGTERM and SIGKILL.
pub(super) const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long a signal that ends a job's process may take to reach the worker too: a service manager sends it to one
/// process after the other.
pub(super) const SAME_SIGNAL: Duration = Duration::from_secs(2);

/// Checks that this process can learn how its children end, those that are programs included.
///
/// # Errors
/// It ignores SIGCHLD: then the system forgets how they ended.
#[cfg(unix)]
pub(crate) fn check_exit_statuses() -> Result<()> {
    if !is_ignored(Ignored::Child) {
        return Ok(());
    }
    Err(Error::config(
        "jobs cannot run in processes of their own: this process ignores SIGCHLD, and so cannot learn how \
         they end",
    )
    .with_help("set the signal to its default action before the worker starts; `trap '' CHLD` is inherited"))
}

/// "killed by SIGSEGV (11)" or "exited with status 3".
pub(super) fn cause(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match name(signal) {
            Some(name) => format!("killed by {name} ({signal})"),
            None => format!("killed by signal {signal}"),
        },
        (None, code) => format!("exited with status {}", code.unwrap_or_default()),
    }
}

/// Whether this is one of the signals that ask programs to end.
pub(super) fn asks_to_stop(signal: Option<i32>) -> bool {
    matches!(signal, Some(libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT))
}

/// The signals that kill.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(cause(ExitStatus::from_raw(11)), "killed by SIGSEGV (11)");
        assert_eq!(cause(ExitStatus::from_raw(3 << 8)), "exited with status 3");
        assert_eq!(cause(ExitStatus::from_raw(60)), "killed by signal 60");
    }
}
