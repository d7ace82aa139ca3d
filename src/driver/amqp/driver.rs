//! The driver: what becomes of a verdict on AMQP.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::holds::{Held, Orphans};
use super::intake::Intake;
use super::ladder;
use super::letter;
use super::options::Options;
use super::publisher::{Parcel, Place, Publisher};
use super::state::State;
use super::wire::{Client, Envelope, note};
use crate::driver::{
    Bell, Cancelled, Driver, JobDetails, JobFilter, QueuedJob, Receipt, Reserved, Settled, Settlement,
    Signal, Size, Taken, Verdict, Want,
};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
use crate::payload::storable_text;
use crate::time::{self, Timestamp};

/// A pair of connections: one publishes, the other one, opened when it is first needed, receives.
pub(super) struct AmqpDriver {
    client: Arc<dyn Client>,
    options: Arc<Options>,
    bell: Bell,
    orphans: Arc<Orphans>,
    publisher: Publisher,
    intake: Option<Intake>,
    /// The queues that were named here.
    seen: BTreeSet<Arc<str>>,
    /// When the last job that was put back here is due, and when it should be there at the latest.
    returning: Option<(Instant, Instant)>,
    opened: Instant,
    /// No connection was lost: leaving may ask the broker.
    well: bool,
}

/// How much later than it is due a delayed job may be in its queue: the ladder rounds up, and takes its time.
const LATE: Duration = Duration::from_millis(1_125);

/// How long after it is asked for, what was held before may still come back to this process.
pub(super) const SETTLING: Duration = Duration::from_secs(5);

impl AmqpDriver {
    pub(super) fn open(
        client: Arc<dyn Client>,
        options: Arc<Options>,
        bell: Bell,
        orphans: Arc<Orphans>,
    ) -> Result<Self> {
        let publisher = Publisher::new(client.outbox()?, Arc::clone(&options));
        let seen = BTreeSet::from([Arc::from(&*options.queue)]);
        Ok(Self {
            client,
            options,
            bell,
            orphans,
            publisher,
            intake: None,
            seen,
            returning: None,
            opened: Instant::now(),
            well: true,
        })
    }

    /// Whether what was held before may still come: the broker delivers once it is asked to, which on a crowded
    /// machine is long after opening.
    fn settles_in(&self) -> bool {
        match self.intake.as_ref().and_then(|intake| intake.subscribed_at) {
            Some(at) => at.elapsed() < SETTLING,
            None => self.opened.elapsed() < SETTLING * 6,
        }
    }

    fn intake(&mut self) -> Result<(&mut Intake, &mut Publisher, &Orphans)> {
        if self.intake.is_none() {
            let inbox = self.client.inbox(self.bell.clone())?;
            self.intake = Some(Intake::new(inbox, Arc::clone(&self.options)));
        }
        match &mut self.intake {
            Some(intake) => Ok((intake, &mut self.publisher, &self.orphans)),
            None => Err(Error::other("there is no receiving connection")),
        }
    }

    /// Remembers when a connection is of no use any more.
    fn watched<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(Error::is_unavailable) {
            self.well = false;
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
        let due = time::after(Instant::now(), *after);
        if self.returning.is_none_or(|(last, _)| last < due) {
            self.returning = Some((due, due + LATE));
        }
    }

    /// In how long a job that was put back here is due, which comes down the ladder a little later.
    fn return_due(&self) -> Option<Duration> {
        let now = Instant::now();
        let (due, there) = self.returning?;
        (now < there).then(|| due.saturating_duration_since(now))
    }

    fn publish_jobs(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        self.see(messages.iter().map(|message| &*message.queue));
        let mut parcels = Vec::with_capacity(messages.len());
        let mut uuids = HashSet::with_capacity(messages.len());
        let state = self.publisher.stamp(State::default())?;
        for message in messages {
            let envelope = letter::pushed(&self.options, message, state)?;
            if uuids.insert(&message.uuid) {
                let (queue, body) = (&*message.queue, &*message.payload);
                parcels.push(Parcel { queue, place: Place::Pushed, after: message.delay, envelope, body });
            }
        }
        self.publisher.publish(&parcels)?;
        Ok(messages.iter().map(|message| Pushed::Added(JobId::Text(Arc::clone(&message.uuid)))).collect())
    }

    fn settle_all(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let mut settlement = Settlement::default();
        let mut done = Vec::new();
        let mut copies = Vec::new();
        for Settled { job, verdict } in settled {
            match self.intake.as_mut().and_then(|intake| intake.holds.release(job.receipt)) {
                None => {
                    self.orphans.forget(&job.message.uuid, job.receipt);
                    settlement.lost.push(job.receipt);
                }
                Some(held) => match verdict {
                    Verdict::Done => done.push((job.receipt, held)),
                    verdict => copies.push((*job, verdict, held)),
                },
            }
        }
        let Some(intake) = &mut self.intake else { return Ok(settlement) };
        // Not after the copies: should those fail, what is done is done.
        if let Err(error) = intake.ack(done.iter().map(|(_, held)| held.tag).collect()) {
            // They may come back, and are known then.
            done.into_iter().for_each(|(receipt, held)| intake.holds.hold(receipt, held));
            copies.into_iter().for_each(|(job, _, held)| intake.holds.hold(job.receipt, held));
            return Err(error);
        }
        let publisher = &mut self.publisher;
        let copied = copies.iter().map(|(job, verdict, held)| copy(job, verdict, held, publisher));
        let copied = copied.collect::<Result<Vec<_>>>();
        if let Err(error) = copied.and_then(|parcels| publisher.publish(&parcels)) {
            for (job, _, held) in copies {
                intake.holds.hold(job.receipt, held);
            }
            return Err(error);
        }
        intake.ack(copies.iter().map(|(_, _, held)| held.tag).collect())?;
        copies.iter().for_each(|(_, verdict, _)| self.note_return(verdict));
        Ok(settlement)
    }
}

/// The message that takes the place of a job that is put back.
fn copy<'a>(
    job: &'a Reserved,
    verdict: &Verdict,
    held: &Held,
    publisher: &mut Publisher,
) -> Result<Parcel<'a>> {
    let (state, after) = match verdict {
        Verdict::Again { after, counted, .. } => (held.state.survived(*counted), *after),
        Verdict::Exhausted { after, attempts, .. } => (held.state.exhausted(*attempts), *after),
        Verdict::Unknown { after } => (held.state.unknown(Timestamp::now()), *after),
        Verdict::Unstarted { after } => (held.state, *after),
        Verdict::Done | Verdict::Bury(_) => {
            return Err(Error::unsupported(
                "the amqp driver does not bury jobs: record, then settle as done",
            ));
        }
    };
    let mut envelope: Envelope = letter::copy(&held.envelope, &held.uuid, publisher.stamp(state)?);
    if let Verdict::Again { error, .. } | Verdict::Exhausted { error, .. } = verdict {
        envelope.notes.insert(note::ERROR, storable_text(error));
    }
    Ok(Parcel {
        queue: &job.message.queue,
        place: Place::of(state),
        // A push is refused what the ladder cannot do; a job that was taken must go somewhere.
        after: after.min(ladder::LONGEST),
        envelope,
        body: &job.message.payload,
    })
}

impl Driver for AmqpDriver {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        let pushed = self.publish_jobs(messages);
        self.watched(pushed)
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        self.see(want.queues.iter().map(|queue| &**queue));
        let taken = self.intake().and_then(|(intake, publisher, orphans)| {
            intake.reserve(want, orphans.count(Instant::now()), publisher, orphans)
        });
        let mut taken = self.watched(taken)?;
        if taken.jobs.is_empty() && want.fresh > 0 {
            taken.next_due = taken.next_due.or_else(|| self.return_due());
        }
        Ok(taken)
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let settlement = self.settle_all(settled);
        self.watched(settlement)
    }

    /// The broker keeps a hold as long as the connection lives: nothing is sent.
    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        if let Some(intake) = &mut self.intake {
            let checked = intake.check();
            self.watched(checked)?;
        }
        let until = time::after(Instant::now(), lease);
        let mut lost = Vec::new();
        for job in held {
            // What was held on a connection that was lost may come back: nobody knows yet.
            let held = self.intake.as_mut().is_some_and(|intake| intake.holds.extend(job.receipt, until))
                || self.orphans.extend(&job.message.uuid, job.receipt, until) && self.settles_in();
            if !held {
                lost.push(job.receipt);
            }
        }
        Ok(lost)
    }

    fn came_back(&mut self, job: &Reserved) -> bool {
        self.intake.as_ref().is_some_and(|intake| intake.holds.has(job.receipt))
    }

    /// AMQP tells how many messages are ready in a queue, and nothing else.
    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        let named: Vec<Arc<str>> = match queues {
            [] => self.seen.iter().cloned().collect(),
            named => named.iter().map(|queue| Arc::from(&**queue)).collect(),
        };
        let counted = named.into_iter().map(|queue| {
            crate::message::check_name("queue", &queue)?;
            let (intake, ..) = self.intake()?;
            let waiting = Some(intake.count(&queue)?);
            Ok(Size { queue: queue.to_string(), waiting, delayed: None, running: None, oldest_wait: None })
        });
        let sizes = counted.collect();
        self.watched(sizes)
    }

    /// Removes what is due. What is delayed is on the ladder together with the jobs of other queues, where
    /// AMQP can't pick it out.
    fn clear(&mut self, queue: &str) -> Result<u64> {
        crate::message::check_name("queue", queue)?;
        let cleared =
            self.intake().and_then(|(intake, publisher, orphans)| intake.clear(queue, publisher, orphans));
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

    fn signal(&mut self, _: &Signal<'_>) -> Result<bool> {
        Err(Error::unsupported("a broker has no place to keep what its workers are told").with_help(
            "name a connection in [amqp], for a database that keeps it; or stop the workers by themselves, with systemctl",
        ))
    }
}

fn shows_no_jobs() -> Error {
    Error::unsupported("a broker shows a message only to whoever takes it").with_help(
        "craft queue:status counts them; RabbitMQ's management page can get messages and put them back, out of order",
    )
}

impl Drop for AmqpDriver {
    fn drop(&mut self) {
        let Some(intake) = &mut self.intake else { return };
        if self.well {
            // When it fails, the broker gives everything to others by itself.
            let _ = intake.leave(&mut self.publisher, &self.orphans);
        }
        self.orphans.leave(&mut intake.holds);
    }
}
