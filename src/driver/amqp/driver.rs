//! The driver: what becomes of a verdict on AMQP.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accepted::Accepted;
use super::client_trait::Client;
use super::codec;
use super::consumer::Consumer;
use super::delay_queues;
use super::options::AmqpOptions;
use super::process_deliveries::ProcessDeliveries;
use super::publish::{Place, Publish};
use super::publisher::{A_MOMENT, Published, Publisher};
use super::put_back::copy;
use super::state::State;
use super::topology;
use crate::driver::{
    Cancelled, Control, Driver, JobDetails, JobFilter, Notifier, QueuedJob, Receipt, Reserved, Settled,
    Settlement, Size, Taken, Verdict, Want,
};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
use crate::time;

/// What the drivers of a process share.
#[derive(Clone, Default)]
pub(super) struct Shared {
    pub(super) deliveries: Arc<ProcessDeliveries>,
    pub(super) accepted: Arc<Accepted>,
}

/// A pair of connections: one publishes, the other one, opened when it is first needed, receives.
pub(super) struct AmqpDriver {
    client: Arc<dyn Client>,
    options: Arc<AmqpOptions>,
    notifier: Notifier,
    shared: Shared,
    publisher: Publisher,
    consumer: Option<Consumer>,
    /// The queues that were named here.
    seen: BTreeSet<Arc<str>>,
    /// When the last job that was put back here is due, and when it should be there at the latest.
    returning: Option<(Instant, Instant)>,
    opened: Instant,
    /// No connection was lost: leaving may ask the broker.
    well: bool,
}

/// How much later than it is due a delayed job may be in its queue: the delay queues round up, and take their time.
const LATE: Duration = Duration::from_millis(1_125);

/// How long after it is asked for, what was held before may still come back to this process.
pub(super) const SETTLING: Duration = Duration::from_secs(5);

impl AmqpDriver {
    pub(super) fn open(
        client: Arc<dyn Client>,
        options: Arc<AmqpOptions>,
        notifier: Notifier,
        shared: Shared,
    ) -> Result<Self> {
        let publisher = Publisher::new(client.outbox()?, Arc::clone(&options));
        let seen = BTreeSet::from([Arc::from(&*options.queue)]);
        Ok(Self {
            client,
            options,
            notifier,
            shared,
            publisher,
            consumer: None,
            seen,
            returning: None,
            opened: Instant::now(),
            well: true,
        })
    }

    /// Whether what was held before may still come: the broker delivers once it is asked to, which on a crowded
    /// machine is long after opening.
    fn settles_in(&self) -> bool {
        match self.consumer.as_ref().and_then(|consumer| consumer.subscribed_at) {
            Some(at) => at.elapsed() < SETTLING,
            None => self.opened.elapsed() < SETTLING * 6,
        }
    }

    fn consumer(&mut self) -> Result<(&mut Consumer, &mut Publisher)> {
        if self.consumer.is_none() {
            let inbox = self.client.inbox(self.notifier.clone())?;
            let deliveries = Arc::clone(&self.shared.deliveries);
            self.consumer = Some(Consumer::new(inbox, Arc::clone(&self.options), deliveries));
        }
        match &mut self.consumer {
            Some(consumer) => Ok((consumer, &mut self.publisher)),
            None => Err(Error::other("there is no receiving connection")),
        }
    }

    /// Remembers when a connection is of no use any more.
    fn watched<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(|error| error.is_unavailable() || error.is_outcome_unknown()) {
            self.well = false;
            self.client.lost(&self.publisher.outbox.place());
        }
        result
    }

    fn see<'q>(&mut self, queues: impl Iterator<Item = &'q str>) {
        for queue in queues {
            if !self.seen.contains(queue) {
                self.seen.insert(queue.into());
            }
        }
    }

    fn note_return(&mut self, verdict: &Verdict) {
        let (Verdict::Again { after, .. }
        | Verdict::Exhausted { after, .. }
        | Verdict::Unknown { after }
        | Verdict::Unstarted { after }) = verdict
        else {
            return;
        };
        let due = time::after(Instant::now(), (*after).min(delay_queues::LONGEST));
        if self.returning.is_none_or(|(last, _)| last < due) {
            self.returning = Some((due, due + LATE));
        }
    }

    /// In how long a job that was put back here is due, which comes down the delay queues a little later.
    fn return_due(&self) -> Option<Duration> {
        let now = Instant::now();
        let (due, there) = self.returning?;
        (now < there).then(|| due.saturating_duration_since(now))
    }

    fn publish_jobs(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        self.see(messages.iter().map(|message| &*message.queue));
        let mut publishes = Vec::with_capacity(messages.len());
        let mut sent = Vec::with_capacity(messages.len());
        let mut uuids = HashSet::with_capacity(messages.len());
        let state = self.publisher.stamp(State::default())?;
        for message in messages {
            let envelope = codec::pushed(&self.options, message, state, self.publisher.frame_max())?;
            if uuids.insert(&message.uuid) && !self.shared.accepted.has(message) {
                let (queue, body) = (&*message.queue, &*message.payload);
                publishes.push(Publish {
                    queue,
                    place: Place::Pushed,
                    after: message.delay,
                    envelope,
                    body,
                    replaces: None,
                });
                sent.push(message);
            }
        }
        let Published { arrived, result } = self.publisher.publish(&publishes);
        match result {
            Ok(()) => self.shared.accepted.forget(messages),
            Err(error) => {
                // Whoever pushes these again, alone or on another connection, pushes none twice.
                let arrived = sent.iter().zip(arrived).filter(|(_, arrived)| *arrived);
                self.shared.accepted.note(arrived.map(|(message, _)| *message));
                return Err(error);
            }
        }
        Ok(messages.iter().map(|message| Pushed::Added(JobId::Text(Arc::clone(&message.uuid)))).collect())
    }

    /// `surely`: waits until the broker has read all.
    fn settle_all(&mut self, settled: &[Settled<'_>], surely: bool) -> Result<Settlement> {
        let mut settlement = Settlement::default();
        let Some(consumer) = &mut self.consumer else {
            for Settled { job, .. } in settled {
                if !self.shared.deliveries.was_settled(job.receipt) {
                    self.shared.deliveries.forget(&job.message.uuid, job.receipt);
                    settlement.lost.push(job.receipt);
                }
            }
            return Ok(settlement);
        };
        consumer.proceed(A_MOMENT, &mut self.publisher)?;
        let goes_back = |settled: &Settled<'_>| matches!(settled.verdict, Verdict::Unstarted { .. });
        if settled.iter().any(goes_back) {
            // The worker has no room: what it gives back must not come right here again.
            consumer.unsubscribe_and_requeue(self.options.answer_timeout, &mut self.publisher)?;
        }
        let mut done = Vec::new();
        let mut copies = Vec::new();
        for Settled { job, verdict } in settled {
            if self.publisher.is_held_up()
                && !matches!(verdict, Verdict::Done)
                && consumer.deliveries.has(job.receipt)
            {
                settlement.pending.push(job.receipt);
                continue;
            }
            match consumer.deliveries.release(job.receipt) {
                None if self.shared.deliveries.was_settled(job.receipt) => {}
                None => {
                    self.shared.deliveries.forget(&job.message.uuid, job.receipt);
                    settlement.lost.push(job.receipt);
                }
                Some(held) => match verdict {
                    Verdict::Done => done.push((*job, held)),
                    verdict => copies.push((*job, verdict, held)),
                },
            }
        }
        // Not after the copies: should those fail, what is done is done.
        let mut result = consumer.ack(done.iter().map(|(_, held)| held.tag).collect());
        let publisher = &mut self.publisher;
        let mut arrived = vec![false; copies.len()];
        if result.is_ok() && !copies.is_empty() {
            let publishes = copies.iter().map(|(job, verdict, held)| copy(job, verdict, held, publisher));
            result = publishes.collect::<Result<Vec<_>>>().and_then(|publishes| {
                let published = publisher.publish(&publishes);
                arrived = published.arrived;
                published.result
            });
            // A copy that has arrived takes the place of its original, whatever became of the others.
            let tags = copies.iter().zip(&arrived).filter(|(_, arrived)| **arrived);
            let acknowledged = consumer.ack(tags.map(|((.., held), _)| held.tag).collect());
            result = result.and(acknowledged);
        }
        if surely && result.is_ok() {
            result = consumer.flush();
        }
        if let Err(error) = result {
            // The caller settles all of this again. Where the connection is lost, nobody knows whether the broker
            // has read what was acknowledged.
            let is_lost = error.is_unavailable();
            let mut over = Vec::new();
            for (job, held) in done {
                match is_lost {
                    true => consumer.deliveries.hold(job.receipt, held),
                    false => over.push((job, held)),
                }
            }
            for ((job, _, held), arrived) in copies.into_iter().zip(arrived) {
                match arrived {
                    false => consumer.deliveries.hold(job.receipt, held),
                    true => over.push((job, held)),
                }
            }
            self.shared.deliveries.note_settled(over.iter().map(|(job, _)| job.receipt));
            over.iter().for_each(|(job, held)| self.shared.deliveries.release(&held.uuid, job.receipt));
            return Err(error);
        }
        done.iter().for_each(|(job, held)| self.shared.deliveries.release(&held.uuid, job.receipt));
        let mut returned = Vec::with_capacity(copies.len());
        for ((job, verdict, held), arrived) in copies.into_iter().zip(arrived) {
            if arrived {
                self.shared.deliveries.release(&held.uuid, job.receipt);
            } else {
                settlement.pending.push(job.receipt);
                consumer.deliveries.hold(job.receipt, held);
            }
            returned.push(verdict);
        }
        returned.into_iter().for_each(|verdict| self.note_return(verdict));
        Ok(settlement)
    }
}

impl Driver for AmqpDriver {
    fn host(&self) -> Option<String> {
        self.options.host.contains(',').then(|| self.publisher.outbox.place())
    }

    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        for message in messages {
            topology::check_is_not_ours(&message.queue)?;
        }
        let pushed = self.publish_jobs(messages);
        self.watched(pushed)
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        self.see(want.queues.iter().map(|queue| &**queue));
        let away = self.shared.deliveries.away(Instant::now());
        let taken = self.consumer().and_then(|(consumer, publisher)| consumer.reserve(want, away, publisher));
        let mut taken = self.watched(taken)?;
        if taken.jobs.is_empty() && want.fresh > 0 {
            taken.next_due = taken.next_due.or_else(|| self.return_due());
        }
        Ok(taken)
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let settlement = self.settle_all(settled, false);
        self.watched(settlement)
    }

    fn settle_surely(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let settlement = self.settle_all(settled, true);
        self.watched(settlement)
    }

    /// The broker keeps a hold as long as the connection lives: nothing is sent.
    ///
    /// # Errors
    /// The connection is lost: what it held is continued by the next one, or by somebody else.
    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        if let Some(consumer) = &mut self.consumer {
            let checked = consumer.check();
            self.watched(checked)?;
        }
        let until = time::after(Instant::now(), lease);
        let mut lost = Vec::new();
        for job in held {
            // What was held on a connection that was lost may come back: nobody knows yet.
            let held = self.shared.deliveries.is_settled(job.receipt)
                || self
                    .consumer
                    .as_mut()
                    .is_some_and(|consumer| consumer.deliveries.extend(job.receipt, until))
                || self.shared.deliveries.extend(job.receipt, until) && self.settles_in();
            if !held {
                lost.push(job.receipt);
            }
        }
        Ok(lost)
    }

    fn came_back(&mut self, job: &Reserved) -> bool {
        self.consumer.as_ref().is_some_and(|consumer| consumer.deliveries.has(job.receipt))
            || self.shared.deliveries.is_settled(job.receipt)
    }

    /// AMQP tells how many messages are ready in a queue, and nothing else.
    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        let named: Vec<Arc<str>> = match queues {
            [] => self.seen.iter().cloned().collect(),
            named => named.iter().map(|queue| Arc::from(&**queue)).collect(),
        };
        let counted = named.into_iter().map(|queue| {
            crate::message::check_name("queue", &queue)?;
            let (consumer, _) = self.consumer()?;
            let waiting = Some(consumer.count(&queue)?);
            Ok(Size { queue: queue.to_string(), waiting, delayed: None, running: None, oldest_wait: None })
        });
        let sizes = counted.collect();
        self.watched(sizes)
    }

    /// Removes what is due. What is delayed is on the delay queues together with the jobs of other queues, where
    /// AMQP can't pick it out.
    fn clear(&mut self, queue: &str) -> Result<u64> {
        crate::message::check_name("queue", queue)?;
        let cleared = self.consumer().and_then(|(consumer, publisher)| consumer.clear(queue, publisher));
        self.watched(cleared)
    }

    fn jobs(&mut self, _: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        Err(shows_no_jobs())
    }

    fn job(&mut self, _: &JobId) -> Result<Option<JobDetails>> {
        Err(shows_no_jobs())
    }

    fn cancel(&mut self, _: &[JobId]) -> Result<Vec<Cancelled>> {
        Err(shows_no_jobs())
    }

    fn control(&mut self) -> Result<&mut dyn Control> {
        Err(Error::unsupported("a broker keeps no control messages for its workers").with_help(
            "name a connection in [amqp], for a database that keeps it; or stop the workers by themselves, with systemctl",
        ))
    }
}

fn shows_no_jobs() -> Error {
    Error::unsupported("a broker shows a message only to a consumer that takes it").with_help(
        "craft queue:status counts them; RabbitMQ's management page can get messages and put them back, out of order",
    )
}

impl Drop for AmqpDriver {
    fn drop(&mut self) {
        let Some(consumer) = &mut self.consumer else { return };
        if self.well {
            // When it fails, the broker gives everything to others by itself.
            let _ = consumer.leave(&mut self.publisher);
        }
        consumer.lose();
    }
}
