//! Publishes many messages at once and is done when the broker has them all.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::ladder;
use super::options::Options;
use super::starts;
use super::state::State;
use super::topology;
use super::wire::{Address, Confirm, Envelope, Object, Outbox, WINDOW};
use crate::error::{Error, Result};
use crate::message::new_uuid;

/// One message on its way out.
pub(super) struct Parcel<'a> {
    /// The queue of the job.
    pub(super) queue: &'a str,
    /// Which of its queues.
    pub(super) place: Place,
    /// How long until it shall be there.
    pub(super) after: Duration,
    /// Its properties.
    pub(super) envelope: Envelope,
    /// Its bytes.
    pub(super) body: &'a [u8],
}

/// Which of the queues that belong to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The queue itself, through the configured exchange.
    Pushed,
    /// The queue itself.
    Work,
    /// Its suspects.
    Suspects,
    /// Its dead.
    Failed,
    /// The names of the queues that have dead.
    FailedQueues,
    /// The starts of the broker.
    Starts,
    /// Down from the end of the ladder, with this key.
    Home(String),
}

impl Place {
    /// Where a job waits that is due.
    pub(super) fn of(state: State) -> Self {
        if state.is_suspect() { Self::Suspects } else { Self::Work }
    }
}

/// Publishes on one connection. After an error of the connection it is of no use any more.
pub(super) struct Publisher {
    outbox: Box<dyn Outbox>,
    options: Arc<Options>,
    published: u64,
    declared: HashSet<String>,
    has_ladder: bool,
    /// Which start of the broker this connection is to, once that was asked.
    start: Option<u64>,
    /// How long it waits for the broker's word.
    pub(super) patience: Duration,
}

impl Publisher {
    pub(super) fn new(outbox: Box<dyn Outbox>, options: Arc<Options>) -> Self {
        let patience = options.publish_timeout;
        let (declared, has_ladder) = (HashSet::new(), false);
        Self { outbox, options, published: 0, declared, has_ladder, start: None, patience }
    }

    /// Which start of the broker this connection is to. Who notices a start first counts it.
    pub(super) fn start(&mut self) -> Result<u64> {
        if let Some(start) = self.start {
            return Ok(start);
        }
        self.outbox.declare(&[starts::counter()])?;
        if !self.outbox.has_exchange(starts::RUNNING)? {
            let envelope = Envelope { message_id: Some(new_uuid().to_string()), ..Envelope::default() };
            let (queue, place, after) = (starts::STARTS, Place::Starts, Duration::ZERO);
            self.publish(&[Parcel { queue, place, after, envelope, body: &[] }])?;
            self.outbox.declare(&[starts::mark()])?;
        }
        let start = self.outbox.count(starts::STARTS)?;
        self.start = Some(start);
        Ok(start)
    }

    /// The state of a message that is published now.
    pub(super) fn stamp(&mut self, state: State) -> Result<State> {
        Ok(State { start: Some(self.start()?), ..state })
    }

    /// Publishes all. `Ok` means that the broker has every one of them.
    pub(super) fn publish(&mut self, parcels: &[Parcel<'_>]) -> Result<()> {
        let mut letters = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            self.declare_for(parcel)?;
            letters.push((self.address(parcel)?, parcel));
        }
        let mut pauses = PAUSES.iter();
        let mut declared_again = false;
        loop {
            let Rejects { homeless, refused } = self.send(&letters)?;
            if homeless.is_empty() && refused.is_empty() {
                return Ok(());
            }
            if !refused.is_empty() {
                let Some(pause) = pauses.next() else {
                    return Err(self.refused(refused.len(), &letters[refused[0]].0));
                };
                // Nothing is unanswered: this waits, and notices when the connection is lost.
                self.outbox.answers(*pause)?;
            }
            let mut index = 0;
            letters.retain(|(_, parcel)| {
                index += 1;
                refused.contains(&(index - 1))
                    || parcel.envelope.message_id.as_ref().is_some_and(|id| homeless.contains(id))
            });
            if !homeless.is_empty() {
                if declared_again {
                    return Err(self.unroutable(homeless.len(), &letters[0].0));
                }
                // A queue was deleted since it was declared.
                self.declare_again(&letters)?;
                declared_again = true;
            }
        }
    }

    fn declare_again(&mut self, letters: &[(Address, &Parcel<'_>)]) -> Result<()> {
        self.declared.clear();
        self.has_ladder = false;
        letters.iter().try_for_each(|(_, parcel)| self.declare_for(parcel))
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

    fn declare_for(&mut self, parcel: &Parcel<'_>) -> Result<()> {
        if !parcel.after.is_zero() && !self.has_ladder {
            self.outbox.declare(&ladder::rungs(&self.options))?;
            self.has_ladder = true;
        }
        let objects = match parcel.place {
            _ if self.is_declared(parcel) => return Ok(()),
            Place::Home(_) => return Ok(()),
            Place::Failed => vec![topology::failed(&self.options, parcel.queue)],
            Place::FailedQueues => vec![topology::failed_queues()],
            Place::Starts => vec![starts::counter()],
            Place::Pushed | Place::Work | Place::Suspects => topology::work(&self.options, parcel.queue),
        };
        self.outbox.declare(&objects)?;
        // What was declared last is remembered by the names of its queues.
        self.declared.extend(objects.into_iter().filter_map(|object| match object {
            Object::Queue { name, .. } => Some(name),
            _ => None,
        }));
        Ok(())
    }

    fn is_declared(&self, parcel: &Parcel<'_>) -> bool {
        match parcel.place {
            Place::Failed => self.declared.contains(&topology::failed_of(parcel.queue)),
            Place::FailedQueues => self.declared.contains(topology::FAILED_QUEUES),
            _ => self.declared.contains(parcel.queue),
        }
    }

    fn address(&self, parcel: &Parcel<'_>) -> Result<Address> {
        let queue = match &parcel.place {
            Place::Pushed | Place::Work => parcel.queue.to_owned(),
            Place::Suspects => topology::suspects_of(parcel.queue),
            Place::Failed => topology::failed_of(parcel.queue),
            Place::FailedQueues => topology::FAILED_QUEUES.to_owned(),
            Place::Starts => starts::STARTS.to_owned(),
            Place::Home(key) => return Ok(ladder::homecoming(key.clone())),
        };
        if let Some(delayed) = ladder::entry(&self.options, &queue, parcel.after)? {
            return Ok(delayed);
        }
        let exchange = match parcel.place {
            Place::Pushed => self.options.exchange.clone(),
            _ => String::new(),
        };
        Ok(Address { exchange, routing_key: queue })
    }

    /// Sends with a full window, until all are answered.
    fn send(&mut self, letters: &[(Address, &Parcel<'_>)]) -> Result<Rejects> {
        let mut sheet = Tally::new(self.published, letters.len());
        let mut homeless = HashSet::new();
        let mut sent = 0;
        while !sheet.is_complete() {
            while sent < letters.len() && sent - sheet.answered < WINDOW {
                let (address, parcel) = &letters[sent];
                self.outbox.publish(address, &parcel.envelope, parcel.body)?;
                self.published += 1;
                sent += 1;
            }
            let answers = self.outbox.answers(self.patience)?;
            if answers.confirms.is_empty() && answers.returned.is_empty() {
                return Err(self.no_answer());
            }
            homeless.extend(answers.returned);
            answers.confirms.into_iter().for_each(|confirm| sheet.note(confirm));
        }
        Ok(Rejects { homeless, refused: sheet.refused })
    }

    fn no_answer(&mut self) -> Error {
        let (place, waited) = (self.options.place(), crate::time::humane(self.patience));
        match self.outbox.blocked() {
            Some(reason) => {
                Error::unavailable(format!("RabbitMQ at {place} takes no messages now: {reason}"))
                    .with_help("free memory or disk space of the broker: rabbitmq-diagnostics alarms")
            }
            None => Error::unavailable(format!("RabbitMQ at {place} has confirmed nothing for {waited}")),
        }
    }

    fn refused(&self, refused: usize, example: &Address) -> Error {
        Error::other(format!(
            "RabbitMQ at {} refused {refused} messages (\"{}\"): the queue is full, or it has no leader now",
            self.options.place(),
            example.routing_key,
        ))
        .with_help(
            "start more workers, or raise the queue's limit (x-max-length with x-overflow=reject-publish)",
        )
    }
}

/// How long to wait before what was refused is sent again. A quorum queue refuses while it has no leader
/// yet; a full one refuses still, and then that is said soon.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];

/// What the broker does not have after it was sent.
struct Rejects {
    /// Message ids that no queue took.
    homeless: HashSet<String>,
    /// Where among the letters those stand that a queue refused.
    refused: Vec<usize>,
}

/// Which publishes of a batch are answered.
struct Tally {
    /// The number of the publish before the first one.
    base: u64,
    answers: Vec<bool>,
    answered: usize,
    /// All before this one are answered.
    low: usize,
    refused: Vec<usize>,
}

impl Tally {
    fn new(base: u64, count: usize) -> Self {
        Self { base, answers: vec![false; count], answered: 0, low: 0, refused: Vec::new() }
    }

    fn is_complete(&self) -> bool {
        self.answered == self.answers.len()
    }

    fn note(&mut self, confirm: Confirm) {
        // What was answered in an earlier batch is none of this one's numbers.
        let Some(end) = confirm.number.checked_sub(self.base) else { return };
        let end = (end as usize).min(self.answers.len());
        let start = if confirm.multiple { self.low.min(end) } else { end.saturating_sub(1) };
        for index in start..end {
            if !std::mem::replace(&mut self.answers[index], true) {
                self.answered += 1;
                if !confirm.ok {
                    self.refused.push(index);
                }
            }
        }
        self.low += self.answers[self.low..].iter().take_while(|answered| **answered).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(number: u64, multiple: bool, ok: bool) -> Confirm {
        Confirm { number, multiple, ok }
    }

    #[test]
    fn confirms_are_counted_in_any_order() {
        let mut tally = Tally::new(10, 5);
        for (note, answered) in [
            (confirm(13, false, true), 1),
            (confirm(13, false, true), 1),
            (confirm(12, true, true), 3),
            (confirm(10, true, true), 3),
            (confirm(15, true, false), 5),
        ] {
            tally.note(note);
            assert_eq!(tally.answered, answered, "{note:?}");
        }
        assert!(tally.is_complete());
        assert_eq!(tally.refused, [3, 4]);
    }
}
