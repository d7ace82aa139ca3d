//! What people tell the workers of a driver: pause a queue, resume it, end to be started again.

use std::collections::BTreeSet;

/// Something to tell all workers of a driver, on every machine. A worker obeys within its poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlMessage<'a> {
    /// Take nothing new from this queue until it is resumed, whatever is started anew meanwhile.
    Pause(&'a str),
    /// Take jobs from this queue again.
    Resume(&'a str),
    /// Finish what runs and end. Workers that are started afterwards are not meant.
    Restart,
}

/// What a driver's workers are told, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlFlags {
    /// The queues that are paused.
    pub paused: BTreeSet<String>,
    /// Another number after each [`ControlMessage::Restart`]; `None` before the first. No clock is compared: a
    /// worker goes by what it found at its start.
    pub restart: Option<i64>,
}
