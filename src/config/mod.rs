//! The configuration: the chapter's dictionary, key for key.
//!
//! ConfigFlag > environment > file > built-in. No file is needed for the embedded default.
//!
//! `load` finds the text, `file` walks it, `environment` and flags go on top, `check` compares. Each key
//! stands once, in the `fields` of its section; what a value may be stands once, in `kinds`.

mod amqp;
mod check;
mod command;
mod connection;
mod database;
mod environment;
mod file;
mod interpolate;
mod keys;
mod kind;
mod load;
mod memory;
mod provenance;
mod redact;
mod schema;
mod settings;
mod snippet;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod tls;
mod url;
mod value;
mod value_error;
mod visible;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use amqp::{AmqpConfig, QueueType};
pub use command::CommandJob;
pub use connection::Connection;
pub use database::{DatabaseConfig, Durability};
pub use environment::ConfigFlag;
pub use memory::AsyncConfig;
pub use provenance::{ConfigEntry, ConfigSource};
pub use settings::{Mode, Settings};
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use tls::Server;
pub use tls::{Tls, TlsMode};

use crate::error::{Error, Result};
use environment::Environment;
use kind::Field;
use provenance::Origins;
use value::Value;
use value_error::ValueError;

/// What queue.toml, the environment and the program say, checked.
///
/// ```
/// use std::time::Duration;
/// use craft_queue::Config;
///
/// let mut config = Config::sqlite("shop.sqlite3");
/// config.database.settings.poll = Duration::from_millis(200);
/// assert_eq!(config.default, "database");
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The driver to use where none is named: `async`, `database`, `amqp`, or one of your own.
    pub default: String,
    /// `[database]`.
    pub database: DatabaseConfig,
    /// `[amqp]`.
    pub amqp: AmqpConfig,
    /// `[async]`.
    pub memory: AsyncConfig,
    /// `[connections.*]`.
    pub connections: BTreeMap<String, Connection>,
    /// `[jobs.*]`: jobs that are programs.
    pub commands: BTreeMap<String, CommandJob>,
    origins: Origins,
    /// Where relative paths start; empty: in the current folder.
    folder: PathBuf,
    /// Connections that the environment says, and that are none we know; whoever uses one is told.
    unusable: BTreeMap<String, ValueError>,
    /// The same of the broker's.
    unusable_broker: Option<ValueError>,
}

/// The sections of drivers.
const SECTIONS: [&str; 3] = ["database", "amqp", "async"];

impl Config {
    /// Everything built in: the database driver on SQLite in `database.sqlite3`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The database driver on an SQLite file, all else built in.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        let mut config = Self::default();
        let connection = Connection::Sqlite { database: path.into() };
        config.connections.insert("sqlite".into(), connection);
        config
    }

    /// Reads the file that `CRAFT_CONFIG` names, else `queue.toml`, else `config/queue.toml`, else none;
    /// then applies the environment: `CRAFT_DRIVER`, `CRAFT_QUEUE`, `CRAFT_CONNECTION`, `CRAFT_POLL`,
    /// `CRAFT_ATTEMPTS`, `CRAFT_WORKERS`, `DATABASE_URL` and `AMQP_URL`. A variable that is set to
    /// nothing counts as not set.
    ///
    /// A relative path in the file starts at the folder of the file: an SQLite database, a certificate, the
    /// program of a job.
    ///
    /// `CRAFT_QUEUE`, `_POLL`, `_ATTEMPTS` and `_WORKERS` hold for every driver, `CRAFT_CONNECTION` for
    /// the database driver. `DATABASE_URL` takes the place of the connection that the file gives to the
    /// database driver, unless a connection of the file takes `${DATABASE_URL}` itself.
    ///
    /// # Errors
    /// A file that is named can't be read, or a value is wrong; the message shows the file, the line and
    /// what was expected. [`Error::is_config`] is true for all of them.
    pub fn load() -> Result<Self> {
        load::load(Path::new(""), &Environment(&|name| std::env::var_os(name)))
    }

    /// As [`Config::load`], from this file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(path: impl AsRef<Path>) -> Result<Self> {
        load::load_from(path.as_ref(), &Environment(&|name| std::env::var_os(name)))
    }

    /// As [`Config::load`], from a text and an environment. `file_name` is where the text stands: it is
    /// shown in messages, and relative paths start at its folder.
    ///
    /// ```
    /// use craft_queue::Config;
    ///
    /// let text = "[amqp]\nhost = \"${BROKER:-localhost}\"";
    /// let config = Config::parse(text, "queue.toml", |_| None)?;
    /// assert_eq!(config.amqp.host, "localhost");
    /// # Ok::<(), craft_queue::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        file_name: impl AsRef<Path>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        load::parse(text.to_owned(), file_name.as_ref(), &Environment(&environment))
    }

    /// Sets what a flag of the command line says, on top of everything.
    ///
    /// # Errors
    /// The value is wrong; the message names the flag.
    pub fn set_flag(&mut self, flag: ConfigFlag, value: &str) -> Result<()> {
        let keys = flag.keys();
        for key in &keys {
            self.set(key, &Value::loose(value), ConfigSource::ConfigFlag(flag.name()))?;
        }
        let shown = self.shown().into_iter().filter(|(key, _)| keys.contains(key));
        self.origins.seal(shown);
        self.check_values()
    }

    /// Every value with its source, in the order of the chapter, secrets masked.
    pub fn entries(&self) -> Vec<ConfigEntry> {
        let built_in: BTreeMap<_, _> = Self::default().shown().into_iter().collect();
        let is_set = |(key, now): &(String, Option<String>)| now.is_some() || !key.starts_with("jobs.");
        let entry = |(key, now): (String, Option<String>)| {
            let source = self.origins.source(&key, &now, built_in.get(&key));
            let secret = self.origins.is_secret(&key);
            let value = match now {
                Some(_) if secret => redact::MASK.into(),
                Some(empty) if empty.is_empty() => "\"\"".into(),
                now => now.unwrap_or("none".into()),
            };
            ConfigEntry { key, value, source }
        };
        self.shown().into_iter().filter(is_set).map(entry).collect()
    }

    /// The settings of a driver; one of your own has the database driver's.
    pub fn settings(&self, driver: &str) -> &Settings {
        match driver {
            "amqp" => &self.amqp.settings,
            "async" => &self.memory.settings,
            _ => &self.database.settings,
        }
    }

    /// What a program finds in its environment that runs as a job of this driver: the file, the driver and the
    /// connection of its worker, by the names that [`Config::load`] reads. So a `craft` that it calls means
    /// the same back end, whatever flags the worker was started with.
    pub(crate) fn environment_of_programs(&self, driver: &str) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("CRAFT_DRIVER", driver.into())];
        let file = self.origins.file().and_then(|file| std::path::absolute(file).ok());
        variables.extend(file.filter(|file| file.is_file()).map(|file| ("CRAFT_CONFIG", file.into())));
        // What the variable names must be in the file, or in what the program inherits.
        if self.connections.contains_key(&self.database.connection) {
            variables.push(("CRAFT_CONNECTION", self.database.connection.clone().into()));
        }
        variables
    }

    /// The connection and the table of a driver's failed jobs, both as it says itself, else as `[database]`
    /// does; `None`: it keeps none.
    pub(crate) fn failed_place(&self, driver: &str) -> Option<(&str, &str)> {
        let (own, shared) = (self.settings(driver), &self.database.settings);
        let table = own.failed_table.as_deref()?;
        let Some(connection) = &own.failed_connection else {
            let says_nothing = Settings::default().failed_table.as_deref() == Some(table);
            let table = shared.failed_table.as_deref().filter(|_| says_nothing).unwrap_or(table);
            return Some((shared.failed_connection.as_ref().unwrap_or(&self.database.connection), table));
        };
        Some((connection, table))
    }

    /// Finds a connection.
    ///
    /// # Errors
    /// There is none of that name, or the environment says one that is none.
    pub fn connection(&self, name: &str) -> Result<&Connection> {
        if let Some(wrong) = self.unusable.get(name) {
            return Err(wrong.clone().into_error(str::to_owned));
        }
        self.connections.get(name).ok_or_else(|| self.unknown_connection(name).into_error(str::to_owned))
    }

    /// Where a relative path starts that stands in the file, or beside it: the file's folder; empty, the current
    /// one, without a file.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A connection as messages call it: one that `DATABASE_URL` took over is no longer what its name says.
    #[cfg(feature = "database")]
    pub(crate) fn label(&self, name: &str) -> String {
        let taken = self.origins.is_of_variable(&format!("connections.{name}"));
        match self.connections.get(name).filter(|_| taken) {
            Some(connection) => format!("connection \"{name}\" (DATABASE_URL, {connection})"),
            None => format!("connection \"{name}\""),
        }
    }

    /// Fails when the amqp driver cannot be used, whatever the broker says.
    ///
    /// # Errors
    /// `AMQP_URL` is no such URL.
    pub(crate) fn check_broker(&self) -> Result<()> {
        self.unusable_broker.as_ref().map_or(Ok(()), |wrong| Err(wrong.clone().into_error(str::to_owned)))
    }

    /// The error `key: message` that shows where the value of a key comes from: the line of the file,
    /// the variable or the flag. For what can only be judged later, such as the name of a driver.
    pub fn error_at(&self, key: &str, message: impl Into<String>) -> Error {
        self.error(key, ValueError::new(message))
    }

    fn error(&self, key: &str, wrong: ValueError) -> Error {
        let source = self.entries().into_iter().find(|entry| entry.key == key).map(|entry| entry.source);
        let error = self.origins.error(key, source.as_ref().unwrap_or(&ConfigSource::Program), wrong);
        if matches!(source, Some(ConfigSource::ConfigFlag(_))) { error.of_usage() } else { error }
    }

    fn set(&mut self, key: &str, value: &Value, source: ConfigSource) -> Result<()> {
        if let Some((_, mut field)) = self.fields().into_iter().find(|(path, _)| path == key) {
            field.set(value).map_err(|wrong| wrong.at(&source.to_string()))?;
        }
        self.origins.note(key, source);
        Ok(())
    }

    /// Every key but those of connections, with its place.
    fn fields(&mut self) -> Vec<(String, Field<'_>)> {
        let Self { default, database, amqp, memory, commands, .. } = self;
        let mut all = vec![("default".to_owned(), Field::new("default", default, schema::NAME))];
        let sections = [database.fields(), amqp.fields(), memory.fields()];
        for (section, fields) in SECTIONS.into_iter().zip(sections) {
            all.extend(fields.into_iter().map(|field| (format!("{section}.{}", field.name), field)));
        }
        for (name, job) in commands {
            all.extend(job.fields().into_iter().map(|field| (format!("jobs.{name}.{}", field.name), field)));
        }
        all
    }

    /// Every key with its value as people read it.
    fn shown(&self) -> Vec<(String, Option<String>)> {
        let mut copy = self.clone();
        let fields = copy.fields().into_iter().map(|(key, field)| (key, field.show()));
        let connections = self.connections.iter();
        let unusable = self.unusable.keys().map(|name| (name, "can't be used".to_owned()));
        let connections = connections
            .filter(|(name, _)| !self.unusable.contains_key(*name))
            .map(|(name, connection)| (name, connection.to_string()))
            .chain(unusable)
            .map(|(name, shown)| (format!("connections.{name}"), Some(shown)));
        let (jobs, mut shown): (Vec<_>, Vec<_>) = fields.partition(|(key, _)| key.starts_with("jobs."));
        shown.extend(connections);
        shown.extend(jobs);
        shown
    }
}

impl Default for Config {
    fn default() -> Self {
        let sqlite = Connection::Sqlite { database: "database.sqlite3".into() };
        Self {
            default: "database".into(),
            database: DatabaseConfig::default(),
            amqp: AmqpConfig::default(),
            memory: AsyncConfig::default(),
            connections: BTreeMap::from([("sqlite".into(), sqlite)]),
            commands: BTreeMap::new(),
            origins: Origins::default(),
            folder: PathBuf::new(),
            unusable: BTreeMap::new(),
            unusable_broker: None,
        }
    }
}
