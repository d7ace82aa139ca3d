//! Ends a connection on which an answer is late.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{self, RecvTimeoutError};

/// How long a connection may take to close.
pub(super) const GOODBYE: Duration = Duration::from_millis(500);

/// A second handle of a connection's socket. Shutting that down frees a thread that waits for the broker.
#[derive(Clone)]
pub(super) struct KillSwitch(pub(super) Arc<TcpStream>);

impl KillSwitch {
    pub(super) fn throw(&self) {
        // Fails only when the socket is closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Runs something that waits for the broker, and ends the connection when that takes too long.
    pub(super) fn within<T>(&self, limit: Duration, wait: impl FnOnce() -> T) -> T {
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
