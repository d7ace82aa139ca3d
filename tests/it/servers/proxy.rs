//! A bad network: a TCP proxy before a server on this machine, switched at run time.
//!
//! It sees what is on the wire: with TLS, patterns are never found.

mod link;
mod rules;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::port::Port;
use rules::{Rules, Trap};

/// What happens to everything that arrives, on old and new connections, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// It goes on at once.
    Pass,
    /// It goes on after this time; what comes behind it waits.
    Delay(Duration),
    /// Nothing goes on and nothing is lost: a partition. When it ends, what waited goes on. The
    /// senders' buffers fill up meanwhile, as with a peer that stops reading.
    Stall,
    /// Read, and lost without a word. A connection that has lost something is dead for ever,
    /// though neither side is told, not even that the other one has left: half-open.
    Swallow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// Everything is cut when it is dropped.
pub struct Proxy {
    port: Port,
    server: u16,
    rules: Arc<Rules>,
    listener: Option<Arc<TcpListener>>,
}

impl Proxy {
    /// On a port of its own, before the port of a server. Passes everything, to begin with.
    pub fn before(server: u16) -> Proxy {
        let mut proxy = Proxy { port: Port::claim(), server, rules: Arc::new(Rules::new()), listener: None };
        proxy.welcome();
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The url of the server, by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        let (server, own) = (format!(":{}/", self.server), format!(":{}/", self.port()));
        assert!(url.contains(&server), "the url `{url}` does not lead to the server of the proxy");
        url.replacen(&server, &own, 1)
    }

    pub fn set(&self, traffic: Traffic) {
        self.rules.set(traffic);
    }

    /// Cuts all connections that there are. New ones are welcome.
    pub fn cut(&self) {
        self.rules.cut_all();
    }

    /// Refuses new connections, as when nobody listens. Those that there are go on.
    pub fn refuse(&mut self) {
        if let Some(listener) = self.listener.take() {
            close(&listener);
        }
    }

    /// Takes new connections again after `refuse`.
    pub fn welcome(&mut self) {
        if self.listener.is_some() {
            return;
        }
        let port = self.port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .unwrap_or_else(|error| panic!("cannot listen on port {port}: {error}"));
        let listener = Arc::new(listener);
        self.listener = Some(Arc::clone(&listener));
        let (rules, server) = (Arc::clone(&self.rules), self.server);
        thread::spawn(move || accept(&listener, server, &rules));
    }

    /// Once: cuts the first connection on which this many bytes have passed from now on, right
    /// after the last of them.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.rules.arm(Trap::After(direction, bytes));
    }

    /// Once: cuts the connection on which a client sends these bytes. The server does not get the
    /// packet that holds (the end of) them: what was asked for was not done. No bytes: the next
    /// packet, whatever it is.
    pub fn cut_before(&self, pattern: &[u8]) {
        self.rules.arm(Trap::Before(pattern.to_vec()));
    }

    /// Once: cuts the connection on which a client sends these bytes, such as `COMMIT`, when the
    /// server has answered and before the client has got any of it: it was done, and the client
    /// cannot know. No bytes: the next packet, whatever it is.
    pub fn cut_answer_to(&self, pattern: &[u8]) {
        self.rules.arm(Trap::AnswerTo(pattern.to_vec()));
    }

    /// Once: stalls all traffic when a client sends these bytes, which the server still gets: the answer comes when
    /// the traffic passes again.
    pub fn stall_at(&self, pattern: &[u8]) {
        self.rules.arm(Trap::StallAt(pattern.to_vec()));
    }

    /// Whether the cut, or the stall, that was ordered last has been made.
    pub fn has_cut(&self) -> bool {
        self.rules.has_sprung()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.rules.connections()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.rules.accepted()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.rules.cut_all();
        // Frees what is stalled.
        self.rules.set(Traffic::Pass);
    }
}

/// Takes what comes until the listener is closed.
fn accept(listener: &TcpListener, server: u16, rules: &Arc<Rules>) {
    loop {
        match listener.accept() {
            Ok((client, _)) => link::start(client, server, rules),
            Err(error) if error.kind() == ErrorKind::InvalidInput => return,
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => panic!("the proxy cannot accept a connection: {error}"),
        }
    }
}

/// Ends the listening, for the thread that waits in `accept` (with EINVAL) and for every program
/// that is being started at this moment and has a copy of the socket: dropping it would not do.
fn close(listener: &TcpListener) {
    let socket = listener.try_clone().map(OwnedFd::from).map(TcpStream::from);
    socket
        .and_then(|socket| socket.shutdown(Shutdown::Both))
        .unwrap_or_else(|error| panic!("the proxy cannot stop listening: {error}"));
}
