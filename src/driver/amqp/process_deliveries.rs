//! What a whole process holds, over all of its connections.
//!
//! A worker knows its jobs by their uuid, and a message's id need not be one: others give one id to several
//! messages, or none. So a delivery gets its message's id as long as no other job of this process has that, else
//! one of its own. And a connection that is lost takes no job from the thread that runs it: the broker gives the
//! message to somebody at once, and when that is this process again, the new delivery continues the old hold.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client_trait::Envelope;
use super::deliveries::{Deliveries, Held};
use crate::driver::Receipt;
use crate::message::new_uuid;

/// What tells a message from others when it comes again: a digest of its id, name and body. Two that are equal in
/// all of these may be taken for each other.
pub(super) type Print = u64;

/// How long what a lost connection left is remembered: the worker may be waiting for the broker.
const KEPT: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
pub(super) struct ProcessDeliveries {
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct State {
    /// The jobs of which the worker has not told yet what became of them.
    in_hand: HashMap<Arc<str>, Receipt>,
    /// Those whose connection was lost.
    orphans: HashMap<Receipt, Orphan>,
    /// The same, by what the message looks like.
    by_print: HashMap<Print, Vec<Receipt>>,
    /// Messages that were here when a connection was lost, and of which nobody died: how many of each.
    survivors: HashMap<Print, (u32, Instant)>,
    /// What was settled by a call that failed: the next one asks for it again.
    settled: HashMap<Receipt, Instant>,
}

#[derive(Debug)]
struct Orphan {
    uuid: Arc<str>,
    print: Print,
    until: Instant,
}

impl State {
    fn add_orphan(&mut self, receipt: Receipt, orphan: Orphan) {
        self.by_print.entry(orphan.print).or_default().push(receipt);
        self.orphans.insert(receipt, orphan);
    }

    fn remove_orphan(&mut self, receipt: Receipt) -> Option<Orphan> {
        let orphan = self.orphans.remove(&receipt)?;
        if let Some(receipts) = self.by_print.get_mut(&orphan.print) {
            receipts.retain(|other| *other != receipt);
            if receipts.is_empty() {
                self.by_print.remove(&orphan.print);
            }
        }
        Some(orphan)
    }

    fn release(&mut self, uuid: &str, receipt: Receipt) {
        if self.in_hand.get(uuid) == Some(&receipt) {
            self.in_hand.remove(uuid);
        }
    }

    fn drop_old(&mut self) {
        let is_old = |since: &Instant| since.elapsed() > KEPT;
        let old: Vec<_> = self
            .orphans
            .iter()
            .filter(|(_, orphan)| is_old(&orphan.until))
            .map(|(receipt, _)| *receipt)
            .collect();
        for receipt in old {
            if let Some(orphan) = self.remove_orphan(receipt) {
                self.release(&orphan.uuid, receipt);
            }
        }
        self.survivors.retain(|_, (_, since)| !is_old(since));
        self.settled.retain(|_, since| !is_old(since));
    }
}

impl ProcessDeliveries {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn print(&self, envelope: &Envelope, body: &[u8]) -> Print {
        self.hasher.hash_one((&envelope.message_id, &envelope.name, body))
    }

    /// The uuid under which the worker is given a delivery. One that it has already, and lost, keeps its own, so
    /// that the worker goes on with it.
    pub(super) fn name(&self, receipt: Receipt, envelope: &Envelope, body: &[u8]) -> Arc<str> {
        let mut state = self.lock();
        let runs_here = match state.orphans.is_empty() {
            true => None,
            false => state.by_print.get(&self.print(envelope, body)).and_then(|same| same.first().copied()),
        };
        let orphan = runs_here.and_then(|receipt| state.remove_orphan(receipt));
        let uuid = match (orphan, envelope.message_id.as_deref()) {
            (Some(orphan), _) => orphan.uuid,
            (None, Some(id)) if !id.is_empty() && !state.in_hand.contains_key(id) => id.into(),
            _ => new_uuid(),
        };
        state.in_hand.insert(Arc::clone(&uuid), receipt);
        uuid
    }

    /// The worker told what became of a job that a connection held.
    pub(super) fn release(&self, uuid: &str, receipt: Receipt) {
        self.lock().release(uuid, receipt);
    }

    /// A connection is gone: remembers what it still held, and that no message that was unread there caused its end.
    pub(super) fn leave(&self, deliveries: &mut Deliveries, unread: impl Iterator<Item = Print>) {
        let mut state = self.lock();
        state.drop_old();
        let now = Instant::now();
        let mut survived = |print| state.survivors.entry(print).or_insert((0, now)).0 += 1;
        unread.for_each(&mut survived);
        let held: Vec<_> = deliveries
            .drain()
            .map(|(receipt, held)| (receipt, self.print(&held.envelope, &held.body), held))
            .collect();
        for (receipt, print, Held { uuid, until, .. }) in held {
            state.add_orphan(receipt, Orphan { uuid, print, until });
        }
    }

    /// Its worker has shown no sign of it since it came back: somebody else may have it, but it may still run here.
    pub(super) fn lapse(&self, receipt: Receipt, held: &Held) {
        let print = self.print(&held.envelope, &held.body);
        let orphan = Orphan { uuid: Arc::clone(&held.uuid), print, until: held.until };
        self.lock().add_orphan(receipt, orphan);
    }

    /// The receipt and the uuid under which a job still runs here, and until when that may be believed.
    pub(super) fn adopt(&self, print: Print) -> Option<(Receipt, Arc<str>, Instant)> {
        let mut state = self.lock();
        let now = Instant::now();
        let receipts = state.by_print.get(&print)?;
        let receipt = *receipts.iter().find(|receipt| state.orphans[receipt].until > now)?;
        let orphan = state.remove_orphan(receipt)?;
        Some((receipt, orphan.uuid, orphan.until))
    }

    /// Whether a message that comes again was here when a connection was lost: asked once for each.
    pub(super) fn has_survived(&self, print: Print) -> bool {
        self.lock().take_survivor(print)
    }

    /// The worker told what became of a job that no connection holds any more. While its hold lasted, that was no
    /// death.
    pub(super) fn forget(&self, uuid: &str, receipt: Receipt) {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(orphan) = state.remove_orphan(receipt).filter(|orphan| orphan.until > now) {
            state.survivors.entry(orphan.print).or_insert((0, now)).0 += 1;
        }
        state.release(uuid, receipt);
    }

    /// The worker shows that it still has it; false when nothing is known of it here.
    pub(super) fn extend(&self, receipt: Receipt, until: Instant) -> bool {
        self.lock().orphans.get_mut(&receipt).map(|orphan| orphan.until = until).is_some()
    }

    /// These were settled, but the call as a whole failed.
    pub(super) fn note_settled(&self, receipts: impl Iterator<Item = Receipt>) {
        let now = Instant::now();
        self.lock().settled.extend(receipts.map(|receipt| (receipt, now)));
    }

    /// The same, asked any number of times.
    pub(super) fn is_settled(&self, receipt: Receipt) -> bool {
        let state = self.lock();
        !state.settled.is_empty() && state.settled.contains_key(&receipt)
    }

    /// How many jobs may come back whose workers still show that they have them.
    pub(super) fn away(&self, now: Instant) -> usize {
        self.lock().orphans.values().filter(|orphan| orphan.until > now).count()
    }

    /// Whether it was settled by a call that failed; said once.
    pub(super) fn was_settled(&self, receipt: Receipt) -> bool {
        let mut state = self.lock();
        !state.settled.is_empty() && state.settled.remove(&receipt).is_some()
    }
}

impl State {
    fn take_survivor(&mut self, print: Print) -> bool {
        let Some((count, _)) = self.survivors.get_mut(&print) else { return false };
        *count -= 1;
        if *count == 0 {
            self.survivors.remove(&print);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(id: &str) -> Envelope {
        Envelope { message_id: Some(id.into()).filter(|id: &String| !id.is_empty()), ..Envelope::default() }
    }

    fn held(process: &ProcessDeliveries, receipt: Receipt, id: &str, until: Instant) -> Held {
        let (envelope, body) = (envelope(id), Arc::from(id.as_bytes()));
        let uuid = process.name(receipt, &envelope, &body);
        let (tag, state) = (receipt.1, Default::default());
        Held { tag, queue: "q".into(), state, envelope, uuid, until, body, adopted: false }
    }

    #[test]
    fn an_orphan_is_adopted_once_and_only_while_its_hold_lasts() {
        let (process, mut deliveries) = (ProcessDeliveries::default(), Deliveries::default());
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        for (tag, id, until) in [(1, "runs", later), (2, "over", now), (3, "settled", later)] {
            deliveries.hold(Receipt(1, tag), held(&process, Receipt(1, tag), id, until));
        }
        process.leave(&mut deliveries, std::iter::empty());
        process.forget("settled", Receipt(1, 3));
        let print = |id: &str| process.print(&envelope(id), id.as_bytes());
        assert_eq!(process.adopt(print("runs")), Some((Receipt(1, 1), "runs".into(), later)));
        for gone in ["runs", "over", "settled", "never"] {
            assert_eq!(process.adopt(print(gone)), None, "{gone}");
        }
        // What the worker settled in time killed no worker, and that is noted once.
        for (id, survived) in [("runs", false), ("over", false), ("settled", true), ("settled", false)] {
            assert_eq!(process.has_survived(print(id)), survived, "{id}");
        }
        // The worker may still run what has come too late.
        assert_eq!(&*process.name(Receipt(2, 1), &envelope("over"), b"over"), "over");
    }

    #[test]
    fn no_two_jobs_of_a_process_have_one_uuid() {
        let process = ProcessDeliveries::default();
        let name = |tag, id| process.name(Receipt(1, tag), &envelope(id), &[tag as u8]);
        let first = name(1, "id");
        let others = [name(2, "id"), name(3, "id"), name(4, ""), name(5, "")];
        assert_eq!(&*first, "id");
        assert!(others.iter().all(|other| other.len() == 36), "{others:?}");
        process.release(&first, Receipt(1, 2));
        assert_ne!(&*name(6, "id"), "id", "that was another one's receipt");
        process.release(&first, Receipt(1, 1));
        assert_eq!(&*name(7, "id"), "id");
    }

    #[test]
    fn what_a_failed_call_has_settled_is_known_once() {
        let process = ProcessDeliveries::default();
        process.note_settled([Receipt(1, 1)].into_iter());
        let settled = [1, 1, 2].map(|tag| process.was_settled(Receipt(1, tag)));
        assert_eq!(settled, [true, false, false]);
    }
}
