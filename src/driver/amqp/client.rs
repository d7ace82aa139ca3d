//! The seam on amiquip: the only file that names it.
//!
//! What it does not do for us is done here. It waits for ever when a peer stops reading, also in `close`
//! and in `Drop`: so each connection has a kill switch, a second handle of its socket, that is thrown when
//! an answer is late, also that to a good-bye. It does not set TCP_NODELAY, without which one
//! confirmed publish takes 40 ms. It tells the cause of a closed connection once, to the first who asks.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use amiquip::{
    AmqpProperties, AmqpValue, Auth, Channel, Connection, ConnectionBlockedNotification, ConnectionOptions,
    ConnectionTuning, Consumer, ConsumerMessage, ConsumerOptions, Delivery, Error as AmqpError,
    ExchangeDeclareOptions, ExchangeType, FieldTable, Publish, QueueDeclareOptions, QueueDeleteOptions,
    Return,
};
use crossbeam::channel::{self, Receiver, RecvTimeoutError};

use super::client_trait::{Address, Answers, Client, Confirm, Envelope, Inbox, Object, Outbox, WINDOW_BYTES};
use super::errors::refusal;
use super::options::AmqpOptions;
use crate::driver::Notifier;
use crate::error::{Error, Result};

mod connect;
mod consuming;
mod declaring;
mod frame_checker;
mod link;
mod properties;
mod receiving;
mod sanitize;
#[cfg(feature = "rustls")]
mod secure;

use connect::{Hosts, Opened};
use frame_checker::{CheckedStream, FrameFindings};
use properties::{envelope, properties};

impl amiquip::IoStream for CheckedStream {}

/// Foreign headers and properties of a message, which a copy keeps.
pub(super) type Rest = AmqpProperties;

/// The target of the library's own log lines.
#[cfg(feature = "cli")]
pub(crate) const LOG_TARGET: &str = "amiquip";

/// Opens connections with amiquip.
pub(super) struct Amiquip(Hosts);

impl Amiquip {
    pub(super) fn new(options: &AmqpOptions) -> Self {
        Self(Hosts::new(options))
    }
}

impl Client for Amiquip {
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        let Opened { options, kill, mut connection, findings } = self.0.connect()?;
        let opened = kill.within(options.answer_timeout, || {
            let channel = connection.open_channel(None)?;
            let blocked = connection.listen_for_connection_blocked()?;
            let confirms = channel.listen_for_publisher_confirms()?;
            let returns = channel.listen_for_returns()?;
            channel.enable_publisher_confirms()?;
            Ok((channel, blocked, confirms, returns))
        });
        let (channel, blocked_news, confirms, returns) =
            opened.map_err(|error| explain(&options, "open a channel", error))?;
        let blocked = None;
        Ok(Box::new(Sending {
            kill,
            channel: Some(channel),
            confirms,
            returns,
            blocked_news,
            blocked,
            options,
            findings,
            connection: Some(connection),
        }))
    }

    fn inbox(&self, notifier: Notifier) -> Result<Box<dyn Inbox>> {
        let Opened { options, kill, connection, .. } = self.0.connect()?;
        Ok(Box::new(receiving::Receiving::start(options, kill, connection, notifier)?))
    }
}

/// How long a connection may take to say good-bye.
const GOODBYE: Duration = Duration::from_millis(500);

/// A second handle of a connection's socket. Shutting that down frees whoever waits for the broker.
#[derive(Clone)]
struct KillSwitch(Arc<TcpStream>);

impl KillSwitch {
    fn throw(&self) {
        // Fails only when the socket is closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Runs something that waits for the broker, and ends the connection when that takes too long.
    fn within<T>(&self, limit: Duration, wait: impl FnOnce() -> T) -> T {
        let (done, watched) = channel::bounded::<()>(0);
        thread::scope(|scope| {
            let watch = move || {
                if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    self.throw();
                }
            };
            if thread::Builder::new().spawn_scoped(scope, watch).is_err() {
                // Nobody would watch: rather no connection than one that waits for ever.
                self.throw();
            }
            let outcome = wait();
            drop(done);
            outcome
        })
    }
}

/// The connection that publishes.
struct Sending {
    kill: KillSwitch,
    /// `None` only while it is dropped, as is the connection.
    channel: Option<Channel>,
    confirms: Receiver<amiquip::Confirm>,
    returns: Receiver<Return>,
    blocked_news: Receiver<ConnectionBlockedNotification>,
    blocked: Option<String>,
    options: Arc<AmqpOptions>,
    findings: Arc<FrameFindings>,
    connection: Option<Connection>,
}

/// In good order, where the broker still answers: amiquip cut off leaks a pipe now and then.
impl Drop for Sending {
    fn drop(&mut self) {
        let parts = (self.channel.take(), self.connection.take());
        self.kill.within(GOODBYE, || drop(parts));
    }
}

impl Sending {
    fn channel(&self) -> Result<&Channel> {
        self.channel.as_ref().ok_or_else(|| Error::unavailable("the connection is closed"))
    }

    /// Asks something on a channel of its own.
    fn aside<T>(&mut self, ask: impl FnOnce(&Channel) -> Result<T, AmqpError>) -> Result<T, AmqpError> {
        let connection = self.connection.as_mut().ok_or(AmqpError::EventLoopDropped)?;
        self.kill.within(self.options.answer_timeout, || {
            let channel = connection.open_channel(None)?;
            ask(&channel)
        })
    }

    /// Why nothing comes any more. The channel still has the cause, for whoever asks it first.
    fn lost(&self) -> Result<Error> {
        let channel = self.channel()?;
        let asked = self.kill.within(self.options.answer_timeout, || channel.qos(0, 0, false));
        Ok(explain(&self.options, "publish", asked.err().unwrap_or(AmqpError::EventLoopDropped)))
    }
}

impl Outbox for Sending {
    /// A refusal closes the channel on which it was asked, hence not the one that publishes.
    fn declare(&mut self, objects: &[Object]) -> Result<()> {
        let options = Arc::clone(&self.options);
        declaring::all(&options, objects, |declare| self.aside(|channel| declare(channel)))
    }

    fn declare_exactly(&mut self, queue: &Object) -> Result<bool> {
        let options = Arc::clone(&self.options);
        declaring::exactly(&options, queue, |declare| self.aside(|channel| declare(channel)))
    }

    fn count(&mut self, queue: &str) -> Result<u64> {
        let counted = self.aside(|channel| count(channel, queue));
        counted.map(u64::from).map_err(|error| explain(&self.options, &format!("count {queue}"), error))
    }

    fn publish(
        &mut self,
        address: &Address,
        envelope: &Envelope,
        body: &[u8],
        limit: Duration,
    ) -> Result<()> {
        let mut publish = Publish::with_properties(
            body,
            &*address.routing_key,
            properties(envelope, self.findings.frame_max()),
        );
        publish.mandatory = true;
        let channel = self.channel()?;
        let send = || channel.basic_publish(&*address.exchange, publish);
        let sent = if body.len() < WINDOW_BYTES { send() } else { self.kill.within(limit, send) };
        sent.map_err(|error| explain(&self.options, "publish", error))
    }

    fn is_modern(&self) -> bool {
        let properties = self.connection.as_ref().map(Connection::server_properties);
        let told = |key| match properties.and_then(|table| table.get(key)) {
            Some(AmqpValue::LongString(text)) => &**text,
            _ => "",
        };
        let major = told("version").split('.').next().and_then(|major| major.parse::<u32>().ok());
        told("product") == "RabbitMQ" && major.is_some_and(|major| major >= 4)
    }

    fn has_queue(&mut self, name: &str) -> Result<bool> {
        match self.aside(|channel| count(channel, name)) {
            Ok(_) => Ok(true),
            // That closes the channel on which it was asked, hence not the one that publishes.
            Err(AmqpError::ServerClosedChannel { code: 404, .. }) => Ok(false),
            Err(error) => Err(explain(&self.options, &format!("look for {name}"), error)),
        }
    }

    fn frame_max(&self) -> usize {
        self.findings.frame_max()
    }

    fn answers(&mut self, limit: Duration) -> Result<Answers> {
        let first = match self.confirms.recv_timeout(limit) {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err(self.lost()?),
        };
        let confirms = first.into_iter().chain(self.confirms.try_iter()).map(confirm).collect();
        // Read after the confirms: a return comes before the confirm of the same message.
        let returned =
            self.returns.try_iter().filter_map(|back| back.properties.message_id().clone()).collect();
        Ok(Answers { returned, confirms })
    }

    fn blocked(&mut self) -> Option<String> {
        for news in self.blocked_news.try_iter() {
            self.blocked = match news {
                ConnectionBlockedNotification::Blocked(reason) => Some(reason),
                ConnectionBlockedNotification::Unblocked => None,
            };
        }
        self.blocked.clone()
    }
}

/// How many messages wait in a queue.
fn count(channel: &Channel, queue: &str) -> Result<u32, AmqpError> {
    channel.queue_declare_passive(queue).map(|found| found.declared_message_count().unwrap_or(0))
}

fn confirm(confirm: amiquip::Confirm) -> Confirm {
    let (payload, ok) = match confirm {
        amiquip::Confirm::Ack(payload) => (payload, true),
        amiquip::Confirm::Nack(payload) => (payload, false),
    };
    Confirm { number: payload.delivery_tag, multiple: payload.multiple, ok }
}

/// An amiquip error for a person.
fn explain(options: &AmqpOptions, doing: &str, error: AmqpError) -> Error {
    match error {
        AmqpError::ServerClosedChannel { code, message, .. }
        | AmqpError::ServerClosedConnection { code, message } => refusal(options, doing, code, &message),
        other => Error::unavailable(format!("lost the connection to RabbitMQ at {}", options.place()))
            .because(&other),
    }
}
