//! What is held: which deliveries are not acknowledged, and which of them the worker has.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::client_trait::Envelope;
use super::state::State;
use crate::driver::Receipt;

/// A job in the worker's hands.
#[derive(Debug)]
pub(super) struct Held {
    /// Acknowledges it on this connection.
    pub(super) tag: u64,
    pub(super) queue: Arc<str>,
    pub(super) state: State,
    /// For a copy.
    pub(super) envelope: Envelope,
    pub(super) uuid: Arc<str>,
    /// Until when the worker may be believed to have it.
    pub(super) until: Instant,
    /// Its bytes, which are the worker's too.
    pub(super) body: Arc<[u8]>,
    /// The worker had it before this delivery came: should it not show that it still has it, somebody else needs it.
    pub(super) adopted: bool,
}

/// All holds of one connection.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    jobs: HashMap<Receipt, Held>,
    unacked: BTreeSet<u64>,
    /// All tags up to this one have been seen. A higher one may be seen first: a message that was fetched
    /// overtakes those that were delivered and not looked at yet.
    seen: u64,
    seen_beyond: BTreeSet<u64>,
}

impl Deliveries {
    /// A delivery came.
    pub(super) fn delivered(&mut self, tag: u64) {
        self.unacked.insert(tag);
        self.seen_beyond.insert(tag);
        while self.seen_beyond.first() == Some(&(self.seen + 1)) {
            self.seen_beyond.pop_first();
            self.seen += 1;
        }
    }

    /// The worker has it.
    pub(super) fn hold(&mut self, receipt: Receipt, held: Held) {
        self.jobs.insert(receipt, held);
    }

    /// The worker tells what became of it; `None` when it has lost it.
    pub(super) fn release(&mut self, receipt: Receipt) -> Option<Held> {
        self.jobs.remove(&receipt)
    }

    /// The same by its tag, when the worker has it.
    pub(super) fn release_tag(&mut self, tag: u64) -> Option<(Receipt, Held)> {
        let receipt = self.jobs.iter().find(|(_, held)| held.tag == tag).map(|(receipt, _)| *receipt)?;
        Some((receipt, self.jobs.remove(&receipt)?))
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn has(&self, receipt: Receipt) -> bool {
        self.jobs.contains_key(&receipt)
    }

    /// Renews a hold; false when it is not held.
    pub(super) fn extend(&mut self, receipt: Receipt, until: Instant) -> bool {
        self.jobs.get_mut(&receipt).map(|held| held.until = until).is_some()
    }

    /// The acknowledgements for these tags: `(tag, with all before it)`. As few as possible: those before
    /// which nothing stays unacknowledged are one.
    pub(super) fn acks(&mut self, mut tags: Vec<u64>) -> Vec<(u64, bool)> {
        tags.sort_unstable();
        for tag in &tags {
            self.unacked.remove(tag);
        }
        let first_open = self.unacked.first().copied().unwrap_or(u64::MAX).min(self.seen + 1);
        let merged = tags.partition_point(|tag| *tag < first_open);
        let mut acks = Vec::with_capacity(1 + tags.len() - merged);
        if let Some(last) = merged.checked_sub(1) {
            acks.push((tags[last], true));
        }
        acks.extend(tags[merged..].iter().map(|tag| (*tag, false)));
        acks
    }

    /// Takes out the adopted jobs that the worker has shown no sign of since their hold ran out.
    pub(super) fn lapsed(&mut self, now: Instant) -> Vec<(Receipt, Held)> {
        let lapsed = |held: &Held| held.adopted && held.until <= now;
        let receipts: Vec<_> =
            self.jobs.iter().filter(|(_, held)| lapsed(held)).map(|(receipt, _)| *receipt).collect();
        receipts.into_iter().filter_map(|receipt| Some((receipt, self.jobs.remove(&receipt)?))).collect()
    }

    /// Takes out the jobs whose worker is not to be believed any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Receipt, Held)> {
        self.jobs.drain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(tags: std::ops::RangeInclusive<u64>) -> Deliveries {
        let mut deliveries = Deliveries::default();
        tags.for_each(|tag| deliveries.delivered(tag));
        deliveries
    }

    #[test]
    fn acks_without_a_gap_are_one() {
        assert_eq!(delivered(1..=5).acks(vec![3, 1, 2]), [(3, true)]);
        assert_eq!(delivered(1..=3).acks(vec![1, 2, 3]), [(3, true)]);
        assert_eq!(delivered(1..=3).acks(vec![]), []);
    }

    #[test]
    fn an_ack_never_covers_what_is_still_open() {
        let mut deliveries = delivered(1..=6);
        assert_eq!(deliveries.acks(vec![2, 3]), [(2, false), (3, false)]);
        assert_eq!(deliveries.acks(vec![1, 5]), [(1, true), (5, false)]);
        assert_eq!(deliveries.acks(vec![4]), [(4, true)]);
        assert_eq!(deliveries.acks(vec![6]), [(6, true)]);
    }

    #[test]
    fn an_ack_never_covers_what_was_not_seen_yet() {
        let mut deliveries = Deliveries::default();
        deliveries.delivered(1);
        deliveries.delivered(3);
        assert_eq!(deliveries.acks(vec![1, 3]), [(1, true), (3, false)]);
        deliveries.delivered(2);
        deliveries.delivered(4);
        assert_eq!(deliveries.acks(vec![2, 4]), [(4, true)]);
    }
}
