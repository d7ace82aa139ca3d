//! A message to be published, and which of a queue's queues it goes to.

use std::time::Duration;

use super::client_trait::Envelope;
use super::state::State;

/// One message on its way out.
pub(super) struct Publish<'a> {
    /// The queue of the job.
    pub(super) queue: &'a str,
    /// Which of its queues.
    pub(super) place: Place,
    /// How long until it shall be there.
    pub(super) after: Duration,
    /// Its properties.
    pub(super) envelope: Envelope,
    /// Its bytes.
    pub(super) body: &'a [u8],
    /// The tag of the message that it takes the place of.
    pub(super) replaces: Option<u64>,
}

/// Which of the queues that belong to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The queue itself, through the configured exchange.
    Pushed,
    /// The queue itself.
    Work,
    /// Its suspects.
    Suspects,
    /// Its dead.
    Failed,
    /// The names of the queues that have dead.
    FailedQueues,
    /// A queue of ours that was declared already.
    Own(&'static str),
    /// Down from the end of the delay queues, with this key.
    Home(String),
}

impl Place {
    /// Where a job waits that is due.
    pub(super) fn of(state: State) -> Self {
        if state.is_suspect() { Self::Suspects } else { Self::Work }
    }
}
