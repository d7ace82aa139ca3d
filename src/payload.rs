//! Payloads and exceptions as text that every database can keep.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The largest payload, in bytes: what MySQL's default `max_allowed_packet` still takes.
pub const PAYLOAD_LIMIT: usize = 16 * 1024 * 1024;

/// The longest exception that is kept, in bytes.
const EXCEPTION_LIMIT: usize = 16 * 1024;

const MARK: &str = "base64:";

/// The payload as text. Bytes that are not UTF-8 or hold NUL (which PostgreSQL refuses) become
/// `base64:…`.
pub fn to_text(payload: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(payload) {
        Ok(text) if !text.contains('\0') && !text.starts_with(MARK) => Cow::Borrowed(text),
        _ => Cow::Owned(format!("{MARK}{}", STANDARD.encode(payload))),
    }
}

/// The payload as text of nothing but ASCII.
#[cfg(feature = "database")]
pub(crate) fn coded(payload: &[u8]) -> String {
    format!("{MARK}{}", STANDARD.encode(payload))
}

/// The same JSON with nothing but ASCII.
#[cfg(feature = "database")]
pub(crate) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c.is_ascii() {
            true => escaped.push(c),
            false => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| escaped += &format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// Whether [`to_text`] leaves it as it is.
#[cfg(feature = "database")]
pub(crate) fn is_kept(payload: &[u8]) -> bool {
    matches!(to_text(payload), Cow::Borrowed(_))
}

/// The bytes that [`to_text`] was given.
pub fn from_text(text: &str) -> Vec<u8> {
    text.strip_prefix(MARK)
        .and_then(|coded| STANDARD.decode(coded).ok())
        .unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Text that every database keeps: NUL replaced, at most 16 KiB; of longer text its two ends are kept.
pub fn storable_text(text: &str) -> String {
    let text = text.replace('\0', "\u{FFFD}");
    if text.len() <= EXCEPTION_LIMIT {
        return text;
    }
    cut(&text, EXCEPTION_LIMIT, "\n…\n")
}

/// At most so many bytes of a text, in any character set: its two ends.
#[cfg(feature = "database")]
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit { text.to_owned() } else { cut(text, limit, "\n...\n") }
}

fn cut(text: &str, limit: usize, between: &str) -> String {
    let half = limit / 2 - 8;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}{between}{}", &text[..head], &text[tail..])
}

/// Reads a job from a payload that says "no fields" in another way than its type does: clients write nothing
/// at all, `null`, `{}` or `[]`. It has no fields, or a default for each.
///
/// # Errors
/// The payload says something else, or the job needs a field.
pub(crate) fn without_fields<J: DeserializeOwned>(
    payload: &[u8],
    cause: serde_json::Error,
) -> Result<J, serde_json::Error> {
    match payload.trim_ascii() {
        b"" | b"null" => J::deserialize(NoFields),
        b"{}" | b"[]" => J::deserialize(NoFields).map_err(|_| cause),
        _ => Err(cause),
    }
}

/// What has no fields, for a type of any shape that can do without.
struct NoFields;

impl<'de> Deserializer<'de> for NoFields {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<()>()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<((), ())>()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple map enum identifier ignored_any
    }
}

/// An exception as it is logged and stored: of a longer one its two ends.
pub(crate) fn bounded(text: String) -> String {
    if text.len() <= EXCEPTION_LIMIT { text } else { storable_text(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_other_bytes_come_back_as_they_were() {
        assert_eq!(to_text(br#"{"a":"\u00e9"}"#), r#"{"a":"\u00e9"}"#);
        let cases: [&[u8]; 7] = [b"", b"{}", b"a\0b", b"\xff", b"\xff\xfe", b"\xff\xfe\xfd", b"base64:x"];
        for bytes in cases {
            let text = to_text(bytes);
            assert!(!text.contains('\0'));
            assert_eq!(from_text(&text), bytes, "{text}");
        }
        assert_eq!(to_text(b"\xff\xfe"), "base64://4=");
    }

    #[test]
    fn a_job_without_fields_is_read_from_whatever_says_so() {
        use serde::Deserialize;

        #[derive(Deserialize, Debug, PartialEq)]
        struct Unit;
        #[derive(Deserialize, Debug, PartialEq)]
        struct Braces {}
        #[derive(Deserialize, Debug, PartialEq)]
        struct Brackets();
        #[derive(Deserialize, Debug, PartialEq)]
        struct Wrapped(Unit);
        #[derive(Deserialize, Debug, PartialEq)]
        struct Optional {
            order_id: Option<i64>,
            #[serde(default)]
            copies: u8,
        }
        #[derive(Deserialize, Debug, PartialEq)]
        struct Any(serde_json::Value);
        #[derive(Deserialize, Debug, PartialEq)]
        struct List(Vec<i64>);
        #[derive(Deserialize, Debug, PartialEq)]
        struct Invoice {
            order_id: i64,
        }

        fn read<J: DeserializeOwned>(payload: &str) -> Result<J, String> {
            let direct = serde_json::from_str(payload);
            let job = direct.or_else(|cause| without_fields(payload.as_bytes(), cause));
            job.map_err(|cause| cause.to_string())
        }

        for nothing in ["", " \n", "null", "{}", " {} ", "[]"] {
            assert_eq!(read(nothing), Ok(Unit), "{nothing:?}");
            assert_eq!(read(nothing), Ok(Braces {}), "{nothing:?}");
            assert_eq!(read(nothing), Ok(Brackets()), "{nothing:?}");
            assert_eq!(read(nothing), Ok(Wrapped(Unit)), "{nothing:?}");
            assert_eq!(read(nothing), Ok(Optional { order_id: None, copies: 0 }), "{nothing:?}");
            let missing = read::<Invoice>(nothing).unwrap_err();
            assert!(missing.contains("order_id") || nothing == "[]", "{nothing:?}: {missing}");
        }
        assert_eq!(read(""), Ok(Any(serde_json::Value::Null)));
        // A list is a field; that there is none must be said.
        assert_eq!(read("[]"), Ok(List(vec![])));
        assert!(read::<List>("{}").is_err() && read::<List>("").is_err() && read::<List>("null").is_err());
        for something in ["{\"a\": 1}", "[1]", "0", "\"\"", "{"] {
            assert!(read::<Unit>(something).is_err(), "{something}");
        }
    }

    #[test]
    fn exceptions_are_cut_in_the_middle() {
        assert_eq!(storable_text("a\0b"), "a\u{FFFD}b");
        let long = format!("begin{}end", "é".repeat(20_000));
        let kept = storable_text(&long);
        assert!(kept.len() <= EXCEPTION_LIMIT);
        assert!(kept.starts_with("begin") && kept.ends_with("end") && kept.contains("\n…\n"));
    }
}
