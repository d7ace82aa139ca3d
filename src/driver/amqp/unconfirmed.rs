//! Records of dead jobs that were sent to a broker that takes nothing now: none of them is sent twice.

use std::collections::HashSet;
use std::sync::Arc;

use super::digest::digest_of;
use super::publisher::{A_MOMENT, Publisher};
use crate::driver::Reserved;
use crate::error::Result;

/// What tells the record of one death from others.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Death {
    uuid: Arc<str>,
    attempt: u32,
    digest: String,
}

impl Death {
    pub(super) fn of(job: &Reserved) -> Self {
        let digest = digest_of(&job.message.payload);
        Self { uuid: Arc::clone(&job.message.uuid), attempt: job.attempt, digest }
    }
}

/// What was sent by one connection.
#[derive(Default)]
pub(super) struct Unconfirmed {
    /// The number of the last publish.
    last: u64,
    sent: Vec<(u64, Death)>,
    arrived: HashSet<Death>,
}

impl Unconfirmed {
    /// A number for the next publish.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// It went by the publish of this number, and was not confirmed.
    pub(super) fn sent(&mut self, number: u64, death: Death) {
        self.sent.push((number, death));
    }

    /// Waits a moment for the broker's word on what was sent.
    ///
    /// # Errors
    /// The connection is lost: nobody will know.
    pub(super) fn hear(&mut self, publisher: &mut Publisher) -> Result<()> {
        let heard = publisher.proceed(A_MOMENT).inspect_err(|_| publisher.held_up.clear())?;
        for (number, death) in std::mem::take(&mut self.sent) {
            if heard.contains(&number) {
                self.arrived.insert(death);
            } else if publisher.is_held_up() {
                self.sent.push((number, death));
            }
        }
        Ok(())
    }

    /// Whether the broker has it by now; said once.
    pub(super) fn has_arrived(&mut self, death: &Death) -> bool {
        self.arrived.remove(death)
    }
}
