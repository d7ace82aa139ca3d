//! What an exchange with the back end needs of the worker: the connection, the schedule, and the options.

use std::time::{Duration, Instant};

use super::WorkerOptions;
use super::connection::Connection;
use super::schedule::Schedule;

/// Work that is done one by one is interrupted after this long, to read the inbox.
const SLICE: Duration = Duration::from_millis(100);

pub(super) struct Turn<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) schedule: &'a mut Schedule,
    pub(super) options: &'a WorkerOptions,
    /// The worker is on its way to its end.
    pub(super) stops: bool,
}

impl Turn<'_> {
    /// Until when a turn may go on with work that is done one by one.
    pub(super) fn slice(&self) -> Instant {
        self.schedule.extend_at().min(Instant::now() + SLICE)
    }
}
