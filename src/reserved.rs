//! A job in a worker's hands.

use std::time::{Duration, Instant};

use crate::message::{JobId, Message};

/// A job that is held.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reserved {
    /// What was pushed.
    pub message: Message,
    /// What the back end calls it.
    pub id: JobId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether an earlier worker lost or died with it.
    pub suspect: bool,
    /// How long ago a worker first found that it does not know the name; `None` if none did.
    pub unknown_for: Option<Duration>,
    /// How long it had been due when it was taken, by the back end's clock; `None` where that can't be known,
    /// as on AMQP.
    pub due_for: Option<Duration>,
    /// What the last attempt died of, where the back end keeps it.
    pub last_error: Option<String>,
    /// Why it can't be run: a column or header holds what no reader understands, as another program may write
    /// it. The job is buried with this reason and its neighbours run; `message` has what could be read.
    pub unreadable: Option<String>,
    /// Until when nobody else can have it: the moment before the take, plus the lease.
    pub held_until: Instant,
    /// Proves the hold.
    pub receipt: Receipt,
}

impl Reserved {
    /// A clean job of which nothing more is known.
    pub fn new(id: JobId, message: Message, attempt: u32, receipt: Receipt, held_until: Instant) -> Self {
        Self {
            message,
            id,
            attempt,
            suspect: false,
            unknown_for: None,
            due_for: None,
            last_error: None,
            unreadable: None,
            held_until,
            receipt,
        }
    }
}

/// Proves one reservation. What the two numbers mean is the driver's business: a row and a token, or the
/// number of a connection and a delivery tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub u64, pub u64);
