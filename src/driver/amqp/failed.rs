//! Dead jobs in `<queue>.failed`, for programs that use RabbitMQ and no database.
//!
//! A broker can't look into a queue without taking what is in it. So a handle takes the dead jobs that it
//! is asked about, and holds them until it is dropped: to anybody else they are missing meanwhile. Only
//! one operator at a time sees all; two who retry at once retry no job twice. A database shows more, and
//! to many: set `connection` and `failed_table`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::browse_failed::{Browser, Dead};
use super::client_trait::{Client, Envelope, note};
use super::codec;
use super::digest::digest_of;
use super::options::AmqpOptions;
use super::publish::{Place, Publish};
use super::publisher::{Published, Publisher};
use super::state::State;
use super::unconfirmed::{Death, Unconfirmed};
use crate::driver::{Notifier, Reserved};
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedCount, FailedJob, FailedJobs, Failure, Filter, Record};
use crate::message::{JobId, Message, Pushed, new_uuid};
use crate::payload;
use crate::time::{Timestamp, Zone};

/// What the broker itself put there: a job that a quorum queue handed out too often.
const GIVEN_UP: &str = "RabbitMQ handed it out too often, and no worker said what became of it";

/// As many dead jobs of a queue may be read to find one.
const FEW: u64 = 100;

/// The dead jobs of all queues: of the configured one, and of those whose names were noted when their
/// first job died.
pub struct FailedQueue {
    pub(super) client: Arc<dyn Client>,
    pub(super) options: Arc<AmqpOptions>,
    pub(super) zone: Zone,
}

impl FailedBackend for FailedQueue {
    fn open(&self) -> Result<Box<dyn FailedJobs>> {
        Ok(Box::new(Session {
            client: Arc::clone(&self.client),
            publisher: Publisher::new(self.client.outbox()?, Arc::clone(&self.options)),
            zone: self.zone.clone(),
            look: None,
            queues: vec![Arc::from(&*self.options.queue)],
            noted: HashSet::new(),
            asked: HashMap::new(),
            unconfirmed: Unconfirmed::default(),
        }))
    }
}

struct Session {
    client: Arc<dyn Client>,
    zone: Zone,
    publisher: Publisher,
    /// Dropped, it gives back all that it holds.
    look: Option<Browser>,
    /// The queues whose dead jobs are looked at.
    queues: Vec<Arc<str>>,
    /// Those whose names were noted by this handle.
    noted: HashSet<Arc<str>>,
    /// Records that may be there, by what they will be withdrawn as.
    asked: HashMap<JobId, Asked>,
    unconfirmed: Unconfirmed,
}

/// When it was asked whether a job has a record, and what tells that from others.
struct Asked {
    queue: Arc<str>,
    digest: String,
    at: Timestamp,
}

impl Session {
    /// Everything that is dead now, as far as nobody else holds it.
    fn look(&mut self) -> Result<&mut Browser> {
        let look = match self.look.take() {
            Some(look) => look,
            None => Browser::new(self.client.inbox(Notifier::silent())?),
        };
        let look = self.look.insert(look);
        for name in look.fetch_names(&mut self.publisher)? {
            if !self.queues.contains(&name) {
                self.queues.push(name);
            }
        }
        for queue in &self.queues {
            look.fetch(queue, &mut self.publisher)?;
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
    /// Always kept: whether it is there already, AMQP can't say.
    fn record(&mut self, job: &Reserved, failure: &Failure) -> Result<Record> {
        let message = &job.message;
        self.see(&message.queue);
        // Whether there was one before, AMQP can't say.
        let record = Record { id: JobId::Text(Arc::clone(&message.uuid)), fresh: false };
        let death = Death::of(job);
        self.unconfirmed.hear(&mut self.publisher)?;
        if self.unconfirmed.has_arrived(&death) {
            return Ok(record);
        }
        if self.publisher.is_held_up() {
            return Err(self.publisher.no_answer());
        }
        let state = State { attempts: job.attempt, ..State::default() };
        let mut envelope = codec::dead(message, state);
        envelope.notes.extend([
            (note::ERROR, failure.exception.clone()),
            (note::DRIVER, failure.driver.clone()),
            (note::CONNECTION, failure.connection.clone()),
            (note::QUEUE, message.queue.to_string()),
            (note::FAILED_AT, failure.failed_at.as_millis().to_string()),
        ]);
        let (queue, body) = (&*message.queue, &*message.payload);
        let after = Duration::ZERO;
        let replaces = Some(self.unconfirmed.number());
        let mut publishes = vec![Publish { queue, place: Place::Failed, after, envelope, body, replaces }];
        let is_new = !self.noted.contains(queue);
        if is_new {
            let envelope = Envelope { message_id: Some(new_uuid().to_string()), ..Envelope::default() };
            let (body, replaces) = (queue.as_bytes(), Some(self.unconfirmed.number()));
            publishes.push(Publish { queue, place: Place::FailedQueues, after, envelope, body, replaces });
        }
        let Published { arrived, result } = self.publisher.publish(&publishes);
        result?;
        if is_new {
            self.noted.insert(Arc::clone(&message.queue));
        }
        if arrived.first() == Some(&true) {
            return Ok(record);
        }
        if let Some(number) = replaces {
            self.unconfirmed.sent(number, death);
        }
        Err(self.publisher.no_answer())
    }

    /// What a broker with an alarm does not confirm, it reads when that is over, also from a connection that was
    /// closed meanwhile.
    fn is_under_way(&self) -> bool {
        self.publisher.is_held_up()
    }

    /// Whether one is there nobody can say who does not read all the dead of the queue, which a worker must not do.
    /// So where there are many, one may be of this job; [`withdraw`](Self::withdraw) leaves a note.
    fn records_of(&mut self, job: &Message, _: &str) -> Result<Vec<JobId>> {
        let digest = digest_of(&job.payload);
        if let Some(look) = &self.look {
            let ids = look.ids_of(&job.uuid, &digest);
            if !ids.is_empty() {
                return Ok(ids);
            }
        }
        let count = self.publisher.count_failed(&job.queue)?;
        if count <= FEW && self.look.is_none() {
            if count == 0 {
                return Ok(Vec::new());
            }
            let mut look = Browser::new(self.client.inbox(Notifier::silent())?);
            look.fetch(&job.queue, &mut self.publisher)?;
            // Dropped at once: to others they are missing meanwhile.
            if look.ids_of(&job.uuid, &digest).is_empty() {
                return Ok(Vec::new());
            }
        }
        let id = JobId::Text(Arc::clone(&job.uuid));
        let asked = Asked { queue: Arc::clone(&job.queue), digest, at: Timestamp::now() };
        self.asked.insert(id.clone(), asked);
        Ok(vec![id])
    }

    /// Those that this handle holds go at once. For another one a note is left, which the next look obeys.
    fn withdraw(&mut self, records: &[JobId]) -> Result<()> {
        let mut publishes = Vec::new();
        let asked: Vec<_> = records.iter().filter_map(|id| Some((id, self.asked.remove(id)?))).collect();
        for (id, Asked { queue, digest, at }) in &asked {
            let mut envelope = Envelope { message_id: Some(id.to_string()), ..Envelope::default() };
            let at = at.as_millis().to_string();
            envelope.notes.extend([(note::WITHDRAWN, digest.clone()), (note::FAILED_AT, at)]);
            let (place, after) = (Place::Failed, Duration::ZERO);
            publishes.push(Publish { queue, place, after, envelope, body: &[], replaces: None });
        }
        if !publishes.is_empty() {
            self.publisher.publish(&publishes).result?;
        }
        let Some(look) = &mut self.look else { return Ok(()) };
        let others = records.iter().filter(|id| asked.iter().all(|(asked, _)| asked != id));
        let tags = others.flat_map(|id| look.tags_of(&id.to_string())).collect();
        look.remove(tags).map(drop)
    }

    fn list(&mut self, filter: &Filter<'_>) -> Result<Vec<FailedJob>> {
        if let Some(queue) = filter.queue {
            self.see(queue);
        }
        let zone = self.zone.clone();
        let now = Timestamp::now();
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let look = self.look()?;
        let after = filter.after.map(ToString::to_string);
        let jobs = look.jobs_after(after.as_deref()).map(|dead| failed_job(dead, &zone));
        let jobs = jobs.filter(|(job, at)| lets_through(filter, job, *at, now));
        Ok(jobs.take(limit).map(|(job, _)| job).collect())
    }

    fn forget(&mut self, ids: &[JobId]) -> Result<u64> {
        let look = self.look()?;
        let tags = ids.iter().flat_map(|id| look.tags_of(&id.to_string())).collect();
        look.remove(tags)
    }

    fn count(&mut self) -> Result<Vec<FailedCount>> {
        let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
        for dead in self.look()?.jobs_after(None) {
            let Dead { arrival, .. } = dead;
            let driver = arrival.envelope.notes.get(note::DRIVER).map_or("amqp", |driver| driver);
            *counts.entry((driver.to_owned(), arrival.queue.to_string())).or_default() += 1;
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
        Ok(ids.iter().filter(|id| look.mark(&id.to_string())).cloned().collect())
    }

    fn unmark(&mut self, ids: &[JobId]) -> Result<()> {
        if let Some(look) = &mut self.look {
            ids.iter().for_each(|id| look.unmark(&id.to_string()));
        }
        Ok(())
    }

    fn forget_marked(&mut self, ids: &[JobId]) -> Result<()> {
        let Some(look) = &mut self.look else {
            return Err(Error::unavailable("the connection that held the dead jobs is gone"));
        };
        let tags = ids.iter().flat_map(|id| look.marked_of(&id.to_string())).collect();
        look.remove(tags).map(drop)
    }
}

fn failed_job(dead: &Dead, zone: &Zone) -> (FailedJob, Timestamp) {
    let Dead { arrival, id } = dead;
    let envelope = &arrival.envelope;
    let noted = |key| envelope.notes.get(key).cloned();
    let at = dead.died_at();
    let job = FailedJob {
        id: JobId::Text(id.as_str().into()),
        uuid: id.clone(),
        driver: noted(note::DRIVER).unwrap_or_else(|| "amqp".into()),
        connection: noted(note::CONNECTION).unwrap_or_default(),
        queue: noted(note::QUEUE).unwrap_or_else(|| arrival.queue.to_string()),
        name: envelope.name.clone().unwrap_or_default(),
        attempts: State::read(envelope.app_id.as_deref()).attempts,
        exception: noted(note::ERROR).unwrap_or_else(|| GIVEN_UP.into()),
        payload: payload::to_text(&arrival.body).into_owned(),
        failed_at: zone.format(at),
        overrides: noted(note::OVERRIDES),
    };
    (job, at)
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
