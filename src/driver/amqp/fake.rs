//! A broker in memory behind the client's port, which keeps a log of its calls.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::client_trait::{Address, Answers, Arrival, Client, Confirm, Envelope, Inbox, Object, Outbox};
use super::delay_queues;
use super::digest::digest;
use crate::driver::Notifier;
use crate::error::{Error, Result};

/// A message in a queue.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) envelope: Envelope,
    pub(super) body: Vec<u8>,
    redelivered: bool,
}

/// What the broker has, and how it behaves.
#[derive(Default)]
pub(super) struct Broker {
    pub(super) queues: HashMap<String, VecDeque<Stored>>,
    delayed: Vec<(Duration, String, Stored)>,
    /// `publish orders`, `ack orders`, `flush`, in the order in which they came.
    pub(super) log: Vec<String>,
    /// It refuses what is published.
    pub(super) full: bool,
    /// How many it refuses before it has a leader.
    pub(super) refuse_next: usize,
    /// It says nothing any more.
    pub(super) silent: bool,
}

impl Broker {
    /// Puts back what a connection held.
    fn requeue(&mut self, queue: &str, mut stored: Stored) {
        stored.redelivered = true;
        self.queues.entry(queue.into()).or_default().push_front(stored);
    }
}

#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<Broker>>);

impl Fake {
    pub(super) fn broker(&self) -> MutexGuard<'_, Broker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was killed and has started again: it says of all it has that somebody had it.
    pub(super) fn start_again(&self) {
        let mut broker = self.broker();
        broker.queues.values_mut().for_each(|queue| queue.retain(|stored| !stored.envelope.passing));
        broker.queues.values_mut().flatten().for_each(|stored| stored.redelivered = true);
    }

    /// All delays are over; answers how long they were.
    pub(super) fn let_time_pass(&self) -> Vec<Duration> {
        let mut broker = self.broker();
        let delayed = std::mem::take(&mut broker.delayed);
        let mut waits = Vec::new();
        for (wait, key, stored) in delayed {
            waits.push(wait);
            let queue = broker.queues.iter_mut().find(|(name, _)| digest(name) == key);
            queue.expect("its queue is there").1.push_back(stored);
        }
        waits
    }
}

impl Client for Fake {
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        Ok(Box::new(FakeOutbox { fake: self.clone(), published: 0, answers: Answers::default() }))
    }

    fn inbox(&self, _: Notifier) -> Result<Box<dyn Inbox>> {
        let (subscribed, unacked) = (BTreeMap::new(), BTreeMap::new());
        Ok(Box::new(FakeInbox { fake: self.clone(), last_tag: 0, subscribed, unacked }))
    }

    fn lost(&self, _: &str) {}
}

fn declare(fake: &Fake, objects: &[Object]) {
    for object in objects {
        if let Object::Queue { name, .. } = object {
            fake.broker().queues.entry(name.clone()).or_default();
        }
    }
}

struct FakeOutbox {
    fake: Fake,
    published: u64,
    answers: Answers,
}

impl Outbox for FakeOutbox {
    fn declare(&mut self, objects: &[Object]) -> Result<()> {
        declare(&self.fake, objects);
        Ok(())
    }

    fn declare_exactly(&mut self, queue: &Object) -> Result<bool> {
        declare(&self.fake, std::slice::from_ref(queue));
        Ok(true)
    }

    fn declare_unless_away(&mut self, queue: &Object) -> Result<bool> {
        self.declare_exactly(queue)
    }

    fn count(&mut self, queue: &str) -> Result<u64> {
        Ok(self.fake.broker().queues[queue].len() as u64)
    }

    fn publish(&mut self, address: &Address, envelope: &Envelope, body: &[u8], _: Duration) -> Result<()> {
        self.published += 1;
        let mut broker = self.fake.broker();
        let stored = Stored { envelope: envelope.clone(), body: body.to_vec(), redelivered: false };
        let ok = !broker.full && broker.refuse_next == 0;
        broker.refuse_next = broker.refuse_next.saturating_sub(1);
        let confirm = Confirm { number: self.published, multiple: false, ok };
        if broker.silent {
            return Ok(());
        }
        self.answers.confirms.push(confirm);
        let key = &address.routing_key;
        broker.log.push(format!("publish {key}"));
        match broker.queues.get_mut(key) {
            _ if !ok => {}
            Some(queue) => queue.push_back(stored),
            None => match delay_queues::decode(key) {
                Some((wait, digest)) => broker.delayed.push((wait, digest.to_owned(), stored)),
                None => self.answers.returned.extend(envelope.message_id.clone()),
            },
        }
        Ok(())
    }

    fn place(&self) -> String {
        String::new()
    }

    fn dead_letters_surely(&self) -> bool {
        false
    }

    fn has_queue(&mut self, name: &str) -> Result<bool> {
        Ok(self.fake.broker().queues.contains_key(name))
    }

    fn frame_max(&self) -> usize {
        131_072
    }

    fn answers(&mut self, _: Duration) -> Result<Answers> {
        Ok(std::mem::take(&mut self.answers))
    }

    fn blocked(&mut self) -> Option<String> {
        self.fake.broker().silent.then(|| "low on memory".to_owned())
    }
}

struct FakeInbox {
    fake: Fake,
    last_tag: u64,
    subscribed: BTreeMap<Arc<str>, u16>,
    unacked: BTreeMap<u64, (Arc<str>, Stored)>,
}

impl FakeInbox {
    fn deliver(&mut self, queue: &Arc<str>) -> Option<Arrival> {
        let stored = self.fake.broker().queues.get_mut(&**queue)?.pop_front()?;
        self.last_tag += 1;
        let tag = self.last_tag;
        let Stored { envelope, body, redelivered } = stored.clone();
        self.unacked.insert(tag, (Arc::clone(queue), stored));
        let (queue, routing_key) = (Arc::clone(queue), queue.to_string());
        Some(Arrival { tag, queue, redelivered, routing_key, envelope, body })
    }
}

impl Inbox for FakeInbox {
    fn declare(&mut self, objects: &[Object]) -> Result<()> {
        declare(&self.fake, objects);
        Ok(())
    }

    fn declare_exactly(&mut self, queue: &Object) -> Result<bool> {
        declare(&self.fake, std::slice::from_ref(queue));
        Ok(true)
    }

    fn unread(&mut self) -> Vec<Arrival> {
        Vec::new()
    }

    fn subscribe(&mut self, queue: &Arc<str>, prefetch: u16) -> Result<()> {
        self.subscribed.insert(Arc::clone(queue), prefetch);
        Ok(())
    }

    fn unsubscribe(&mut self, _: Duration) -> Result<()> {
        self.subscribed.clear();
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    fn arrivals(&mut self) -> Result<Vec<Arrival>> {
        let mut arrivals = Vec::new();
        for (queue, prefetch) in self.subscribed.clone() {
            let held = |inbox: &Self| inbox.unacked.values().filter(|(name, _)| *name == queue).count();
            while held(self) < usize::from(prefetch) {
                let Some(arrival) = self.deliver(&queue) else { break };
                arrivals.push(arrival);
            }
        }
        Ok(arrivals)
    }

    fn get(&mut self, queue: &Arc<str>) -> Result<Option<(Arrival, u64)>> {
        let got = self.deliver(queue);
        let left = self.count(queue)?;
        Ok(got.map(|arrival| (arrival, left)))
    }

    fn ack(&mut self, tag: u64, multiple: bool) -> Result<()> {
        let first = if multiple { 0 } else { tag };
        let tags: Vec<_> = self.unacked.range(first..=tag).map(|(tag, _)| *tag).collect();
        if tags.last() != Some(&tag) {
            return Err(Error::unavailable("unknown delivery tag"));
        }
        for tag in tags {
            if let Some((queue, _)) = self.unacked.remove(&tag) {
                self.fake.broker().log.push(format!("ack {queue}"));
            }
        }
        Ok(())
    }

    fn flush(&mut self, _: Duration) -> Result<()> {
        self.fake.broker().log.push("flush".to_owned());
        Ok(())
    }

    fn count(&mut self, queue: &str) -> Result<u64> {
        Ok(self.fake.broker().queues.get(queue).map_or(0, |queue| queue.len() as u64))
    }

    fn purge(&mut self, queue: &str) -> Result<u64> {
        Ok(self.fake.broker().queues.get_mut(queue).map_or(0, |queue| queue.drain(..).len() as u64))
    }

    fn delete(&mut self, queue: &str) -> Result<u64> {
        Ok(self.fake.broker().queues.remove(queue).map_or(0, |queue| queue.len() as u64))
    }
}

impl Drop for FakeInbox {
    fn drop(&mut self) {
        while let Some((_, (queue, stored))) = self.unacked.pop_last() {
            self.fake.broker().requeue(&queue, stored);
        }
    }
}
