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

use super::client_trait::{Address, Answers, Client, Confirm, Envelope, Inbox, Object, Outbox, WINDOW_BYTES};
#[cfg(feature = "rustls")]
use super::errors::no_tls;
use super::errors::{no_broker, not_let_in, refusal};
use super::options::AmqpOptions;
use crate::driver::Notifier;
#[cfg(feature = "rustls")]
use crate::driver::tls;
use crate::error::{Error, Result};
use crate::time;

mod consuming;
mod declaring;
mod frame_checker;
mod link;
mod properties;
mod receiving;
mod sanitize;
#[cfg(feature = "rustls")]
mod secure;

use frame_checker::{CheckedStream, FrameFindings};
use link::Link;
use properties::{envelope, properties};

impl amiquip::IoStream for CheckedStream {}

/// Foreign headers and properties of a message, which a copy keeps.
pub(super) type Rest = AmqpProperties;

/// The target of the library's own log lines.
#[cfg(feature = "cli")]
pub(crate) const LOG_TARGET: &str = "amiquip";

/// How many frames may be on their way to the socket. A publish is three, so that a full window of
/// publishes never waits for the socket.
const FRAMES: usize = 4_096;

/// Opens connections with amiquip.
pub(super) struct Amiquip {
    options: Arc<AmqpOptions>,
    /// Whether the broker ever let this user in.
    let_in: AtomicBool,
}

impl Amiquip {
    pub(super) fn new(options: Arc<AmqpOptions>) -> Self {
        Self { options, let_in: AtomicBool::new(false) }
    }

    fn connect(&self) -> Result<(KillSwitch, Connection, Arc<FrameFindings>)> {
        let options = &*self.options;
        let stream = dial(options).map_err(|error| {
            Error::unavailable(format!("cannot reach RabbitMQ at {}", options.place()))
                .because(&error)
                .with_help("is it running, and do host and port under [amqp], or AMQP_URL, lead to it?")
        })?;
        let broken = |error: io::Error| Error::unavailable("cannot set up a socket").because(&error);
        let kill = KillSwitch(Arc::new(stream.try_clone().map_err(broken)?));
        stream.set_nodelay(true).map_err(broken)?;
        let began = Instant::now();
        let before = self.let_in.load(Ordering::Relaxed);
        let link = match options.tls.is_required() {
            true => self.secure(stream, &kill, before)?,
            false => Link::plain(stream).map_err(broken)?,
        };
        let (stream, findings) = CheckedStream::new(link);
        let seconds = u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX);
        let auth = Auth::Plain { username: options.username.clone(), password: options.password.clone() };
        let settings = ConnectionOptions::default()
            .auth(auth)
            .virtual_host(&*options.vhost)
            .heartbeat(seconds)
            .frame_max(frame_checker::FRAME_LIMIT);
        let tuning = ConnectionTuning::default().mem_channel_bound(FRAMES);
        let left = options.connect_timeout.saturating_sub(began.elapsed());
        let opened = kill.within(left, || Connection::insecure_open_stream(stream, settings, tuning));
        match opened {
            Ok(connection) => {
                self.let_in.store(true, Ordering::Relaxed);
                Ok((kill, connection, findings))
            }
            Err(error) if findings.fault().is_some() => {
                let fault = findings.fault().unwrap_or_else(|| error.to_string());
                Err(no_broker(options, &fault, before))
            }
            #[cfg(feature = "rustls")]
            Err(error) if findings.refusal().is_some() => {
                let cause = findings.refusal().unwrap_or_else(|| rustls::Error::General(error.to_string()));
                Err(no_tls(options, &cause, before))
            }
            // The client takes any end of the connection at this step for a refusal: also the one that we made
            // when the broker had not answered in time.
            Err(AmqpError::InvalidCredentials) if began.elapsed() >= options.connect_timeout => {
                Err(Error::unavailable(format!(
                    "RabbitMQ at {} did not log us in within {}",
                    options.place(),
                    time::format_duration(options.connect_timeout)
                )))
            }
            Err(AmqpError::InvalidCredentials) if findings.has_greeted() => Err(not_let_in(options, before)),
            Err(AmqpError::InvalidCredentials) => {
                Err(no_broker(options, "what answers there closes the connection without a word", before))
            }
            Err(error) => Err(explain(options, "log in", error)),
        }
    }

    /// TLS, before anything else is said.
    #[cfg(feature = "rustls")]
    fn secure(&self, stream: TcpStream, kill: &KillSwitch, before: bool) -> Result<Link> {
        let options = &*self.options;
        let config = tls::client_config(&options.tls)?;
        let host = rustls::pki_types::ServerName::try_from(options.host.clone()).map_err(|cause| {
            Error::config(format!("no certificate can prove the host \"{}\"", options.host)).because(&cause)
        })?;
        let began = Instant::now();
        let shaken =
            kill.within(options.connect_timeout, || secure::Secure::shake_hands(stream, config, host));
        shaken.map(|secure| Link::Secure(Box::new(secure))).map_err(|cause| {
            if began.elapsed() >= options.connect_timeout {
                return Error::unavailable(format!(
                    "RabbitMQ at {} did not answer by TLS within {}",
                    options.place(),
                    time::format_duration(options.connect_timeout)
                ))
                .with_help("does this port speak TLS? RabbitMQ's usual one is 5671");
            }
            no_tls(options, &cause, before)
        })
    }

    #[cfg(not(feature = "rustls"))]
    fn secure(&self, _: TcpStream, _: &KillSwitch, _: bool) -> Result<Link> {
        Err(Error::unsupported("this build has no TLS")
            .with_help("build craft-queue with the feature \"amqp-tls\""))
    }
}

impl Client for Amiquip {
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        let (kill, mut connection, findings) = self.connect()?;
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
            findings,
            connection: Some(connection),
        }))
    }

    fn inbox(&self, notifier: Notifier) -> Result<Box<dyn Inbox>> {
        let (kill, connection, _) = self.connect()?;
        let inbox = receiving::Receiving::start(Arc::clone(&self.options), kill, connection, notifier)?;
        Ok(Box::new(inbox))
    }
}

fn dial(options: &AmqpOptions) -> io::Result<TcpStream> {
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
