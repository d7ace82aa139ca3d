//! How a worker ends: the states from work to the end, and what it does last. Pure.

use std::time::Instant;

use super::StopReason;
use crate::error::Error;

/// How far a worker is on its way to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It works.
    No,
    /// It takes nothing new and waits for what runs: until `deadline` when it was asked to stop, and for as long as
    /// that takes when it ends by itself.
    Waiting { why: StopReason, deadline: Option<Instant> },
    /// A job is stuck in its thread: the worker takes nothing new and waits for the others.
    Stuck,
    /// It ends now, whatever runs.
    Now(StopReason),
    /// Nothing can be run any more.
    Broken(Error),
}

/// What is left to do in a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Whether nothing is held and no hook runs.
    pub(super) idle: bool,
    /// Whether every outcome is written down.
    pub(super) written: bool,
    /// Whether every held job is stuck.
    pub(super) all_stuck: bool,
    /// Whether the worker ends when nothing is left, and nothing is left.
    pub(super) empty: bool,
}

/// What a worker does with the jobs that it still holds at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastAct {
    /// Nothing runs.
    Nothing,
    /// Ends what runs where that is possible, and gives back what has not begun.
    GiveUp,
    /// The same, and gives back what runs: the process ends, or the jobs end with their child processes.
    GiveUpAndInterrupt,
    /// Counts an attempt for each job that is stuck: the process ends, and the job with it.
    CountStuck,
}

impl Stop {
    pub(super) fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// Begins to end for this reason; says whether that is news. A worker that ends by itself can still be asked to
    /// hurry.
    pub(super) fn begin(&mut self, why: StopReason, deadline: Option<Instant>) -> bool {
        let begins = match self {
            Self::No | Self::Stuck => true,
            Self::Waiting { deadline: None, .. } => why == StopReason::Stopped,
            Self::Waiting { .. } | Self::Now(_) | Self::Broken(_) => false,
        };
        if begins {
            *self = Self::Waiting { why, deadline };
        }
        begins
    }

    /// The grace is over: nothing is waited for any more.
    pub(super) fn hurry(&mut self) {
        if let Self::Waiting { why, .. } = *self {
            *self = Self::Now(why);
        }
    }

    /// Jobs that were to be the last of a limit went back: the limit is not reached.
    pub(super) fn take_back_job_limit(&mut self) {
        if self.waits_for_last_jobs() {
            *self = Self::No;
        }
    }

    fn waits_for_last_jobs(&self) -> bool {
        matches!(self, Self::Waiting { why: StopReason::JobLimit, .. })
    }

    /// Whether jobs that are ready may still begin.
    pub(super) fn begins_jobs(&self) -> bool {
        self.is_no() || self.waits_for_last_jobs()
    }

    /// Whether control flags still matter: a worker that ends may hold jobs that have not begun.
    pub(super) fn obeys(&self) -> bool {
        matches!(self, Self::No | Self::Waiting { .. })
    }

    /// When the grace is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting { deadline, .. } => *deadline,
            _ => None,
        }
    }

    pub(super) fn is_over(&self, left: &Left) -> bool {
        match self {
            Self::Now(_) | Self::Broken(_) => true,
            Self::Waiting { .. } => left.idle && left.written,
            Self::Stuck => left.all_stuck && left.written,
            Self::No => left.empty && left.idle && left.written,
        }
    }

    /// Why the worker ended, for its report.
    pub(super) fn reason(&self) -> Option<StopReason> {
        match self {
            Self::No => Some(StopReason::Empty),
            Self::Waiting { why, .. } | Self::Now(why) => Some(*why),
            Self::Stuck | Self::Broken(_) => None,
        }
    }

    /// What is done with the jobs that are still held. `may_interrupt`: they end with this process, or can be ended.
    pub(super) fn last_act(&self, may_interrupt: bool) -> LastAct {
        match (self, may_interrupt) {
            (Self::Now(_) | Self::Broken(_), true) => LastAct::GiveUpAndInterrupt,
            (Self::Now(_) | Self::Broken(_), false) => LastAct::GiveUp,
            (Self::Stuck, true) => LastAct::CountStuck,
            (Self::Stuck, false) | (Self::No | Self::Waiting { .. }, _) => LastAct::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn waiting(why: StopReason) -> Stop {
        Stop::Waiting { why, deadline: None }
    }

    fn asked(now: Instant) -> Stop {
        Stop::Waiting { why: StopReason::Stopped, deadline: Some(now + Duration::from_secs(1)) }
    }

    #[test]
    fn the_first_reason_to_end_counts_and_a_request_sets_a_deadline() {
        use StopReason::{JobLimit, Restarted, Stopped, StoppedNow, TimeLimit};
        let now = Instant::now();
        #[rustfmt::skip] // a table
        let table = [
            (Stop::No, Stopped, Some(Stopped)),
            (Stop::No, JobLimit, Some(JobLimit)),
            (Stop::Stuck, Stopped, Some(Stopped)),
            (waiting(JobLimit), Stopped, Some(Stopped)),
            (waiting(JobLimit), TimeLimit, None),
            (waiting(Restarted), Restarted, None),
            (asked(now), Stopped, None),
            (asked(now), Restarted, None),
            (Stop::Now(StoppedNow), Stopped, None),
            (Stop::Broken(Error::other("no")), Stopped, None),
        ];
        for (mut stop, why, expected) in table {
            let before = format!("{stop:?}");
            let deadline = (why == Stopped).then_some(now);
            assert_eq!(stop.begin(why, deadline), expected.is_some(), "{before}, then {why:?}");
            match expected {
                Some(why) => assert!(
                    matches!(stop, Stop::Waiting { why: other, deadline: at } if other == why && at == deadline),
                    "{before}: {stop:?}"
                ),
                None => assert_eq!(format!("{stop:?}"), before),
            }
        }
    }

    #[test]
    fn what_each_state_allows() {
        let now = Instant::now();
        #[rustfmt::skip] // a table: state; takes jobs, begins ready jobs, obeys control flags, has a deadline
        let table = [
            (Stop::No, true, true, true, false),
            (waiting(StopReason::JobLimit), false, true, true, false),
            (waiting(StopReason::TimeLimit), false, false, true, false),
            (asked(now), false, false, true, true),
            (Stop::Stuck, false, false, false, false),
            (Stop::Now(StopReason::StoppedNow), false, false, false, false),
            (Stop::Broken(Error::other("no")), false, false, false, false),
        ];
        for (stop, takes, begins, obeys, has_deadline) in table {
            let allows = (stop.is_no(), stop.begins_jobs(), stop.obeys(), stop.deadline().is_some());
            assert_eq!(allows, (takes, begins, obeys, has_deadline), "{stop:?}");
        }
    }

    #[test]
    fn when_each_state_is_over() {
        let now = Instant::now();
        let nothing = Left { idle: true, written: true, all_stuck: true, empty: true };
        let runs = Left { idle: false, all_stuck: false, ..nothing };
        let stuck = Left { idle: false, ..nothing };
        let unwritten = Left { written: false, ..nothing };
        let more_is_due = Left { empty: false, ..nothing };
        #[rustfmt::skip] // a table: state; nothing left, a job runs, only stuck jobs, an outcome is unwritten, more is due
        let table = [
            (Stop::No, [true, false, false, false, false]),
            (waiting(StopReason::JobLimit), [true, false, false, false, true]),
            (asked(now), [true, false, false, false, true]),
            (Stop::Stuck, [true, false, true, false, true]),
            (Stop::Now(StopReason::StoppedNow), [true; 5]),
            (Stop::Broken(Error::other("no")), [true; 5]),
        ];
        for (stop, expected) in table {
            let over = [nothing, runs, stuck, unwritten, more_is_due].map(|left| stop.is_over(&left));
            assert_eq!(over, expected, "{stop:?}");
        }
    }

    #[test]
    fn what_is_done_last() {
        let now = Instant::now();
        #[rustfmt::skip] // a table: state; in a process that ends, in one that goes on
        let table = [
            (Stop::No, LastAct::Nothing, LastAct::Nothing),
            (asked(now), LastAct::Nothing, LastAct::Nothing),
            (Stop::Stuck, LastAct::CountStuck, LastAct::Nothing),
            (Stop::Now(StopReason::Stopped), LastAct::GiveUpAndInterrupt, LastAct::GiveUp),
            (Stop::Broken(Error::other("no")), LastAct::GiveUpAndInterrupt, LastAct::GiveUp),
        ];
        for (stop, ends, goes_on) in table {
            assert_eq!((stop.last_act(true), stop.last_act(false)), (ends, goes_on), "{stop:?}");
        }
    }

    #[test]
    fn transitions_that_need_a_state_leave_the_others_alone() {
        let now = Instant::now();
        let mut stop = asked(now);
        stop.hurry();
        assert!(matches!(stop, Stop::Now(StopReason::Stopped)));
        let mut stop = Stop::No;
        stop.hurry();
        assert!(stop.is_no());
        let mut stop = waiting(StopReason::JobLimit);
        stop.take_back_job_limit();
        assert!(stop.is_no());
        let mut stop = waiting(StopReason::TimeLimit);
        stop.take_back_job_limit();
        assert!(!stop.is_no());
    }
}
