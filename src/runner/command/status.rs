//! What the end of a program means for its job.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::job::JobError;
use crate::policy::Outcome;
use crate::runner::exit_status;

/// Not yet: again after the backoff, without using up an attempt. EX_TEMPFAIL of sysexits.h.
const AGAIN: i32 = 75;

/// No further attempt makes sense. EX_DATAERR of sysexits.h.
const FAIL_NOW: i32 = 65;

/// Whether it may have ended because it was asked to stop: by one of the signals that ask for that, or with the
/// status that shells and programs make of one.
pub(super) fn may_be_asked_to_stop(status: ExitStatus) -> bool {
    exit_status::asks_to_stop(status.signal().or_else(|| status.code().map(|code| code - 128)))
}

/// `said` is the end of what it wrote to stderr.
pub(super) fn outcome(status: ExitStatus, said: &str) -> Outcome {
    if status.success() {
        return Outcome::Ok;
    }
    let cause = exit_status::cause(status);
    let message = match said.trim() {
        "" => cause,
        said => format!("{cause}: {said}"),
    };
    Outcome::Failed(match status.code() {
        Some(AGAIN) => JobError::again(message),
        Some(FAIL_NOW) => JobError::fail_now(message),
        _ => JobError::new(message),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backoff::Backoff;
    use crate::policy::{Judgement, Limits, Policy};

    #[test]
    fn who_was_told_to_stop_ends_by_that_signal_or_with_its_status() {
        let told = |status| may_be_asked_to_stop(ExitStatus::from_raw(status));
        for status in [15, 2, 1, 3, 143 << 8, 130 << 8, 129 << 8, 131 << 8] {
            assert!(told(status), "{status}");
        }
        for status in [0, 9, 11, 6, 1 << 8, 15 << 8, 137 << 8, 127 << 8] {
            assert!(!told(status), "{status}");
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        let again = |counted, error: &str| Judgement::Again {
            after: Duration::from_secs(5),
            counted,
            error: error.into(),
        };
        let table = [
            (0, "warning\n", Judgement::Done),
            (1 << 8, "", again(true, "exited with status 1")),
            (1 << 8, "no disk\n", again(true, "exited with status 1: no disk")),
            (75 << 8, "busy", again(false, "exited with status 75: busy")),
            (65 << 8, "bad", Judgement::Bury { exception: "exited with status 65: bad".into() }),
            (9, "", again(true, "killed by SIGKILL (9)")),
        ];
        let limits = Limits { backoff: Backoff::fixed(Duration::from_secs(5)), ..Limits::default() };
        for (status, said, expected) in table {
            let outcome = outcome(ExitStatus::from_raw(status), said);
            assert_eq!(Policy::default().judge(1, &outcome, &limits, 0.5), expected, "{status}");
        }
    }
}
