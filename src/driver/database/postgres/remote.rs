//! A session on a thread of its own.
//!
//! The client runs an async runtime inside, so that its calls and its drop panic in a thread that is
//! inside somebody else's; and on a dead peer its drop can wait for minutes. Here both happen on a thread
//! that nobody waits for longer than the patience.

use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::session::Session;
use crate::error::{Error, Result};

type Order = Box<dyn FnOnce(&mut Session) + Send>;

/// The caller's end. The thread ends some time after this is dropped.
pub(super) struct Remote {
    orders: Sender<Order>,
    limit: Option<Duration>,
}

impl Remote {
    /// Starts a thread that opens a session and keeps it.
    ///
    /// # Errors
    /// It can't be opened, or not within the patience.
    pub(super) fn open(
        open: impl FnOnce() -> Result<Session> + Send + 'static,
        patience: Duration,
        limit: Option<Duration>,
    ) -> Result<Self> {
        let (orders, inbox) = bounded::<Order>(1);
        let (answer, answered) = bounded(1);
        let serve = move || {
            let mut session = match open() {
                Ok(session) => session,
                Err(error) => return drop(answer.send(Err(error))),
            };
            // Whoever asked may have lost patience; then the orders are closed too.
            let _ = answer.send(Ok(()));
            drop(answer);
            for order in inbox {
                order(&mut session);
            }
        };
        std::thread::Builder::new()
            .name("craft-postgres".into())
            .spawn(serve)
            .map_err(|cause| Error::unavailable("cannot start a thread for PostgreSQL").because(&cause))?;
        // To connect and to set the session up are two steps.
        wait(&answered, Some(patience * 2))?;
        Ok(Self { orders, limit })
    }

    /// Does something with the session, and waits for it.
    ///
    /// # Errors
    /// What the work answers; or it took longer than the limit: the session is lost then.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = bounded(1);
        let order = move |session: &mut Session| drop(answer.send(work(session)));
        self.orders.send(Box::new(order)).map_err(|_| gone())?;
        // The server's own timeout comes a little earlier, and leaves the session usable.
        wait(&answered, self.limit.map(|limit| limit.mul_f64(1.2)))
    }
}

/// Waits for an answer, for ever when there is no limit: a dead server is noticed by the system.
fn wait<T>(answered: &Receiver<Result<T>>, limit: Option<Duration>) -> Result<T> {
    let Some(limit) = limit else { return answered.recv().unwrap_or_else(|_| Err(gone())) };
    match answered.recv_timeout(limit) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => {
            Err(Error::unavailable(format!("PostgreSQL did not answer within {limit:.1?}")))
        }
        Err(RecvTimeoutError::Disconnected) => Err(gone()),
    }
}

fn gone() -> Error {
    Error::unavailable("the connection to PostgreSQL is lost")
}
