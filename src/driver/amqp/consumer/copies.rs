//! Messages that are replaced by copies.

use std::time::Duration;

use super::{Consumer, Postponed};
use crate::driver::amqp::client_trait::Arrival;
use crate::driver::amqp::codec;
use crate::driver::amqp::publish::{Place, Publish};
use crate::driver::amqp::publisher::{Published, Publisher};
use crate::driver::amqp::state::State;
use crate::error::Result;

impl Consumer {
    /// Publishes a copy of each with a new state, and then acknowledges the original; later, where the broker takes
    /// nothing now.
    pub(super) fn copy(
        &mut self,
        arrivals: Vec<Arrival>,
        publisher: &mut Publisher,
        change: impl Fn(&Arrival, State) -> (State, Place),
    ) -> Result<()> {
        for arrival in arrivals {
            let (state, place) = change(&arrival, State::read(arrival.envelope.app_id.as_deref()));
            self.postponed.insert(arrival.tag, Postponed { arrival, state, place });
        }
        self.send_postponed(publisher)
    }

    /// Waits, at most for so long, for answers to copies that are held up, and acknowledges what they replace. Sends
    /// what was postponed, once none is held up any more.
    pub(in super::super) fn proceed(&mut self, limit: Duration, publisher: &mut Publisher) -> Result<()> {
        let arrived = publisher.proceed(limit)?;
        for tag in &arrived {
            self.postponed.remove(tag);
            if let Some((receipt, held)) = self.deliveries.release_tag(*tag) {
                self.process.note_settled(std::iter::once(receipt));
                self.process.release(&held.uuid, receipt);
            }
        }
        self.ack(arrived)?;
        self.send_postponed(publisher)
    }

    fn send_postponed(&mut self, publisher: &mut Publisher) -> Result<()> {
        if self.postponed.is_empty() || publisher.is_held_up() {
            return Ok(());
        }
        let postponed = std::mem::take(&mut self.postponed);
        let mut publishes = Vec::with_capacity(postponed.len());
        for Postponed { arrival, state, place } in postponed.values() {
            let Arrival { queue, envelope, body, .. } = arrival;
            let envelope = codec::copy(envelope, &codec::identity(envelope), publisher.stamp(*state)?);
            let (place, after, replaces) = (place.clone(), Duration::ZERO, Some(arrival.tag));
            publishes.push(Publish { queue, place, after, envelope, body, replaces });
        }
        let Published { arrived, result } = publisher.publish(&publishes);
        drop(publishes);
        let mut copied = Vec::with_capacity(postponed.len());
        for ((tag, one), arrived) in postponed.into_iter().zip(arrived) {
            match arrived {
                true => copied.push(tag),
                false => drop(self.postponed.insert(tag, one)),
            }
        }
        let acknowledged = self.ack(copied);
        result.and(acknowledged)
    }
}
