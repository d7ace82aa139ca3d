//! Declares queues, exchanges and bindings.

use std::collections::HashMap;

use super::answers::explain;
use super::{
    AmqpError, AmqpValue, Channel, ExchangeDeclareOptions, ExchangeType, FieldTable, QueueDeclareOptions,
};
use crate::driver::amqp::client_trait::{Argument, Kind, Object};
use crate::driver::amqp::delay_queues::STRAY;
use crate::driver::amqp::options::AmqpOptions;
use crate::error::{Error, Result};

/// What is done on a channel that a refusal may close.
type OnChannel<'a> = &'a dyn Fn(&Channel) -> Result<(), AmqpError>;

/// Declares all. A queue that is there with another type than the stated one, because its declaration left that
/// to the broker, is taken as it is; and so is the one of strays, which every program of a vhost uses.
pub(super) fn all(
    options: &AmqpOptions,
    objects: &[Object],
    mut on_channel: impl FnMut(OnChannel<'_>) -> Result<(), AmqpError>,
) -> Result<()> {
    let mut others = OtherTypes::new();
    loop {
        let error = match on_channel(&|channel| send(channel, objects, &others)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let next = of_another_type(&error, objects)
            .and_then(|(name, stated)| Some((name, next_type(name, stated, others.get(name).copied())?)));
        match next {
            Some((name, next)) => drop(others.insert(name, next)),
            None => return Err(refused(options, objects, error)),
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
    match on_channel(&|channel| send(channel, objects, &OtherTypes::new())) {
        Ok(()) => Ok(true),
        Err(AmqpError::ServerClosedChannel { code: 406, message, .. })
            if message.contains("inequivalent arg") =>
        {
            Ok(false)
        }
        Err(error) => Err(refused(options, objects, error)),
    }
}

/// Declares a queue; says no where the node of a cluster that keeps it is away.
pub(super) fn unless_away(
    options: &AmqpOptions,
    queue: &Object,
    on_channel: impl FnMut(OnChannel<'_>) -> Result<(), AmqpError>,
) -> Result<bool> {
    let mut is_away = false;
    let mut on_channel = on_channel;
    let declared = all(options, std::slice::from_ref(queue), |declare| {
        let answer = on_channel(declare);
        is_away = matches!(answer, Err(AmqpError::ServerClosedChannel { code: 404, .. }));
        answer
    });
    if is_away { Ok(false) } else { declared.map(|()| true) }
}

/// The types of queues that are not declared as stated: `None` is the one that the vhost takes by default.
type OtherTypes<'o> = HashMap<&'o str, Option<&'static str>>;

/// The type to try after one that the broker refused, which is the stated one at first.
fn next_type(name: &str, stated: &str, refused: Option<Option<&str>>) -> Option<Option<&'static str>> {
    let other = if stated == "quorum" { "classic" } else { "quorum" };
    match refused {
        None if stated == "classic" || name == STRAY => Some(None),
        Some(None) if name == STRAY => Some(Some(other)),
        _ => None,
    }
}

/// Sends all without waiting, and asks once at the end: the broker refuses by closing the channel.
fn send(channel: &Channel, objects: &[Object], others: &OtherTypes<'_>) -> Result<(), AmqpError> {
    for object in objects {
        match object {
            Object::Queue { name, arguments } => {
                let other = others.get(&**name);
                let stated = arguments.iter().filter(|(key, _)| *key != TYPE || other.is_none());
                let mut arguments: FieldTable =
                    stated.map(|(key, value)| (key.to_string(), argument(value))).collect();
                if let Some(Some(other)) = other {
                    arguments.insert(TYPE.to_owned(), AmqpValue::LongString((*other).to_owned()));
                }
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

const TYPE: &str = "x-queue-type";

/// The queue among these that the broker refused for its type alone, and its stated type.
fn of_another_type<'o>(error: &AmqpError, objects: &'o [Object]) -> Option<(&'o str, &'o str)> {
    let AmqpError::ServerClosedChannel { code: 406, message, .. } = error else { return None };
    let named =
        |name: &str| message.contains(&format!("inequivalent arg '{TYPE}' for queue '{name}' in vhost"));
    objects.iter().find_map(|object| match object {
        Object::Queue { name, arguments } if named(name) => arguments.iter().find_map(|pair| match pair {
            (TYPE, Argument::Text(stated)) => Some((&**name, &**stated)),
            _ => None,
        }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_another_type_is_taken_as_it_is_where_it_is_not_for_its_type() {
        let tried = |name, stated| {
            let mut tried = vec![next_type(name, stated, None)];
            while let Some(last) = tried.last().copied().flatten() {
                tried.push(next_type(name, stated, Some(last)));
            }
            tried.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(tried("orders", "classic"), [None]);
        assert_eq!(tried("orders", "quorum"), []);
        assert_eq!(tried(STRAY, "classic"), [None, Some("quorum")]);
        assert_eq!(tried(STRAY, "quorum"), [None, Some("classic")]);
    }
}
