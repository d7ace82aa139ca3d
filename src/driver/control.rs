//! Control messages to the workers of a driver: pause a queue, resume it, restart.

use std::collections::BTreeSet;

use crate::error::Result;

/// Where control messages to the workers of a driver are kept.
pub trait Control: Send {
    /// The state after all messages so far. A worker reads it once a poll, and before its first job.
    ///
    /// # Errors
    /// The flags can't be read.
    fn flags(&mut self) -> Result<ControlFlags>;

    /// Keeps a message durably for all workers, and says whether it changes anything: a restart always does.
    ///
    /// # Errors
    /// The message may not have been kept; sending it again is safe.
    fn send(&mut self, message: &ControlMessage<'_>) -> Result<bool>;
}

/// A message to all workers of a driver, on every machine. A worker obeys within its poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlMessage<'a> {
    /// Take nothing new from this queue until it is resumed; workers that start meanwhile obey too.
    Pause(&'a str),
    /// Take jobs from this queue again.
    Resume(&'a str),
    /// Finish what runs and end. Workers that start afterwards do not obey.
    Restart,
}

/// The state after all control messages to the workers of a driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlFlags {
    /// The queues that are paused.
    pub paused: BTreeSet<String>,
    /// Another number after each [`ControlMessage::Restart`]; `None` before the first. No clock is compared: a
    /// worker goes by the number that it found at its start.
    pub restart: Option<i64>,
}
