//! The error at a value: the place in the file, the line, and carets below; or the variable or flag.

use std::ops::Range;

use super::ValueError;
use super::provenance::{ConfigSource, Document, Origins, line_number};
use super::visible::visible;
use crate::config::redact::MASK;
use crate::error::Error;

impl Document {
    /// The error for the text at `span`.
    pub(crate) fn error(&self, key: &str, span: Range<usize>, wrong: ValueError) -> Error {
        self.error_in(key, span, wrong, true)
    }

    /// The same where the text is no TOML.
    pub(crate) fn error_in_no_toml(&self, span: Range<usize>, wrong: ValueError) -> Error {
        self.error_in("not valid TOML", span, wrong, false)
    }

    fn error_in(&self, key: &str, span: Range<usize>, wrong: ValueError, valid: bool) -> Error {
        let snippet = snippet(&self.path.display().to_string(), &self.text, span, valid);
        wrong.into_error(|message| format!("{key}: {message}\n{snippet}"))
    }
}

impl Origins {
    /// The error at a value of the document.
    pub(crate) fn error_in_file(&self, key: &str, wrong: ValueError) -> Error {
        match self.place(key) {
            Some((document, span)) => document.error(key, span, wrong),
            None => wrong.at(key),
        }
    }

    /// The error at a value of `source`.
    pub(crate) fn error(&self, key: &str, source: &ConfigSource, wrong: ValueError) -> Error {
        match source {
            ConfigSource::File { .. } => self.error_in_file(key, wrong),
            ConfigSource::Environment(name) | ConfigSource::Flag(name) => wrong.at(name),
            ConfigSource::BuiltIn | ConfigSource::Program => wrong.at(key),
        }
    }
}

/// Three lines: `  --> queue.toml:4:1`, the source line, and carets under `span`. What may hold a secret is
/// masked; `valid`: the text is TOML.
fn snippet(name: &str, text: &str, span: Range<usize>, valid: bool) -> String {
    let start = floor(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
    let start = start.min(line_end);
    let end = floor(text, span.end).clamp(start, line_end);

    let number = line_number(text, start);
    let column = 1 + text[line_start..start].chars().count();
    let shown_end = line_start + visible(text, line_start..line_end, valid);
    // A file is not trusted to drive the terminal.
    let plain = |part: &str| -> String {
        part.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
    };
    let before = plain(&text[line_start..start.min(shown_end)]);
    let mut wrong = plain(&text[start.min(shown_end)..end.min(shown_end)]);
    let mut after = plain(&text[end.min(shown_end)..shown_end]);
    if shown_end < line_end {
        if end > shown_end || start >= shown_end { wrong.push_str(MASK) } else { after.push_str(MASK) }
    }
    let indent: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let carets = "^".repeat(wrong.chars().count().max(1));
    let margin = " ".repeat(number.to_string().len());
    format!(
        "  --> {name}:{number}:{column}\n  {number} | {before}{wrong}{after}\n  {margin} | {indent}{carets}"
    )
}

/// The nearest boundary of a character at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, wrong: &str) -> String {
        let start = text.find(wrong).unwrap();
        snippet("queue.toml", text, start..start + wrong.len(), true)
    }

    #[test]
    fn the_place_the_line_and_carets() {
        let text = "default = \"async\"\n[database]\r\n\ttable = 'é' # ö\r\n";
        let table = [
            ("default", "  --> queue.toml:1:1\n  1 | default = \"async\"\n    | ^^^^^^^"),
            ("database", "  --> queue.toml:2:2\n  2 | [database]\n    |  ^^^^^^^^"),
            ("table", "  --> queue.toml:3:2\n  3 | \ttable = 'é' ***\n    | \t^^^^^"),
            ("'é'", "  --> queue.toml:3:10\n  3 | \ttable = 'é' ***\n    | \t        ^^^"),
        ];
        for (wrong, expected) in table {
            assert_eq!(shown(text, wrong), expected);
        }
    }

    #[test]
    fn odd_places() {
        assert_eq!(snippet("q", "", 0..0, true), "  --> q:1:1\n  1 | \n    | ^");
        assert_eq!(snippet("q", "a", 9..12, true), "  --> q:1:2\n  1 | a\n    |  ^");
        assert_eq!(snippet("q", "a = '''\nb'''", 4..12, true), "  --> q:1:5\n  1 | a = ***\n    |     ^^^");
        assert_eq!(snippet("q", "é", 1..1, true), "  --> q:1:1\n  1 | ***\n    | ^^^");
        assert_eq!(snippet("q", "a\u{1b}[2J", 0..1, true), "  --> q:1:1\n  1 | a***\n    | ^");
        let ten_lines = "\n".repeat(9) + "x = 1";
        assert_eq!(shown(&ten_lines, "x"), "  --> queue.toml:10:1\n  10 | x = ***\n     | ^");
    }

    #[test]
    fn no_text_and_no_span_can_break_it() {
        let nasty = "é=é\r\n\tpassword = '''é\n''' ü\nenv = {é = 'é'\n}\nurl=\"a://é:é@é\"\n[a.env]\né=é";
        let cuts: Vec<usize> = nasty.char_indices().map(|(at, _)| at).chain([nasty.len()]).collect();
        for end in cuts {
            let text = &nasty[..end];
            for start in 0..=end {
                for length in [0, 1, 2, 7, 99] {
                    assert!(snippet("q", text, start..start + length, true).ends_with('^'));
                }
            }
        }
    }

    #[test]
    fn a_secret_is_never_in_it_and_the_carets_stay_right() {
        let table = [
            ("password = 'a b'", "'a b'", "password = ***\n    |            ^^^"),
            ("password = 'a b'", "b", "password = ***\n    |            ^^^"),
            ("url = 'mysql://u:p@h/db'", "h/db", "url = ***\n    |       ^^^"),
            ("url = 'mysql://u:p@h/db'", "'mysql://u:p@h/db'", "url = ***\n    |       ^^^"),
        ];
        for (text, wrong, expected) in table {
            assert!(shown(text, wrong).ends_with(&format!("  1 | {expected}")), "{}", shown(text, wrong));
        }
    }
}
