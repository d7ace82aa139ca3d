//! What the broker has of pushes that failed as a whole.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::message::Message;

/// How many messages are remembered: more than are pushed in one call, and their payloads are the caller's anyway.
const LIMIT: usize = 20_000;

/// Messages that have arrived though the call that pushed them failed: one neighbour was refused, or the connection
/// broke. Pushed again, each in a batch of its own or on the next connection, they are not sent again. A message is
/// known by its very bytes, not by their value: the same job pushed anew, as a retry does, is another one.
#[derive(Default)]
pub(super) struct Accepted {
    messages: Mutex<Remembered>,
    count: AtomicUsize,
}

#[derive(Default)]
struct Remembered {
    payloads: HashMap<Arc<str>, Arc<[u8]>>,
    order: VecDeque<Arc<str>>,
}

impl Accepted {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note<'m>(&self, messages: impl Iterator<Item = &'m Message>) {
        let mut remembered = self.lock();
        for Message { uuid, payload, .. } in messages {
            if remembered.payloads.insert(Arc::clone(uuid), Arc::clone(payload)).is_none() {
                remembered.order.push_back(Arc::clone(uuid));
            }
            if remembered.order.len() > LIMIT
                && let Some(oldest) = remembered.order.pop_front()
            {
                remembered.payloads.remove(&oldest);
            }
        }
        self.count.store(remembered.payloads.len(), Ordering::Release);
    }

    /// Whether the broker has it.
    pub(super) fn has(&self, message: &Message) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self
                .lock()
                .payloads
                .get(&message.uuid)
                .is_some_and(|known| Arc::ptr_eq(known, &message.payload))
    }

    /// A push of these went well: nobody asks for them again.
    pub(super) fn forget(&self, messages: &[Message]) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut remembered = self.lock();
        let mut removed = 0;
        for message in messages {
            removed += usize::from(remembered.payloads.remove(&message.uuid).is_some());
        }
        if removed > 0 {
            let Remembered { payloads, order } = &mut *remembered;
            order.retain(|uuid| payloads.contains_key(uuid));
            self.count.store(payloads.len(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> Message {
        Message::new("orders", "Job", payload)
    }

    #[test]
    fn a_message_is_known_by_its_very_bytes_and_until_it_was_pushed_again() {
        let accepted = Accepted::default();
        let pushed = message(b"{}");
        assert!(!accepted.has(&pushed));
        accepted.note([&pushed].into_iter());
        assert!(accepted.has(&pushed.clone()));
        let retried = Message { payload: b"{}".as_slice().into(), ..pushed.clone() };
        assert!(!accepted.has(&retried), "another push of that job");
        accepted.forget(std::slice::from_ref(&pushed));
        assert!(!accepted.has(&pushed));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let accepted = Accepted::default();
        let many: Vec<_> = (0..=LIMIT).map(|_| message(b"")).collect();
        accepted.note(many.iter());
        assert!(!accepted.has(&many[0]) && accepted.has(&many[1]) && accepted.has(&many[LIMIT]));
    }
}
