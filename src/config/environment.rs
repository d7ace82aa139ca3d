//! What variables of the environment and flags of the command line say.

use std::ffi::OsString;

use super::connection::Connection;
use super::provenance::ConfigSource;
use super::tls;
use super::url::{self, Url};
use super::value::Value;
use super::value_error::ValueError;
use super::{Config, SECTIONS, Tls, TlsMode};
use crate::error::Result;

/// Looks variables up.
pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    /// The value of a variable, when it is set.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, ValueError> {
        let not_text = |_| ValueError::new(format!("the environment variable {name} is not UTF-8"));
        (self.0)(name).map(|value| value.into_string().map_err(not_text)).transpose()
    }

    /// The value of a variable that overrides the file; set to nothing it overrides nothing.
    fn filled(&self, name: &'static str) -> Result<Option<String>> {
        let value = self.get(name).map_err(|wrong| wrong.at(name))?;
        Ok(value.filter(|value| !value.trim().is_empty()))
    }
}

/// A flag of the command line, for [`Config::set_flag`]; most have a variable of the environment beside
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFlag {
    /// `--driver`, `CRAFT_DRIVER`: the driver to use where none is named.
    Driver,
    /// `--queue`, `CRAFT_QUEUE`: one queue, for every driver.
    Queue,
    /// `--connection`, `CRAFT_CONNECTION`: the connection of the database driver.
    Connection,
    /// `--poll`, `CRAFT_POLL`: seconds, for every driver.
    Poll,
    /// `--attempts`, `CRAFT_ATTEMPTS`: for every driver.
    Attempts,
    /// `--workers`, `CRAFT_WORKERS`: for every driver.
    Workers,
    /// `--mode`: for every driver.
    Mode,
    /// `--timeout`: seconds, for every driver.
    Timeout,
    /// `--backoff`: `exponential`, seconds, or several of them with commas between; for every driver.
    Backoff,
    /// `--grace`: seconds, for every driver.
    Grace,
    /// `--max-jobs-per-child`: for every driver.
    MaxJobsPerChild,
    /// `--child-memory`: megabytes, for every driver.
    ChildMemory,
}

impl ConfigFlag {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Driver,
        Self::Queue,
        Self::Connection,
        Self::Poll,
        Self::Attempts,
        Self::Workers,
        Self::Mode,
        Self::Timeout,
        Self::Backoff,
        Self::Grace,
        Self::MaxJobsPerChild,
        Self::ChildMemory,
    ];

    /// As it is written: `--poll`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Driver => "--driver",
            Self::Queue => "--queue",
            Self::Connection => "--connection",
            Self::Poll => "--poll",
            Self::Attempts => "--attempts",
            Self::Workers => "--workers",
            Self::Mode => "--mode",
            Self::Timeout => "--timeout",
            Self::Backoff => "--backoff",
            Self::Grace => "--grace",
            Self::MaxJobsPerChild => "--max-jobs-per-child",
            Self::ChildMemory => "--child-memory",
        }
    }

    /// The variable of the environment that says the same, where there is one.
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Self::Driver => Some("CRAFT_DRIVER"),
            Self::Queue => Some("CRAFT_QUEUE"),
            Self::Connection => Some("CRAFT_CONNECTION"),
            Self::Poll => Some("CRAFT_POLL"),
            Self::Attempts => Some("CRAFT_ATTEMPTS"),
            Self::Workers => Some("CRAFT_WORKERS"),
            Self::Mode
            | Self::Timeout
            | Self::Backoff
            | Self::Grace
            | Self::MaxJobsPerChild
            | Self::ChildMemory => None,
        }
    }

    /// The keys that it sets.
    pub(super) fn keys(self) -> Vec<String> {
        match self {
            Self::Driver => vec!["default".into()],
            Self::Connection => vec!["database.connection".into()],
            _ => {
                let setting = self.name().trim_start_matches("--").replace('-', "_");
                SECTIONS.map(|section| format!("{section}.{setting}")).into()
            }
        }
    }
}

/// Applies the environment on top of the file. `takes_database_url` is the connection of the file, if
/// any, whose URL is `${DATABASE_URL}`.
pub(super) fn apply(
    config: &mut Config,
    environment: &Environment<'_>,
    takes_database_url: Option<&str>,
) -> Result<()> {
    if let Some(url) = environment.filled("DATABASE_URL")?
        && takes_database_url.is_none()
    {
        database_url(config, &url);
    }
    if let Some(url) = environment.filled("AMQP_URL")?
        && let Err(error) = amqp_url(config, &url)
    {
        config.unusable_broker = Some(ValueError::of(&error));
    }
    if config.amqp.tls.is_required() && !config.origins.has("amqp.port") {
        config.amqp.port = TLS_PORT;
        config.origins.note_consequence("amqp.port", "amqp.sslmode");
    }
    for flag in ConfigFlag::ALL {
        let Some(variable) = flag.variable() else { continue };
        let Some(value) = environment.filled(variable)? else { continue };
        for key in flag.keys() {
            config.set(&key, &Value::loose(&value), ConfigSource::Environment(variable))?;
        }
    }
    Ok(())
}

/// `DATABASE_URL` takes the place of the connection that the file gives to the database driver, under
/// the same name, so that everything that names it follows. Without one it is called by its kind:
/// `sqlite`, `postgres` or `mysql`.
///
/// A file that itself says which connection takes `${DATABASE_URL}` has decided, and is left alone. Hosts set
/// the variable for whatever database a program has: one that is none of ours is an error where it is used.
fn database_url(config: &mut Config, url: &str) {
    let source = ConfigSource::Environment("DATABASE_URL");
    let connection = match Connection::read_url(url) {
        Ok(connection) => connection,
        Err(wrong) => {
            let name = config.database.connection.clone();
            config.origins.note(&format!("connections.{name}"), source);
            config.unusable.insert(name, ValueError::of(&wrong.at("DATABASE_URL")));
            return;
        }
    };
    if !config.origins.has("database.connection") {
        config.database.connection = connection.driver().into();
        config.origins.note("database.connection", source.clone());
    }
    config.origins.note(&format!("connections.{}", config.database.connection), source);
    config.connections.insert(config.database.connection.clone(), connection);
}

/// `AMQP_URL` is a whole address: what it leaves out of host, port and vhost is the usual one, not the
/// file's. A user, a password or options that it leaves out remain as they are, and so does what the file says of
/// TLS: `amqps://` asks for `verify-full` where neither asks for TLS, and with an `sslmode` of its own the URL says
/// all of it.
fn amqp_url(config: &mut Config, text: &str) -> Result<()> {
    let wrong = |wrong: ValueError| wrong.at("AMQP_URL");
    let example = "amqp://user:password@host:5672/vhost";
    let is_tls = match url::shown_scheme(text).as_deref() {
        Some("amqp") => false,
        Some("amqps") => true,
        found => {
            let found = found.map_or("none".into(), |scheme| format!("\"{scheme}://\""));
            let message = format!("expected a URL that starts with amqp:// or amqps://, found {found}");
            return Err(wrong(ValueError::new(message).with_help(format!("write it as {example}"))));
        }
    };
    let mut url = Url::parse(text).map_err(wrong)?;
    let tls = tls_of_url(config, &mut url, is_tls).map_err(wrong)?;
    if url.host.is_empty() {
        return Err(wrong(
            ValueError::new("the URL names no host").with_help(format!("write it as {example}")),
        ));
    }
    let (host, port) = url.host_and_port().map_err(wrong)?;
    let vhost = url::decode(&url.path).map_err(wrong)?;
    let values = [
        ("amqp.host", Some(host)),
        ("amqp.port", Some(port.unwrap_or(if tls.is_required() { TLS_PORT } else { PORT }).to_string())),
        ("amqp.vhost", Some(vhost)),
        ("amqp.username", url.username),
        ("amqp.password", url.password.clone()),
        ("amqp.connection_options", url.query),
    ];
    // A user without a password may be both, when the colon between them is missing.
    let is_secret = url.password.is_none();
    for (key, value) in values {
        if let Some(text) = value {
            // Nothing of a URL is shown that is not what it should be.
            let value = Value::Loose { text, shown: "${AMQP_URL}".to_owned() };
            config.set(key, &value, ConfigSource::Environment("AMQP_URL"))?;
        }
    }
    if is_secret {
        config.origins.keep_secret("amqp.username");
    }
    let said = config.amqp.tls.fields().into_iter().map(|field| field.show());
    let said: Vec<_> = said.collect();
    config.amqp.tls = tls;
    for (field, before) in config.amqp.tls.fields().into_iter().zip(said) {
        if field.show() != before {
            config.origins.note(&format!("amqp.{}", field.name), ConfigSource::Environment("AMQP_URL"));
        }
    }
    Ok(())
}

/// What `AMQP_URL` and the file ask of TLS together. Takes the options out of the URL.
fn tls_of_url(config: &Config, url: &mut Url, is_tls: bool) -> Result<Tls, ValueError> {
    let own = tls::take(url)?;
    if is_tls && own.mode == Some(TlsMode::Disable) {
        return Err(ValueError::new("amqps:// asks for TLS, and sslmode=disable forbids it")
            .with_help("write amqp:// for no TLS"));
    }
    let mut tls = match own.mode {
        Some(_) => own,
        None => {
            let file = config.amqp.tls.clone();
            Tls {
                mode: file.mode,
                authorities: own.authorities.or(file.authorities),
                certificate: own.certificate.or(file.certificate),
                key: own.key.or(file.key),
            }
        }
    };
    if is_tls && !tls.is_required() {
        tls.mode = Some(TlsMode::VerifyFull);
    }
    tls.check_broker().map_err(|(_, wrong)| wrong)?;
    Ok(tls)
}

/// RabbitMQ's usual ports.
const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;
