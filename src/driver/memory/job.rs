//! A job in memory, and which of two goes first.

use std::time::Instant;

use crate::driver::job_state::Lifecycle;
use crate::message::Message;

pub(super) struct Job {
    pub(super) life: Lifecycle<Instant>,
    pub(super) id: i64,
    pub(super) message: Message,
    pub(super) last_error: Option<String>,
}

impl Job {
    pub(super) fn new(id: i64, message: Message, now: Instant) -> Self {
        Self { life: Lifecycle::new(now, message.delay), id, message, last_error: None }
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
        (self.life.due, self.id).cmp(&(other.life.due, other.id))
    }
}
