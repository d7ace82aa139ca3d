//! `sslmode` and its files: encryption of a connection, and the certificates of both sides.

use std::path::{Path, PathBuf};

use super::url::{self, Url};
use crate::config::diagnostics::ValueError;
use crate::config::schema::{Choice, Field, ValueType, value_types};

/// The TLS options of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `sslmode`; `None`: not set. For a database that means [`TlsMode::Prefer`], for RabbitMQ
    /// [`TlsMode::Disable`].
    pub mode: Option<TlsMode>,
    /// `sslrootcert`: the PEM file of the authorities that may have signed the server's certificate; `None`: those
    /// that Mozilla trusts. Only with [`TlsMode::VerifyFull`].
    pub authorities: Option<PathBuf>,
    /// `sslcert`: the PEM file of a certificate to show to the server. Only together with its key.
    pub certificate: Option<PathBuf>,
    /// `sslkey`: the PEM file of that certificate's private key, without a passphrase.
    pub key: Option<PathBuf>,
}

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// TLS when the server has it, without a check of the server: this protects against listeners only. RabbitMQ has a
    /// port for TLS and another without, and does not accept this mode.
    Prefer,
    /// Always, without a check of the server.
    Require,
    /// Always, and the server proves that it is the named host before a password is sent.
    VerifyFull,
}

impl Tls {
    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { mode, authorities, certificate, key } = self;
        vec![
            Field::optional("sslmode", mode, ValueType::choice().hint(why_no_mode)),
            Field::optional("sslrootcert", authorities, value_types::FILE),
            Field::optional("sslcert", certificate, value_types::FILE),
            Field::optional("sslkey", key, value_types::FILE),
        ]
    }

    /// Whether a connection without TLS is refused.
    pub(crate) fn is_required(&self) -> bool {
        matches!(self.mode, Some(TlsMode::Require | TlsMode::VerifyFull))
    }

    /// Checks that the values fit each other; else the key that does not, and why. A file that would be ignored is
    /// an error: it would only seem to protect.
    pub(crate) fn check(&self) -> Result<(), (&'static str, ValueError)> {
        let Self { mode, authorities, certificate, key } = self;
        let wrong = |key, text: &str, help: &str| Err((key, ValueError::new(text).with_help(help)));
        match (certificate, key) {
            _ if authorities.is_some() && *mode != Some(TlsMode::VerifyFull) => wrong(
                "sslrootcert",
                "sslrootcert says whom to trust, which only sslmode=verify-full asks",
                "set sslmode = \"verify-full\"",
            ),
            (Some(_), None) => {
                wrong("sslcert", "a certificate is of no use without its key", "set sslkey to the key's file")
            }
            (None, Some(_)) => {
                wrong("sslkey", "a key is of no use without its certificate", "set sslcert to its file")
            }
            (Some(_), Some(_)) if *mode == Some(TlsMode::Disable) => wrong(
                "sslcert",
                "a certificate is only shown by TLS, which sslmode=disable forbids",
                "set sslmode = \"verify-full\"",
            ),
            _ => Ok(()),
        }
    }

    /// The same for a broker.
    pub(crate) fn check_broker(&self) -> Result<(), (&'static str, ValueError)> {
        let wrong = |key, text: &str| {
            Err((key, ValueError::new(text).with_help("set sslmode = \"verify-full\", or \"require\"")))
        };
        match self.mode {
            Some(TlsMode::Prefer) => wrong(
                "sslmode",
                "RabbitMQ has a port for TLS and another without, so that there is nothing to prefer",
            ),
            None if self.certificate.is_some() && self.key.is_some() => {
                wrong("sslcert", "a certificate is only shown by TLS, which nothing asks for")
            }
            _ => self.check(),
        }
    }

    /// Makes relative paths start at this folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if !folder.as_os_str().is_empty() {
            for file in [&mut self.authorities, &mut self.certificate, &mut self.key].into_iter().flatten() {
                *file = folder.join(&file);
            }
        }
    }

    /// As in a URL's query.
    pub(crate) fn to_query(&self) -> Option<String> {
        let file = |file: &Option<PathBuf>| Some(url::encode(&file.as_ref()?.to_string_lossy()));
        let options = [
            ("sslmode", self.mode.map(|mode| mode.name().to_owned())),
            ("sslrootcert", file(&self.authorities)),
            ("sslcert", file(&self.certificate)),
            ("sslkey", file(&self.key)),
        ];
        let options: Vec<_> =
            options.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
        Some(options.join("&")).filter(|query| !query.is_empty())
    }
}

/// In PostgreSQL's words or in MySQL's, in either case.
impl Choice for TlsMode {
    const EXPECTED: &'static str = "\"disable\", \"prefer\", \"require\" or \"verify-full\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", Self::Disable),
        ("disabled", Self::Disable),
        ("prefer", Self::Prefer),
        ("preferred", Self::Prefer),
        ("require", Self::Require),
        ("required", Self::Require),
        ("verify-full", Self::VerifyFull),
        ("verify_identity", Self::VerifyFull),
    ];

    fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, mode)| *mode)
    }
}

/// The hint for a mode that other clients have.
fn why_no_mode(text: &str) -> Option<&'static str> {
    let is_known = ["verify-ca", "verify_ca"].contains(&&*text.to_ascii_lowercase());
    is_known.then_some("verify-full also checks the server's name")
}

/// Removes the TLS options from a URL and returns them.
pub(crate) fn take(url: &mut Url) -> Result<Tls, ValueError> {
    let mut tls = Tls::default();
    let mut others = Vec::new();
    for option in url.query.as_deref().unwrap_or_default().split('&') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let file = match key(name) {
            None => {
                others.push(option);
                continue;
            }
            Some("sslmode") => {
                tls.mode = Some(read_mode(&url::decode(value)?)?);
                continue;
            }
            Some("sslrootcert") => &mut tls.authorities,
            Some("sslcert") => &mut tls.certificate,
            Some(_) => &mut tls.key,
        };
        *file = Some(PathBuf::from(url::decode(value)?));
    }
    url.query = Some(others.join("&")).filter(|query| !query.is_empty());
    Ok(tls)
}

/// One name for each option, in PostgreSQL's words or in MySQL's.
fn key(name: &str) -> Option<&'static str> {
    Some(match name {
        "sslmode" | "ssl-mode" => "sslmode",
        "sslrootcert" | "ssl-ca" => "sslrootcert",
        "sslcert" | "ssl-cert" => "sslcert",
        "sslkey" | "ssl-key" => "sslkey",
        _ => return None,
    })
}

fn read_mode(asked: &str) -> Result<TlsMode, ValueError> {
    TlsMode::named(asked).ok_or_else(|| {
        // Text that is no word may be two options, one of them a password.
        let is_word = asked.len() <= 20 && asked.chars().all(|c| c.is_ascii_alphabetic() || "-_".contains(c));
        let found = if is_word { format!("\"{asked}\"") } else { "other text".to_owned() };
        let wrong = ValueError::new(format!("expected sslmode to be {}, found {found}", TlsMode::EXPECTED));
        match why_no_mode(asked) {
            Some(help) => wrong.with_help(help),
            None => wrong,
        }
    })
}

/// Makes the paths of the files in a URL start at this folder.
pub(crate) fn resolve(url: &mut Url, folder: &Path) {
    let Some(query) = &url.query else { return };
    let resolved = query.split('&').map(|option| match option.split_once('=') {
        Some((name, value)) if key(name).is_some_and(|key| key != "sslmode") => {
            let path = folder.join(url::decode(value).unwrap_or_default());
            format!("{name}={}", url::encode(&path.to_string_lossy()))
        }
        _ => option.to_owned(),
    });
    url.query = Some(resolved.collect::<Vec<_>>().join("&"));
}
