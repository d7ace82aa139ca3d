//! `[database]`, `[amqp]` and `[async]`: the section of each driver.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use super::settings::Settings;
use crate::config::connection::tls::Tls;
use crate::config::redact::MASK;
use crate::config::schema::{Choice, Field, ValueType, debug, value_types};

/// The drivers of the crate, and those of the program, by the name that `default` and pushes give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverKind {
    Database,
    Amqp,
    Async,
    Custom,
}

impl DriverKind {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "database" => Self::Database,
            "amqp" => Self::Amqp,
            "async" => Self::Async,
            _ => Self::Custom,
        }
    }
}

/// `[database]`: jobs wait in a table.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The settings that every driver has.
    pub settings: Settings,
    /// A key of `[connections]`.
    pub connection: String,
    /// The table of waiting jobs: letters, digits and underscores, at most 52.
    pub table: String,
    /// SQLite only: which writes survive a power cut.
    pub durability: Durability,
}

/// Which writes survive a power cut (SQLite).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A push that returned `Ok`.
    #[default]
    Full,
    /// The database, but not the last commits. A crash of the program loses nothing either way.
    Normal,
}

impl Choice for Durability {
    const EXPECTED: &'static str = "\"full\" or \"normal\"";
    const WORDS: &'static [(&'static str, Self)] = &[("full", Self::Full), ("normal", Self::Normal)];
}

impl DatabaseConfig {
    /// Whether `name` is the table of waiting jobs; SQLite and MySQL may ignore the case.
    pub(crate) fn is_table(&self, name: &str) -> bool {
        self.table.eq_ignore_ascii_case(name)
    }

    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { settings, connection, table, durability } = self;
        let mut fields = vec![
            Field::new("connection", connection, value_types::NAME),
            Field::new("table", table, value_types::TABLE),
        ];
        fields.extend(settings.fields("failed_connection"));
        fields.push(Field::new("durability", durability, ValueType::choice()));
        fields
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

/// `[amqp]`: jobs wait in RabbitMQ.
#[derive(Clone)]
pub struct AmqpConfig {
    /// The settings that every driver has.
    pub settings: Settings,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The port; not 0. RabbitMQ's usual one is 5672, and 5671 for TLS, which a file or `AMQP_URL` that asks for TLS
    /// and names no port means.
    pub port: u16,
    /// The virtual host; "" means "/".
    pub vhost: String,
    /// The host's name or address; of a cluster several, with commas between, each with a port of its own or without.
    pub host: String,
    /// The label of the publisher channel.
    pub channel: String,
    /// The exchange to publish to; "" is the default exchange.
    pub exchange: String,
    /// Options of the connection as in a URL's query (`heartbeat=30`).
    pub connection_options: String,
    /// `sslmode` and its files; needs the feature `amqp-tls`, or `tls`.
    pub tls: Tls,
    /// How many messages the broker hands out ahead; `None`: as many as there are workers, and a little
    /// more for short jobs.
    pub prefetch: Option<u16>,
    /// The type of the work queue.
    pub queue_type: QueueType,
    /// The highest priority of the work queue (`x-max-priority`); `None`: it has no priorities.
    pub max_priority: Option<u8>,
    /// How long the broker lets a worker hold a job: its `consumer_timeout`. RabbitMQ's own default is
    /// 30 minutes, and so is this one.
    pub ack_timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a push waits for the broker to confirm the job.
    pub publish_timeout: Duration,
}

/// The type of an AMQP queue. A queue that exists keeps the type it was declared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueType {
    /// One broker holds it. What Masonite declares.
    #[default]
    Classic,
    /// Several brokers hold copies of it.
    Quorum,
}

impl Choice for QueueType {
    const EXPECTED: &'static str = "\"classic\" or \"quorum\"";
    const WORDS: &'static [(&'static str, Self)] = &[("classic", Self::Classic), ("quorum", Self::Quorum)];
}

impl AmqpConfig {
    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self {
            settings,
            username,
            password,
            port,
            vhost,
            host,
            channel,
            exchange,
            connection_options,
            tls,
            prefetch,
            queue_type,
            max_priority,
            ack_timeout,
            connect_timeout,
            publish_timeout,
        } = self;
        let mut fields = vec![
            Field::new("username", username, value_types::NAME),
            Field::new("password", password, value_types::PASSWORD),
            Field::new("port", port, value_types::PORT),
            Field::new("vhost", vhost, value_types::WORD),
            Field::new("host", host, value_types::HOST),
            Field::new("channel", channel, value_types::NAME),
            Field::new("exchange", exchange, value_types::WORD),
            Field::new("connection_options", connection_options, value_types::WORD),
        ];
        fields.extend(tls.fields());
        fields.extend([
            Field::optional("prefetch", prefetch, value_types::PREFETCH),
            Field::new("queue_type", queue_type, ValueType::choice()),
            Field::optional("max_priority", max_priority, value_types::MAX_PRIORITY),
            Field::new("ack_timeout", ack_timeout, value_types::TIMEOUT),
            Field::new("connect_timeout", connect_timeout, value_types::TIMEOUT),
            Field::new("publish_timeout", publish_timeout, value_types::TIMEOUT),
        ]);
        // The broker holds the jobs and has no leases.
        fields.extend(settings.fields("connection").into_iter().filter(|field| field.name != "lease"));
        fields
    }
}

/// Masks the password, and the user's name: in a URL without its colon the name holds both.
impl fmt::Debug for AmqpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = self.clone();
        copy.username = MASK.into();
        debug(f, "AmqpConfig", &copy.fields())
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
            tls: Tls::default(),
            prefetch: None,
            queue_type: QueueType::Classic,
            max_priority: None,
            ack_timeout: Duration::from_secs(1_800),
            connect_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(30),
        }
    }
}

/// `[async]`: jobs wait in memory.
#[derive(Clone, Debug)]
pub struct AsyncConfig {
    /// The settings that every driver has.
    pub settings: Settings,
    /// Run each job in the pushing thread.
    pub blocking: bool,
    /// How many jobs may wait before a push waits; 1 to 10,000,000.
    pub capacity: usize,
}

impl AsyncConfig {
    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { settings, blocking, capacity } = self;
        let mut fields = vec![
            Field::new("blocking", blocking, value_types::SWITCH),
            Field::new("capacity", capacity, value_types::CAPACITY),
        ];
        // Jobs in memory end with their worker: no other worker could take them when a lease expires.
        fields.extend(settings.fields("connection").into_iter().filter(|field| field.name != "lease"));
        fields
    }
}

/// Read once: the system reads files to answer.
static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            settings: Settings { workers: 5 * *CORES, ..Settings::default() },
            blocking: false,
            capacity: 10_000,
        }
    }
}
