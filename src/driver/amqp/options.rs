//! What a connection and its queues need to know, out of the configuration.

use std::fmt;
use std::time::Duration;

use crate::config::{AmqpConfig, QueueType, Tls, host_and_port};
use crate::error::{Error, Result};

/// How to reach a broker, and how its queues are declared.
///
/// ```
/// use craft_queue::{Config, driver::amqp::AmqpOptions};
///
/// let options = AmqpOptions::from_config(&Config::new().amqp)?;
/// assert_eq!(options.vhost, "/");
/// # Ok::<(), craft_queue::Error>(())
/// ```
#[derive(Clone)]
pub struct AmqpOptions {
    /// The host's name or address; of a cluster several, with commas between. Each may have a port of its own behind
    /// a colon.
    pub host: String,
    /// The port of hosts that have none of their own.
    pub port: u16,
    /// The user's name.
    pub username: String,
    /// The user's password. Never shown.
    pub password: String,
    /// The virtual host.
    pub vhost: String,
    /// The queue where none is named.
    pub queue: String,
    /// The exchange to push to; "" is the default exchange.
    pub exchange: String,
    /// The queues survive the loss of a broker in a cluster (`x-queue-type = quorum`).
    pub quorum: bool,
    /// The highest priority of the queues (`x-max-priority`); `None`: they know no priorities.
    pub max_priority: Option<u8>,
    /// How many jobs the broker hands out ahead; `None`: as many as the worker asks for.
    pub prefetch: Option<u16>,
    /// How long the broker lets a worker hold a job: its `consumer_timeout`.
    pub ack_timeout: Duration,
    /// Whether, and how, TLS is spoken. Where nothing was asked it is not.
    pub tls: Tls,
    /// How often broker and client show that they are alive.
    pub heartbeat: Duration,
    /// How long connecting and logging in may take.
    pub connect_timeout: Duration,
    /// How long a push waits for the broker's word.
    pub publish_timeout: Duration,
    /// How long everything else waits for an answer.
    pub answer_timeout: Duration,
}

impl AmqpOptions {
    /// Takes over what the configuration says.
    ///
    /// # Errors
    /// `connection_options` is not understood, or TLS is asked for and not compiled in.
    pub fn from_config(config: &AmqpConfig) -> Result<Self> {
        let vhost = if config.vhost.is_empty() { "/" } else { &config.vhost };
        let mut options = Self {
            host: config.host.clone(),
            port: config.port,
            username: config.username.clone(),
            password: config.password.clone(),
            vhost: vhost.to_owned(),
            queue: config.settings.queue.clone(),
            exchange: config.exchange.clone(),
            quorum: config.queue_type == QueueType::Quorum,
            max_priority: config.max_priority,
            prefetch: config.prefetch,
            ack_timeout: config.ack_timeout,
            tls: config.tls.clone(),
            heartbeat: Duration::from_secs(30),
            connect_timeout: config.connect_timeout,
            publish_timeout: config.publish_timeout,
            answer_timeout: Duration::from_secs(10),
        };
        if options.tls.is_required() && !cfg!(feature = "rustls") {
            return Err(Error::unsupported("[amqp] asks for TLS (sslmode), and this build has none")
                .with_help("build craft-queue with the feature \"amqp-tls\""));
        }
        for pair in config.connection_options.split('&').filter(|pair| !pair.is_empty()) {
            options.read_connection_option(pair)?;
        }
        Ok(options)
    }

    fn read_connection_option(&mut self, pair: &str) -> Result<()> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = || {
            Error::config(format!("connection option \"{pair}\" is not understood"))
                .with_help(
                    "known are heartbeat=<seconds> and connection_timeout=<milliseconds>; of TLS the keys sslmode, \
                     sslrootcert, sslcert and sslkey",
                )
        };
        let number = value.parse().map_err(|_| wrong())?;
        match key {
            "heartbeat" => self.heartbeat = Duration::from_secs(number),
            "connection_timeout" => self.connect_timeout = Duration::from_millis(number),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// The same for each host alone.
    pub(super) fn hosts(&self) -> Vec<Self> {
        let one = |text: &str| {
            let (host, port) = host_and_port(text.trim());
            Self { host, port: port.unwrap_or(self.port), ..self.clone() }
        };
        self.host.split(',').map(one).collect()
    }

    /// Where the broker is, for people.
    pub(super) fn place(&self) -> String {
        let places = self.hosts().into_iter().map(|one| format!("{}:{}", one.host, one.port));
        places.collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for AmqpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vhost = if self.vhost == "/" { "" } else { &self.vhost };
        write!(f, "rabbitmq {}@{}/{vhost}", self.username, self.place())
    }
}

// Not derived: a derived one would show the password.
impl fmt::Debug for AmqpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AmqpOptions({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(connection_options: &str) -> AmqpConfig {
        AmqpConfig {
            password: "s3cret".into(),
            connection_options: connection_options.into(),
            ..AmqpConfig::default()
        }
    }

    #[test]
    fn an_empty_vhost_is_the_root_and_the_password_is_never_shown() {
        let options = AmqpOptions::from_config(&config("")).unwrap();
        assert_eq!(options.vhost, "/");
        assert_eq!(options.to_string(), "rabbitmq guest@localhost:5672/");
        assert!(!format!("{options:?}").contains("s3cret"));
    }

    #[test]
    fn each_host_of_several_may_have_a_port() {
        let places = |host: &str| {
            let options =
                AmqpOptions::from_config(&AmqpConfig { host: host.into(), port: 7, ..config("") }).unwrap();
            options.hosts().into_iter().map(|one| (one.host, one.port)).collect::<Vec<_>>()
        };
        let expected = |all: &[(&str, u16)]| -> Vec<_> {
            all.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect()
        };
        assert_eq!(places("a"), expected(&[("a", 7)]));
        assert_eq!(places("::1"), expected(&[("::1", 7)]));
        assert_eq!(places("a, b:5,[::1]:6,::2"), expected(&[("a", 7), ("b", 5), ("::1", 6), ("::2", 7)]));
        let several = AmqpConfig { host: "a,b:5".into(), ..config("") };
        assert_eq!(AmqpOptions::from_config(&several).unwrap().to_string(), "rabbitmq guest@a:5672,b:5/");
    }

    #[test]
    fn connection_options_are_read_as_a_query() {
        let options = AmqpOptions::from_config(&config("heartbeat=7&connection_timeout=1500")).unwrap();
        assert_eq!(options.heartbeat, Duration::from_secs(7));
        assert_eq!(options.connect_timeout, Duration::from_millis(1_500));
        for wrong in ["heartbeat=soon", "speed=9", "heartbeat"] {
            let error = AmqpOptions::from_config(&config(wrong)).unwrap_err();
            assert!(error.is_config() && error.to_string().contains(wrong), "{error}");
        }
    }
}
