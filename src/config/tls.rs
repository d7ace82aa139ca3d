//! `sslmode` and its files: whether the connection to a server is encrypted, and who proves what to whom.

use std::path::{Path, PathBuf};

use super::kind::Field;
use super::schema;
use super::url::{self, Url};
use super::value_error::ValueError;

/// What is asked of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `sslmode`; `None`: nothing was asked. With a database that is [`TlsMode::Prefer`], with RabbitMQ
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
    /// When the server has it, whoever the server is: it helps against those who only listen. RabbitMQ has a port
    /// for TLS and another without, so that there is nothing to prefer.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and the server proves that it is the named host, before it is told a password.
    VerifyFull,
}

impl Tls {
    pub(super) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { mode, authorities, certificate, key } = self;
        vec![
            Field::optional("sslmode", mode, schema::SSLMODE),
            Field::optional("sslrootcert", authorities, schema::FILE),
            Field::optional("sslcert", certificate, schema::FILE),
            Field::optional("sslkey", key, schema::FILE),
        ]
    }

    /// Whether the server is not spoken to without TLS.
    pub(crate) fn is_required(&self) -> bool {
        matches!(self.mode, Some(TlsMode::Require | TlsMode::VerifyFull))
    }

    /// Whether the values fit each other, or the key that does not and why: a file that nobody would look at is not
    /// accepted as if it protected.
    pub(super) fn check(&self) -> Result<(), (&'static str, ValueError)> {
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
    pub(super) fn check_broker(&self) -> Result<(), (&'static str, ValueError)> {
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
    pub(super) fn resolve(&mut self, folder: &Path) {
        if !folder.as_os_str().is_empty() {
            for file in [&mut self.authorities, &mut self.certificate, &mut self.key].into_iter().flatten() {
                *file = folder.join(&file);
            }
        }
    }

    /// As in a URL's query.
    pub(super) fn to_query(&self) -> Option<String> {
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

/// A server as its client is told of it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) struct Server {
    /// Without the options that are ours; password included.
    pub(crate) url: String,
    pub(crate) tls: Tls,
    /// Others were named beside it: it has to be one that lets write.
    pub(crate) is_one_of_several: bool,
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
            tls.check().map_err(|(_, wrong)| wrong)?;
            Ok(Self { url: url.to_string(), tls, is_one_of_several: url.host.contains(',') })
        };
        read().map_err(|wrong: ValueError| wrong.at("connection"))
    }

    /// The same of each host that is named, in order.
    ///
    /// # Errors
    /// As [`Server::of`].
    pub(crate) fn all(url: &str) -> crate::error::Result<Vec<Self>> {
        let all = Self::of(url)?;
        let url = Url::parse(&all.url).map_err(|wrong| wrong.at("connection"))?;
        let one = |host: &str| Self {
            url: Url { host: host.to_owned(), ..url.clone() }.to_string(),
            tls: all.tls.clone(),
            is_one_of_several: all.is_one_of_several,
        };
        Ok(url.host.split(',').map(one).collect())
    }
}

pub(super) const MODES: &str = "\"disable\", \"prefer\", \"require\" or \"verify-full\"";

impl TlsMode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }

    /// In PostgreSQL's words or in MySQL's.
    pub(super) fn named(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "disable" | "disabled" => Some(Self::Disable),
            "prefer" | "preferred" => Some(Self::Prefer),
            "require" | "required" => Some(Self::Require),
            "verify-full" | "verify_identity" => Some(Self::VerifyFull),
            _ => None,
        }
    }
}

/// What to do about a mode that others know.
pub(super) fn why_no_mode(text: &str) -> Option<&'static str> {
    let is_known = ["verify-ca", "verify_ca"].contains(&&*text.to_ascii_lowercase());
    is_known.then_some("verify-full also checks the server's name")
}

/// Takes the options that are ours out of a URL, and answers what they ask for.
pub(super) fn take(url: &mut Url) -> Result<Tls, ValueError> {
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
        // What is no word may be two options, one of them a password.
        let is_word = asked.len() <= 20 && asked.chars().all(|c| c.is_ascii_alphabetic() || "-_".contains(c));
        let found = if is_word { format!("\"{asked}\"") } else { "other text".to_owned() };
        let wrong = ValueError::new(format!("expected sslmode to be {MODES}, found {found}"));
        match why_no_mode(asked) {
            Some(help) => wrong.with_help(help),
            None => wrong,
        }
    })
}

/// Makes the paths of the files in a URL start at this folder.
pub(super) fn resolve(url: &mut Url, folder: &Path) {
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
