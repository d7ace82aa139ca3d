//! The properties of messages, as the client library has them and as the seam does.

use super::{AmqpProperties, AmqpValue, FieldTable};
use crate::driver::amqp::wire::{Envelope, OWN_HEADERS, note};

/// As a publish carries them: persistent, and with the headers of our own.
pub(super) fn properties(envelope: &Envelope) -> AmqpProperties {
    let mut properties = envelope.rest.clone().with_delivery_mode(2);
    if properties.content_type().is_none() {
        properties = properties.with_content_type("application/json".into());
    }
    if !envelope.notes.is_empty() {
        let mut headers = properties.headers().clone().unwrap_or_default();
        for (key, value) in &envelope.notes {
            headers.insert(format!("{OWN_HEADERS}{key}"), AmqpValue::LongString(value.clone()));
        }
        properties = properties.with_headers(headers);
    }
    if let Some(id) = &envelope.message_id {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(name) = &envelope.name {
        properties = properties.with_type_(name.clone());
    }
    if let Some(app_id) = &envelope.app_id {
        properties = properties.with_app_id(app_id.clone());
    }
    match envelope.priority {
        Some(priority) => properties.with_priority(priority),
        None => properties,
    }
}

/// As a delivery carried them. Left away is what must not be in a copy: `expiration` and `user_id`, which
/// would make the broker drop or refuse it, and every `x-*` header: with the broker's own notes on dead
/// letters still on it, a second pass down the ladder looks like a cycle and the message is dropped.
pub(super) fn envelope(properties: &AmqpProperties) -> Envelope {
    let mut envelope = Envelope {
        message_id: properties.message_id().clone(),
        name: properties.type_().clone(),
        app_id: properties.app_id().clone(),
        priority: *properties.priority(),
        ..Envelope::default()
    };
    let mut rest = AmqpProperties::default();
    let mut foreign = FieldTable::new();
    for (key, value) in properties.headers().iter().flatten() {
        let own = key.strip_prefix(OWN_HEADERS).and_then(|key| note::ALL.iter().find(|own| **own == key));
        match (own, value) {
            (Some(own), AmqpValue::LongString(text)) => {
                envelope.notes.insert(own, text.clone());
            }
            _ if key.starts_with("x-") || key.starts_with(OWN_HEADERS) => {}
            _ => {
                foreign.insert(key.clone(), value.clone());
            }
        }
    }
    if !foreign.is_empty() {
        rest = rest.with_headers(foreign);
    }
    if let Some(text) = properties.content_type() {
        rest = rest.with_content_type(text.clone());
    }
    if let Some(text) = properties.content_encoding() {
        rest = rest.with_content_encoding(text.clone());
    }
    if let Some(text) = properties.correlation_id() {
        rest = rest.with_correlation_id(text.clone());
    }
    if let Some(text) = properties.reply_to() {
        rest = rest.with_reply_to(text.clone());
    }
    if let Some(timestamp) = properties.timestamp() {
        rest = rest.with_timestamp(*timestamp);
    }
    Envelope { rest, ..envelope }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pairs: &[(&str, &str)]) -> FieldTable {
        pairs.iter().map(|(key, value)| (key.to_string(), AmqpValue::LongString(value.to_string()))).collect()
    }

    #[test]
    fn a_copy_keeps_what_others_gave_it_except_what_would_kill_it() {
        let headers = [("trace", "42"), ("x-death", "ladder"), ("x-first-death-queue", "q")];
        let received = AmqpProperties::default()
            .with_headers(table(&headers))
            .with_correlation_id("c".into())
            .with_content_type("text/plain".into())
            .with_expiration("1000".into())
            .with_user_id("somebody".into());
        let copy = properties(&envelope(&received));
        let expected = AmqpProperties::default()
            .with_headers(table(&[("trace", "42")]))
            .with_correlation_id("c".into())
            .with_content_type("text/plain".into())
            .with_delivery_mode(2);
        assert_eq!(copy, expected);
    }

    #[test]
    fn our_own_words_come_back() {
        let sent = Envelope {
            message_id: Some("id".into()),
            name: Some("CreateInvoice".into()),
            app_id: Some("craft-queue attempts=1".into()),
            priority: Some(3),
            notes: [(note::ERROR, "smtp: refused".to_owned())].into(),
            rest: AmqpProperties::default(),
        };
        let came = envelope(&properties(&sent));
        assert_eq!((came.message_id, came.name), (sent.message_id, sent.name));
        assert_eq!((came.app_id, came.priority, came.notes), (sent.app_id, sent.priority, sent.notes));
    }
}
