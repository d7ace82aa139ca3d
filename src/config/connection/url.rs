//! URLs of servers, parsed and written.
//!
//! A URL may hold a user's password as it is, `@`, `:` and `/` included; only `?`, and a `%` before
//! two hexadecimal digits, must be percent-encoded. The client libraries are stricter, so the URL is always
//! written anew.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::config::diagnostics::ValueError;
use crate::config::redact::MASK;

/// `scheme://username:password@host/path?query`.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    /// Decoded.
    pub(crate) username: Option<String>,
    /// Decoded.
    pub(crate) password: Option<String>,
    /// As it is written, with the port; PostgreSQL knows lists of hosts.
    pub(crate) host: String,
    /// As it is written, without the first slash.
    pub(crate) path: String,
    /// As it is written.
    pub(crate) query: Option<String>,
}

impl Url {
    /// Parses a URL. Errors do not show it.
    pub(crate) fn parse(text: &str) -> Result<Self, ValueError> {
        let no_url = || ValueError::new("expected a URL, scheme://user:password@host:port/name");
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(no_url)?;
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query.to_owned())),
            None => (rest, None),
        };
        if !place.contains('@') && query.as_ref().is_some_and(|query| !is_query(query)) {
            return Err(ValueError::new("the URL has an @ behind its ?")
                .with_help("a password that holds \"?\" must be percent-encoded: %3F"));
        }
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((username, password)) => (decode(username)?, decode(password)?),
            None => (String::new(), String::new()),
        };
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let url = Self {
            scheme: scheme.to_ascii_lowercase(),
            username: given(username),
            password: given(password),
            host: host.to_owned(),
            path: path.to_owned(),
            query,
        };
        for host in url.host.split(',') {
            split_host(host)?;
        }
        Ok(url)
    }

    /// The host's name and its port; the brackets of an IPv6 address are taken off.
    pub(crate) fn host_and_port(&self) -> Result<(String, Option<u16>), ValueError> {
        let (host, port) = split_host(&self.host)?;
        Ok((host.trim_matches(['[', ']']).to_owned(), port))
    }

    /// For people: the password masked, and without the query, which may hold one too. A user without a
    /// password may be both, when the colon between them is missing.
    pub(crate) fn masked(&self) -> String {
        let mut shown = self.clone();
        shown.password = None;
        shown.query = None;
        let user = self.username.as_deref().map(encode).unwrap_or_default();
        match (&self.username, &self.password) {
            (_, Some(_)) => shown.write(&format!("{user}:{MASK}@")),
            (Some(_), None) => shown.write(&format!("{MASK}@")),
            (None, None) => shown.write(""),
        }
    }

    fn write(&self, user: &str) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("/{}", self.path) };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{user}{}{path}{query}", self.scheme, self.host)
    }
}

/// Complete, password included, with all that needs it percent-encoded.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match (self.username.as_deref().map(encode), self.password.as_deref().map(encode)) {
            (None, None) => String::new(),
            (username, None) => format!("{}@", username.unwrap_or_default()),
            (username, Some(password)) => format!("{}:{password}@", username.unwrap_or_default()),
        };
        f.write_str(&self.write(&user))
    }
}

/// The address, brackets included, and the port of one host.
pub(super) fn split_host(host: &str) -> Result<(&str, Option<u16>), ValueError> {
    let (address, port) = match host.strip_prefix('[').map(|inside| inside.find(']')) {
        Some(None) => return Err(ValueError::new("an address in the URL has no closing ]")),
        Some(Some(end)) => host.split_at(end + 2),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "[]@\"'".contains(c);
    if address.trim_start_matches('[').trim_end_matches(']').contains(is_odd) {
        return Err(
            ValueError::new("the URL has no valid host").with_help("scheme://user:password@host/name")
        );
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((address, None)),
        None => Err(ValueError::new("the URL has no valid host")
            .with_help("behind the ] of an address only a port may stand")),
        Some(port)
            if port.contains(':') && host.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c)) =>
        {
            Err(ValueError::new("the URL's host is an IPv6 address without brackets")
                .with_help("write it as [::1]"))
        }
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => Ok((address, Some(port))),
            _ => Err(ValueError::new("the URL's port is not a number from 1 to 65535")
                .with_help("a password that holds \"?\" or \"%\" must be percent-encoded: %3F, %25")),
        },
    }
}

/// The scheme of a URL, as far as it may be shown: a text that is no URL may hold a password before its first
/// `://`.
pub(crate) fn shown_scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.trim().split_once("://")?;
    let is_word = scheme.len() <= 20 && scheme.chars().all(|c| c.is_ascii_alphabetic() || c == '+');
    is_word.then(|| scheme.to_ascii_lowercase())
}

/// Whether a query's options come before an `@` in it.
fn is_query(query: &str) -> bool {
    query
        .split_once('@')
        .is_none_or(|(before, _)| before.rsplit('&').next().is_some_and(|it| it.contains('=')))
}

/// All but letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes all but letters, digits and `-._~`.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Decodes `%41` to `A`. A `%` without two hexadecimal digits is a plain `%`.
pub(crate) fn decode(text: &str) -> Result<String, ValueError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| ValueError::new("the URL's percent-encoded text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_put_together_for_strict_readers_and_masked_for_people() {
        let table = [
            ("postgres://h/db", "postgres://h/db", "postgres://h/db"),
            ("POSTGRES://u@h:5432/db", "postgres://u@h:5432/db", "postgres://***@h:5432/db"),
            ("mysql://u:p@h/db?x=1", "mysql://u:p@h/db?x=1", "mysql://u:***@h/db"),
            ("mysql://u:p%40@h/db", "mysql://u:p%40@h/db", "mysql://u:***@h/db"),
            ("mysql://u:p@:/ß@h/db", "mysql://u:p%40%3A%2F%C3%9F@h/db", "mysql://u:***@h/db"),
            ("mysql://u:100%@h", "mysql://u:100%25@h", "mysql://u:***@h"),
            ("amqp://:p@[::1]:5672/%2F", "amqp://:p@[::1]:5672/%2F", "amqp://:***@[::1]:5672/%2F"),
            ("postgres://u:p@a:1,b:2/db", "postgres://u:p@a:1,b:2/db", "postgres://u:***@a:1,b:2/db"),
            ("postgres:///db?password=p", "postgres:///db?password=p", "postgres:///db"),
        ];
        for (text, strict, shown) in table {
            let url = Url::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(url.to_string(), strict);
            assert_eq!(url.masked(), shown);
        }
    }

    #[test]
    fn what_is_no_url() {
        for text in [
            "",
            "localhost",
            "mysql://h:x/db",
            "mysql://h:0/db",
            "mysql://u:p?w@h/db",
            "mysql://%FF:@h",
            "mysql://u?:p@h/db",
            "mysql://u:p[::1]:1/db",
            "mysql://[::1/db",
            "mysql://[::1]x/db",
            "mysql://a b/db",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        for (text, help) in [
            ("postgres://u@::1/db", "write it as [::1]"),
            ("postgres://u@fe80::1:5432/db", "write it as [::1]"),
            ("mysql://u:p?w@h/db", "a password that holds \"?\" must be percent-encoded: %3F"),
        ] {
            assert_eq!(Url::parse(text).err().and_then(|wrong| wrong.help).as_deref(), Some(help), "{text}");
        }
    }
}
