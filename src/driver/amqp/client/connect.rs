//! Connections to the broker: which host, by TLS or without, and why none answers.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::answers::explain;
use super::frame_checker::{self, CheckedStream, FrameFindings};
use super::kill_switch::KillSwitch;
use super::link::Link;
#[cfg(feature = "rustls")]
use super::secure::Secure;
use super::{AmqpError, Auth, Connection, ConnectionOptions, ConnectionTuning};
#[cfg(feature = "rustls")]
use crate::driver::amqp::errors::no_tls;
use crate::driver::amqp::errors::{no_broker, none_answers, not_let_in};
use crate::driver::amqp::options::AmqpOptions;
#[cfg(feature = "rustls")]
use crate::driver::tls;
use crate::error::{Error, Result};
use crate::time;

/// How many frames may be on their way to the socket. A publish is three, so that a full window of
/// publishes never waits for the socket.
const FRAMES: usize = 4_096;

/// An open connection to one of the hosts.
pub(super) struct Opened {
    /// Those of this host.
    pub(super) options: Arc<AmqpOptions>,
    pub(super) kill: KillSwitch,
    pub(super) connection: Connection,
    pub(super) findings: Arc<FrameFindings>,
}

/// The hosts of a broker or a cluster.
pub(super) struct Hosts {
    /// At least one.
    each: Vec<Arc<AmqpOptions>>,
    /// The one that answered last, which is asked first.
    last: AtomicUsize,
    /// Whether one of them ever let this user in.
    let_in: AtomicBool,
}

impl Hosts {
    pub(super) fn new(options: &AmqpOptions) -> Self {
        let each = options.hosts().into_iter().map(Arc::new).collect();
        Self { each, last: AtomicUsize::new(0), let_in: AtomicBool::new(false) }
    }

    /// Connects to the first host on which that goes, beginning with the one that answered last.
    ///
    /// # Errors
    /// Each of them refuses, or can't be reached. It says why, of each.
    pub(super) fn connect(&self) -> Result<Opened> {
        let before = self.let_in.load(Ordering::Relaxed);
        let first = self.last.load(Ordering::Relaxed);
        let mut refusals = Vec::new();
        for at in (first..self.each.len()).chain(0..first) {
            match connect(&self.each[at], before) {
                Ok(opened) => {
                    self.last.store(at, Ordering::Relaxed);
                    self.let_in.store(true, Ordering::Relaxed);
                    return Ok(opened);
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        Err(none_answers(refusals))
    }
}

impl Hosts {
    /// Has the host behind this one asked first, where this one is the first: a node that is cut off from its cluster
    /// takes connections, and does nothing for them.
    pub(super) fn pass_over(&self, place: &str) {
        let first = self.last.load(Ordering::Relaxed);
        if self.each[first].place() == place {
            self.last.store((first + 1) % self.each.len(), Ordering::Relaxed);
        }
    }
}

/// Connects to one host, and logs in. `before`: this user was let in before.
fn connect(options: &Arc<AmqpOptions>, before: bool) -> Result<Opened> {
    let stream = dial(options).map_err(|error| {
        Error::unavailable(format!("cannot reach RabbitMQ at {}", options.place()))
            .because(&error)
            .with_help("is it running, and do host and port under [amqp], or AMQP_URL, lead to it?")
    })?;
    let broken = |error: io::Error| Error::unavailable("cannot set up a socket").because(&error);
    let kill = KillSwitch(Arc::new(stream.try_clone().map_err(broken)?));
    stream.set_nodelay(true).map_err(broken)?;
    let began = Instant::now();
    let link = match options.tls.is_required() {
        true => secure(options, stream, &kill, before)?,
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
        Ok(connection) => Ok(Opened { options: Arc::clone(options), kill, connection, findings }),
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
fn secure(options: &AmqpOptions, stream: TcpStream, kill: &KillSwitch, before: bool) -> Result<Link> {
    let config = tls::client_config(&options.tls)?;
    let host = rustls::pki_types::ServerName::try_from(options.host.clone()).map_err(|cause| {
        Error::config(format!("no certificate can prove the host \"{}\"", options.host)).because(&cause)
    })?;
    let began = Instant::now();
    let shaken = kill.within(options.connect_timeout, || Secure::shake_hands(stream, config, host));
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
fn secure(_: &AmqpOptions, _: TcpStream, _: &KillSwitch, _: bool) -> Result<Link> {
    Err(Error::unsupported("this build has no TLS")
        .with_help("build craft-queue with the feature \"amqp-tls\""))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AmqpConfig;

    #[test]
    fn a_host_that_was_lost_is_asked_last() {
        let config = AmqpConfig { host: "a:1,b:2".into(), ..AmqpConfig::default() };
        let hosts = Hosts::new(&AmqpOptions::from_config(&config).unwrap());
        let first = || hosts.each[hosts.last.load(Ordering::Relaxed)].place();
        for (lost, then) in [("b:2", "a:1"), ("a:1", "b:2"), ("a:1", "b:2"), ("b:2", "a:1")] {
            hosts.pass_over(lost);
            assert_eq!(first(), then, "{lost} was lost");
        }
    }
}
