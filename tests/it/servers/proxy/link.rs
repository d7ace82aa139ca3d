//! One connection through the proxy: two sockets, and a thread for each direction.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use super::rules::{Rules, Seen, Verdict};
use super::{Direction, Traffic};

pub struct Link {
    client: TcpStream,
    /// Not before it was called.
    server: OnceLock<TcpStream>,
    is_cut: AtomicBool,
    has_lost: AtomicBool,
    loses_answer: AtomicBool,
}

impl Link {
    /// Ends it on both sides at once. Who goes on sending gets a reset.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        if let Some(server) = self.server.get() {
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    pub fn lose(&self) {
        self.has_lost.store(true, Ordering::SeqCst);
    }

    pub fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::SeqCst)
    }

    /// From now on the first answer cuts it.
    pub fn lose_answer(&self) {
        self.loses_answer.store(true, Ordering::SeqCst);
    }

    pub fn loses_answer(&self) -> bool {
        self.loses_answer.load(Ordering::SeqCst)
    }

    /// Calls the server. While packets are swallowed it does not hear the call.
    fn connect(&self, port: u16, rules: &Rules) -> Result<()> {
        if rules.wait_for_passage() == Traffic::Swallow {
            self.lose();
            return Ok(());
        }
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        server.set_nodelay(true)?;
        let _ = self.server.set(server);
        // It may have been cut while it was not there yet.
        if self.is_cut.load(Ordering::SeqCst) {
            self.cut();
        }
        Ok(())
    }

    fn pump(&self, way: Direction, rules: &Rules) -> Result<()> {
        let (mut from, mut to) = match way {
            Direction::ToServer => (Some(&self.client), self.server.get()),
            Direction::ToClient => (self.server.get(), Some(&self.client)),
        };
        let mut seen = Seen::default();
        let mut buffer = vec![0; 64 * 1024];
        while let Some(from) = &mut from {
            let count = match from.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            let bytes = &buffer[..count];
            match (rules.judge(way, self, &mut seen, bytes), &mut to) {
                (Verdict::Lose, _) | (_, None) => {}
                (Verdict::Forward, Some(to)) if count == 0 => to.shutdown(Shutdown::Write)?,
                (Verdict::Forward, Some(to)) => to.write_all(bytes)?,
                (Verdict::Cut(first), Some(to)) => {
                    to.write_all(&bytes[..first])?;
                    self.cut();
                }
            }
            if count == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Links a client with the server, on threads that end with the connection.
pub fn start(client: TcpStream, server: u16, rules: &Arc<Rules>) {
    let link = Arc::new(Link {
        client,
        server: OnceLock::new(),
        is_cut: AtomicBool::new(false),
        has_lost: AtomicBool::new(false),
        loses_answer: AtomicBool::new(false),
    });
    let rules = Arc::clone(rules);
    rules.enter(&link);
    thread::spawn(move || {
        let pump = |way| {
            // One broken side is the end of both.
            if link.pump(way, &rules).is_err() {
                link.cut();
            }
        };
        let connected = link.client.set_nodelay(true).and_then(|()| link.connect(server, &rules));
        match connected {
            Ok(()) => thread::scope(|scope| {
                scope.spawn(|| pump(Direction::ToClient));
                pump(Direction::ToServer);
            }),
            Err(_) => link.cut(),
        }
        rules.leave(&link);
    });
}
