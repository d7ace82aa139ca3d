//! What a worker settles, and what a settle answers.

use std::time::Duration;

use crate::failed::Failure;
use crate::message::JobId;
use crate::reserved::{Receipt, Reserved};

/// What became of a job.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    /// The job.
    pub job: &'a Reserved,
    /// What shall be done with it.
    pub verdict: Verdict,
}

/// What a settle does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Remove it.
    Done,
    /// It ran and survived: put it back, due after a while, no suspect any more.
    Again {
        /// How long until it is due.
        after: Duration,
        /// Whether the attempt counts; if not, it is taken back.
        counted: bool,
        /// What went wrong, kept where the back end can.
        error: String,
    },
    /// It is dead, and the failed jobs can't take it now: put it back with all its attempts used, so that the next
    /// take finds it over its limit, and no worker runs it again.
    Exhausted {
        /// How long until it is due.
        after: Duration,
        /// How many attempts it then has, at least.
        attempts: u32,
        /// What it died of, kept where the back end can.
        error: String,
    },
    /// It was not run because its name is unknown: put it back, take the attempt back, keep it a suspect if
    /// it is one, and note when that was first so.
    Unknown {
        /// How long until it is due.
        after: Duration,
    },
    /// It was not run to an end: put it back, take the attempt back, keep it a suspect if it is one.
    /// Without a delay it keeps its place in line.
    Unstarted {
        /// How long until it is due.
        after: Duration,
    },
    /// It is dead: move it to the failed jobs, in one transaction. Only sent to one that
    /// [`buries`](super::Driver::buries).
    Bury(Failure),
}

impl Verdict {
    /// How long until a job that is put back is due.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Done | Self::Bury(_) => None,
            Self::Again { after, .. }
            | Self::Exhausted { after, .. }
            | Self::Unknown { after }
            | Self::Unstarted { after } => Some(*after),
        }
    }

    /// What went wrong in a job that is put back, to be kept with it.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Again { error, .. } | Self::Exhausted { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// What a settle has to tell; what it does not name went as asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The holds that were lost: nothing was changed for these.
    pub lost: Vec<Receipt>,
    /// The jobs that were buried, and what the failed jobs call them. A burial that is settled again, because the
    /// first answer was lost, is named here and not among the lost ones.
    pub buried: Vec<(Receipt, JobId)>,
    /// What the back end refuses to write down, and would refuse again: nothing was changed for these, and they are
    /// still held. With the reason.
    pub refused: Vec<(Receipt, String)>,
    /// The jobs that somebody else has locked in the back end, so that nothing could be changed for these yet: they
    /// are still held, and are to be settled again a little later.
    pub locked: Vec<Receipt>,
    /// What the back end has not written down yet, because it takes nothing now: these are still held, and to be
    /// settled again. The call has waited for a moment.
    pub pending: Vec<Receipt>,
}
