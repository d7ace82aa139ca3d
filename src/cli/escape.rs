//! Makes text from outside harmless where it is shown: names, ids, payloads and errors may hold anything that
//! somebody could push or insert. A terminal obeys control characters, and a reader is deceived by characters
//! that reorder or hide text; both are written as escapes. Every print goes through one of these functions.

use std::borrow::Cow;
use std::fmt::Write;

/// For a terminal, as one line: `\n`, `\r`, `\t`, and `\u{1b}` for others.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false, |c, escaped| escaped.extend(c.escape_default()))
}

/// The same for a text whose line breaks are its author's: the help of an error, a configuration with the line
/// that is wrong.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n', |c, escaped| escaped.extend(c.escape_default()))
}

/// For JSON that was written already: what a terminal would obey stands there as `\u009b`, and means the same.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    escape(
        text,
        |_| false,
        |c, escaped| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // A String can be written to.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        },
    )
}

/// Whether text can be shown as it is.
pub(super) fn is_plain(text: &str) -> bool {
    // Most text is ASCII, which is looked through much faster.
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(is_harmful)
}

fn escape(text: &str, keep: fn(char) -> bool, write: fn(char, &mut String)) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_harmful(c) && !keep(c) {
            true => write(c, &mut escaped),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn is_harmful(c: char) -> bool {
    match c {
        // Most of all text.
        ' '..='~' => false,
        // C0 and C1 control characters, and delete.
        _ if c.is_control() => true,
        // Characters that reorder the text around them.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        // Line ends to some readers of JSON and logs.
        '\u{2028}' | '\u{2029}' => true,
        // Invisible ones. Not the joiners U+200C and U+200D: writing systems and emoji need them.
        '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_as_an_escape() {
        for (text, shown) in [
            ("CreateInvoice", "CreateInvoice"),
            ("Grüße, 東京 🎉 👩\u{200d}🔧", "Grüße, 東京 🎉 👩\u{200d}🔧"),
            ("a\x1b[31mred", "a\\u{1b}[31mred"),
            ("a\x1b]0;title\x07", "a\\u{1b}]0;title\\u{7}"),
            ("over\rwritten\x08\x7f", "over\\rwritten\\u{8}\\u{7f}"),
            ("two\nlines\tand a tab", "two\\nlines\\tand a tab"),
            ("\u{9b}31m \u{85}", "\\u{9b}31m \\u{85}"),
            ("\u{202e}cod.exe\u{2069}\u{200f}", "\\u{202e}cod.exe\\u{2069}\\u{200f}"),
            ("a\u{2028}b\u{200b}c\u{feff}d\u{e0041}", "a\\u{2028}b\\u{200b}c\\u{feff}d\\u{e0041}"),
            ("C:\\new", "C:\\new"),
        ] {
            assert_eq!(line(text), shown);
            assert!(is_plain(&line(text)));
        }
        assert_eq!(lines("help:\n  a\x1bb"), "help:\n  a\\u{1b}b");
    }

    #[test]
    fn json_means_the_same_and_holds_nothing_that_a_terminal_obeys() {
        let value = "a\u{9b}1m\u{7f}\x1b\n\u{202e}\u{e0041} ü 🎉";
        let text = serde_json::to_string(value).unwrap();
        let escaped = json(&text);
        assert!(is_plain(&escaped) && escaped.contains("ü 🎉"), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), value);
    }
}
