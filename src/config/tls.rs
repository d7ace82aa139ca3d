//! `sslmode` and `sslrootcert`: whether the connection to a server is encrypted, and who the server must be.

use std::path::{Path, PathBuf};

use super::url::{self, Url};
use super::wrong::Wrong;

/// What was asked of TLS. Where nothing was, it is `Prefer`, as other clients have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Never.
    Disable,
    /// When the server has it, whoever the server is: it helps against those who only listen.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and the server proves that it is the named host: by an authority of this file, or else by
    /// one that Mozilla trusts. MySQL's client trusts the latter beside the file, too.
    VerifyFull { authorities: Option<PathBuf> },
}

/// A server as its client is told of it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) struct Server {
    /// Without the options that are ours; password included.
    pub(crate) url: String,
    /// `None` when nothing was asked.
    pub(crate) tls: Option<Tls>,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Server {
    /// The server of a connection's URL.
    ///
    /// # Errors
    /// A program put in what is no such URL. The message does not show it.
    pub(crate) fn of(url: &str) -> crate::error::Result<Self> {
        let read = || {
            let mut url = Url::parse(url)?;
            let tls = take(&mut url)?;
            Ok(Self { url: url.to_string(), tls })
        };
        read().map_err(|wrong: Wrong| wrong.at("connection"))
    }
}

pub(super) const MODES: &str = "\"disable\", \"prefer\", \"require\" or \"verify-full\"";

/// One name for each mode, in PostgreSQL's words or in MySQL's.
pub(super) fn mode(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "disable" | "disabled" => Some("disable"),
        "prefer" | "preferred" => Some("prefer"),
        "require" | "required" => Some("require"),
        "verify-full" | "verify_identity" => Some("verify-full"),
        _ => None,
    }
}

/// Takes the options that are ours out of a URL, and answers what they ask for.
pub(super) fn take(url: &mut Url) -> Result<Option<Tls>, Wrong> {
    let (mut asked, mut authorities) = (None, None);
    let mut others = Vec::new();
    for option in url.query.as_deref().unwrap_or_default().split('&') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "sslmode" | "ssl-mode" => asked = Some(url::decode(value)?),
            "sslrootcert" | "ssl-ca" => authorities = Some(PathBuf::from(url::decode(value)?)),
            _ => others.push(option),
        }
    }
    url.query = Some(others.join("&")).filter(|query| !query.is_empty());
    let Some(asked) = asked else { return refuse_authorities(authorities, None) };
    let tls = match mode(&asked) {
        Some("disable") => Tls::Disable,
        Some("prefer") => Tls::Prefer,
        Some("require") => Tls::Require,
        Some(_) => return Ok(Some(Tls::VerifyFull { authorities })),
        None => {
            // What is no word may be two options, one of them a password.
            let is_word =
                asked.len() <= 20 && asked.chars().all(|c| c.is_ascii_alphabetic() || "-_".contains(c));
            let found = if is_word { format!("\"{asked}\"") } else { "other text".to_owned() };
            let wrong = Wrong::new(format!("expected sslmode to be {MODES}, found {found}"));
            return Err(match asked.to_ascii_lowercase().as_str() {
                "verify-ca" | "verify_ca" => wrong.with_help("verify-full also checks the server's name"),
                _ => wrong,
            });
        }
    };
    refuse_authorities(authorities, Some(tls))
}

/// Makes the path of the authorities' file start at this folder.
pub(super) fn resolve(url: &mut Url, folder: &Path) {
    let Some(query) = &url.query else { return };
    let resolved = query.split('&').map(|option| match option.split_once('=') {
        Some((name @ ("sslrootcert" | "ssl-ca"), value)) => {
            let path = folder.join(url::decode(value).unwrap_or_default());
            format!("{name}={}", url::encode(&path.to_string_lossy()))
        }
        _ => option.to_owned(),
    });
    url.query = Some(resolved.collect::<Vec<_>>().join("&"));
}

/// A file that nobody would look at is not accepted as if it protected.
fn refuse_authorities(authorities: Option<PathBuf>, tls: Option<Tls>) -> Result<Option<Tls>, Wrong> {
    match authorities {
        None => Ok(tls),
        Some(_) => Err(Wrong::new("sslrootcert says whom to trust, which only sslmode=verify-full asks")
            .with_help("set sslmode = \"verify-full\"")),
    }
}
