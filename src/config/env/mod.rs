//! The values of the environment: `DATABASE_URL`, `AMQP_URL` and the variables beside flags.

pub(crate) mod flag;
pub(crate) mod interpolate;

use self::flag::ConfigFlag;
use self::interpolate::Environment;
use super::connection::Connection;
use super::connection::tls::{self, Tls, TlsMode};
use super::connection::url::{self, Url};
use super::diagnostics::ValueError;
use super::diagnostics::provenance::ConfigSource;
use super::model::Config;
use super::schema::value::Value;
use crate::error::Result;

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

/// `AMQP_URL` is a whole address: a host, port or vhost that it leaves out is the usual one, not the file's. A user,
/// a password or options that it leaves out remain, and so do the TLS options of the file: `amqps://` means
/// `verify-full` where neither asks for TLS, and an `sslmode` in the URL replaces all TLS options of the file.
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
    // Of several each may have a port.
    let (host, port) = match url.host.contains(',') {
        true => (url.host.clone(), None),
        false => url.host_and_port().map_err(wrong)?,
    };
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
            // Errors show the variable, not the part of the URL.
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

/// The TLS options of `AMQP_URL` and of the file together. Removes those of the URL.
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
