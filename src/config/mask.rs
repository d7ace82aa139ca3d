//! Finds what must not be shown in the text of a queue.toml, also in one that is not valid.
//!
//! Read as plain text and not as TOML, so that it also works where the parser gave up. It hides rather
//! too much than too little.

use std::ops::Range;

use super::nearest::distance;

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";

const SECRET_WORDS: [&str; 7] = ["pass", "pw", "secret", "token", "key", "credential", "auth"];

/// Whether a key or a variable of this name is likely to hold a secret; a misspelt `password` does too.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) || distance(&name, "password") <= 3
}

/// The text without what must not be shown.
pub(super) fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    for range in secrets(text).into_iter().rev() {
        masked.replace_range(range, MASK);
    }
    masked
}

/// The parts of `text` to hide, in order and apart from each other.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<_> = lines(text).flat_map(|line| assigned(text, line)).collect();
    found.extend(lines(text).flat_map(|line| in_urls(text, line)));
    found.extend(environments(text));
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let begin = start;
        start += line.len();
        begin..begin + line.trim_end_matches(['\n', '\r']).len()
    })
}

/// What is assigned to a secret name: from the value to the end of the line, or of the line on which a
/// long string ends.
fn assigned(text: &str, line: Range<usize>) -> Option<Range<usize>> {
    let (_, start) = assignments(text, line).into_iter().find(|(name, _)| is_secret(name))?;
    let long_string = ["\"\"\"", "'''"].into_iter().find(|quotes| text[start..].starts_with(quotes));
    let end = match long_string {
        Some(quotes) => text[start + 3..].find(quotes).map_or(text.len(), |end| start + 3 + end),
        None => start,
    };
    Some(start..line_end(text, end))
}

/// Each name before an `=`, and where its value starts.
fn assignments(text: &str, line: Range<usize>) -> Vec<(&str, usize)> {
    let equals = text[line.clone()].match_indices('=').map(|(at, _)| line.start + at);
    let assignment = |at: usize| {
        let value = &text[at + 1..line.end];
        (name_before(&text[line.start..at]), line.end - value.trim_start().len())
    };
    equals.map(assignment).collect()
}

fn line_end(text: &str, from: usize) -> usize {
    let end = text[from..].find('\n').map_or(text.len(), |end| from + end);
    from + text[from..end].trim_end_matches('\r').len()
}

/// The last name before an `=`, quoted or not.
fn name_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let start = text.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).map_or(0, |at| at + 1);
    // The character before the name may be wider than one byte.
    text.get(start..).unwrap_or(text)
}

/// The passwords in `scheme://user:password@host`, also where the `@` is missing.
fn in_urls(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let password = |after_scheme: usize| {
        let colon = after_scheme + text[after_scheme..line.end].find(':')? + 1;
        if let Some(at) = text[colon..line.end].rfind('@') {
            return Some(colon..colon + at);
        }
        let port = text[colon..line.end].trim_start_matches(|c: char| c.is_ascii_digit());
        let is_port = port.is_empty() || port.starts_with(['/', '?', ',', '"', '\'']);
        (!is_port).then_some(colon..line.end)
    };
    text[line.clone()].match_indices("://").filter_map(|(at, _)| password(line.start + at + 3)).collect()
}

/// The values in a job's `env`: nobody knows which of them are secret.
fn environments(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut in_section = false;
    for line in lines(text) {
        let content = text[line.clone()].trim_start();
        if content.starts_with('[') {
            let header = content.split('#').next().unwrap_or_default();
            in_section = header.trim_end().trim_end_matches(']').trim_end().ends_with(".env");
            continue;
        }
        let assignments = assignments(text, line.clone());
        if let Some((_, start)) = assignments.iter().find(|(name, _)| *name == "env") {
            found.push(*start..end_of_table(text, *start));
        }
        let dotted = content.split('=').next().is_some_and(|key| key.contains("env."));
        if let Some((_, start)) = assignments.first().filter(|_| in_section || dotted) {
            found.push(*start..line.end);
        }
    }
    found
}

/// The end of the line when a brace closes on it, else of the line that a closing brace begins.
fn end_of_table(text: &str, start: usize) -> usize {
    let end = line_end(text, start);
    if text[start..end].contains('}') {
        return end;
    }
    let closing =
        lines(text).find(|line| line.start > end && text[line.clone()].trim_start().starts_with('}'));
    closing.map_or(text.len(), |line| line.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_not() {
        let table = [
            (r#"table = "jobs""#, r#"table = "jobs""#),
            (r#"password = "hunter2""#, "password = ***"),
            (r#"pasword = "hunter2""#, "pasword = ***"),
            (r#"passwort="hunter2"#, "passwort=***"),
            (r#""password" = 'hunter2'"#, r#""password" = ***"#),
            (r#"password = "hun"ter2""#, "password = ***"),
            ("password = 12\nport = 1", "password = ***\nport = 1"),
            ("password = \"\"\"\nhunter2\n\"\"\"\nport = 1", "password = ***\nport = 1"),
            ("password = '''\nhunter2", "password = ***"),
            (r#"x = { host = "h", password = "a", port = 1 }"#, r#"x = { host = "h", password = ***"#),
            (r#"url = "postgres://u:p@h/db""#, r#"url = "postgres://u:***@h/db""#),
            (r#"url = "postgres://u:p@:/x@h:1/db""#, r#"url = "postgres://u:***@h:1/db""#),
            (r#"url = "postgres://u:p\"w@h/db""#, r#"url = "postgres://u:***@h/db""#),
            (r#"url = "postgres://u:p/db""#, r#"url = "postgres://u:***"#),
            (r#"url = "postgres://h:5432/db""#, r#"url = "postgres://h:5432/db""#),
            (r#"url = "postgres://h/db""#, r#"url = "postgres://h/db""#),
            (r#"url = "postgres://h/db?password=x""#, r#"url = "postgres://h/db?password=***"#),
            (r#"url = "${U:-mysql://u:p@h/db}""#, r#"url = "${U:-mysql://u:***@h/db}""#),
            (r#"env = { A = "x" }"#, "env = ***"),
            (r#"A = { env = { B = "x}y" }, cwd = 5 }"#, "A = { env = ***"),
            ("env=é", "env=***"),
            ("password = 'a\rb'\r\nport = 1", "password = ***\r\nport = 1"),
            ("env = {\n A = 'x' }\ncwd = 1", "env = ***"),
            ("a = 'http://h:1/', 'http://u:p/'", "a = 'http://h:1/', 'http://u:***"),
            ("env = {\n A = 'x',\n}\ncwd = 1", "env = ***\ncwd = 1"),
            ("[jobs.A.env]\nA = 'x'\n[amqp]\nhost = 'h'", "[jobs.A.env]\nA = ***\n[amqp]\nhost = 'h'"),
            ("env.A = 'x'", "env.A = ***"),
            ("é=1\nü = '://:'", "é=1\nü = '://:'"),
        ];
        for (text, expected) in table {
            assert_eq!(masked(text), expected);
        }
    }
}
