//! Keeps fields of payloads from being shown.

use crate::error::{Error, Result};

/// What is shown in place of a value.
const HIDDEN: &str = "\"•••\"";

/// The names of the fields that are hidden, whatever the depth they stand at. `*` stands for any letters, and the case
/// does not count.
#[derive(Clone, Debug, Default)]
pub(super) struct MaskedFields(Vec<String>);

impl MaskedFields {
    /// # Errors
    /// A name is empty.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Result<Self> {
        let names: Vec<_> = names.into_iter().map(|name| name.to_lowercase()).collect();
        match names.iter().any(String::is_empty) {
            true => Err(Error::config("the name of a masked field is empty")
                .with_help("mask = [\"password\", \"card*\"] hides these fields of all payloads")),
            false => Ok(Self(names)),
        }
    }

    /// Whether nothing is hidden.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The payload as it may be shown, and whether something of it is hidden. All of a text that is no JSON is: nobody can
    /// say what is a field of it.
    pub(super) fn apply(&self, payload: &str) -> (String, bool) {
        if self.0.is_empty() {
            return (payload.to_owned(), false);
        }
        match serde_json::from_str::<serde::de::IgnoredAny>(payload) {
            Ok(_) => self.hide(payload),
            Err(_) => (HIDDEN.to_owned(), true),
        }
    }

    fn hides(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
    }

    /// Copies JSON as it is written, so that numbers keep all their digits, and leaves out the values of hidden fields.
    fn hide(&self, json: &str) -> (String, bool) {
        let (mut shown, mut hidden) = (String::with_capacity(json.len()), false);
        let mut rest = json;
        while let Some(start) = rest.find('"') {
            let text = string_length(&rest[start..]);
            let (before, after) = rest.split_at(start + text);
            shown.push_str(before);
            rest = after;
            let value = after.trim_start();
            // Only a key has a colon behind it.
            let Some(value) = value.strip_prefix(':') else { continue };
            // A key that is no text, such as half a surrogate, may mean any.
            if serde_json::from_str::<String>(&before[start..]).map_or(true, |key| self.hides(&key)) {
                let value = value.trim_start();
                shown.push_str(&after[..after.len() - value.len()]);
                shown.push_str(HIDDEN);
                (rest, hidden) = (&value[value_length(value)..], true);
            }
        }
        shown.push_str(rest);
        (shown, hidden)
    }
}

/// Whether a pattern with stars matches all of a name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(letter) if *letter == name[in_name] => (at, in_name) = (at + 1, in_name + 1),
            _ => match star {
                Some((of_star, taken)) => {
                    (at, in_name) = (of_star + 1, taken + 1);
                    star = Some((of_star, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

/// The length of the string that valid JSON begins with, its quotes included.
fn string_length(json: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

/// The length of the value that valid JSON begins with.
fn value_length(json: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => {
                at += string_length(&json[at..]);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(names: &[&str]) -> MaskedFields {
        MaskedFields::new(names.iter().map(|name| (*name).to_owned())).unwrap()
    }

    #[test]
    fn hidden_fields_are_not_shown_and_all_else_is_as_it_was_written() {
        let mask = mask(&["password", "card*", "*_key"]);
        for (payload, shown) in [
            (
                r#"{"a": 1.50, "password": "x\"}", "b": [1, 2]}"#,
                r#"{"a": 1.50, "password": "•••", "b": [1, 2]}"#,
            ),
            (r#"{"PassWord":12345678901234567890}"#, r#"{"PassWord":"•••"}"#),
            (r#"{"a": {"card_no": {"x": ["}"]}, "c": 1}}"#, r#"{"a": {"card_no": "•••", "c": 1}}"#),
            (r#"[{"api_key" : null}, {"api_key": [1]} ]"#, r#"[{"api_key" : "•••"}, {"api_key": "•••"} ]"#),
            (r#"{"p\u0061ssword": "x"}"#, r#"{"p\u0061ssword": "•••"}"#),
            (r#"{"card\ud800": 1}"#, r#"{"card\ud800": "•••"}"#),
            (r#"{"text": "\"password\": 1"}"#, r#"{"text": "\"password\": 1"}"#),
            (r#"{"password2": 1, "ap_keyx": "password"}"#, r#"{"password2": 1, "ap_keyx": "password"}"#),
            (r#""password""#, r#""password""#),
        ] {
            assert_eq!(mask.apply(payload), (shown.to_owned(), shown != payload), "{payload}");
        }
    }

    #[test]
    fn what_is_no_json_is_hidden_as_a_whole() {
        for payload in [r#"{"password": "x""#, "base64:AA==", "", "password=x"] {
            assert_eq!(mask(&["password"]).apply(payload), (HIDDEN.to_owned(), true), "{payload}");
            assert_eq!(mask(&[]).apply(payload), (payload.to_owned(), false));
        }
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, name, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*", "", true),
            ("a*b*c", "axbxbxc", true),
            ("*card*", "my_card_no", true),
            ("card", "cards", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
