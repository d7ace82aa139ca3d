//! A job as a message of the broker, and back.
//!
//! The producer of a message may be any program in any language: only its `type` and its body matter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client_trait::{Arrival, Envelope, note};
use super::options::AmqpOptions;
use super::state::State;
use crate::driver::{Receipt, Reserved};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, PRIORITY_LIMIT, check_name, new_uuid};
use crate::time::Timestamp;

/// The longest JSON of push options: all headers must fit into one frame.
const OVERRIDES_LIMIT: usize = 32 * 1024;

/// How many bytes all other properties of a push may have.
const OTHER_PROPERTIES: usize = 2 * 1024;

/// The properties of a job that is pushed.
///
/// # Errors
/// AMQP can't carry it. Checked before anything is sent, because a name that is too long ends the whole
/// connection.
pub(super) fn pushed(
    options: &AmqpOptions,
    message: &Message,
    state: State,
    frame_max: usize,
) -> Result<Envelope> {
    check_name("queue", &message.queue)?;
    check_name("job's name", &message.name)?;
    check_name("uuid", &message.uuid)?;
    if let Some(key) = &message.unique_key {
        return Err(Error::unsupported(format!("RabbitMQ knows no unique keys (\"{key}\")")).with_help(
            "push this job on the database driver, or leave the key away and let the job look itself",
        ));
    }
    let mut envelope = Envelope {
        message_id: Some(message.uuid.to_string()),
        name: Some(message.name.to_string()),
        app_id: Some(state.to_string()),
        priority: priority(options, message.priority)?,
        ..Envelope::default()
    };
    if let Some(overrides) = &message.overrides {
        let limit = OVERRIDES_LIMIT.min(frame_max.saturating_sub(OTHER_PROPERTIES));
        if overrides.len() > limit {
            let length = overrides.len();
            return Err(Error::invalid(format!(
                "the push options have {length} bytes, and {limit} fit into a message's headers (frame_max is {frame_max})"
            )));
        }
        envelope.notes.insert(note::OVERRIDES, overrides.to_string());
    }
    Ok(envelope)
}

fn priority(options: &AmqpOptions, priority: u8) -> Result<Option<u8>> {
    let max = options.max_priority.unwrap_or(0);
    if options.quorum && priority > 0 {
        return Err(Error::unsupported(format!(
            "quorum queues know no priorities ({priority} was asked for)"
        ))
        .with_help("use another queue for urgent jobs, and name it first: --queue urgent,default"));
    }
    if priority > max {
        return Err(Error::unsupported(format!("priority {priority} is over max_priority, which is {max} here"))
            .with_help(
                "set max_priority = 9 in [amqp]; a queue that is there already must be deleted and declared again",
            ));
    }
    Ok((priority > 0).then_some(priority))
}

/// The properties of a dead job. No check: it was on a queue already.
pub(super) fn dead(message: &Message, state: State) -> Envelope {
    let overrides = message.overrides.iter().map(|json| (note::OVERRIDES, json.to_string()));
    Envelope {
        message_id: Some(message.uuid.to_string()),
        name: Some(message.name.to_string()),
        app_id: Some(state.to_string()),
        notes: overrides.collect(),
        ..Envelope::default()
    }
}

/// The properties of a copy that comes after a delivery.
pub(super) fn copy(envelope: &Envelope, uuid: &str, state: State) -> Envelope {
    Envelope { message_id: Some(uuid.to_owned()), app_id: Some(state.to_string()), ..envelope.clone() }
}

/// A uuid for a delivery: its message id, or a new one for a foreign message that has none. A digest of
/// the body would make one of two equal messages.
pub(super) fn identity(envelope: &Envelope) -> Arc<str> {
    match envelope.message_id.as_deref() {
        Some(id) if !id.is_empty() => id.into(),
        _ => new_uuid(),
    }
}

/// A delivery as a job in the worker's hands. Whatever the bytes are, they pass through.
pub(super) fn reserved(arrival: &mut Arrival, uuid: &Arc<str>, receipt: Receipt, until: Instant) -> Reserved {
    let envelope = &arrival.envelope;
    let state = State::read(envelope.app_id.as_deref());
    Reserved {
        message: Message {
            uuid: Arc::clone(uuid),
            // A message without a type has a job without a name, which no worker knows.
            name: envelope.name.as_deref().unwrap_or_default().into(),
            queue: Arc::clone(&arrival.queue),
            payload: std::mem::take(&mut arrival.body).into(),
            delay: Duration::ZERO,
            priority: envelope.priority.unwrap_or(0).min(PRIORITY_LIMIT),
            unique_key: None,
            replaces: false,
            overrides: envelope.notes.get(note::OVERRIDES).map(|text| text.as_str().into()),
        },
        id: JobId::Text(Arc::clone(uuid)),
        attempt: state.attempt(),
        suspect: state.is_suspect(),
        unknown_for: state.unknown_since.map(since),
        due_for: None,
        last_error: envelope.notes.get(note::ERROR).cloned(),
        unreadable: None,
        held_until: until,
        receipt,
    }
}

fn since(start: Timestamp) -> Duration {
    let now = Timestamp::now();
    // A clock that was set back: no time has passed.
    Duration::from_millis(now.as_millis().abs_diff(start.as_millis().min(now.as_millis())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 131_072;
    const NEW: State =
        State { start: Some(1), attempts: 0, deaths: 0, spared: false, alone: false, unknown_since: None };
    use crate::config::AmqpConfig;

    fn options() -> AmqpOptions {
        AmqpOptions::from_config(&AmqpConfig::default()).unwrap()
    }

    fn message() -> Message {
        let overrides = Some(r#"{"attempts":5}"#.into());
        Message { uuid: "u-1".into(), overrides, ..Message::new("orders", "CreateInvoice", b"{}") }
    }

    fn arrival(envelope: Envelope, body: &[u8]) -> Arrival {
        let queue = "orders".into();
        Arrival {
            tag: 1,
            queue,
            redelivered: false,
            routing_key: String::new(),
            envelope,
            body: body.to_vec(),
        }
    }

    #[test]
    fn a_job_comes_back_as_it_was_pushed() {
        let envelope = pushed(&options(), &message(), NEW, FRAME).unwrap();
        let uuid = identity(&envelope);
        let job = reserved(&mut arrival(envelope, b"{}"), &uuid, Receipt(1, 1), Instant::now());
        assert_eq!(job.message, message());
        assert_eq!((job.attempt, job.suspect, job.last_error), (1, false, None));
    }

    #[test]
    fn what_amqp_cannot_carry_is_refused_before_it_is_sent() {
        let long: Arc<str> = "n".repeat(256).into();
        let priorities = AmqpOptions { max_priority: Some(5), ..options() };
        let quorum = AmqpOptions { quorum: true, ..priorities.clone() };
        let high = |priority| Message { priority, ..message() };
        let unsupported = [
            pushed(&options(), &Message { unique_key: Some("k".into()), ..message() }, NEW, FRAME),
            pushed(&options(), &high(1), NEW, FRAME),
            pushed(&priorities, &high(6), NEW, FRAME),
            pushed(&quorum, &high(5), NEW, FRAME),
        ];
        for error in unsupported.map(Result::unwrap_err) {
            assert!(error.is_unsupported() && error.help().is_some(), "{error:?}");
        }
        assert_eq!(pushed(&priorities, &high(5), NEW, FRAME).unwrap().priority, Some(5));
        for message in [Message { queue: long.clone(), ..message() }, Message { name: long, ..message() }] {
            assert!(pushed(&options(), &message, NEW, FRAME).unwrap_err().is_invalid());
        }
    }

    #[test]
    fn a_foreign_message_without_an_id_gets_one_of_its_own() {
        let (one, other) = (identity(&Envelope::default()), identity(&Envelope::default()));
        assert_ne!(one, other);
        let state = State { attempts: 1, ..State::default() };
        let copy = copy(&Envelope::default(), &one, state);
        assert_eq!(identity(&copy), one);
        let job = reserved(&mut arrival(copy, b"\0\xff"), &one, Receipt(1, 1), Instant::now());
        assert_eq!((&*job.message.name, &*job.message.payload, job.attempt), ("", &b"\0\xff"[..], 2));
    }
}
