//! What comes from the broker: sorted on arrival, given out on demand.
//!
//! A message that comes again was held by a worker that went away, unless the broker has
//! [started](super::broker_epoch) since. It is not run: a copy with one more death goes to the suspects of its
//! queue, and only then is it acknowledged. Suspects are fetched one by one and never ahead. So one that
//! comes again from there was running when its worker went, and nothing that merely waited beside it is
//! charged.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client_trait::{Arrival, Inbox, WINDOW};
use super::codec;
use super::delay_queues;
use super::deliveries::{Deliveries, Held};
use super::options::AmqpOptions;
use super::prefetch::Prefetch;
use super::process_deliveries::ProcessDeliveries;
use super::publish::Place;
use super::publisher::Publisher;
use super::state::State;
use super::topology::{self, Keeping};
use crate::driver::{Receipt, Reserved, Suspects, Taken, Want};
use crate::error::{Error, Result};
use crate::time;

mod copies;
mod strays;
mod suspects;

/// How long a turn may look for strays, where it found jobs and where it did not.
const STRAYS_BUSY: Duration = Duration::from_millis(5);
const STRAYS_IDLE: Duration = Duration::from_millis(50);

/// How long a leaving driver waits for each answer.
const LEAVING: Duration = Duration::from_millis(500);

/// A message that nobody has, and what its copy is to be.
struct Postponed {
    arrival: Arrival,
    state: State,
    place: Place,
}

/// The receiving half of a driver.
pub(super) struct Consumer {
    inbox: Box<dyn Inbox>,
    options: Arc<AmqpOptions>,
    /// Which connection of this process this is: a tag means nothing on another one.
    epoch: u64,
    pub(super) deliveries: Deliveries,
    process: Arc<ProcessDeliveries>,
    waiting: HashMap<Arc<str>, VecDeque<Arrival>>,
    /// What is to be replaced by a copy once the broker takes messages again, by tag.
    postponed: BTreeMap<u64, Postponed>,
    declared: HashSet<Arc<str>>,
    subscribed: Vec<Arc<str>>,
    prefetch: Prefetch,
    /// How many strays are still to be looked at.
    strays: u64,
    /// When it first had the broker deliver.
    pub(super) subscribed_at: Option<Instant>,
}

impl Consumer {
    pub(super) fn new(
        inbox: Box<dyn Inbox>,
        options: Arc<AmqpOptions>,
        process: Arc<ProcessDeliveries>,
    ) -> Self {
        static EPOCHS: AtomicU64 = AtomicU64::new(1);
        Self {
            inbox,
            prefetch: Prefetch::new(options.prefetch),
            options,
            epoch: EPOCHS.fetch_add(1, Ordering::Relaxed),
            deliveries: Deliveries::default(),
            process,
            waiting: HashMap::new(),
            postponed: BTreeMap::new(),
            declared: HashSet::new(),
            subscribed: Vec::new(),
            strays: 0,
            subscribed_at: None,
        }
    }

    /// Whether the connection is still there.
    pub(super) fn check(&mut self) -> Result<()> {
        self.inbox.check()
    }

    /// Gives out jobs. `away` is how many an earlier connection held that may come back now.
    pub(super) fn reserve(
        &mut self,
        want: &Want<'_>,
        away: usize,
        publisher: &mut Publisher,
    ) -> Result<Taken> {
        let until = time::after(Instant::now(), want.lease);
        let queues = want.queues.iter().map(|queue| Arc::from(&**queue)).collect::<Vec<_>>();
        self.declare(&queues)?;
        self.proceed(Duration::ZERO, publisher)?;
        self.sort_arrivals(publisher)?;
        self.suspect_lapsed(publisher)?;
        if queues.is_empty() && want.fresh + away == 0 {
            self.fetch_nothing_ahead(publisher)?;
        }
        // Who looks for suspects alone is about to run one alone. What comes back is first in line.
        let away = if want.suspects == Suspects::Ignore { away } else { 0 };
        if want.fresh + away > 0 {
            self.subscribe(&queues, want.fresh + away, publisher)?;
        }
        let mut taken = Taken::default();
        self.hand_out(&queues, want.fresh, until, &mut taken);
        if taken.jobs.is_empty() && want.fresh > 0 {
            // Who still holds jobs does not end, and need not know.
            let more = self.deliveries.len() == 0 && self.are_there_more(&queues)?;
            self.sort_arrivals(publisher)?;
            self.hand_out(&queues, want.fresh, until, &mut taken);
            taken.next_due = (more && taken.jobs.is_empty()).then_some(Duration::ZERO);
        }
        if self.strays > 0 {
            if self.postponed.len() < WINDOW {
                let limit = if taken.jobs.is_empty() { STRAYS_IDLE } else { STRAYS_BUSY };
                self.bring_strays_home(limit, publisher)?;
            }
            if self.strays > 0 && taken.jobs.is_empty() {
                // Whether a job is among them is not known yet.
                taken.next_due = Some(Duration::ZERO);
            }
        }
        match want.suspects {
            Suspects::Ignore => {}
            Suspects::Look => taken.suspects_due = self.are_suspects_due(&queues)?,
            Suspects::Take(limit) | Suspects::TakeUncharged(limit) => {
                let (suspects, more) = self.take_suspects(&queues, want.suspects, until, publisher)?;
                match want.fresh {
                    // It runs alone: nothing shall be in the hands of a worker that may be about to die.
                    0 if !suspects.is_empty() && want.suspects.are_charged() => {
                        self.unsubscribe_and_requeue(self.options.answer_timeout, publisher)?;
                    }
                    // What a dead worker held is in the queue itself until somebody receives it.
                    0 if limit > 0 => self.subscribe(&queues, limit, publisher)?,
                    _ => {}
                }
                taken.jobs.extend(suspects);
                taken.suspects_due = more;
            }
        }
        Ok(taken)
    }

    /// All slots of the worker stay busy: what it cannot begin is for others. Nothing is to be done where the broker
    /// has handed out no more than what the worker holds.
    fn fetch_nothing_ahead(&mut self, publisher: &mut Publisher) -> Result<()> {
        let nothing_waits = self.waiting.values().all(VecDeque::is_empty);
        if nothing_waits && self.prefetch.current() <= self.deliveries.len() {
            return Ok(());
        }
        self.unsubscribe_and_requeue(self.options.answer_timeout, publisher)
    }

    fn hand_out(&mut self, queues: &[Arc<str>], most: usize, until: Instant, taken: &mut Taken) {
        for queue in queues {
            while taken.jobs.len() < most {
                let waiting = self.waiting.get_mut(queue);
                let Some(arrival) = waiting.and_then(VecDeque::pop_front) else { break };
                taken.jobs.push(self.hold(arrival, until));
            }
        }
    }

    /// Whether jobs wait that have not come. A broker answers no look, it delivers when it likes: nothing in
    /// hand does not mean that nothing is there, and a worker may be about to end over that.
    fn are_there_more(&mut self, queues: &[Arc<str>]) -> Result<bool> {
        for queue in queues {
            if self.inbox.count(queue)? > 0 {
                return Ok(true);
            }
        }
        // What was already on its way here comes before the answer to this.
        self.inbox.flush(self.options.answer_timeout)?;
        Ok(false)
    }

    fn declare(&mut self, queues: &[Arc<str>]) -> Result<()> {
        for queue in queues {
            if !self.declared.contains(queue) {
                crate::message::check_name("queue", queue)?;
                topology::check_is_not_ours(queue).map_err(Error::of_config)?;
                let inbox = &mut self.inbox;
                if self.options.quorum {
                    // The broker itself moves jobs there.
                    Keeping::failed_jobs(&self.options, queue, |object| inbox.declare_exactly(object))?;
                }
                inbox.declare(&topology::work(&self.options, queue))?;
                self.declared.insert(Arc::clone(queue));
                // The queue may have been missing when delayed jobs came down the delay queues for it. Only what is
                // there now: those whose queue is still missing come back there.
                self.strays = inbox.count(delay_queues::STRAY)?;
            }
        }
        Ok(())
    }

    /// Has the broker hand out as much as the worker holds and wants, and no more: what waits here is kept
    /// from other workers.
    fn subscribe(&mut self, queues: &[Arc<str>], more: usize, publisher: &mut Publisher) -> Result<()> {
        if !self.subscribed.is_empty() && self.subscribed != queues {
            self.unsubscribe_and_requeue(self.options.answer_timeout, publisher)?;
        }
        if queues.is_empty() {
            return Ok(());
        }
        if let Some(prefetch) = self.prefetch.for_more(self.deliveries.len(), more) {
            for queue in queues {
                self.inbox.subscribe(queue, prefetch)?;
            }
            self.prefetch.subscribed(prefetch);
            self.subscribed = queues.to_vec();
            self.subscribed_at.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    fn sort_arrivals(&mut self, publisher: &mut Publisher) -> Result<()> {
        let mut again = Vec::new();
        for arrival in self.inbox.arrivals()? {
            self.deliveries.delivered(arrival.tag);
            self.prefetch.came(arrival.body.len());
            if arrival.redelivered {
                again.extend(self.adopt(arrival));
            } else {
                self.waiting.entry(Arc::clone(&arrival.queue)).or_default().push_back(arrival);
            }
        }
        self.sort_again(again, publisher)
    }

    /// Continues the hold of a job that still runs in this process; gives back what does not.
    fn adopt(&mut self, arrival: Arrival) -> Option<Arrival> {
        let print = self.process.print(&arrival.envelope, &arrival.body);
        let Some((receipt, uuid, until)) = self.process.adopt(print) else { return Some(arrival) };
        let state = State::read(arrival.envelope.app_id.as_deref());
        let Arrival { tag, queue, envelope, body, .. } = arrival;
        let (body, adopted) = (body.into(), true);
        self.deliveries.hold(receipt, Held { tag, queue, state, envelope, uuid, until, body, adopted });
        None
    }

    /// What came again goes to the suspects, one death more, or back to where it was. Nobody died of what was here
    /// when this process lost its connection.
    fn sort_again(&mut self, arrivals: Vec<Arrival>, publisher: &mut Publisher) -> Result<()> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let start = publisher.start()?;
        let process = Arc::clone(&self.process);
        self.copy(arrivals, publisher, |arrival, state| {
            let survived = process.has_survived(process.print(&arrival.envelope, &arrival.body));
            let state = if survived { state } else { state.came_again(start) };
            (state, Place::of(state))
        })
    }

    fn suspect_lapsed(&mut self, publisher: &mut Publisher) -> Result<()> {
        let lapsed = self.deliveries.lapsed(Instant::now());
        lapsed.iter().for_each(|(receipt, held)| self.process.lapse(*receipt, held));
        let arrivals = lapsed.into_iter().map(|(_, held)| Arrival {
            tag: held.tag,
            queue: held.queue,
            redelivered: true,
            routing_key: String::new(),
            envelope: held.envelope,
            body: held.body.to_vec(),
        });
        self.copy(arrivals.collect(), publisher, |_, state| (state.died(), Place::Suspects))
    }

    pub(super) fn ack(&mut self, tags: Vec<u64>) -> Result<()> {
        for (tag, multiple) in self.deliveries.acks(tags) {
            self.inbox.ack(tag, multiple)?;
        }
        Ok(())
    }

    fn hold(&mut self, mut arrival: Arrival, until: Instant) -> Reserved {
        let receipt = Receipt(self.epoch, arrival.tag);
        let uuid = self.process.name(receipt, &arrival.envelope, &arrival.body);
        let job = codec::reserved(&mut arrival, &uuid, receipt, until);
        let state = State::read(arrival.envelope.app_id.as_deref());
        let Arrival { tag, queue, envelope, .. } = arrival;
        let (body, adopted) = (Arc::clone(&job.message.payload), false);
        self.deliveries.hold(receipt, Held { tag, queue, state, envelope, uuid, until, body, adopted });
        job
    }

    /// Receives nothing more, and puts back what nobody has begun, as it was. Simply closing would do it
    /// too, but then all of it would come again as suspects.
    pub(super) fn unsubscribe_and_requeue(
        &mut self,
        limit: Duration,
        publisher: &mut Publisher,
    ) -> Result<()> {
        if !self.subscribed.is_empty() {
            self.inbox.unsubscribe(limit)?;
            self.subscribed.clear();
            self.prefetch.subscribed(0);
        }
        self.sort_arrivals(publisher)?;
        let unbegun = self.waiting.drain().flat_map(|(_, arrivals)| arrivals).collect();
        self.copy(unbegun, publisher, |_, state| (state, Place::Work))
    }

    /// The connection is of no use any more: this process remembers what it had.
    pub(super) fn lose(&mut self) {
        let process = &self.process;
        let unread = self.waiting.drain().flat_map(|(_, arrivals)| arrivals).chain(self.inbox.unread());
        let unbegun =
            std::mem::take(&mut self.postponed).into_values().filter(|one| one.place == Place::Work);
        let unread = unread.chain(unbegun.map(|one| one.arrival));
        let unread: Vec<_> = unread.map(|unread| process.print(&unread.envelope, &unread.body)).collect();
        process.leave(&mut self.deliveries, unread.into_iter());
    }

    /// The driver is dropped while all is well: puts back what nobody has begun, and lets the last
    /// acknowledgements reach the broker. Waits a moment at most.
    pub(super) fn leave(&mut self, publisher: &mut Publisher) -> Result<()> {
        publisher.patience = LEAVING;
        self.unsubscribe_and_requeue(LEAVING, publisher)?;
        self.inbox.flush(LEAVING)
    }

    /// Waits until the broker has read all acknowledgements.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.inbox.flush(self.options.answer_timeout)
    }

    /// How many jobs wait in a queue, those included that wait here.
    pub(super) fn count(&mut self, queue: &str) -> Result<u64> {
        let here = self.waiting.get(queue).map_or(0, |waiting| waiting.len() as u64);
        Ok(here + self.inbox.count(queue)? + self.inbox.count(&topology::suspects_of(queue))?)
    }

    /// Removes what waits in a queue.
    pub(super) fn clear(&mut self, queue: &str, publisher: &mut Publisher) -> Result<u64> {
        self.sort_arrivals(publisher)?;
        let purged = self.inbox.purge(queue)? + self.inbox.purge(&topology::suspects_of(queue))?;
        let here = self.waiting.remove(queue).unwrap_or_default();
        self.ack(here.iter().map(|arrival| arrival.tag).collect())?;
        Ok(purged + here.len() as u64)
    }
}
