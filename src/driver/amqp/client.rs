//! The seam on amiquip: the only file that names it.
//!
//! What it does not do for us is done here. It waits for ever when a peer stops reading, also in `close`
//! and in `Drop`: so each connection has a kill switch, a second handle of its socket, that is thrown when
//! an answer is late, also that to a good-bye. It does not set TCP_NODELAY, without which one
//! confirmed publish takes 40 ms. It tells the cause of a closed connection once, to the first who asks.

use std::io;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, AmqpValue, Auth, Channel, Connection, ConnectionBlockedNotification, ConnectionOptions,
    ConnectionTuning, Consumer, ConsumerMessage, ConsumerOptions, Delivery, Error as AmqpError,
    ExchangeDeclareOptions, ExchangeType, FieldTable, Publish, QueueDeclareOptions, QueueDeleteOptions,
    Return,
};
use crossbeam::channel::{self, Receiver, RecvTimeoutError};

use super::options::Options;
use super::refusal::{not_let_in, refusal};
use super::wire::{Address, Answers, Argument, Client, Confirm, Envelope, Inbox, Kind, Object, Outbox};
use crate::driver::Bell;
use crate::error::{Error, Result};
use crate::time;

mod consuming;
mod properties;
mod receiving;

use properties::{envelope, properties};

/// Foreign headers and properties of a message, which a copy keeps.
pub(super) type Rest = AmqpProperties;

/// The target of the library's own log lines.
#[cfg(feature = "cli")]
pub(crate) const LOG_TARGET: &str = "amiquip";

/// How many frames may be on their way to the socket. A publish is three, so that a full window of
/// publishes never waits for the socket.
const FRAMES: usize = 4_096;

/// From here on a body may fill the way to the socket by itself.
const LARGE_BODY: usize = 1024 * 1024;

/// Opens connections with amiquip.
pub(super) struct Amiquip {
    options: Arc<Options>,
    /// Whether the broker ever let this user in.
    let_in: AtomicBool,
}

impl Amiquip {
    pub(super) fn new(options: Arc<Options>) -> Self {
        Self { options, let_in: AtomicBool::new(false) }
    }

    fn connect(&self) -> Result<(KillSwitch, Connection)> {
        let options = &*self.options;
        let stream = dial(options).map_err(|error| {
            Error::unavailable(format!("cannot reach RabbitMQ at {}", options.place())).because(&error)
        })?;
        let broken = |error: io::Error| Error::unavailable("cannot set up a socket").because(&error);
        let kill = KillSwitch(Arc::new(stream.try_clone().map_err(broken)?));
        stream.set_nodelay(true).map_err(broken)?;
        let stream = mio::net::TcpStream::from_stream(stream).map_err(broken)?;
        let seconds = u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX);
        let auth = Auth::Plain { username: options.username.clone(), password: options.password.clone() };
        let settings =
            ConnectionOptions::default().auth(auth).virtual_host(&*options.vhost).heartbeat(seconds);
        let tuning = ConnectionTuning::default().mem_channel_bound(FRAMES);
        let began = Instant::now();
        let opened = kill
            .within(options.connect_timeout, || Connection::insecure_open_stream(stream, settings, tuning));
        match opened {
            Ok(connection) => {
                self.let_in.store(true, Ordering::Relaxed);
                Ok((kill, connection))
            }
            // The client takes any end of the connection at this step for a refusal: also the one that we made
            // when the broker had not answered in time.
            Err(AmqpError::InvalidCredentials) if began.elapsed() >= options.connect_timeout => {
                Err(Error::unavailable(format!(
                    "RabbitMQ at {} did not log us in within {}",
                    options.place(),
                    time::humane(options.connect_timeout)
                )))
            }
            Err(AmqpError::InvalidCredentials) => {
                Err(not_let_in(options, self.let_in.load(Ordering::Relaxed)))
            }
            Err(error) => Err(explain(options, "log in", error)),
        }
    }
}

impl Client for Amiquip {
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        let (kill, mut connection) = self.connect()?;
        let opened = kill.within(self.options.answer_timeout, || {
            let channel = connection.open_channel(None)?;
            let blocked = connection.listen_for_connection_blocked()?;
            let confirms = channel.listen_for_publisher_confirms()?;
            let returns = channel.listen_for_returns()?;
            channel.enable_publisher_confirms()?;
            Ok((channel, blocked, confirms, returns))
        });
        let (channel, blocked_news, confirms, returns) =
            opened.map_err(|error| explain(&self.options, "open a channel", error))?;
        let options = Arc::clone(&self.options);
        let blocked = None;
        Ok(Box::new(Sending {
            kill,
            channel: Some(channel),
            confirms,
            returns,
            blocked_news,
            blocked,
            options,
            connection: Some(connection),
        }))
    }

    fn inbox(&self, bell: Bell) -> Result<Box<dyn Inbox>> {
        let (kill, connection) = self.connect()?;
        let inbox = receiving::Receiving::start(Arc::clone(&self.options), kill, connection, bell)?;
        Ok(Box::new(inbox))
    }
}

fn dial(options: &Options) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (&*options.host, options.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, options.connect_timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
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
    options: Arc<Options>,
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
    fn declare(&mut self, objects: &[Object]) -> Result<()> {
        let channel = self.channel()?;
        self.kill.within(self.options.answer_timeout, || declare(&self.options, channel, objects))
    }

    fn has_exchange(&mut self, name: &str) -> Result<bool> {
        match self.aside(|channel| channel.exchange_declare_passive(name).map(drop)) {
            Ok(()) => Ok(true),
            // That closes the channel on which it was asked, hence not the one that publishes.
            Err(AmqpError::ServerClosedChannel { code: 404, .. }) => Ok(false),
            Err(error) => Err(explain(&self.options, &format!("look for {name}"), error)),
        }
    }

    fn count(&mut self, queue: &str) -> Result<u64> {
        let counted = self.aside(|channel| count(channel, queue));
        counted.map(u64::from).map_err(|error| explain(&self.options, &format!("count {queue}"), error))
    }

    fn publish(&mut self, address: &Address, envelope: &Envelope, body: &[u8]) -> Result<()> {
        let mut publish = Publish::with_properties(body, &*address.routing_key, properties(envelope));
        publish.mandatory = true;
        let channel = self.channel()?;
        let send = || channel.basic_publish(&*address.exchange, publish);
        let sent = if body.len() < LARGE_BODY {
            send()
        } else {
            self.kill.within(self.options.publish_timeout, send)
        };
        sent.map_err(|error| explain(&self.options, "publish", error))
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

/// Declares all without waiting, and asks once at the end: the broker refuses by closing the channel.
fn declare(options: &Options, channel: &Channel, objects: &[Object]) -> Result<()> {
    for object in objects {
        let sent = match object {
            Object::Queue { name, arguments } => {
                let arguments =
                    arguments.iter().map(|(key, value)| (key.to_string(), argument(value))).collect();
                let durable = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
                channel.queue_declare_nowait(&**name, durable).map(drop)
            }
            Object::Exchange { name, kind, alternate } => {
                let alternate = alternate.iter().map(|name| AmqpValue::LongString(name.clone()));
                let arguments = alternate.map(|name| ("alternate-exchange".to_owned(), name)).collect();
                let durable = ExchangeDeclareOptions { durable: true, arguments, ..Default::default() };
                channel.exchange_declare_nowait(exchange_type(*kind), &**name, durable).map(drop)
            }
            Object::Mark { exchange } => {
                let passing = ExchangeDeclareOptions::default();
                channel.exchange_declare_nowait(ExchangeType::Fanout, &**exchange, passing).map(drop)
            }
            Object::QueueBinding { queue, exchange, key } => {
                channel.queue_bind_nowait(&**queue, &**exchange, &**key, FieldTable::new())
            }
            Object::ExchangeBinding { destination, exchange, key } => {
                channel.exchange_bind_nowait(&**destination, &**exchange, &**key, FieldTable::new())
            }
        };
        sent.map_err(|error| explain(options, &doing(objects), error))?;
    }
    // Answered in order, so its answer says that all before it went well.
    channel.qos(0, 0, false).map_err(|error| explain(options, &doing(objects), error))
}

fn doing(objects: &[Object]) -> String {
    let first = objects.iter().find_map(|object| match object {
        Object::Queue { name, .. } | Object::Exchange { name, .. } => Some(name),
        Object::Mark { exchange } => Some(exchange),
        _ => None,
    });
    format!("declare {}", first.map_or("bindings", |name| name))
}

fn exchange_type(kind: Kind) -> ExchangeType {
    match kind {
        Kind::Topic => ExchangeType::Topic,
        Kind::Fanout => ExchangeType::Fanout,
    }
}

fn argument(argument: &Argument) -> AmqpValue {
    match argument {
        Argument::Text(text) => AmqpValue::LongString(text.clone()),
        Argument::Number(number) => AmqpValue::LongLongInt(*number),
    }
}

/// An amiquip error for a person.
fn explain(options: &Options, doing: &str, error: AmqpError) -> Error {
    match error {
        AmqpError::ServerClosedChannel { code, message, .. }
        | AmqpError::ServerClosedConnection { code, message } => refusal(options, doing, code, &message),
        other => Error::unavailable(format!("lost the connection to RabbitMQ at {}", options.place()))
            .because(&other),
    }
}
