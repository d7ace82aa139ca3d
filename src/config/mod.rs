//! The configuration: the chapter's dictionary, key for key.
//!
//! Flag > environment > file > built-in. No file is needed for the embedded default.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::policy::{Limits, Policy};
use crate::time::Zone;

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
}

/// What every driver's section may say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The queue for pushes and workers that name none.
    pub queue: String,
    /// How often a job is attempted before it is a failed job, at least 1.
    pub attempts: u32,
    /// How long to wait between attempts.
    pub backoff: crate::policy::Backoff,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// The longest an idle worker sleeps before it looks for jobs.
    pub poll: Duration,
    /// How long a job stays held without a sign of life from its worker; at least 1 second.
    pub lease: Duration,
    /// How long a stopping worker waits for running jobs.
    pub grace: Duration,
    /// How long a job with an unknown name is kept before it fails.
    pub unknown_for: Duration,
    /// The zone of what is saved and shown for people.
    pub tz: Zone,
    /// The method of a job that runs.
    pub callback: String,
    /// Threads or child processes.
    pub mode: Mode,
    /// How many jobs run at once; at least 1.
    pub workers: usize,
    /// The connection, a key of `[connections]`, that holds the failed jobs; `None`: the database
    /// driver's, where it can be used.
    pub failed_connection: Option<String>,
    /// The table of failed jobs; `None` keeps none.
    pub failed_table: Option<String>,
}

/// `[database]`: jobs wait in a table.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// What every driver may say.
    pub settings: Settings,
    /// A key of `[connections]`.
    pub connection: String,
    /// The table that jobs wait in.
    pub table: String,
    /// SQLite only: what survives a power cut.
    pub durability: Durability,
}

/// What survives a power cut (SQLite).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A push that returned `Ok`.
    #[default]
    Full,
    /// The database, but not the last commits. A crash of the program loses nothing either way.
    Normal,
}

/// `[amqp]`: jobs wait in RabbitMQ.
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    /// What every driver may say.
    pub settings: Settings,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The port.
    pub port: u16,
    /// The virtual host; "" means "/".
    pub vhost: String,
    /// The host's name or address.
    pub host: String,
    /// The label of the publisher channel.
    pub channel: String,
    /// The exchange to publish to; "" is the default exchange.
    pub exchange: String,
    /// Options of the connection as in a URL's query (`heartbeat=30`).
    pub connection_options: String,
}

/// `[async]`: jobs wait in memory.
#[derive(Clone, Debug)]
pub struct AsyncConfig {
    /// What every driver may say.
    pub settings: Settings,
    /// Run each job in the pushing thread.
    pub blocking: bool,
    /// How many jobs may wait before a push waits; at least 1.
    pub capacity: usize,
}

/// How a worker runs jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In threads.
    #[default]
    Threading,
    /// In child processes.
    Multiprocess,
}

/// `[connections.*]`: a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A file.
    Sqlite {
        /// Its path.
        database: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://…`, password included.
        url: String,
    },
    /// A MySQL or MariaDB server.
    Mysql {
        /// `mysql://…`, password included.
        url: String,
    },
}

/// `[jobs.*]`: a job that is a program.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandJob {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The folder it runs in.
    pub cwd: Option<PathBuf>,
    /// What is added to its environment.
    pub env: BTreeMap<String, String>,
    /// How often it is attempted.
    pub attempts: Option<u32>,
    /// How long to wait between attempts.
    pub backoff: Option<crate::policy::Backoff>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// The queue it goes to when the push names none.
    pub queue: Option<String>,
}

impl Config {
    /// Everything built in: the database driver on SQLite in `database.sqlite3`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The database driver on an SQLite file, all else built in.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        let mut config = Self::default();
        config.default = "database".into();
        let connection = Connection::Sqlite { database: path.into() };
        config.connections.insert("sqlite".into(), connection);
        config
    }

    /// The settings of a driver; one of your own has the database driver's.
    pub fn settings(&self, driver: &str) -> &Settings {
        match driver {
            "amqp" => &self.amqp.settings,
            "async" => &self.memory.settings,
            _ => &self.database.settings,
        }
    }

    /// Finds a connection.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn connection(&self, name: &str) -> Result<&Connection> {
        self.connections.get(name).ok_or_else(|| {
            let known: Vec<_> = self.connections.keys().map(String::as_str).collect();
            Error::config(format!("no connection is named \"{name}\""))
                .with_help(format!("known are {}; add [connections.{name}] to queue.toml", known.join(", ")))
        })
    }
}

impl Settings {
    /// The part that decides what becomes of jobs.
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            limits: Limits { attempts: self.attempts, backoff: self.backoff.clone(), timeout: self.timeout },
            unknown_for: self.unknown_for,
        }
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
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let Policy { limits, unknown_for } = Policy::default();
        Self {
            queue: "default".into(),
            attempts: limits.attempts,
            backoff: limits.backoff,
            timeout: limits.timeout,
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(60),
            grace: Duration::from_secs(25),
            unknown_for,
            tz: Zone::default(),
            callback: "handle".into(),
            mode: Mode::Threading,
            workers: 1,
            failed_connection: None,
            failed_table: Some("failed_jobs".into()),
        }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            connection: "sqlite".into(),
            table: "jobs".into(),
            durability: Durability::Full,
        }
    }
}

impl Default for AmqpConfig {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            username: "guest".into(),
            password: "guest".into(),
            port: 5672,
            vhost: String::new(),
            host: "localhost".into(),
            channel: "default".into(),
            exchange: String::new(),
            connection_options: String::new(),
        }
    }
}

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            settings: Settings {
                workers: 5 * std::thread::available_parallelism().map_or(1, usize::from),
                ..Settings::default()
            },
            blocking: false,
            capacity: 10_000,
        }
    }
}
