//! Payloads and exceptions as text that every database can keep.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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
    let half = EXCEPTION_LIMIT / 2 - 8;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}\n…\n{}", &text[..head], &text[tail..])
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
    fn exceptions_are_cut_in_the_middle() {
        assert_eq!(storable_text("a\0b"), "a\u{FFFD}b");
        let long = format!("begin{}end", "é".repeat(20_000));
        let kept = storable_text(&long);
        assert!(kept.len() <= EXCEPTION_LIMIT);
        assert!(kept.starts_with("begin") && kept.ends_with("end") && kept.contains("\n…\n"));
    }
}
