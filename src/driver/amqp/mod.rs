//! The amqp driver: jobs wait in RabbitMQ.
//!
//! What it promises is the [driver's contract](super), as far as AMQP can keep it:
//!
//! - A push is done when the broker has confirmed it: persistent, routed to a queue.
//! - A job is acknowledged after its outcome is durable. A retry is a confirmed copy, then the
//!   acknowledgement: a crash between the two repeats the job and never loses it.
//! - The broker decides who holds a job. A lost connection is a lost hold, and the job may run elsewhere
//!   at once; inside one process it does not, because the [`AmqpBackend`] remembers what was held.
//! - It knows no unique keys, no uuid that is pushed twice, no count of delayed and running jobs.
//!
//! The files: `wire` is the seam to a client library and `client` the one behind it; `topology` and
//! `ladder` say which queues there are; `state` and `letter` what a message holds; `publisher` and
//! `intake` are the two halves of `driver`, which says what a verdict does; `holds` counts what is held;
//! `failed` keeps the dead where no database does.

mod client;
mod driver;
mod failed;
#[cfg(test)]
mod fake;
mod holds;
mod intake;
mod ladder;
mod letter;
mod options;
mod publisher;
mod refusal;
mod state;
#[cfg(test)]
mod tests;
mod topology;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use client::Amiquip;
#[cfg(feature = "cli")]
pub(crate) use client::LOG_TARGET;
use driver::AmqpDriver;
pub use failed::FailedQueue;
use holds::Orphans;
pub use options::Options;
use wire::Client;

use super::{Backend, Bell, Driver};
use crate::error::Result;
use crate::message::check_name;
use crate::time::Zone;

/// A RabbitMQ broker.
///
/// ```no_run
/// use craft_queue::Config;
/// use craft_queue::driver::amqp::{AmqpBackend, Options};
/// use craft_queue::driver::{Backend, Bell};
///
/// let backend = AmqpBackend::new(Options::from_config(&Config::new().amqp)?);
/// let mut driver = backend.open(Bell::silent())?;
/// println!("{:?}", driver.size(&["default".into()])?);
/// # Ok::<(), craft_queue::Error>(())
/// ```
pub struct AmqpBackend {
    options: Arc<Options>,
    client: Arc<dyn Client>,
    orphans: Arc<Orphans>,
}

impl AmqpBackend {
    /// Opens nothing yet.
    pub fn new(options: Options) -> Self {
        let options = Arc::new(options);
        let client = Arc::new(Amiquip::new(Arc::clone(&options)));
        Self { options, client, orphans: Arc::default() }
    }

    /// Removes a queue, with its suspects, its dead, and every job that waits in them; what is delayed for it
    /// is not found any more when its time comes. Says how many jobs that were.
    ///
    /// # Errors
    /// The broker can't be reached, or does not allow it.
    pub fn remove_queue(&self, queue: &str) -> Result<u64> {
        check_name("queue", queue)?;
        let mut inbox = self.client.inbox(Bell::silent())?;
        let names = [queue.to_owned(), topology::suspects_of(queue), topology::failed_of(queue)];
        names.iter().map(|name| inbox.delete(name)).sum()
    }

    /// The dead jobs in `<queue>.failed`, with times shown in a zone. For where no database keeps them.
    pub fn failed_jobs(&self, zone: Zone) -> FailedQueue {
        FailedQueue { client: Arc::clone(&self.client), options: Arc::clone(&self.options), zone }
    }
}

impl Backend for AmqpBackend {
    fn open(&self, bell: Bell) -> Result<Box<dyn Driver>> {
        let (client, options) = (Arc::clone(&self.client), Arc::clone(&self.options));
        Ok(Box::new(AmqpDriver::open(client, options, bell, Arc::clone(&self.orphans))?))
    }

    fn describe(&self) -> String {
        self.options.to_string()
    }

    fn longest_hold(&self) -> Option<(Duration, &'static str)> {
        Some((self.options.ack_timeout, "ack_timeout"))
    }
}
