//! A job in memory, and which of two goes first.

use std::time::Instant;

use crate::message::Message;
use crate::time;

pub(super) struct Job {
    pub(super) due: Instant,
    pub(super) id: i64,
    pub(super) message: Message,
    pub(super) attempts: u32,
    pub(super) suspect: bool,
    /// It was last handed out uncharged: should it be lost again, it is left for a worker that runs it alone.
    pub(super) uncharged: bool,
    pub(super) unknown_since: Option<Instant>,
    pub(super) last_error: Option<String>,
}

impl Job {
    pub(super) fn new(id: i64, message: Message, now: Instant) -> Self {
        Self {
            due: time::after(now, message.delay),
            id,
            message,
            attempts: 0,
            suspect: false,
            uncharged: false,
            unknown_since: None,
            last_error: None,
        }
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Whichever is due first; among those the one that was pushed first.
impl Ord for Job {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.id).cmp(&(other.due, other.id))
    }
}
