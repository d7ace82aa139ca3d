//! What a worker wants to take, and what a reserve found.

use std::time::Duration;

use crate::reserved::Reserved;

/// What a worker wants to take.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// From these queues, the first one first. None while all are paused, or (with no fresh job wanted) while all
    /// slots stay busy: nothing is taken, and what was fetched ahead of a reserve goes back.
    pub queues: &'a [String],
    /// At most this many jobs that are clean. None while the worker only waits for what an earlier connection
    /// held to [come back](super::Driver::came_back).
    pub fresh: usize,
    /// What to do about suspects.
    pub suspects: Suspects,
    /// How long they are held without an extend.
    pub lease: Duration,
}

/// What a reserve does about jobs whose hold has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspects {
    /// Skip the look: the cheapest.
    Ignore,
    /// Say whether any is due.
    Look,
    /// Take at most this many, and say whether more are due. The worker runs each of them alone, so that the loss of
    /// its hold is charged to the right one.
    Take(usize),
    /// Take at most this many of those that were lost for the first time, and say whether any are due that were not
    /// taken. For a worker in which a job that kills what runs it is known at once, and which runs them beside other
    /// jobs: should their holds be lost nevertheless, that is charged to nobody, and they are left for a worker that
    /// runs them alone. One that is given back is as it was.
    TakeUncharged(usize),
}

impl Suspects {
    /// Whether a reserve looks for them at all.
    pub fn are_looked_for(self) -> bool {
        self != Self::Ignore
    }

    /// How many to take at most.
    pub fn most(self) -> usize {
        match self {
            Self::Ignore | Self::Look => 0,
            Self::Take(most) | Self::TakeUncharged(most) => most,
        }
    }

    /// Whether the loss of what is taken is charged.
    pub fn are_charged(self) -> bool {
        !matches!(self, Self::TakeUncharged(_))
    }
}

/// What a reserve found.
#[derive(Debug, Default)]
pub struct Taken {
    /// The jobs, in the order in which they should be begun.
    pub jobs: Vec<Reserved>,
    /// Whether suspects are due that were not taken; false when it did not look.
    pub suspects_due: bool,
    /// Where no job was taken, and only of what was looked for: how long until the next one is due, or the next hold
    /// ends; zero when one is due that could not be taken yet, `None` when unknown.
    pub next_due: Option<Duration>,
    /// Warnings about jobs that are due and can't be taken, each once.
    pub warnings: Vec<String>,
}
