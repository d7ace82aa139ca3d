//! Publishes many messages at once and is done when the broker has them all.
//!
//! What the broker has confirmed is never sent again: a call that fails says which of its messages have arrived.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::blocked_copies::{BlockedCopy, answered};
use super::broker_epoch;
use super::client_trait::{Address, Envelope, Outbox, WINDOW, WINDOW_BYTES};
use super::confirms::Confirms;
use super::delay_queues::{self, Levels};
use super::options::AmqpOptions;
use super::publish::{Place, Publish};
use super::state::State;
use super::topology::{self, Keeping};
use crate::error::{Error, Result};
use crate::message::new_uuid;

/// What became of the messages of one call.
#[must_use]
pub(super) struct Published {
    /// Which of them the broker has.
    pub(super) arrived: Vec<bool>,
    /// `Ok` when it has all, or [holds up](Publisher::is_held_up) copies that are to be waited for.
    pub(super) result: Result<()>,
}

/// Publishes on one connection. After an error it is of no use any more.
pub(super) struct Publisher {
    pub(super) outbox: Box<dyn Outbox>,
    options: Arc<AmqpOptions>,
    published: u64,
    declared: HashSet<String>,
    /// Where failed jobs are kept, by queue, and where the names of those queues.
    keepings: HashMap<String, Keeping>,
    names: Option<Keeping>,
    /// How many levels of the delay queues were declared.
    height: u32,
    start: Option<u64>,
    /// Copies that were sent to a broker that takes nothing now. They are never sent again on this connection.
    pub(super) held_up: Vec<BlockedCopy>,
    /// How long it waits for the broker's word.
    pub(super) patience: Duration,
}

impl Publisher {
    pub(super) fn new(outbox: Box<dyn Outbox>, options: Arc<AmqpOptions>) -> Self {
        Self {
            outbox,
            patience: options.publish_timeout,
            options,
            published: 0,
            declared: HashSet::new(),
            keepings: HashMap::new(),
            names: None,
            height: 0,
            start: None,
            held_up: Vec::new(),
        }
    }

    /// Which start of the broker this connection is to. Who notices a start first counts it.
    pub(super) fn start(&mut self) -> Result<u64> {
        if let Some(start) = self.start {
            return Ok(start);
        }
        let (starts, queue) = broker_epoch::starts(self.options.quorum);
        self.outbox.declare(&[queue])?;
        let is_there = self.outbox.declare_unless_away(&broker_epoch::running())?;
        if is_there && self.outbox.count(broker_epoch::RUNNING)? == 0 {
            for (queue, passing) in [(starts, false), (broker_epoch::RUNNING, true)] {
                let (place, after, body) = (Place::Own(queue), Duration::ZERO, &[]);
                let mut envelope = Envelope { passing, ..Envelope::default() };
                envelope.message_id = Some(new_uuid().to_string());
                self.publish(&[Publish { queue, place, after, envelope, body, replaces: None }]).result?;
            }
        }
        let start = self.outbox.count(starts)?;
        // A quorum queue that has no leader now counts none.
        self.start = Some(start).filter(|start| *start > 0);
        Ok(start)
    }

    /// The state of a message that is published now.
    pub(super) fn stamp(&mut self, state: State) -> Result<State> {
        Ok(State { start: Some(self.start()?), ..state })
    }

    /// Publishes all.
    pub(super) fn publish(&mut self, publishes: &[Publish<'_>]) -> Published {
        let mut arrived = vec![false; publishes.len()];
        let result = self.publish_all(publishes, &mut arrived);
        Published { arrived, result }
    }

    fn publish_all(&mut self, publishes: &[Publish<'_>], arrived: &mut [bool]) -> Result<()> {
        if self.is_held_up() {
            let are_copies = publishes.iter().all(|publish| publish.replaces.is_some());
            return if are_copies { Ok(()) } else { Err(self.no_answer()) };
        }
        let mut addressed = Vec::with_capacity(publishes.len());
        for (index, publish) in publishes.iter().enumerate() {
            self.declare_for(publish)?;
            addressed.push(Addressed { index, address: self.address(publish)?, publish });
        }
        let mut pauses = PAUSES[..if self.options.quorum { PAUSES.len() } else { 3 }].iter();
        let mut declared_again = false;
        loop {
            let mut tally = Confirms::new(self.published, addressed.iter().map(Addressed::size).collect());
            let first = self.published + 1;
            let sent = self.send(&addressed, &mut tally);
            // Counted from the end: where a queue was deleted amid the call, its last messages have come back.
            let ids = addressed.iter().map(|one| one.publish.envelope.message_id.as_deref());
            let homeless = tally.homeless(ids);
            for (at, one) in addressed.iter().enumerate() {
                arrived[one.index] = tally.is_taken(at) && !homeless.contains(&at);
            }
            sent?;
            if !tally.is_complete() {
                // What the broker has answered, or was not sent, is sent by the next call.
                let ids = addressed.iter().map(|one| one.publish.envelope.message_id.as_deref());
                let open =
                    tally.open(ids).into_iter().map(|(at, came_back)| (at, first + at as u64, came_back));
                self.held_up = open
                    .filter(|(_, number, _)| *number <= self.published)
                    .filter_map(|(at, number, came_back)| {
                        BlockedCopy::of(addressed[at].publish, number, came_back)
                    })
                    .collect();
                return Ok(());
            }
            if let Some(first) = tally.refused.first() {
                let Some(pause) = pauses.next() else {
                    return Err(self.refused(tally.refused.len(), &addressed[*first].address));
                };
                // Nothing is unanswered: this waits, and notices when the connection is lost.
                self.outbox.answers(Duration::from_millis(*pause))?;
            }
            addressed.retain(|one| !arrived[one.index]);
            if addressed.is_empty() {
                return Ok(());
            }
            if !homeless.is_empty() {
                if declared_again {
                    return Err(self.unroutable(homeless.len(), &addressed[0].address));
                }
                // A queue was deleted since it was declared.
                self.declare_again(&addressed)?;
                declared_again = true;
            }
        }
    }

    fn declare_again(&mut self, addressed: &[Addressed<'_>]) -> Result<()> {
        self.declared.clear();
        self.keepings.clear();
        self.names = None;
        self.height = 0;
        addressed.iter().try_for_each(|one| self.declare_for(one.publish))
    }

    fn unroutable(&self, lost: usize, example: &Address) -> Error {
        let Address { exchange, routing_key } = example;
        Error::other(format!(
            "RabbitMQ at {} has no queue for {lost} messages (exchange \"{exchange}\", routing key \
             \"{routing_key}\")",
            self.options.place()
        ))
        .with_help(format!(
            "bind a queue to the exchange: rabbitmqctl list_bindings -p {}",
            self.options.vhost
        ))
    }

    fn declare_for(&mut self, publish: &Publish<'_>) -> Result<()> {
        let height = delay_queues::height(publish.after);
        if height > self.height {
            self.build_ladder(height.max(delay_queues::LEAST_HEIGHT))?;
        }
        match publish.place {
            Place::Home(_) | Place::Own(_) => Ok(()),
            Place::Failed => self.keeping(publish.queue).map(drop),
            Place::FailedQueues => self.keeping_of_names().map(drop),
            Place::Pushed | Place::Work | Place::Suspects => self.declare_work(publish.queue),
        }
    }

    fn build_ladder(&mut self, height: u32) -> Result<()> {
        let levels = self.levels();
        let is_new = levels == Levels::Quorum && !self.outbox.has_queue(&levels.name(height - 1))?;
        self.outbox.declare(&delay_queues::rungs(levels, height, self.options.quorum))?;
        self.height = height;
        if is_new {
            // Once in the life of a vhost. What is sent there now would be lost with the broker.
            std::thread::sleep(delay_queues::MATURE);
        }
        Ok(())
    }

    fn levels(&self) -> Levels {
        let is_quorum = self.options.quorum || self.outbox.dead_letters_surely();
        if is_quorum { Levels::Quorum } else { Levels::Classic }
    }

    fn declare_work(&mut self, queue: &str) -> Result<()> {
        if self.declared.contains(queue) {
            return Ok(());
        }
        if self.options.quorum {
            // The broker itself moves jobs there.
            self.keeping(queue)?;
        }
        self.outbox.declare(&topology::work(&self.options, queue))?;
        self.declared.insert(queue.to_owned());
        Ok(())
    }

    /// Where the failed jobs of a queue are kept.
    pub(super) fn keeping(&mut self, queue: &str) -> Result<Keeping> {
        if let Some(keeping) = self.keepings.get(queue) {
            return Ok(keeping.clone());
        }
        let outbox = &mut self.outbox;
        let keeping = Keeping::failed_jobs(&self.options, queue, |object| outbox.declare_exactly(object))?;
        self.keepings.insert(queue.to_owned(), keeping.clone());
        Ok(keeping)
    }

    /// Where the names of queues with failed jobs are kept.
    pub(super) fn keeping_of_names(&mut self) -> Result<Keeping> {
        if let Some(keeping) = &self.names {
            return Ok(keeping.clone());
        }
        let keeping = Keeping::queue_names(&self.options, |object| self.outbox.declare_exactly(object))?;
        Ok(self.names.insert(keeping).clone())
    }

    /// The size of the largest frame.
    pub(super) fn frame_max(&self) -> usize {
        self.outbox.frame_max()
    }

    /// How many failed jobs a queue has.
    pub(super) fn count_failed(&mut self, queue: &str) -> Result<u64> {
        let keeping = self.keeping(queue)?;
        self.outbox.count(&keeping.queue)
    }

    fn address(&mut self, publish: &Publish<'_>) -> Result<Address> {
        let queue = match &publish.place {
            Place::Pushed | Place::Work => publish.queue.to_owned(),
            Place::Suspects => topology::suspects_of(publish.queue),
            Place::Failed => self.keeping(publish.queue)?.queue,
            Place::FailedQueues => self.keeping_of_names()?.queue,
            Place::Own(queue) => (*queue).to_owned(),
            Place::Home(key) => return Ok(delay_queues::homecoming(key.clone())),
        };
        if let Some(delayed) = delay_queues::entry(self.levels(), &queue, publish.after)? {
            return Ok(delayed);
        }
        let exchange = match publish.place {
            Place::Pushed => self.options.exchange.clone(),
            _ => String::new(),
        };
        Ok(Address { exchange, routing_key: queue })
    }

    /// Sends with a full window, until all are answered, or copies are held up.
    fn send(&mut self, addressed: &[Addressed<'_>], tally: &mut Confirms) -> Result<()> {
        let mut sent = 0;
        let mut sent_bytes = 0;
        // What pushes waits for as long as it may; who holds jobs has more to do than to wait.
        let are_copies = addressed.iter().all(|one| one.publish.replaces.is_some());
        let step = if are_copies { A_MOMENT.min(self.patience) } else { self.patience };
        let mut waited = Duration::ZERO;
        while !tally.is_complete() {
            while let Some(one) = addressed.get(sent) {
                let open = sent_bytes - tally.answered_bytes;
                let is_full = open > 0 && open + one.size() > WINDOW_BYTES;
                if is_full || sent - tally.answered >= WINDOW {
                    break;
                }
                let Addressed { address, publish, .. } = one;
                self.outbox.publish(address, &publish.envelope, publish.body, self.patience)?;
                self.published += 1;
                sent += 1;
                sent_bytes += one.size();
            }
            let answers = self.outbox.answers(step)?;
            if answers.confirms.is_empty() && answers.returned.is_empty() {
                if are_copies && self.outbox.blocked().is_some() {
                    return Ok(());
                }
                waited += step;
                if waited < self.patience {
                    continue;
                }
                return Err(self.no_answer());
            }
            waited = Duration::ZERO;
            answers.confirms.into_iter().for_each(|confirm| tally.note(confirm));
            answers.returned.into_iter().for_each(|id| tally.came_back(id));
        }
        Ok(())
    }

    pub(super) fn no_answer(&mut self) -> Error {
        let (place, waited) = (self.options.place(), crate::time::format_duration(self.patience));
        match self.outbox.blocked() {
            Some(reason) => {
                Error::unavailable(format!("RabbitMQ at {place} takes no messages now: {reason}"))
                    .with_help(ALARM_HELP)
            }
            None => Error::unavailable(format!("RabbitMQ at {place} has confirmed nothing for {waited}")),
        }
    }

    fn refused(&self, refused: usize, example: &Address) -> Error {
        let text = format!(
            "RabbitMQ at {} refused {refused} messages (\"{}\"): the queue is full, or it has no leader now",
            self.options.place(),
            example.routing_key,
        );
        // What a node has refused because it knew of no leader may reach the leader later.
        let error = match self.options.quorum {
            true => Error::outcome_unknown(format!("the push may have arrived, or not: {text}")),
            false => Error::other(text),
        };
        error.with_help(
            "start more workers, or raise the queue's limit (x-max-length with x-overflow=reject-publish)",
        )
    }

    /// Whether copies are waited for: nothing else is sent meanwhile.
    pub(super) fn is_held_up(&self) -> bool {
        !self.held_up.is_empty()
    }

    /// Waits for answers to what is held up, at most for so long, and says the tags of those that have arrived. What
    /// the broker refused, or had no queue for, is not held up any more, and may be sent again.
    pub(super) fn proceed(&mut self, limit: Duration) -> Result<Vec<u64>> {
        if self.held_up.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.outbox.answers(limit)?;
        Ok(answered(&mut self.held_up, answers))
    }
}

/// How long a copy is waited for before it is asked why it is not confirmed.
pub(super) const A_MOMENT: Duration = Duration::from_millis(250);

/// What helps while the broker takes nothing.
const ALARM_HELP: &str = "free memory or disk space of the broker (rabbitmq-diagnostics alarms), then push again what \
     is not there: rabbitmqctl list_queues";

/// How many milliseconds to wait before what was refused is sent again: a full queue refuses still, and then that is
/// said soon. A quorum queue refuses while it has no leader, which takes a few seconds where a node has gone.
const PAUSES: [u64; 6] = [100, 300, 900, 2_000, 3_000, 3_000];

/// A publish with its address.
struct Addressed<'a> {
    /// Its index in the call.
    index: usize,
    address: Address,
    publish: &'a Publish<'a>,
}

impl Addressed<'_> {
    /// About how many bytes it is on its way.
    fn size(&self) -> usize {
        let notes = self.publish.envelope.notes.values().map(String::len).sum::<usize>();
        self.publish.body.len() + notes + 256
    }
}
