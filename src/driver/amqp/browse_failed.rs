//! A look at the dead jobs of a broker, which holds what it shows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::client_trait::{Arrival, Inbox, WINDOW, note};
use super::deliveries::Deliveries;
use super::digest::digest_of;
use super::publish::{Place, Publish};
use super::publisher::{Published, Publisher};
use super::topology::{self, Keeping};
use crate::error::Result;
use crate::message::{JobId, NAME_LIMIT, check_name};
use crate::time::Timestamp;

/// How many dead jobs one handle looks at: each is held in memory.
const LOOK_LIMIT: usize = 100_000;

/// And how many bytes of payloads, about.
const LOOK_BYTES: usize = 256 * 1024 * 1024;

/// How long a note that a record is withdrawn waits for that record: another look may hold it.
const WITHDRAWN_FOR: Duration = Duration::from_secs(3_600);

/// A dead job.
pub(super) struct Dead {
    pub(super) arrival: Arrival,
    /// What it is asked for by: the message's id, made unique where several messages have one.
    pub(super) id: String,
}

impl Dead {
    pub(super) fn died_at(&self) -> Timestamp {
        let envelope = &self.arrival.envelope;
        let noted = envelope.notes.get(note::FAILED_AT).and_then(|text| text.parse().ok());
        Timestamp::from_millis(noted.or(envelope.moved_at).unwrap_or_default())
    }

    /// Recorded twice for one job: its worker died between the record and the word that the job is over. An id that
    /// is no uuid says nothing.
    fn is_record_of(&self, other: &Arrival) -> bool {
        let (one, other) = ((&self.arrival.envelope, &self.arrival.body), (&other.envelope, &other.body));
        let id = one.0.message_id.as_deref().unwrap_or_default();
        is_uuid(id)
            && one.0.message_id == other.0.message_id
            && (&one.0.name, one.1) == (&other.0.name, other.1)
    }
}

fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The dead jobs that are held.
pub(super) struct Browser {
    inbox: Box<dyn Inbox>,
    deliveries: Deliveries,
    /// The queues whose names are held here.
    named: HashSet<Arc<str>>,
    /// By tag: the oldest first.
    dead: BTreeMap<u64, Dead>,
    /// The bytes of all that were fetched.
    bytes: usize,
    /// The tags of each id, also of those that are gone.
    ids: HashMap<String, Vec<u64>>,
    marked: HashSet<u64>,
}

impl Browser {
    pub(super) fn new(inbox: Box<dyn Inbox>) -> Self {
        Self {
            inbox,
            deliveries: Deliveries::default(),
            named: HashSet::new(),
            dead: BTreeMap::new(),
            bytes: 0,
            ids: HashMap::new(),
            marked: HashSet::new(),
        }
    }

    /// The names of queues with dead jobs that have come since the last time. Each handle that notes one adds
    /// a message: all but one go.
    pub(super) fn fetch_names(&mut self, publisher: &mut Publisher) -> Result<Vec<Arc<str>>> {
        let keeping = publisher.keeping_of_names()?;
        self.carry_over(&keeping, topology::FAILED_QUEUES, Place::FailedQueues, publisher)?;
        let (mut names, mut again) = (Vec::new(), Vec::new());
        let queue = Arc::from(&*keeping.queue);
        while let Some((arrival, _)) = self.inbox.get(&queue)? {
            self.deliveries.delivered(arrival.tag);
            let name: Arc<str> = String::from_utf8_lossy(&arrival.body).into();
            match check_name("queue", &name).is_ok() && self.named.insert(Arc::clone(&name)) {
                true => names.push(name),
                false => again.push(arrival.tag),
            }
        }
        self.acknowledge(again)?;
        Ok(names)
    }

    /// Takes what has come to a queue since the last time.
    pub(super) fn fetch(&mut self, queue: &Arc<str>, publisher: &mut Publisher) -> Result<()> {
        let keeping = publisher.keeping(queue)?;
        self.carry_over(&keeping, queue, Place::Failed, publisher)?;
        let failed = Arc::from(&*keeping.queue);
        let mut gone = Vec::new();
        loop {
            if self.dead.len() >= LOOK_LIMIT || self.bytes >= LOOK_BYTES {
                log::warn!("{queue} has more failed jobs than are looked at; forget or retry some");
                break;
            }
            let Some((mut arrival, _)) = self.inbox.get(&failed)? else { break };
            self.bytes += arrival.body.len();
            self.deliveries.delivered(arrival.tag);
            arrival.queue = Arc::clone(queue);
            match arrival.envelope.notes.get(note::WITHDRAWN) {
                None => self.add(arrival),
                Some(digest) => {
                    let id = arrival.envelope.message_id.as_deref().unwrap_or_default();
                    let mut withdrawn = self.records_of(id, digest);
                    let tag = arrival.tag;
                    let note = Dead { arrival, id: String::new() };
                    // None that was made since it was asked for.
                    withdrawn.retain(|tag| self.dead[tag].died_at() <= note.died_at());
                    if !withdrawn.is_empty() || note.died_at() < Timestamp::now().minus(WITHDRAWN_FOR) {
                        withdrawn.iter().for_each(|tag| drop(self.dead.remove(tag)));
                        gone.extend(withdrawn.into_iter().chain([tag]));
                    }
                }
            }
        }
        self.acknowledge(gone)
    }

    /// Moves messages from a queue that looks wear out to one that they do not.
    fn carry_over(
        &mut self,
        keeping: &Keeping,
        queue: &str,
        place: Place,
        publisher: &mut Publisher,
    ) -> Result<()> {
        for other in &keeping.others {
            let mut left = self.inbox.count(other)?;
            let other: Arc<str> = Arc::from(&**other);
            while left > 0 {
                let mut arrivals = Vec::new();
                while arrivals.len() < WINDOW
                    && let Some((arrival, _)) = self.inbox.get(&other)?
                {
                    self.deliveries.delivered(arrival.tag);
                    arrivals.push(arrival);
                }
                left = left.saturating_sub(arrivals.len().max(1) as u64);
                let publishes = arrivals.iter().map(|Arrival { envelope, body, .. }| {
                    let mut envelope = envelope.clone();
                    // As long as the message has no id, each publish would need one of its own.
                    envelope.message_id.get_or_insert_with(|| crate::message::new_uuid().to_string());
                    if let Some(at) = envelope.moved_at.filter(|_| place == Place::Failed) {
                        envelope.notes.entry(note::FAILED_AT).or_insert_with(|| at.to_string());
                    }
                    Publish {
                        queue,
                        place: place.clone(),
                        after: Duration::ZERO,
                        envelope,
                        body,
                        replaces: None,
                    }
                });
                let Published { arrived, result } = publisher.publish(&publishes.collect::<Vec<_>>());
                let copied = arrivals.iter().zip(arrived).filter(|(_, arrived)| *arrived);
                self.acknowledge(copied.map(|(arrival, _)| arrival.tag).collect())?;
                result?;
            }
        }
        Ok(())
    }

    fn add(&mut self, arrival: Arrival) {
        let message_id = arrival.envelope.message_id.as_deref().filter(|id| !id.is_empty());
        let digest = digest_of(&arrival.body);
        let base = message_id.unwrap_or(&digest).to_owned();
        let is_free = |id: &str| match self.ids.get(id) {
            None => true,
            Some(tags) => tags.iter().any(|tag| {
                let known = self.dead.get(tag);
                !self.marked.contains(tag) && known.is_some_and(|known| known.is_record_of(&arrival))
            }),
        };
        // The same for every look, as long as the same messages are there.
        let cut = |suffix: &str| {
            let room = NAME_LIMIT - suffix.len();
            let end = (0..=base.len().min(room)).rev().find(|at| base.is_char_boundary(*at)).unwrap_or(0);
            format!("{}{suffix}", &base[..end])
        };
        let numbered = (2..).map(|number: usize| cut(&format!("~{digest}.{number}")));
        let mut candidates = [base.clone(), cut(&format!("~{digest}"))].into_iter().chain(numbered);
        let Some(id) = candidates.find(|id| is_free(id)) else { return };
        self.ids.entry(id.clone()).or_default().push(arrival.tag);
        self.dead.insert(arrival.tag, Dead { arrival, id });
    }

    /// The jobs behind the one of an id, each once.
    pub(super) fn jobs_after(&self, id: Option<&str>) -> impl Iterator<Item = &Dead> {
        let last = id.and_then(|id| self.ids.get(id)).and_then(|tags| tags.iter().max());
        let from = last.map_or(Bound::Unbounded, |tag| Bound::Excluded(*tag));
        let jobs = self.dead.range((from, Bound::Unbounded));
        let first = |id: &str| self.ids.get(id)?.iter().find(|tag| self.dead.contains_key(tag));
        jobs.filter(move |(tag, dead)| first(&dead.id) == Some(*tag)).map(|(_, dead)| dead)
    }

    pub(super) fn tags_of(&self, id: &str) -> Vec<u64> {
        let tags = self.ids.get(id).into_iter().flatten().copied();
        tags.filter(|tag| self.dead.contains_key(tag)).collect()
    }

    /// The records of a job that are held, by the id and a digest of the payload that it had.
    fn records_of(&self, message_id: &str, digest: &str) -> Vec<u64> {
        let is_it = |dead: &Dead| {
            dead.arrival.envelope.message_id.as_deref() == Some(message_id)
                && digest_of(&dead.arrival.body) == digest
        };
        self.dead.iter().filter(|(_, dead)| is_it(dead)).map(|(tag, _)| *tag).collect()
    }

    /// What these records are asked for by.
    pub(super) fn ids_of(&self, message_id: &str, digest: &str) -> Vec<JobId> {
        let mut ids: Vec<_> =
            self.records_of(message_id, digest).iter().map(|tag| &*self.dead[tag].id).collect();
        ids.dedup();
        ids.into_iter().map(|id| JobId::Text(id.into())).collect()
    }

    /// Marks what is there of an id; says whether that is anything, and was not marked.
    pub(super) fn mark(&mut self, id: &str) -> bool {
        let tags = self.tags_of(id);
        let is_new = !tags.is_empty() && !tags.iter().any(|tag| self.marked.contains(tag));
        if is_new {
            self.marked.extend(tags);
        }
        is_new
    }

    pub(super) fn unmark(&mut self, id: &str) {
        for tag in self.tags_of(id) {
            self.marked.remove(&tag);
        }
    }

    pub(super) fn marked_of(&self, id: &str) -> Vec<u64> {
        let mut tags = self.tags_of(id);
        tags.retain(|tag| self.marked.contains(tag));
        tags
    }

    /// Acknowledges these, and says how many jobs they were.
    pub(super) fn remove(&mut self, tags: Vec<u64>) -> Result<u64> {
        let removed = tags.iter().filter_map(|tag| self.dead.remove(tag));
        let ids: HashSet<_> = removed.map(|dead| dead.id).collect();
        for tag in &tags {
            self.marked.remove(tag);
        }
        self.acknowledge(tags)?;
        self.inbox.flush(Duration::from_secs(10))?;
        Ok(ids.len() as u64)
    }

    fn acknowledge(&mut self, tags: Vec<u64>) -> Result<()> {
        for (tag, multiple) in self.deliveries.acks(tags) {
            self.inbox.ack(tag, multiple)?;
        }
        Ok(())
    }
}
