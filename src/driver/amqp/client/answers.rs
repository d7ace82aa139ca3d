//! What the library's answers mean.

use super::{AmqpError, Channel, LibraryConfirm};
use crate::driver::amqp::client_trait::Confirm;
use crate::driver::amqp::errors::refusal;
use crate::driver::amqp::options::AmqpOptions;
use crate::error::Error;

/// How many messages wait in a queue.
pub(super) fn count(channel: &Channel, queue: &str) -> Result<u32, AmqpError> {
    channel.queue_declare_passive(queue).map(|found| found.declared_message_count().unwrap_or(0))
}

pub(super) fn confirm(confirm: LibraryConfirm) -> Confirm {
    let (payload, ok) = match confirm {
        LibraryConfirm::Ack(payload) => (payload, true),
        LibraryConfirm::Nack(payload) => (payload, false),
    };
    Confirm { number: payload.delivery_tag, multiple: payload.multiple, ok }
}

/// An error of the library for a person.
pub(super) fn explain(options: &AmqpOptions, doing: &str, error: AmqpError) -> Error {
    match error {
        AmqpError::ServerClosedChannel { code, message, .. }
        | AmqpError::ServerClosedConnection { code, message } => refusal(options, doing, code, &message),
        other => Error::unavailable(format!("lost the connection to RabbitMQ at {}", options.place()))
            .because(&other),
    }
}
