//! Copies that were sent to a broker that takes nothing now.
//!
//! A broker that is short of memory or disk space stops reading from who publishes, and goes on where it stopped. So a
//! copy that it has not answered is neither sent again nor given up: its original stays held until the answer comes.

use std::time::Duration;

use super::publisher::{Parcel, Publisher};
use crate::error::Result;

/// One that was sent and not answered.
pub(super) struct HeldUp {
    /// The number of its publish.
    number: u64,
    message_id: Option<String>,
    /// The tag of the message that it takes the place of.
    pub(super) tag: u64,
}

impl HeldUp {
    pub(super) fn of(parcel: &Parcel<'_>, number: u64) -> Option<Self> {
        let message_id = parcel.envelope.message_id.clone();
        Some(Self { number, message_id, tag: parcel.replaces? })
    }
}

impl Publisher {
    /// Whether copies are waited for: nothing else is sent meanwhile.
    pub(super) fn is_held_up(&self) -> bool {
        !self.held_up.is_empty()
    }

    /// Waits for answers to what is held up, at most for so long, and says the tags of those that have arrived. What
    /// the broker refused, or had no queue for, is not held up any more, and may be sent again.
    pub(super) fn proceed(&mut self, limit: Duration) -> Result<Vec<u64>> {
        if self.held_up.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.outbox.answers(limit)?;
        let mut arrived = Vec::new();
        for confirm in answers.confirms {
            let is_meant = |one: &HeldUp| match confirm.multiple {
                true => one.number <= confirm.number,
                false => one.number == confirm.number,
            };
            let came_back =
                |one: &HeldUp| answers.returned.iter().any(|id| one.message_id.as_ref() == Some(id));
            let meant = self.held_up.iter().filter(|one| is_meant(one));
            arrived.extend(meant.filter(|one| confirm.ok && !came_back(one)).map(|one| one.tag));
            self.held_up.retain(|one| !is_meant(one));
        }
        Ok(arrived)
    }
}
