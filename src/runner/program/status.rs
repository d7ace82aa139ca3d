//! What the end of a program means for its job.

use std::process::ExitStatus;

use crate::job::JobError;
use crate::policy::Outcome;
use crate::runner::death;

/// Not yet: again after the backoff, without using up an attempt. EX_TEMPFAIL of sysexits.h.
const AGAIN: i32 = 75;

/// No further attempt makes sense. EX_DATAERR of sysexits.h.
const FAIL_NOW: i32 = 65;

/// `said` is the end of what it wrote to stderr.
pub(super) fn outcome(status: ExitStatus, said: &str) -> Outcome {
    if status.success() {
        return Outcome::Ok;
    }
    let cause = death::cause(status);
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
    use std::os::unix::process::ExitStatusExt;
    use std::time::Duration;

    use super::*;
    use crate::backoff::Backoff;
    use crate::policy::{Judgement, Limits, Policy};

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
