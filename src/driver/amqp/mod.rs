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
//! What follows from that, and stays so:
//!
//! - A job whose connection is lost goes on where it runs, as long as the broker delivers it to the same process
//!   again, and its outcome waits for that. Where another process gets it first it runs there, as a suspect. When
//!   that one's connection is lost too, and a process gets it that has not run it, this counts as an attempt: from
//!   there it looks like the death of a worker.
//! - Several messages of one id are several jobs: the second of them that is here at the same time has a uuid of its
//!   own.
//! - A program that dies between a confirmed copy and the acknowledgement of the original leaves two jobs:
//!   in a retry after a failed attempt, when a job becomes a suspect, and in `queue:retry`.
//! - The broker takes all jobs of a connection back when one was held for longer than its
//!   `consumer_timeout` ([`AmqpOptions::ack_timeout`]). The worker connects again and goes on with what runs; what
//!   has not begun comes back as a suspect.
//! - After a crash every job that the broker had handed out is a suspect, also those that had not begun. In
//!   threads suspects run one after another, and none before a worker has been connected for 20 s.
//! - An acknowledgement has no answer. One that goes into a connection that has died and where nobody has noticed yet
//!   is reported as done, and the job comes again, as a suspect. Before it reports anything, a worker that was asked to
//!   stop, or that has had its last job, waits for an answer to what it sent behind its acknowledgements; while it
//!   works, that round trip for each outcome would be the price.
//! - A broker with an alarm reads nothing from who publishes. A worker goes on with what it can acknowledge; what goes
//!   by a copy waits until the alarm is over, each copy sent once. A program that ends before that, and a push that
//!   failed, may leave behind what the broker reads later: a job then runs twice.
//! - Delayed jobs of all queues are on one chain of up to 31 delay queues, from which [`Driver::clear`] can't pick
//!   those of one queue, and to which only the broker's operator has access. The first delay that a connection is
//!   asked for declares the delay queues, which takes a part of a second; where they are new, five seconds, once
//!   in the life of a vhost: a quorum queue that is younger loses what it has when the broker is killed. A delay is
//!   rounded up to an eighth of a second.
//! - A work queue that is a quorum queue is not waited for like that: in its first seconds what was confirmed to be
//!   in it may be lost with the broker.
//! - A job that is put back without a delay goes to the end of its queue. Queues are taken from in the order
//!   asked for, as far as their jobs have come: the broker delivers each queue by itself, so a worker with
//!   several may hold that many times its prefetch.
//! - Of a foreign message that is tried again all properties are kept except `app_id`, which holds the
//!   attempts, `expiration`, `user_id`, headers that begin with `x-`, which would make the broker drop or refuse the
//!   copy, and `CC` and `BCC`, which would make it send the copy there again. Where all of them do not fit into one
//!   frame, the error of the last attempt is cut and the largest headers go.
//!
//! The files: `client_trait` is the seam to a client library, and `client` the one behind it; `topology` and
//! `delay_queues` say which queues there are; `state` and `codec` say what a message holds; `publisher` and `consumer`
//! are the two halves of `driver`, which says what a verdict does; `blocked_copies` and `unconfirmed` hold what waits
//! for the end of an alarm; `deliveries` counts what is held, and `process_deliveries` over all connections; `accepted`
//! knows what has arrived of pushes that failed; `failed` and `browse_failed` keep the failed jobs where no database
//! does.

mod accepted;
mod blocked_copies;
mod broker_epoch;
mod browse_failed;
mod client;
mod client_trait;
mod codec;
mod confirms;
mod consumer;
mod delay_queues;
mod deliveries;
mod digest;
mod driver;
mod errors;
mod failed;
#[cfg(test)]
mod fake;
mod options;
mod prefetch;
mod process_deliveries;
mod publish;
mod publisher;
mod put_back;
mod state;
#[cfg(test)]
mod tests;
mod topology;
mod unconfirmed;

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "cli")]
pub(crate) use client::LOG_TARGET;
use client::Opener;
use client_trait::Client;
use driver::{AmqpDriver, Shared};
pub use failed::FailedQueue;
pub use options::AmqpOptions;

use super::{Backend, Driver, Notifier};
use crate::error::Result;
use crate::message::check_name;
use crate::time::Zone;

/// A RabbitMQ broker.
///
/// ```no_run
/// use craft_queue::Config;
/// use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
/// use craft_queue::driver::{Backend, Notifier};
///
/// let backend = AmqpBackend::new(AmqpOptions::from_config(&Config::new().amqp)?);
/// let mut driver = backend.open(Notifier::silent())?;
/// println!("{:?}", driver.size(&["default".into()])?);
/// # Ok::<(), craft_queue::Error>(())
/// ```
pub struct AmqpBackend {
    options: Arc<AmqpOptions>,
    client: Arc<dyn Client>,
    shared: Shared,
}

impl AmqpBackend {
    /// Opens nothing yet.
    pub fn new(options: AmqpOptions) -> Self {
        let options = Arc::new(options);
        let client = Arc::new(Opener::new(&options));
        Self { options, client, shared: Shared::default() }
    }

    /// Removes a queue, with its suspects, its dead, and every job that waits in them; what is delayed for it
    /// is not found any more when its time comes. Says how many jobs that were.
    ///
    /// # Errors
    /// The broker can't be reached, or does not allow it.
    pub fn remove_queue(&self, queue: &str) -> Result<u64> {
        check_name("queue", queue)?;
        let mut inbox = self.client.inbox(Notifier::silent())?;
        topology::all_of(queue).iter().map(|name| inbox.delete(name)).sum()
    }

    /// The dead jobs in `<queue>.failed`, with times shown in a zone. For where no database keeps them.
    pub fn failed_jobs(&self, zone: Zone) -> FailedQueue {
        FailedQueue { client: Arc::clone(&self.client), options: Arc::clone(&self.options), zone }
    }
}

impl Backend for AmqpBackend {
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>> {
        let (client, options) = (Arc::clone(&self.client), Arc::clone(&self.options));
        Ok(Box::new(AmqpDriver::open(client, options, notifier, self.shared.clone())?))
    }

    fn describe(&self) -> String {
        self.options.to_string()
    }

    fn longest_hold(&self) -> Option<(Duration, &'static str)> {
        Some((self.options.ack_timeout, "ack_timeout"))
    }

    fn holds_outlive_connection(&self) -> bool {
        false
    }

    fn knows_unique_keys(&self) -> bool {
        false
    }

    fn push_limit(&self) -> Option<Duration> {
        Some(self.options.publish_timeout)
    }

    /// A worker that lost the connection has lost its holds, and there is no lease to wait for. Its short jobs get the
    /// time to end, and one that comes back to this process goes on.
    fn settling_in(&self, lease: Duration) -> Duration {
        driver::SETTLING.min(lease / 3)
    }
}
