//! How the async driver's pool ended, and what it left behind.

use crossbeam::channel::TryRecvError;

use crate::error::{Error, Result};
use crate::worker::Report;

/// What [`Queue::close`](crate::Queue::close) left behind, in memory only: it is gone with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Due and not run.
    pub waiting: u64,
    /// Due later.
    pub delayed: u64,
    /// Still running.
    pub running: u64,
}

impl Unfinished {
    /// Whether everything was worked off.
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
