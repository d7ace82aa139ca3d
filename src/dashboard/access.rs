//! Who may see the dashboard, and who may act. Pure: a request and the settings in, a refusal out.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::http::Request;

/// A token that is shorter can be guessed.
pub(super) const TOKEN_LENGTH: usize = 32;

/// The name of the cookie that a sign-in sets.
const COOKIE: &str = "craft_dashboard";

/// How many wrong tokens are looked at in a minute.
const TRIES: usize = 5;

const MINUTE: Duration = Duration::from_secs(60);

/// Who is let in.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    /// The token that a request needs; `None`: none.
    pub(super) token: Option<String>,
    /// Nobody may act.
    pub(super) read_only: bool,
    /// Names under which the server is reached, besides `localhost` and addresses.
    pub(super) hosts: Vec<String>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The name in `Host` is none of ours.
    Host,
    /// It is not signed in.
    SignIn,
    /// It comes from a page of somebody else.
    Origin,
    /// It is no JSON, which a form of another page could not send.
    NotJson,
    /// Nobody may act here.
    ReadOnly,
}

impl Refusal {
    /// The status, what is wrong, and what to do next.
    pub(super) fn explain(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Host => (
                421,
                "the dashboard does not answer to this host name",
                "open it as localhost or by its address, or name the host: craft dashboard --host NAME",
            ),
            Self::SignIn => (401, "sign in first", "the token is in the file that --token-file names"),
            Self::Origin => (403, "another page may not act here", "act on the dashboard itself"),
            Self::NotJson => (415, "the request is no JSON", "send Content-Type: application/json"),
            Self::ReadOnly => {
                (403, "this dashboard is read-only", "start it without --read-only to act here")
            }
        }
    }
}

impl Access {
    /// Whether the server answers under the name that the request has. A page whose own name was made to point to this
    /// machine (DNS rebinding) has that name here.
    pub(super) fn check_host(&self, request: &Request) -> Result<(), Refusal> {
        let host = request.get("host").and_then(name_of).unwrap_or_default();
        let is_ours = host.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host));
        if is_ours { Ok(()) } else { Err(Refusal::Host) }
    }

    /// Whether the request may see what is here.
    pub(super) fn check_signed_in(&self, request: &Request) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = [bearer(request), cookie(request)];
        let is_right = given.iter().flatten().any(|given| is_equal(given, token));
        if is_right { Ok(()) } else { Err(Refusal::SignIn) }
    }

    /// Whether the request may act.
    pub(super) fn check_act(&self, request: &Request) -> Result<(), Refusal> {
        self.check_origin(request)?;
        if self.read_only { Err(Refusal::ReadOnly) } else { Ok(()) }
    }

    /// Whether a browser sends the request from our own page, or a program that has the token.
    pub(super) fn check_origin(&self, request: &Request) -> Result<(), Refusal> {
        let content_type = request.get("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::NotJson);
        }
        let by_token = self.token.as_ref().zip(bearer(request)).is_some_and(|(ours, it)| is_equal(&it, ours));
        if by_token || is_same_origin(request) { Ok(()) } else { Err(Refusal::Origin) }
    }

    /// The cookie that keeps a browser signed in, until it is closed. `token` must be right.
    pub(super) fn cookie(token: &str, path: &str) -> String {
        let token = utf8_percent_encode(token, NON_ALPHANUMERIC);
        format!("{COOKIE}={token}; Path={path}; HttpOnly; SameSite=Strict")
    }

    /// The cookie that signs a browser out.
    pub(super) fn no_cookie(path: &str) -> String {
        format!("{COOKIE}=; Path={path}; HttpOnly; SameSite=Strict; Max-Age=0")
    }

    /// Whether this is the token.
    pub(super) fn is_token(&self, given: &str) -> bool {
        self.token.as_ref().is_some_and(|token| is_equal(given, token))
    }
}

/// Browsers say where a request comes from: by `Sec-Fetch-Site` where the connection is to this machine or encrypted,
/// else by `Origin`.
fn is_same_origin(request: &Request) -> bool {
    match (request.get("sec-fetch-site"), request.get("origin"), request.get("host")) {
        (Some(site), ..) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            let of_web = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
            of_web.is_some_and(|name| name.eq_ignore_ascii_case(host))
        }
        _ => false,
    }
}

/// The name in a `Host` header, without its port.
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty() || port.strip_prefix(':')?.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then_some(name)
}

fn bearer(request: &Request) -> Option<String> {
    request.get("authorization")?.strip_prefix("Bearer ").map(|token| token.trim().to_owned())
}

fn cookie(request: &Request) -> Option<String> {
    let of_ours = |pair: &str| pair.trim().strip_prefix(COOKIE)?.strip_prefix('=').map(str::to_owned);
    let value = request.get("cookie")?.split(';').find_map(of_ours)?;
    Some(percent_decode_str(&value).decode_utf8().ok()?.into_owned())
}

/// Compares all bytes, so that the time taken does not tell how many are right.
fn is_equal(given: &str, token: &str) -> bool {
    let differ = given.bytes().zip(token.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other));
    std::hint::black_box(differ) == 0 && given.len() == token.len()
}

/// The wrong tokens of the last minute, which bound how many can be tried.
#[derive(Debug, Default)]
pub(super) struct Tries(Vec<Instant>);

impl Tries {
    /// Whether another token may be tried now.
    pub(super) fn may_try(&mut self, now: Instant) -> bool {
        self.0.retain(|tried| now.saturating_duration_since(*tried) < MINUTE);
        self.0.len() < TRIES
    }

    /// A token was wrong.
    pub(super) fn was_wrong(&mut self, now: Instant) {
        self.0.push(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "a token; of 32 = letters, or more";

    fn request(headers: &[(&str, &str)]) -> Request {
        headers.iter().fold(Request::new("POST", "/"), |request, (name, value)| request.header(*name, *value))
    }

    #[test]
    fn a_host_is_an_address_localhost_or_one_that_was_named() {
        let access = Access { hosts: vec!["jobs.example.org".into()], ..Access::default() };
        for (host, expected) in [
            ("127.0.0.1:7722", Ok(())),
            ("[::1]:7722", Ok(())),
            ("192.168.1.2", Ok(())),
            ("LOCALHOST:1", Ok(())),
            ("Jobs.example.org:443", Ok(())),
            ("localhost.evil.example", Err(Refusal::Host)),
            ("evil.example:7722", Err(Refusal::Host)),
            ("[::1]evil", Err(Refusal::Host)),
            ("127.0.0.1:evil", Err(Refusal::Host)),
            ("localhost:80:90", Err(Refusal::Host)),
            ("", Err(Refusal::Host)),
        ] {
            assert_eq!(access.check_host(&request(&[("Host", host)])), expected, "{host:?}");
        }
        assert_eq!(access.check_host(&request(&[])), Err(Refusal::Host));
    }

    #[test]
    fn an_act_comes_from_our_own_page_or_from_a_program_with_the_token() {
        let json = ("Content-Type", "application/json; charset=utf-8");
        let (host, bearer) = (("Host", "localhost:1"), format!("Bearer {TOKEN}"));
        let open = Access::default();
        let with_token = Access { token: Some(TOKEN.into()), ..Access::default() };
        for (access, headers, expected) in [
            (&open, &[json, host, ("Sec-Fetch-Site", "same-origin")][..], Ok(())),
            (&open, &[json, host, ("Origin", "http://localhost:1")], Ok(())),
            (&open, &[json, host], Err(Refusal::Origin)),
            (&open, &[json, host, ("Authorization", &bearer)], Err(Refusal::Origin)),
            (&open, &[json, host, ("Sec-Fetch-Site", "same-site")], Err(Refusal::Origin)),
            (&open, &[json, host, ("Sec-Fetch-Site", "none")], Err(Refusal::Origin)),
            (
                &open,
                &[json, host, ("Sec-Fetch-Site", "cross-site"), ("Origin", "http://localhost:1")],
                Err(Refusal::Origin),
            ),
            (&open, &[json, host, ("Origin", "http://localhost:2")], Err(Refusal::Origin)),
            (&open, &[json, host, ("Origin", "null")], Err(Refusal::Origin)),
            (
                &open,
                &[host, ("Content-Type", "text/plain"), ("Sec-Fetch-Site", "same-origin")],
                Err(Refusal::NotJson),
            ),
            (&with_token, &[json, host, ("Authorization", &bearer)], Ok(())),
            (&with_token, &[json, host, ("Authorization", "Bearer other")], Err(Refusal::Origin)),
        ] {
            assert_eq!(access.check_act(&request(headers)), expected, "{headers:?}");
        }
        let read_only = Access { read_only: true, ..Access::default() };
        let ours = request(&[json, host, ("Sec-Fetch-Site", "same-origin")]);
        assert_eq!(read_only.check_act(&ours), Err(Refusal::ReadOnly));
    }

    #[test]
    fn a_token_comes_as_a_header_or_as_the_cookie_of_a_sign_in() {
        let access = Access { token: Some(TOKEN.into()), ..Access::default() };
        let cookie = Access::cookie(TOKEN, "/jobs");
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/jobs; HttpOnly; SameSite=Strict");
        let others = format!("other=1; {pair}; more=2");
        for (headers, expected) in [
            (("Cookie", pair), Ok(())),
            (("Cookie", &others), Ok(())),
            (("Cookie", "craft_dashboard="), Err(Refusal::SignIn)),
            (("Cookie", "craft_dashboardx=1"), Err(Refusal::SignIn)),
            (("Authorization", &format!("Bearer {TOKEN}")), Ok(())),
            (("Authorization", &format!("Bearer {TOKEN}x")), Err(Refusal::SignIn)),
            (("Authorization", TOKEN), Err(Refusal::SignIn)),
        ] {
            assert_eq!(access.check_signed_in(&request(&[headers])), expected, "{headers:?}");
        }
        assert_eq!(Access::default().check_signed_in(&request(&[])), Ok(()));
    }

    #[test]
    fn five_wrong_tokens_a_minute_are_looked_at() {
        let (mut tries, start) = (Tries::default(), Instant::now());
        for _ in 0..5 {
            assert!(tries.may_try(start));
            tries.was_wrong(start);
        }
        assert!(!tries.may_try(start + Duration::from_secs(59)));
        assert!(tries.may_try(start + MINUTE));
    }
}
