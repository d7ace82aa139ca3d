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
    patience: Duration,
}

impl Remote {
    /// Starts a thread that opens a session and keeps it.
    ///
    /// # Errors
    /// It can't be opened, or not within the patience.
    pub(super) fn open(
        open: impl FnOnce() -> Result<Session> + Send + 'static,
        patience: Duration,
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
        let remote = Self { orders, patience };
        // To connect and to set the session up are two steps.
        remote.wait(&answered, patience * 2)?;
        Ok(remote)
    }

    /// Does something with the session, and waits for it.
    ///
    /// # Errors
    /// What the work answers; or it took longer than the patience: the session is lost then.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = bounded(1);
        let order = move |session: &mut Session| drop(answer.send(work(session)));
        self.orders.send(Box::new(order)).map_err(|_| gone())?;
        // The server's own timeout comes a little earlier, and leaves the session usable.
        self.wait(&answered, self.patience.mul_f64(1.2))
    }

    fn wait<T>(&self, answered: &Receiver<Result<T>>, patience: Duration) -> Result<T> {
        match answered.recv_timeout(patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                Err(Error::unavailable(format!("PostgreSQL did not answer within {:.1?}", self.patience)))
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::unavailable("the connection to PostgreSQL is lost")
}
