//! The typed configuration: every section, its built-in values, and the look-ups that the drivers ask for.

mod check;
mod command;
mod dashboard;
pub(crate) mod drivers;
mod entries;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

pub use self::command::CommandJob;
pub use self::dashboard::DashboardConfig;
use self::drivers::DriverKind;
pub use self::drivers::{AmqpConfig, AsyncConfig, DatabaseConfig, Durability, QueueType};
pub use self::settings::{Mode, Settings};
use super::connection::Connection;
use super::diagnostics::provenance::Origins;
use super::diagnostics::{ValueError, nearest};
use crate::error::Result;

/// The sections of drivers.
pub(super) const SECTIONS: [&str; 3] = ["database", "amqp", "async"];

/// The keys at the top of queue.toml.
pub(super) const SECTIONS_OF_FILE: [&str; 7] =
    ["default", "database", "amqp", "async", "dashboard", "connections", "jobs"];

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
    /// `[dashboard]`.
    pub dashboard: DashboardConfig,
    /// `[connections.*]`.
    pub connections: BTreeMap<String, Connection>,
    /// `[jobs.*]`: jobs that are programs.
    pub commands: BTreeMap<String, CommandJob>,
    pub(in crate::config) origins: Origins,
    /// Where relative paths start; empty: in the current folder.
    pub(in crate::config) folder: PathBuf,
    /// Connections whose URL in the environment is wrong or of another database; using one is the error.
    pub(in crate::config) unusable: BTreeMap<String, ValueError>,
    /// Why `AMQP_URL` cannot be used; using the broker is the error.
    pub(in crate::config) unusable_broker: Option<ValueError>,
}

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

    /// The settings of a driver; one of your own has the database driver's.
    pub fn settings(&self, driver: &str) -> &Settings {
        match DriverKind::of(driver) {
            DriverKind::Amqp => &self.amqp.settings,
            DriverKind::Async => &self.memory.settings,
            DriverKind::Database | DriverKind::Custom => &self.database.settings,
        }
    }

    /// The driver to use where none is named.
    pub(crate) fn default_kind(&self) -> DriverKind {
        DriverKind::of(&self.default)
    }

    /// The variables that a job's program of this driver gets: the file, the driver and the connection of its
    /// worker, under the names that [`Config::load`] reads. A `craft` that the program calls thus uses the same back
    /// end, with the flags of its worker included.
    pub(crate) fn environment_of_programs(&self, driver: &str) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("CRAFT_DRIVER", driver.into())];
        let file = self.origins.file().and_then(|file| std::path::absolute(file).ok());
        variables.extend(file.filter(|file| file.is_file()).map(|file| ("CRAFT_CONFIG", file.into())));
        // The file, or the environment that the program inherits, has the connection that the variable names.
        if self.connections.contains_key(&self.database.connection) {
            variables.push(("CRAFT_CONNECTION", self.database.connection.clone().into()));
        }
        variables
    }

    /// The connection and the table of a driver's failed jobs: of the driver's own section, else of `[database]`;
    /// `None`: no failed jobs are kept.
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
    /// No connection has that name, or its URL in the environment is wrong.
    pub fn connection(&self, name: &str) -> Result<&Connection> {
        if let Some(wrong) = self.unusable.get(name) {
            return Err(wrong.clone().into_error(str::to_owned));
        }
        self.connections.get(name).ok_or_else(|| self.unknown_connection(name).into_error(str::to_owned))
    }

    pub(super) fn unknown_connection(&self, name: &str) -> ValueError {
        let known: Vec<_> = self.connections.keys().map(String::as_str).collect();
        let hint = match nearest(name, &known) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => format!("known are {}; add [connections.{name}] to queue.toml", known.join(", ")),
        };
        ValueError::new(format!("no connection is named \"{name}\"")).with_help(hint)
    }

    /// Where relative paths of the file start: its folder; empty, for the current one, without a file.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// A connection as messages call it; one that `DATABASE_URL` replaced is shown with that URL, masked.
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
}

impl Default for Config {
    fn default() -> Self {
        let sqlite = Connection::Sqlite { database: "database.sqlite3".into() };
        Self {
            default: "database".into(),
            database: DatabaseConfig::default(),
            amqp: AmqpConfig::default(),
            memory: AsyncConfig::default(),
            dashboard: DashboardConfig::default(),
            connections: BTreeMap::from([("sqlite".into(), sqlite)]),
            commands: BTreeMap::new(),
            origins: Origins::default(),
            folder: PathBuf::new(),
            unusable: BTreeMap::new(),
            unusable_broker: None,
        }
    }
}
