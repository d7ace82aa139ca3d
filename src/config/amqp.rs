//! `[amqp]`.

use std::fmt;
use std::time::Duration;

use super::kind::{Field, debug};
use super::redact::MASK;
use super::{Settings, Tls, schema};

/// `[amqp]`: jobs wait in RabbitMQ.
#[derive(Clone)]
pub struct AmqpConfig {
    /// What every driver may say.
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
    /// The host's name or address.
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
    /// How long a push waits for the broker's word that it has the job.
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

impl AmqpConfig {
    pub(super) fn fields(&mut self) -> Vec<Field<'_>> {
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
            Field::new("username", username, schema::NAME),
            Field::new("password", password, schema::PASSWORD),
            Field::new("port", port, schema::PORT),
            Field::new("vhost", vhost, schema::WORD),
            Field::new("host", host, schema::HOST),
            Field::new("channel", channel, schema::NAME),
            Field::new("exchange", exchange, schema::WORD),
            Field::new("connection_options", connection_options, schema::WORD),
        ];
        fields.extend(tls.fields());
        fields.extend([
            Field::optional("prefetch", prefetch, schema::PREFETCH),
            Field::new("queue_type", queue_type, schema::QUEUE_TYPE),
            Field::optional("max_priority", max_priority, schema::MAX_PRIORITY),
            Field::new("ack_timeout", ack_timeout, schema::TIMEOUT),
            Field::new("connect_timeout", connect_timeout, schema::TIMEOUT),
            Field::new("publish_timeout", publish_timeout, schema::TIMEOUT),
        ]);
        // The broker holds the jobs, and knows no lease.
        fields.extend(settings.fields("connection").into_iter().filter(|field| field.name != "lease"));
        fields
    }
}

/// Without the password, and without the user's name: a URL whose colon is missing has both there.
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
