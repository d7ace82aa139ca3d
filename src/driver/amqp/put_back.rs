//! What becomes of a job that is put back.

use super::client_trait::{Envelope, note};
use super::codec;
use super::delay_queues;
use super::deliveries::Held;
use super::publish::{Place, Publish};
use super::publisher::Publisher;
use crate::driver::{Reserved, Verdict};
use crate::error::{Error, Result};
use crate::payload::storable_text;
use crate::time::Timestamp;

/// The message that takes the place of a job that is put back.
pub(super) fn copy<'a>(
    job: &'a Reserved,
    verdict: &Verdict,
    held: &Held,
    publisher: &mut Publisher,
) -> Result<Publish<'a>> {
    let state = held.state.settled(verdict, Timestamp::now());
    let Some((state, after)) = state.zip(verdict.after()) else {
        return Err(Error::unsupported("the amqp driver does not bury jobs: record, then settle as done"));
    };
    let mut envelope: Envelope = codec::copy(&held.envelope, &held.uuid, publisher.stamp(state)?);
    if let Some(error) = verdict.error() {
        envelope.notes.insert(note::ERROR, storable_text(error));
    }
    Ok(Publish {
        queue: &job.message.queue,
        place: Place::of(state),
        // Better a little early than never: it is held, and has to go somewhere.
        after: after.min(delay_queues::LONGEST),
        envelope,
        body: &job.message.payload,
        replaces: Some(held.tag),
    })
}
