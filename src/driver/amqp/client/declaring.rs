//! Declares queues, exchanges and bindings.

use std::collections::HashSet;

use super::answers::explain;
use super::{
    AmqpError, AmqpValue, Channel, ExchangeDeclareOptions, ExchangeType, FieldTable, QueueDeclareOptions,
};
use crate::driver::amqp::client_trait::{Argument, Kind, Object};
use crate::driver::amqp::options::AmqpOptions;
use crate::error::{Error, Result};

/// What is done on a channel that a refusal may close.
type OnChannel<'a> = &'a dyn Fn(&Channel) -> Result<(), AmqpError>;

/// Declares all. A queue that is there with another type than the stated one, because whoever declared it left that
/// to the broker, is taken as it is.
pub(super) fn all(
    options: &AmqpOptions,
    objects: &[Object],
    mut on_channel: impl FnMut(OnChannel<'_>) -> Result<(), AmqpError>,
) -> Result<()> {
    let mut untyped: HashSet<&str> = HashSet::new();
    loop {
        let error = match on_channel(&|channel| send(channel, objects, &untyped)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match of_another_type(&error, objects) {
            Some(name) if untyped.insert(name) => {}
            _ => return Err(refused(options, objects, error)),
        }
    }
}

/// Declares a queue as it is described; says no where one of its name is there with other arguments.
pub(super) fn exactly(
    options: &AmqpOptions,
    queue: &Object,
    mut on_channel: impl FnMut(OnChannel<'_>) -> Result<(), AmqpError>,
) -> Result<bool> {
    let objects = std::slice::from_ref(queue);
    match on_channel(&|channel| send(channel, objects, &HashSet::new())) {
        Ok(()) => Ok(true),
        Err(AmqpError::ServerClosedChannel { code: 406, message, .. })
            if message.contains("inequivalent arg") =>
        {
            Ok(false)
        }
        Err(error) => Err(refused(options, objects, error)),
    }
}

/// Sends all without waiting, and asks once at the end: the broker refuses by closing the channel.
fn send(channel: &Channel, objects: &[Object], untyped: &HashSet<&str>) -> Result<(), AmqpError> {
    for object in objects {
        match object {
            Object::Queue { name, arguments } => {
                let stated = |key: &str| key != "x-queue-type" || !untyped.contains(&**name);
                let arguments = arguments.iter().filter(|(key, _)| stated(key));
                let arguments = arguments.map(|(key, value)| (key.to_string(), argument(value))).collect();
                let durable = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
                channel.queue_declare_nowait(&**name, durable).map(drop)
            }
            Object::Exchange { name, kind, alternate } => {
                let alternate = alternate.iter().map(|name| AmqpValue::LongString(name.clone()));
                let arguments = alternate.map(|name| ("alternate-exchange".to_owned(), name)).collect();
                let durable = ExchangeDeclareOptions { durable: true, arguments, ..Default::default() };
                channel.exchange_declare_nowait(exchange_type(*kind), &**name, durable).map(drop)
            }
            Object::QueueBinding { queue, exchange, key } => {
                channel.queue_bind_nowait(&**queue, &**exchange, &**key, FieldTable::new())
            }
            Object::ExchangeBinding { destination, exchange, key } => {
                channel.exchange_bind_nowait(&**destination, &**exchange, &**key, FieldTable::new())
            }
        }?;
    }
    // Answered in order, so its answer says that all before it went well.
    channel.qos(0, 0, false)
}

/// The classic queue among these that the broker refused for its type alone.
fn of_another_type<'o>(error: &AmqpError, objects: &'o [Object]) -> Option<&'o str> {
    let AmqpError::ServerClosedChannel { code: 406, message, .. } = error else { return None };
    let classic = ("x-queue-type", Argument::Text("classic".into()));
    let named = |name: &str| {
        message.contains(&format!("inequivalent arg 'x-queue-type' for queue '{name}' in vhost"))
    };
    objects.iter().find_map(|object| match object {
        Object::Queue { name, arguments } if arguments.contains(&classic) && named(name) => Some(&**name),
        _ => None,
    })
}

fn refused(options: &AmqpOptions, objects: &[Object], error: AmqpError) -> Error {
    let first = objects.iter().find_map(|object| match object {
        Object::Queue { name, .. } | Object::Exchange { name, .. } => Some(name),
        _ => None,
    });
    explain(options, &format!("declare {}", first.map_or("bindings", |name| name)), error)
}

fn exchange_type(kind: Kind) -> ExchangeType {
    match kind {
        Kind::Topic => ExchangeType::Topic,
        Kind::Fanout => ExchangeType::Fanout,
    }
}

fn argument(argument: &Argument) -> AmqpValue {
    match argument {
        Argument::Text(text) => AmqpValue::LongString(text.clone()),
        Argument::Number(number) => AmqpValue::LongLongInt(*number),
    }
}
