//! How the async driver's worker ended, and what it left unfinished.

use crossbeam::channel::TryRecvError;

use crate::error::{Error, Result};
use crate::worker::Report;

/// The jobs that [`Queue::close`](crate::Queue::close) left in memory. They are lost when the program ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Jobs that are due and did not run.
    pub waiting: u64,
    /// Jobs that are due later.
    pub delayed: u64,
    /// Jobs that are still running.
    pub running: u64,
}

impl Unfinished {
    /// Whether no job is left.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) const PANICKED: &str = "its thread panicked, see the log or what it printed";

/// `None` while it runs.
pub(super) fn how_it_ended(ended: std::result::Result<Result<Report>, TryRecvError>) -> Option<String> {
    match ended {
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => Some(PANICKED.to_owned()),
        Ok(Ok(_)) => Some("it was stopped".to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
    }
}

/// Nothing that waits will be run by this queue.
pub(super) fn has_failed(why: &str) -> Error {
    Error::other(format!("the worker of the async driver has ended: {why}"))
        .with_help("what waits in its memory is not run any more; mend the cause and start the program again")
}
