//! The properties of messages, as the client library has them and as the seam does.

use super::{AmqpProperties, AmqpValue, FieldTable};
use crate::driver::amqp::client_trait::{Envelope, OWN_HEADERS, note};

/// What stands around the properties in their frame.
const FRAME: usize = 8 + 12 + 2;

/// An error is cut to this much before a header of others goes.
const SHORT_ERROR: usize = 1_024;

/// As a publish carries them: persistent, and with the headers of our own. All of them must fit into one frame, else
/// the broker ends the connection. Where they don't, because the copy of a message has more of them than the message,
/// errors are cut first, and then the largest headers go.
pub(super) fn properties(envelope: &Envelope, frame_max: usize) -> AmqpProperties {
    let mut properties = envelope.rest.clone().with_delivery_mode(if envelope.passing { 1 } else { 2 });
    if properties.content_type().is_none() {
        properties = properties.with_content_type("application/json".into());
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
    if let Some(priority) = envelope.priority {
        properties = properties.with_priority(priority);
    }
    if envelope.notes.is_empty() && properties.headers().is_none() {
        return properties;
    }
    let room = frame_max.saturating_sub(FRAME + size_of_texts(&properties));
    let headers = fitting(envelope, properties.headers().clone().unwrap_or_default(), room);
    properties.with_headers(headers)
}

/// All headers, as far as there is room.
fn fitting(envelope: &Envelope, mut foreign: FieldTable, room: usize) -> FieldTable {
    let own = envelope.notes.iter().filter(|(key, _)| **key != note::ERROR);
    let mut own: FieldTable = own.map(|(key, text)| own_header(key, text)).collect();
    let error = envelope.notes.get(note::ERROR).map_or("", |text| text);
    let (name, _) = own_header(note::ERROR, "");
    let size = |table: &FieldTable| size_of_fields(table);
    let around = 4 + if error.is_empty() { 0 } else { 1 + name.len() + 5 };
    while around + size(&own) + size(&foreign) + error.len().min(SHORT_ERROR) > room
        && let Some(key) = largest(&foreign)
    {
        foreign.remove(&key);
    }
    while around + size(&own) > room
        && let Some(key) = largest(&own)
    {
        own.remove(&key);
    }
    let left = room.saturating_sub(around + size(&own) + size(&foreign)).min(error.len());
    let cut = (0..=left).rev().find(|at| error.is_char_boundary(*at)).unwrap_or(0);
    foreign.append(&mut own);
    if cut > 0 {
        foreign.extend([own_header(note::ERROR, &error[..cut])]);
    }
    foreign
}

fn own_header(key: &str, text: &str) -> (String, AmqpValue) {
    (format!("{OWN_HEADERS}{key}"), AmqpValue::LongString(text.to_owned()))
}

fn largest(table: &FieldTable) -> Option<String> {
    table.iter().max_by_key(|(_, value)| size_of_value(value)).map(|(key, _)| key.clone())
}

/// The properties that are short texts, and the few bytes of others.
fn size_of_texts(properties: &AmqpProperties) -> usize {
    let texts = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.message_id(),
        properties.type_(),
        properties.app_id(),
    ];
    texts.into_iter().flatten().map(|text| 1 + text.len()).sum::<usize>() + 10
}

fn size_of_fields(table: &FieldTable) -> usize {
    table.iter().map(|(key, value)| 1 + key.len() + size_of_value(value)).sum()
}

/// With its type.
fn size_of_value(value: &AmqpValue) -> usize {
    1 + match value {
        AmqpValue::Void => 0,
        AmqpValue::Boolean(_) | AmqpValue::ShortShortInt(_) | AmqpValue::ShortShortUInt(_) => 1,
        AmqpValue::ShortInt(_) | AmqpValue::ShortUInt(_) => 2,
        AmqpValue::LongInt(_) | AmqpValue::LongUInt(_) | AmqpValue::Float(_) => 4,
        AmqpValue::DecimalValue(_) => 5,
        AmqpValue::LongLongInt(_) | AmqpValue::Double(_) | AmqpValue::Timestamp(_) => 8,
        AmqpValue::LongString(text) => 4 + text.len(),
        AmqpValue::ByteArray(bytes) => 4 + bytes.len(),
        AmqpValue::FieldArray(array) => 4 + array.iter().map(size_of_value).sum::<usize>(),
        AmqpValue::FieldTable(table) => 4 + size_of_fields(table),
    }
}

/// When the broker itself moved a message last, in milliseconds.
fn moved_at(properties: &AmqpProperties) -> Option<i64> {
    let Some(AmqpValue::FieldArray(deaths)) = properties.headers().as_ref()?.get("x-death") else {
        return None;
    };
    let AmqpValue::FieldTable(last) = deaths.first()? else { return None };
    match last.get("time")? {
        AmqpValue::Timestamp(seconds) => i64::try_from(*seconds).ok()?.checked_mul(1_000),
        _ => None,
    }
}

/// As a delivery carried them. Left away is what must not be in a copy: `expiration` and `user_id`, which
/// would make the broker drop or refuse it, and every `x-*` header: with the broker's own notes on dead
/// letters still on it, a second pass down the delay queues looks like a cycle and the message is dropped; and `CC` and
/// `BCC`, for which the broker would send each copy to those queues again.
pub(super) fn envelope(properties: &AmqpProperties) -> Envelope {
    let mut envelope = Envelope {
        message_id: properties.message_id().clone(),
        name: properties.type_().clone(),
        app_id: properties.app_id().clone(),
        priority: *properties.priority(),
        moved_at: moved_at(properties),
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
            _ if key == "CC" || key == "BCC" => {}
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
        let headers = [
            ("trace", "42"),
            ("x-death", "delay_queues"),
            ("x-first-death-queue", "q"),
            ("CC", "audit"),
            ("BCC", "x"),
        ];
        let received = AmqpProperties::default()
            .with_headers(table(&headers))
            .with_correlation_id("c".into())
            .with_content_type("text/plain".into())
            .with_expiration("1000".into())
            .with_user_id("somebody".into());
        let copy = properties(&envelope(&received), 131_072);
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
            passing: false,
            moved_at: None,
            notes: [(note::ERROR, "smtp: refused".to_owned())].into(),
            rest: AmqpProperties::default(),
        };
        let came = envelope(&properties(&sent, 131_072));
        assert_eq!((came.message_id, came.name), (sent.message_id, sent.name));
        assert_eq!((came.app_id, came.priority, came.notes), (sent.app_id, sent.priority, sent.notes));
    }

    /// What a header frame would have, as the library writes it.
    fn written(properties: &AmqpProperties) -> usize {
        FRAME
            + size_of_texts(properties)
            + properties.headers().as_ref().map_or(0, |table| 4 + size_of_fields(table))
    }

    #[test]
    fn what_does_not_fit_is_cut_or_left_away_the_error_first() {
        let foreign = |length: usize| table(&[("small", "1"), ("large", &"x".repeat(length))]);
        let sent = |length, error: usize| Envelope {
            message_id: Some("id".into()),
            app_id: Some("craft-queue attempts=1".into()),
            notes: [(note::ERROR, "é".repeat(error / 2)), (note::QUEUE, "orders".to_owned())].into(),
            rest: AmqpProperties::default().with_headers(foreign(length)),
            ..Envelope::default()
        };
        // Of 8 KiB: how long the error is, and whether the large header is there.
        let table = [(10, 100, 100, true), (10, 9_000, 7_900, true), (6_500, 9_000, 1_400, true)];
        let table = table.into_iter().chain([(6_900, 9_000, 1_050, true), (8_100, 9_000, 7_900, false)]);
        for (length, error, kept, is_there) in table {
            let fitted = properties(&sent(length, error), 8_192);
            assert!(written(&fitted) <= 8_192, "{}", written(&fitted));
            let headers = fitted.headers().clone().unwrap();
            let Some(AmqpValue::LongString(text)) = headers.get("craft-queue-error") else {
                panic!("{headers:?}")
            };
            assert!(text.len().abs_diff(kept) < 200, "{length} {error}: {}", text.len());
            assert_eq!(headers.contains_key("large"), is_there, "{length} {error}");
            assert!(
                headers.contains_key("small") && headers.contains_key("craft-queue-queue"),
                "{headers:?}"
            );
        }
    }
}
