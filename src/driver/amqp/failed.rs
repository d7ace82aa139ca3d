//! Dead jobs in `<queue>.failed`, for programs that use RabbitMQ and no database.
//!
//! A broker can't look into a queue without taking what is in it. So a handle takes the dead jobs that it
//! is asked about, and holds them until it is dropped: to anybody else they are missing meanwhile. Only
//! one operator at a time sees all; two who retry at once retry no job twice. A database shows more, and
//! to many: set `connection` and `failed_table`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::holds::Holds;
use super::letter;
use super::options::Options;
use super::publisher::{Parcel, Place, Publisher};
use super::state::State;
use super::topology;
use super::wire::{Arrival, Client, Envelope, Inbox, note};
use crate::driver::{Bell, Reserved};
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedCount, FailedJob, FailedJobs, Failure, Filter, Record};
use crate::message::{JobId, Message, Pushed, check_name, new_uuid};
use crate::payload;
use crate::time::{Timestamp, Zone};

/// How many dead jobs of a queue one handle looks at: each is held in memory.
const LOOK_LIMIT: usize = 100_000;

/// What the broker itself put there: a job that a quorum queue handed out too often.
const GIVEN_UP: &str = "RabbitMQ handed it out too often, and no worker said what became of it";

/// The dead jobs of all queues: of the configured one, and of those whose names were noted when their
/// first job died.
pub struct FailedQueue {
    pub(super) client: Arc<dyn Client>,
    pub(super) options: Arc<Options>,
    pub(super) zone: Zone,
}

impl FailedBackend for FailedQueue {
    fn open(&self) -> Result<Box<dyn FailedJobs>> {
        Ok(Box::new(Session {
            client: Arc::clone(&self.client),
            publisher: Publisher::new(self.client.outbox()?, Arc::clone(&self.options)),
            options: Arc::clone(&self.options),
            zone: self.zone.clone(),
            look: None,
            queues: vec![Arc::from(&*self.options.queue)],
            noted: HashSet::new(),
        }))
    }
}

struct Session {
    client: Arc<dyn Client>,
    options: Arc<Options>,
    zone: Zone,
    publisher: Publisher,
    /// Dropped, it gives back all that it holds.
    look: Option<Look>,
    /// The queues whose dead jobs are looked at.
    queues: Vec<Arc<str>>,
    /// Those whose names were noted by this handle.
    noted: HashSet<Arc<str>>,
}

/// The dead jobs that are held.
struct Look {
    inbox: Box<dyn Inbox>,
    holds: Holds,
    /// The queues whose names are held here.
    named: HashSet<Arc<str>>,
    /// By tag: the oldest first.
    dead: BTreeMap<u64, Arrival>,
    marked: HashSet<u64>,
}

impl Look {
    /// The names of queues with dead jobs that have come since the last time. Each handle that notes one adds
    /// a message: all but one go.
    fn fetch_names(&mut self) -> Result<Vec<Arc<str>>> {
        self.inbox.declare(&[topology::failed_queues()])?;
        let (mut names, mut again) = (Vec::new(), Vec::new());
        let queue = Arc::from(topology::FAILED_QUEUES);
        while let Some((arrival, _)) = self.inbox.get(&queue)? {
            self.holds.delivered(arrival.tag);
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
    fn fetch(&mut self, options: &Options, queue: &Arc<str>) -> Result<()> {
        self.inbox.declare(&[topology::failed(options, queue)])?;
        let failed = Arc::from(topology::failed_of(queue));
        while self.dead.len() < LOOK_LIMIT {
            let Some((mut arrival, _)) = self.inbox.get(&failed)? else { break };
            self.holds.delivered(arrival.tag);
            arrival.queue = Arc::clone(queue);
            // A message that has none would have another one with each look.
            arrival.envelope.message_id = Some(letter::identity(&arrival.envelope).to_string());
            self.dead.insert(arrival.tag, arrival);
        }
        Ok(())
    }

    fn tags_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<u64> {
        self.dead.iter().filter(|(_, dead)| wanted(uuid_of(dead))).map(|(tag, _)| *tag).collect()
    }

    /// Acknowledges these, and says how many jobs they were.
    fn remove(&mut self, tags: Vec<u64>) -> Result<u64> {
        let removed = tags.iter().filter_map(|tag| self.dead.remove(tag));
        let uuids: HashSet<_> = removed.filter_map(|dead| dead.envelope.message_id).collect();
        for tag in &tags {
            self.marked.remove(tag);
        }
        self.acknowledge(tags)?;
        self.inbox.flush(Duration::from_secs(10))?;
        Ok(uuids.len() as u64)
    }

    fn acknowledge(&mut self, tags: Vec<u64>) -> Result<()> {
        for (tag, multiple) in self.holds.acks(tags) {
            self.inbox.ack(tag, multiple)?;
        }
        Ok(())
    }
}

fn uuid_of(dead: &Arrival) -> &str {
    dead.envelope.message_id.as_deref().unwrap_or_default()
}

impl Session {
    /// What is held, or a look that holds nothing yet.
    fn take_look(&mut self) -> Result<Look> {
        match self.look.take() {
            Some(look) => Ok(look),
            None => Ok(Look {
                inbox: self.client.inbox(Bell::silent())?,
                holds: Holds::default(),
                named: HashSet::new(),
                dead: BTreeMap::new(),
                marked: HashSet::new(),
            }),
        }
    }

    /// Everything that is dead now, as far as nobody else holds it.
    fn look(&mut self) -> Result<&mut Look> {
        let look = self.take_look()?;
        let look = self.look.insert(look);
        for name in look.fetch_names()? {
            if !self.queues.contains(&name) {
                self.queues.push(name);
            }
        }
        for queue in &self.queues {
            look.fetch(&self.options, queue)?;
        }
        Ok(look)
    }

    fn see(&mut self, queue: &str) {
        if !self.queues.iter().any(|seen| **seen == *queue) {
            self.queues.push(queue.into());
        }
    }
}

impl FailedJobs for Session {
    /// Always kept: whether it is there already, AMQP can't say. A list shows the first of two.
    fn record(&mut self, job: &Reserved, failure: &Failure) -> Result<Record> {
        let message = &job.message;
        self.see(&message.queue);
        let state = State { attempts: job.attempt, ..State::default() };
        let mut envelope = letter::dead(message, state);
        envelope.notes.extend([
            (note::ERROR, failure.exception.clone()),
            (note::DRIVER, failure.driver.clone()),
            (note::CONNECTION, failure.connection.clone()),
            (note::QUEUE, message.queue.to_string()),
            (note::FAILED_AT, failure.failed_at.as_millis().to_string()),
        ]);
        let (queue, body) = (&*message.queue, &*message.payload);
        let after = Duration::ZERO;
        let mut parcels = vec![Parcel { queue, place: Place::Failed, after, envelope, body }];
        let is_new = !self.noted.contains(queue);
        if is_new {
            let envelope = Envelope { message_id: Some(new_uuid().to_string()), ..Envelope::default() };
            let body = queue.as_bytes();
            parcels.push(Parcel { queue, place: Place::FailedQueues, after, envelope, body });
        }
        self.publisher.publish(&parcels)?;
        if is_new {
            self.noted.insert(Arc::clone(&message.queue));
        }
        // Whether there was one before, AMQP can't say.
        Ok(Record { id: JobId::Text(Arc::clone(&message.uuid)), fresh: false })
    }

    fn records_of(&mut self, job: &Message, _: &str) -> Result<Vec<JobId>> {
        let mut look = self.take_look()?;
        if look.dead.is_empty() && look.inbox.count(&topology::failed_of(&job.queue))? == 0 {
            self.look = Some(look);
            return Ok(Vec::new());
        }
        look.fetch(&self.options, &job.queue)?;
        match look.tags_of(|dead| *dead == *job.uuid).is_empty() {
            // A worker's handle lives long: the others must not be missing all the while.
            true => Ok(Vec::new()),
            false => {
                self.look = Some(look);
                Ok(vec![JobId::Text(Arc::clone(&job.uuid))])
            }
        }
    }

    /// Of what was seen when they were asked for: what came since is not held here.
    fn withdraw(&mut self, records: &[JobId]) -> Result<()> {
        let Some(mut look) = self.look.take() else { return Ok(()) };
        let ids = texts(records);
        let tags = look.tags_of(|uuid| ids.contains(uuid));
        look.remove(tags).map(drop)
    }

    fn list(&mut self, filter: &Filter<'_>) -> Result<Vec<FailedJob>> {
        if let Some(queue) = filter.queue {
            self.see(queue);
        }
        let zone = self.zone.clone();
        let now = Timestamp::now();
        let mut seen = HashSet::new();
        let mut after = filter.after.map(ToString::to_string);
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let mut jobs = Vec::new();
        for dead in self.look()?.dead.values() {
            if !seen.insert(uuid_of(dead)) {
                continue;
            }
            if let Some(last) = &after {
                if uuid_of(dead) == last {
                    after = None;
                }
                continue;
            }
            let at = died_at(dead);
            let job = failed_job(dead, at, &zone);
            if jobs.len() < limit && lets_through(filter, &job, at, now) {
                jobs.push(job);
            }
        }
        Ok(jobs)
    }

    fn forget(&mut self, ids: &[JobId]) -> Result<u64> {
        let ids = texts(ids);
        let look = self.look()?;
        let tags = look.tags_of(|uuid| ids.contains(uuid));
        look.remove(tags)
    }

    fn count(&mut self) -> Result<Vec<FailedCount>> {
        let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut seen = HashSet::new();
        for dead in self.look()?.dead.values().filter(|dead| seen.insert(uuid_of(dead))) {
            let driver = dead.envelope.notes.get(note::DRIVER).map_or("amqp", |driver| driver);
            *counts.entry((driver.to_owned(), dead.queue.to_string())).or_default() += 1;
        }
        let counted = |((driver, queue), count)| FailedCount { driver, queue, count };
        Ok(counts.into_iter().map(counted).collect())
    }

    /// A push to the queue and an acknowledgement here are two steps: mark, push, forget.
    fn put_back(&mut self, _: &[(JobId, Message)]) -> Result<Option<Vec<Option<Pushed>>>> {
        Ok(None)
    }

    /// What is held here nobody else can retry. The mark is on the messages that are there now: one that
    /// is recorded meanwhile, because the job failed again, is not forgotten.
    fn mark(&mut self, ids: &[JobId]) -> Result<Vec<JobId>> {
        let look = self.look()?;
        let mut marked = Vec::new();
        for id in ids {
            let text = id.to_string();
            let tags = look.tags_of(|uuid| uuid == text);
            if !tags.is_empty() && !tags.iter().any(|tag| look.marked.contains(tag)) {
                look.marked.extend(tags);
                marked.push(id.clone());
            }
        }
        Ok(marked)
    }

    fn forget_marked(&mut self, ids: &[JobId]) -> Result<()> {
        let ids = texts(ids);
        let Some(look) = &mut self.look else {
            return Err(Error::unavailable("the connection that held the dead jobs is gone"));
        };
        let mut tags = look.tags_of(|uuid| ids.contains(uuid));
        tags.retain(|tag| look.marked.contains(tag));
        look.remove(tags).map(drop)
    }
}

fn texts(ids: &[JobId]) -> HashSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn died_at(dead: &Arrival) -> Timestamp {
    let millis = dead.envelope.notes.get(note::FAILED_AT).and_then(|text| text.parse().ok());
    Timestamp::from_millis(millis.unwrap_or_default())
}

fn failed_job(dead: &Arrival, at: Timestamp, zone: &Zone) -> FailedJob {
    let envelope = &dead.envelope;
    let noted = |key| envelope.notes.get(key).cloned();
    let uuid = uuid_of(dead);
    FailedJob {
        id: JobId::Text(uuid.into()),
        uuid: uuid.to_owned(),
        driver: noted(note::DRIVER).unwrap_or_else(|| "amqp".into()),
        connection: noted(note::CONNECTION).unwrap_or_default(),
        queue: noted(note::QUEUE).unwrap_or_else(|| dead.queue.to_string()),
        name: envelope.name.clone().unwrap_or_default(),
        attempts: State::read(envelope.app_id.as_deref()).attempts,
        exception: noted(note::ERROR).unwrap_or_else(|| GIVEN_UP.into()),
        payload: payload::to_text(&dead.body).into_owned(),
        failed_at: zone.format(at),
        overrides: noted(note::OVERRIDES),
    }
}

fn lets_through(filter: &Filter<'_>, job: &FailedJob, at: Timestamp, now: Timestamp) -> bool {
    let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
    filter.id.is_none_or(|id| id.to_string() == job.uuid)
        && is(filter.driver, &job.driver)
        && is(filter.queue, &job.queue)
        && is(filter.job, &job.name)
        && filter.since.is_none_or(|span| at >= now.minus(span))
        && filter.before.is_none_or(|span| at <= now.minus(span))
}
