//! What comes from the broker: sorted on arrival, given out on demand.
//!
//! A message that comes again was held by a worker that went away, unless the broker has
//! [started](super::starts) since. It is not run: a copy with one more death goes to the suspects of its
//! queue, and only then is it acknowledged. Suspects are fetched one by one and never ahead. So one that
//! comes again from there was running when its worker went, and nothing that merely waited beside it is
//! charged.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::holds::{Held, Holds, Orphans};
use super::ladder;
use super::letter;
use super::options::Options;
use super::publisher::{Parcel, Place, Publisher};
use super::state::State;
use super::topology;
use super::wire::{Arrival, Inbox, WINDOW};
use crate::driver::{Receipt, Reserved, Suspects, Taken, Want};
use crate::error::Result;
use crate::time;

/// The most that the broker hands out ahead when nothing is configured.
const PREFETCH_LIMIT: usize = 1 << 15;

/// How long a leaving driver waits for each answer.
const LEAVING: Duration = Duration::from_millis(500);

/// The receiving half of a driver.
pub(super) struct Intake {
    inbox: Box<dyn Inbox>,
    options: Arc<Options>,
    /// Which connection of this process this is: a tag means nothing on another one.
    epoch: u64,
    pub(super) holds: Holds,
    waiting: HashMap<Arc<str>, VecDeque<Arrival>>,
    declared: HashSet<Arc<str>>,
    subscribed: Vec<Arc<str>>,
    prefetch: u16,
    /// When it first had the broker deliver.
    pub(super) subscribed_at: Option<Instant>,
}

impl Intake {
    pub(super) fn new(inbox: Box<dyn Inbox>, options: Arc<Options>) -> Self {
        static EPOCHS: AtomicU64 = AtomicU64::new(1);
        Self {
            inbox,
            options,
            epoch: EPOCHS.fetch_add(1, Ordering::Relaxed),
            holds: Holds::default(),
            waiting: HashMap::new(),
            declared: HashSet::new(),
            subscribed: Vec::new(),
            prefetch: 0,
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
        orphans: &Orphans,
    ) -> Result<Taken> {
        let until = time::after(Instant::now(), want.lease);
        let queues = want.queues.iter().map(|queue| Arc::from(&**queue)).collect::<Vec<_>>();
        self.declare(&queues, publisher)?;
        self.sort_arrivals(publisher, orphans)?;
        self.suspect_lapsed(publisher)?;
        if queues.is_empty() && want.fresh + away == 0 {
            self.fetch_nothing_ahead(publisher, orphans)?;
        }
        // Who looks for suspects alone is about to run one alone. What comes back is first in line.
        let away = if want.suspects == Suspects::Ignore { away } else { 0 };
        if want.fresh + away > 0 {
            self.subscribe(&queues, want.fresh + away, publisher, orphans)?;
        }
        let mut taken = Taken::default();
        self.hand_out(&queues, want.fresh, until, &mut taken);
        if taken.jobs.is_empty() && want.fresh > 0 {
            // Who still holds jobs does not end, and need not know.
            let more = self.holds.len() == 0 && self.are_there_more(&queues)?;
            self.sort_arrivals(publisher, orphans)?;
            self.hand_out(&queues, want.fresh, until, &mut taken);
            taken.next_due = (more && taken.jobs.is_empty()).then_some(Duration::ZERO);
        }
        match want.suspects {
            Suspects::Ignore => {}
            Suspects::Look => taken.suspects_due = self.are_suspects_due(&queues)?,
            Suspects::Take(limit) | Suspects::TakeUncharged(limit) => {
                let (suspects, more) =
                    self.take_suspects(&queues, want.suspects, until, publisher, orphans)?;
                match want.fresh {
                    // It runs alone: nothing shall be in the hands of a worker that may be about to die.
                    0 if !suspects.is_empty() => {
                        self.stand_aside(self.options.answer_timeout, publisher, orphans)?;
                    }
                    // What a dead worker held is in the queue itself until somebody receives it.
                    0 if limit > 0 => self.subscribe(&queues, limit, publisher, orphans)?,
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
    fn fetch_nothing_ahead(&mut self, publisher: &mut Publisher, orphans: &Orphans) -> Result<()> {
        let nothing_waits = self.waiting.values().all(VecDeque::is_empty);
        if nothing_waits && usize::from(self.prefetch) <= self.holds.len() {
            return Ok(());
        }
        self.stand_aside(self.options.answer_timeout, publisher, orphans)
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

    fn declare(&mut self, queues: &[Arc<str>], publisher: &mut Publisher) -> Result<()> {
        for queue in queues {
            if !self.declared.contains(queue) {
                crate::message::check_name("queue", queue)?;
                self.inbox.declare(&topology::work(&self.options, queue))?;
                self.declared.insert(Arc::clone(queue));
                self.bring_strays_home(publisher)?;
            }
        }
        Ok(())
    }

    /// A queue is there that may have been missing when delayed jobs came down the ladder for it.
    fn bring_strays_home(&mut self, publisher: &mut Publisher) -> Result<()> {
        let stray: Arc<str> = ladder::STRAY.into();
        // Only what is there now: those whose queue is still missing come back here.
        for _ in 0..self.inbox.count(&stray)? {
            let Some((mut arrival, _)) = self.inbox.get(&stray)? else { break };
            self.holds.delivered(arrival.tag);
            let place = Place::Home(std::mem::take(&mut arrival.routing_key));
            self.copy(vec![arrival], |state| (state, place.clone()), publisher)?;
        }
        Ok(())
    }

    /// Has the broker hand out as much as the worker holds and wants, and no more: what lies here is kept
    /// from other workers.
    fn subscribe(
        &mut self,
        queues: &[Arc<str>],
        more: usize,
        publisher: &mut Publisher,
        orphans: &Orphans,
    ) -> Result<()> {
        if !self.subscribed.is_empty() && self.subscribed != queues {
            self.stand_aside(self.options.answer_timeout, publisher, orphans)?;
        }
        if queues.is_empty() {
            return Ok(());
        }
        let wanted = match self.holds.len() + more {
            few @ ..=16 => few,
            many => many.min(PREFETCH_LIMIT).next_power_of_two(),
        };
        let prefetch = self.options.prefetch.unwrap_or(wanted as u16);
        if prefetch > self.prefetch {
            for queue in queues {
                self.inbox.subscribe(queue, prefetch)?;
            }
            self.prefetch = prefetch;
            self.subscribed = queues.to_vec();
            self.subscribed_at.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    fn sort_arrivals(&mut self, publisher: &mut Publisher, orphans: &Orphans) -> Result<()> {
        let mut again = Vec::new();
        for arrival in self.inbox.arrivals()? {
            self.holds.delivered(arrival.tag);
            if arrival.redelivered {
                again.extend(self.adopt(arrival, orphans));
            } else {
                self.waiting.entry(Arc::clone(&arrival.queue)).or_default().push_back(arrival);
            }
        }
        self.sort_again(again, publisher)
    }

    /// Continues the hold of a job that still runs in this process; gives back what does not.
    fn adopt(&mut self, arrival: Arrival, orphans: &Orphans) -> Option<Arrival> {
        let uuid = letter::identity(&arrival.envelope);
        let Some((receipt, until)) = orphans.adopt(&uuid) else { return Some(arrival) };
        let state = State::read(arrival.envelope.app_id.as_deref());
        let Arrival { tag, queue, envelope, body, .. } = arrival;
        self.holds.hold(receipt, Held { tag, queue, state, envelope, uuid, until, adopted: Some(body) });
        None
    }

    /// What came again goes to the suspects, one death more, or back to where it was.
    fn sort_again(&mut self, arrivals: Vec<Arrival>, publisher: &mut Publisher) -> Result<()> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let start = publisher.start()?;
        let sort = |state: State| {
            let state = state.came_again(start);
            (state, Place::of(state))
        };
        self.copy(arrivals, sort, publisher)
    }

    /// Publishes a copy of each with a new state, and then acknowledges the original.
    fn copy(
        &mut self,
        arrivals: Vec<Arrival>,
        change: impl Fn(State) -> (State, Place),
        publisher: &mut Publisher,
    ) -> Result<()> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let mut parcels = Vec::with_capacity(arrivals.len());
        for Arrival { queue, envelope, body, .. } in &arrivals {
            let (state, place) = change(State::read(envelope.app_id.as_deref()));
            let envelope = letter::copy(envelope, &letter::identity(envelope), publisher.stamp(state)?);
            parcels.push(Parcel { queue, place, after: Duration::ZERO, envelope, body });
        }
        publisher.publish(&parcels)?;
        self.ack(arrivals.iter().map(|arrival| arrival.tag).collect())
    }

    fn suspect_lapsed(&mut self, publisher: &mut Publisher) -> Result<()> {
        let lapsed = self.holds.lapsed(Instant::now());
        let arrivals = lapsed.into_iter().map(|held| Arrival {
            tag: held.tag,
            queue: held.queue,
            redelivered: true,
            routing_key: String::new(),
            envelope: held.envelope,
            body: held.adopted.unwrap_or_default(),
        });
        self.copy(arrivals.collect(), |state| (state.died(), Place::Suspects), publisher)
    }

    pub(super) fn ack(&mut self, tags: Vec<u64>) -> Result<()> {
        for (tag, multiple) in self.holds.acks(tags) {
            self.inbox.ack(tag, multiple)?;
        }
        Ok(())
    }

    fn hold(&mut self, mut arrival: Arrival, until: Instant) -> Reserved {
        let uuid = letter::identity(&arrival.envelope);
        let receipt = Receipt(self.epoch, arrival.tag);
        let job = letter::reserved(&mut arrival, &uuid, receipt, until);
        let state = State::read(arrival.envelope.app_id.as_deref());
        let Arrival { tag, queue, envelope, .. } = arrival;
        self.holds.hold(receipt, Held { tag, queue, state, envelope, uuid, until, adopted: None });
        job
    }

    fn are_suspects_due(&mut self, queues: &[Arc<str>]) -> Result<bool> {
        for queue in queues {
            if self.inbox.count(&topology::suspects_of(queue))? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches suspects, and says whether more wait.
    fn take_suspects(
        &mut self,
        queues: &[Arc<str>],
        wanted: Suspects,
        until: Instant,
        publisher: &mut Publisher,
        orphans: &Orphans,
    ) -> Result<(Vec<Reserved>, bool)> {
        let limit = wanted.most();
        let (mut jobs, mut again, mut spared) = (Vec::new(), Vec::new(), Vec::new());
        let mut more = false;
        for (index, queue) in queues.iter().enumerate() {
            if jobs.len() == limit {
                more = more || self.are_suspects_due(&queues[index..])?;
                break;
            }
            let suspects = Arc::from(topology::suspects_of(queue));
            let mut left = 0;
            while jobs.len() + spared.len() < limit && again.len() < WINDOW {
                let got = self.inbox.get(&suspects)?;
                left = got.as_ref().map_or(0, |(_, left)| *left);
                let Some((mut arrival, _)) = got else { break };
                self.holds.delivered(arrival.tag);
                arrival.queue = Arc::clone(queue);
                let charged =
                    || wanted.are_charged() || State::read(arrival.envelope.app_id.as_deref()).spared;
                if !arrival.redelivered && charged() {
                    jobs.push(self.hold(arrival, until));
                } else if !arrival.redelivered {
                    // Only what the message itself says outlives this worker.
                    spared.push(arrival);
                } else {
                    // Its worker went away while it ran. The copy that says so comes after the others.
                    again.extend(self.adopt(arrival, orphans));
                }
            }
            more |= left > 0;
        }
        more |= !again.is_empty() || !spared.is_empty();
        self.copy(spared, |state| (state.spare(), Place::Suspects), publisher)?;
        self.sort_again(again, publisher)?;
        Ok((jobs, more))
    }

    /// Receives nothing more, and puts back what nobody has begun, as it was. Simply closing would do it
    /// too, but then all of it would come again as suspects.
    fn stand_aside(&mut self, limit: Duration, publisher: &mut Publisher, orphans: &Orphans) -> Result<()> {
        if !self.subscribed.is_empty() {
            self.inbox.unsubscribe(limit)?;
            self.subscribed.clear();
            self.prefetch = 0;
        }
        self.sort_arrivals(publisher, orphans)?;
        let unbegun = self.waiting.drain().flat_map(|(_, arrivals)| arrivals).collect();
        self.copy(unbegun, |state| (state, Place::Work), publisher)
    }

    /// The driver is dropped while all is well: puts back what nobody has begun, and lets the last
    /// acknowledgements reach the broker. Waits a moment at most.
    pub(super) fn leave(&mut self, publisher: &mut Publisher, orphans: &Orphans) -> Result<()> {
        publisher.patience = LEAVING;
        self.stand_aside(LEAVING, publisher, orphans)?;
        self.inbox.flush(LEAVING)
    }

    /// How many jobs wait in a queue, those included that lie here.
    pub(super) fn count(&mut self, queue: &str) -> Result<u64> {
        let here = self.waiting.get(queue).map_or(0, |waiting| waiting.len() as u64);
        Ok(here + self.inbox.count(queue)? + self.inbox.count(&topology::suspects_of(queue))?)
    }

    /// Removes what waits in a queue.
    pub(super) fn clear(&mut self, queue: &str, publisher: &mut Publisher, orphans: &Orphans) -> Result<u64> {
        self.sort_arrivals(publisher, orphans)?;
        let purged = self.inbox.purge(queue)? + self.inbox.purge(&topology::suspects_of(queue))?;
        let here = self.waiting.remove(queue).unwrap_or_default();
        self.ack(here.iter().map(|arrival| arrival.tag).collect())?;
        Ok(purged + here.len() as u64)
    }
}
