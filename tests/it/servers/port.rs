//! A free port that stays free.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that Linux gives to clients (32768 and up). With one of those, a server that is
/// down could not start again because a client got its port, and a client that keeps knocking at
/// the empty port would some day be given that very port and be connected to itself.
const FIRST: u32 = 12_000;
const COUNT: u32 = 18_000;

/// A port on 127.0.0.1 that no other test has, in this process or another one, as long as this
/// lives: also while nobody listens on it.
pub struct Port {
    number: u16,
    /// A socket with a name, not a path: of one name there can be only one, and it ends with the
    /// process. Nothing to clean up.
    _claim: UnixListener,
}

impl Port {
    pub fn claim() -> Port {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Test processes that start together begin in different places.
        let start = process::id().wrapping_mul(97);
        for _ in 0..COUNT {
            let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let number = (FIRST + next % COUNT) as u16;
            let name = format!("craft-queue test port {number}");
            let Ok(claim) =
                SocketAddr::from_abstract_name(name).and_then(|address| UnixListener::bind_addr(&address))
            else {
                continue;
            };
            if !is_listened_on(number) {
                return Port { number, _claim: claim };
            }
        }
        panic!("cannot find a free port between {FIRST} and {}", FIRST + COUNT);
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Asked of the kernel, not by binding it: when another thread starts a program in that moment, the
/// program has the socket too until it becomes itself, and keeps the port from the server.
fn is_listened_on(port: u16) -> bool {
    const LISTENS: &str = "0A";
    let end = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let table = fs::read_to_string(table).unwrap_or_default();
        table.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next(), fields.nth(1));
            local.is_some_and(|local| local.ends_with(&end)) && state == Some(LISTENS)
        })
    })
}
