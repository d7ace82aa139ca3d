//! A request and its answer, as the dashboard sees them: whichever server carries them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A request of a browser, or of a program. A web server of your own makes one of what it received.
///
/// ```
/// use craft_queue::dashboard::Request;
///
/// let request = Request::new("GET", "/jobs?queue=mail").header("Host", "localhost:8080");
/// # let _ = request;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    pub(super) peer: String,
}

impl Request {
    /// A request of this method for this target: a path, and what follows a `?`.
    pub fn new(method: impl Into<String>, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        });
        Self { method: method.into(), path: decoded(path), query: query.collect(), ..Self::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Who sent it, for the lines of the log: an address, or the name of a user that your server has signed in.
    #[must_use]
    pub fn from(mut self, peer: impl Into<String>) -> Self {
        self.peer = peer.into();
        self
    }

    /// The first header of this name, whatever its case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The value of a parameter of the query; one that is empty counts as absent.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(parameter, value)| parameter == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the query, which may be empty.
    pub(super) fn any_parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(parameter, _)| parameter == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|cause| Error::invalid("the body of the request can't be used").because(&cause))
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The answer to a [`Request`]. Your web server sends its status, its headers and its body as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status: 200, 401, …
    pub status: u16,
    /// The headers, without `Content-Length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a page may load and who may show it in a frame: nothing but its own files, and nobody. No script or style stands
/// in the page itself, so that text which comes alive as markup can still do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Response {
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let headers = [
            ("Content-Type", content_type),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).into();
        Self { status, headers, body: body.into() }
    }

    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(200, "application/json", body),
            Err(cause) => Self::error(500, &Error::other("cannot write the answer").because(&cause)),
        }
    }

    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// An error as the page shows it: what could not be done, and what to do next.
    pub(super) fn error(status: u16, error: &Error) -> Self {
        #[derive(Serialize)]
        struct ErrorBody<'a> {
            error: Cow<'a, str>,
            help: Option<&'a str>,
        }
        let body = ErrorBody { error: error.to_string().into(), help: error.help() };
        // Two strings are always written.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        Self::new(status, "application/json", body)
    }

    /// The answer to a request that failed.
    pub(super) fn failure(error: &Error) -> Self {
        let status = match error {
            error if error.is_invalid() || error.is_unsupported() => 400,
            error if error.is_not_found() => 404,
            error if error.is_unavailable() => 503,
            _ => 500,
        };
        Self::error(status, error)
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_apart() {
        let request = Request::new("GET", "/a%20b?q=x+y%26z&empty=&&flag&q=second");
        assert_eq!(request.path, "/a b");
        assert_eq!(request.parameter("q"), Some("x y&z"));
        assert_eq!((request.parameter("empty"), request.parameter("flag")), (None, None));
        let odd = Request::new("GET", "/%ff%zz?%=%");
        assert_eq!(odd.path, "/\u{fffd}%zz");
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let request = Request::new("GET", "/").header("host", " a ").header("Host", "b");
        assert_eq!(request.get("HOST"), Some("a"));
    }
}
