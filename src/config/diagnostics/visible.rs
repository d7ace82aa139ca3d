//! How much of a line of queue.toml may be shown: only what cannot hold a secret.
//!
//! A slip can put a password anywhere: behind a key that is none, in a line that lost its beginning, in a URL
//! that is no URL. So a line is shown as far as it is what it should be: a section, a key that is known, and a
//! value of one that is not secret.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use strsim::osa_distance;

use super::nearest;
use crate::config::connection::Parts;
use crate::config::model::{AmqpConfig, AsyncConfig, CommandJob, DatabaseConfig, SECTIONS_OF_FILE};
use crate::config::redact::{is_harmless, is_secret};
use crate::config::schema::Field;

/// What a key's value may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Neither the key nor its value may be shown: it may be no key.
    Unknown,
    Secret,
    Plain,
}

/// How many bytes of a line may be shown. `valid`: the text is TOML, so that what stands where a key stands is
/// one.
pub(super) fn visible(text: &str, line: Range<usize>, valid: bool) -> usize {
    let (before, line) = (&text[..line.start], &text[line]);
    if line.trim().is_empty() {
        return line.len();
    }
    if is_in_long_string(before) || is_in_environment(before) {
        return 0;
    }
    let code = line.trim_start();
    let indent = line.len() - code.len();
    indent + if code.starts_with('[') { header(code, valid) } else { assignment(before, code, valid) }
}

fn assignment(before: &str, code: &str, valid: bool) -> usize {
    let end = code.find(|c| !is_bare(c) && c != '.').unwrap_or(code.len());
    let (path, after) = code.split_at(end);
    let key = key(before, path, valid);
    if key == Key::Unknown {
        return 0;
    }
    let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start) else { return end };
    let start = code.len() - value.len();
    match value_end(value).filter(|_| key == Key::Plain) {
        None => start,
        Some(end) if !is_harmless(&value[..end]) => start,
        Some(end) => match value[end..].trim_start() {
            "" => code.len(),
            comment if comment.starts_with('#') => code.len() - comment.len(),
            _ => start,
        },
    }
}

/// `[jobs.ResizeImage]`; of a text that is no TOML only with words that are known.
fn header(code: &str, valid: bool) -> usize {
    let end = code.find(|c| !is_bare(c) && !"[]. \t".contains(c)).unwrap_or(code.len());
    if valid {
        return end;
    }
    let known = |word: &str| word.is_empty() || is_known(word);
    let mut shown = 0;
    for word in code[..end].split_inclusive(|c| !is_bare(c)) {
        if !known(word.trim_end_matches(|c| !is_bare(c))) {
            break;
        }
        shown += word.len();
    }
    shown
}

fn key(before: &str, path: &str, valid: bool) -> Key {
    let mut segments: Vec<&str> = path.split('.').collect();
    let Some(name) = segments.pop().filter(|name| !name.is_empty()) else { return Key::Unknown };
    if !valid && !segments.iter().chain([&name]).all(|word| is_known(word)) {
        return Key::Unknown;
    }
    let mut section = section(before);
    section.extend(segments);
    let known = keys(&section);
    let is_plain = |name: &str| known.iter().any(|(key, plain)| key == name && *plain);
    if is_secret(name) && !is_plain(name) {
        return Key::Secret;
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| &**name).collect();
    let meant = nearest(name, &names)
        .filter(|meant| meant.chars().next() == name.chars().next() && osa_distance(meant, name) <= 2);
    if meant.is_some_and(is_plain) { Key::Plain } else { Key::Secret }
}

/// The section of a line.
fn section(before: &str) -> Vec<&str> {
    let header = before.lines().map(str::trim).rfind(|line| line.starts_with('['));
    let name = header.map(|header| header.trim_start_matches('[').split(']').next().unwrap_or_default());
    name.map_or(Vec::new(), |name| {
        name.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect()
    })
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The end of a plain value: a word, a text without escapes, or a list of such.
fn value_end(value: &str) -> Option<usize> {
    let first = value.chars().next()?;
    match first {
        '"' | '\'' => {
            let end = value[1..].find(first)? + 2;
            let is_plain = !value[..end].contains('\\') && !value[end..].starts_with(first);
            is_plain.then_some(end)
        }
        '[' => {
            let mut at = 1;
            loop {
                let rest = value[at..].trim_start_matches([' ', ',']);
                at = value.len() - rest.len();
                match rest.strip_prefix(']') {
                    Some(after) => return Some(value.len() - after.len()),
                    None => at += value_end(rest)?,
                }
            }
        }
        _ => {
            let end = value.find(|c| !is_bare(c) && !"+.:".contains(c)).unwrap_or(value.len());
            (end > 0).then_some(end)
        }
    }
}

/// Whether a text of several lines was begun and not ended.
fn is_in_long_string(before: &str) -> bool {
    ["\"\"\"", "'''"].iter().any(|quotes| before.matches(quotes).count() % 2 == 1)
}

/// Whether a line is within the braces of a job's environment, where every value may be secret.
fn is_in_environment(before: &str) -> bool {
    before.rfind('{').is_some_and(|at| {
        let key = before[..at].trim_end().strip_suffix('=').unwrap_or_default();
        let is_env = key.trim_end().trim_end_matches(['"', '\'']).ends_with("env");
        is_env && !before[at..].contains('}')
    })
}

/// Whether a word is a section or a key of one.
fn is_known(word: &str) -> bool {
    static WORDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let sections: [&[&str]; 5] =
            [&["database"], &["amqp"], &["async"], &["connections", ""], &["jobs", ""]];
        let keys = sections.into_iter().flat_map(|section| keys(section).into_iter().map(|(key, _)| key));
        keys.chain(SECTIONS_OF_FILE.map(str::to_owned)).collect()
    });
    WORDS.contains(word)
}

/// The keys of a section, and whether their values may be shown.
fn keys(section: &[&str]) -> Vec<(String, bool)> {
    match section {
        [] => vec![("default".to_owned(), true)],
        ["database"] => named(&DatabaseConfig::default().fields()),
        ["amqp"] => named(&AmqpConfig::default().fields()),
        ["async"] => named(&AsyncConfig::default().fields()),
        ["connections", _] => named(&Parts::default().fields()),
        ["jobs", _] => named(&CommandJob::default().fields()),
        _ => Vec::new(),
    }
}

fn named(fields: &[Field<'_>]) -> Vec<(String, bool)> {
    // Arguments and options may hold a password, though most do not.
    let is_given = |name: &str| name == "command" || name == "connection_options";
    let keys = fields.iter().map(|field| (field.name, field.is_secret()));
    // The other name of that key.
    let alias = keys.clone().find(|(name, _)| *name == "failed_table").map(|_| ("failed_jobs", false));
    keys.chain(alias).map(|(name, secret)| (name.to_owned(), !secret && !is_given(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, valid: bool) -> &str {
        let start = text.rfind('\n').map_or(0, |at| at + 1);
        &text[start..][..visible(text, start..text.len(), valid)]
    }

    #[test]
    fn what_is_as_it_should_be_is_shown() {
        let table = [
            ("[database]\ntabel = \"jobs\"", "tabel = \"jobs\""),
            ("[database]\n  poll = 5 # hunter2", "  poll = 5 "),
            ("[async]\nbackoff = [1, 'x', ]", "backoff = [1, 'x', ]"),
            ("[jobs.A]\nhost = 'hunter2'", "host = "),
            ("database.attempts = 1.5", "database.attempts = 1.5"),
            ("[amqp]\ntz = 2026-01-01T10:00:00+01:00", "tz = 2026-01-01T10:00:00+01:00"),
            ("[jobs.A]", "[jobs.A]"),
            ("[jobs.'a'] # x", "[jobs."),
            ("", ""),
            ("password = \"hunter2\"", "password = "),
            ("pasword='hunter2'", "pasword="),
            ("kennwort = 'hunter2'", "kennwort = "),
            ("word = 'hunter2'", "word = "),
            ("url = 'mysql:/u:hunter2@h/d'", "url = "),
            ("[database]\ntable = 'mysql:/u:hunter2@h/d'", "table = "),
            ("command = ['curl', '-u', 'hunter2']", "command = "),
            ("[amqp]\nhost = \"h\\\"\"", "host = "),
            ("[amqp]\nhost = \"h\" password = 'x'", "host = "),
            ("x = { host = 'h', password = 'x' }", "x = "),
            ("\"password\" = 'x'", ""),
            ("host", "host"),
            ("env.A = 'x'", "env.A = "),
            ("[jobs.A.env]\nhost = 'x'", "host = "),
            ("env = {\nhost = 'x'", ""),
            ("a = '''\nhost = 'x'", ""),
            ("[jobs.A.env]\nhost = 'x'\n[amqp]\nhost = 'y'", "host = 'y'"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text, true), expected, "{text}");
        }
    }

    #[test]
    fn of_a_text_that_is_no_toml_only_known_words_are_shown() {
        let table = [
            ("[database]\npoll = 2", "poll = 2"),
            ("poll = 2", "poll = "),
            ("poll: 5", "poll"),
            ("tabel = 'jobs'", ""),
            ("password = 'hunter2", "password = "),
            ("pass word = 'hunter2'", ""),
            ("hunter2'", ""),
            ("c2VjcmV0==", ""),
            ("[database", "[database"),
            ("[databse]", "["),
            ("[hunter2", "["),
            ("[amqp]password = 'x'", "[amqp]password "),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text, false), expected, "{text}");
        }
    }
}
