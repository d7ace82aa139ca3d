//! Where jobs wait: the port between the worker and a back end.
//!
//! A driver stores and never decides: it knows nothing of attempt limits, backoff or job types, and it
//! never opens a payload. It never loops and never reconnects: on an error it is dropped, and its
//! owner opens a new one. The contract below is a test suite, `craft_queue::conformance`; a driver
//! that passes it is one the worker can trust.
//!
//! 1. **Nothing lost.** When [`Driver::push`] returns `Ok`, the message is kept, as durably as the back
//!    end can, until a settle removes it.
//! 2. **Never two at once.** A job that is held is given to nobody else before its lease is over. Each
//!    reservation has a [`Receipt`] of its own, and a settle or extend with an older one changes nothing
//!    and is answered as lost.
//! 3. **An expired hold may be taken, and never is swept.** `extend` and `settle` succeed on a hold that
//!    has expired as long as nobody has taken it.
//! 4. **Attempts are counted by the take**, as [`job_state`] says. A clean job: one more. A job whose hold expired
//!    comes back as a *suspect*, and its attempt is raised only if it was a suspect already and the worker that
//!    lost it did not take it [uncharged](Suspects::TakeUncharged). One that was lost in spite of that, or that was
//!    charged before, is left for a worker that takes it [alone](Suspects::Take).
//! 5. **Order.** Queues in the order asked for; in a queue higher priority first, then what was due
//!    first. A retried job goes behind what waits.

#[cfg(feature = "amqp")]
pub mod amqp;
mod control;
#[cfg(feature = "database")]
pub mod database;
mod inspect;
pub mod job_state;
pub mod memory;
mod notifier;
#[cfg(feature = "rustls")]
mod tls;
mod verdict;
mod want;

use std::time::Duration;

pub use control::{Control, ControlFlags, ControlMessage};
pub use inspect::{Cancelled, JobDetails, JobFilter, JobState, QueuedJob};
pub use notifier::Notifier;
pub use verdict::{Settled, Settlement, Verdict};
pub use want::{Suspects, Taken, Want};

use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
pub use crate::reserved::{Receipt, Reserved};

/// A configured back end. Cheap; holds nothing open.
pub trait Backend: Send + Sync {
    /// Opens a driver. Called again after an error; the caller waits between tries.
    ///
    /// The driver calls `notifier` when a reserve may now find something. It may do so too often, and never needs
    /// to: a worker polls by itself.
    ///
    /// # Errors
    /// The back end can't be reached ([`is_unavailable`](crate::Error::is_unavailable)), or can't be used
    /// as it is configured.
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>>;

    /// How the back end is shown to people, without secrets: `sqlite database.sqlite3`.
    fn describe(&self) -> String;

    /// How long a job may be held, however often its worker extends the hold, and the option that says so.
    /// Provided: `None`, for as long as it is extended.
    fn longest_hold(&self) -> Option<(Duration, &'static str)> {
        None
    }

    /// Whether a hold lasts as long as its lease, whatever becomes of the connection. Provided: yes. Where it ends
    /// with the connection, `Context::lost` says so at once, and the worker goes on with those that
    /// [come back](Driver::came_back) to it.
    fn holds_outlive_connection(&self) -> bool {
        true
    }

    /// Whether a push with a unique key may have to wait for a transaction that has pushed the same key and not
    /// ended. Such a push then goes alone, on a connection of its own. Provided: it need not.
    fn pushes_wait_for_keys(&self) -> bool {
        false
    }

    /// Whether it knows unique keys, with which a push that may have arrived can be made again. Provided: yes.
    fn knows_unique_keys(&self) -> bool {
        true
    }

    /// How long a push may wait for a back end that does not answer, when that was configured. Provided: `None`, for
    /// as long as the queue thinks right.
    fn push_limit(&self) -> Option<Duration> {
        None
    }

    /// How long after opening suspects are left alone: a worker that lost the same back end at the same moment
    /// gets that long to renew its holds. Provided: a third of the lease, which is how often it renews.
    fn settling_in(&self, lease: Duration) -> Duration {
        lease / 3
    }
}

/// An open back end. Used by one thread at a time.
pub trait Driver: Send {
    /// Adds messages, and answers for each, in order. A uuid that is there already counts as added. Of
    /// two equal unique keys the second is a duplicate of the first, also within one call.
    ///
    /// # Errors
    /// None, some or all of them may have been added; pushing them again is safe.
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>>;

    /// Takes jobs that are due, and counts the attempt. Never waits.
    ///
    /// # Errors
    /// What was taken comes back when its lease is over.
    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken>;

    /// Writes the verdicts on jobs. Each is fenced by its receipt; the lost ones are answered and
    /// nothing else is changed for them. What the back end refuses of one job does not keep the others from being
    /// settled: of text that it can't keep it keeps as much as it can, and what it refuses nevertheless is answered.
    ///
    /// # Errors
    /// Some may have been settled; settling them again answers those as lost.
    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement>;

    /// The same for a worker that is about to end and cannot repeat it: when it returns, the verdicts have reached the
    /// back end. Provided: [`settle`](Self::settle).
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    fn settle_surely(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.settle(settled)
    }

    /// Renews holds for another lease from now, and answers the receipts of those that are lost. A worker that
    /// holds nothing renews none: the answer then says that the back end can be written to.
    ///
    /// # Errors
    /// None may have been renewed. The connection is gone: what it held is not answered from memory.
    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>>;

    /// The same where other programs may lock single jobs in the back end: a locked job does not keep the others from
    /// being renewed, and is answered. A worker asks again for these soon. Provided: [`Driver::extend`].
    ///
    /// # Errors
    /// As [`Driver::extend`].
    fn extend_around_locks(&mut self, held: &[&Reserved], lease: Duration) -> Result<Extended> {
        Ok(Extended { lost: self.extend(held, lease)?, ..Extended::default() })
    }

    /// Whether a job that was held when an earlier connection was lost is held by this one now. Asked only where
    /// holds [end with their connection](Backend::holds_outlive_connection). Provided: yes.
    fn came_back(&mut self, job: &Reserved) -> bool {
        let _ = job;
        true
    }

    /// Counts what waits in these queues, or in all that it knows when none is named. Provided: that is unknown.
    ///
    /// # Errors
    /// The back end did not answer.
    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        Ok(queues.iter().map(|queue| Size::unknown(queue)).collect())
    }

    /// The same for a look by a person: a back end that counts one by one may stop at `most`. Provided: counts all.
    ///
    /// # Errors
    /// The back end did not answer.
    fn size_up_to(&mut self, queues: &[String], most: u64) -> Result<Vec<Size>> {
        let _ = most;
        self.size(queues)
    }

    /// Shows jobs that wait or run, by id, those that were pushed first in front, without their payloads.
    /// Takes nothing, and changes nothing. Provided: refused.
    ///
    /// # Errors
    /// It cannot show single jobs ([`is_unsupported`](crate::Error::is_unsupported)), or did not answer.
    fn jobs(&mut self, filter: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        let _ = filter;
        Err(cannot_inspect())
    }

    /// Shows one job, by its id or its uuid; `None` when it is done, dead, or never was. Provided: refused.
    ///
    /// # Errors
    /// As [`Driver::jobs`].
    fn job(&mut self, id: &JobId) -> Result<Option<JobDetails>> {
        let _ = id;
        Err(cannot_inspect())
    }

    /// Removes jobs, by id or uuid, each only if nobody holds it at that moment, and answers for each, in order.
    /// Provided: refused.
    ///
    /// # Errors
    /// As [`Driver::jobs`]; then some may have been removed.
    fn cancel(&mut self, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        let _ = ids;
        Err(cannot_inspect())
    }

    /// Removes all jobs of a queue that are not held, and says how many.
    ///
    /// # Errors
    /// The back end did not answer.
    fn clear(&mut self, queue: &str) -> Result<u64>;

    /// Settles, then reserves. Provided: the two in turn; overridden where one commit can serve both.
    ///
    /// # Errors
    /// As the two.
    fn settle_and_reserve(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        let settlement = self.settle(settled)?;
        let taken = self.reserve(want)?;
        Ok((settlement, taken))
    }

    /// Where this back end keeps the [control messages](ControlMessage) to its workers, on the same connection.
    /// Provided: refused.
    ///
    /// # Errors
    /// It keeps none ([`is_unsupported`](crate::Error::is_unsupported)): its workers run until they are stopped
    /// one by one.
    fn control(&mut self) -> Result<&mut dyn Control> {
        Err(Error::unsupported("this driver keeps no control messages for its workers")
            .with_help("stop the workers by themselves, with SIGTERM or systemctl"))
    }

    /// Which of several hosts it is connected to. Provided: `None`, there is no choice.
    fn host(&self) -> Option<String> {
        None
    }

    /// Whether [`Verdict::Bury`] moves the job to the failed jobs in the same transaction. When not, the
    /// worker records it before it settles it.
    fn buries(&self) -> bool {
        false
    }
}

fn cannot_inspect() -> Error {
    Error::unsupported("this driver has no way to single out one job")
        .with_help("queue:status counts them; queue:clear removes all of a queue")
}

/// The answer to an extend; the holds that it does not name are renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// The holds that were lost.
    pub lost: Vec<Receipt>,
    /// The jobs that another program has locked: still held, until the end of their old lease.
    pub locked: Vec<Receipt>,
    /// Those that the back end refuses to renew, with the reason: as the locked ones.
    pub refused: Vec<(Receipt, String)>,
}

/// How much waits in a queue. `None` is what the back end cannot know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The queue.
    pub queue: String,
    /// Due now and not held.
    pub waiting: Option<u64>,
    /// Due later.
    pub delayed: Option<u64>,
    /// Held by a worker, or by one that died.
    pub running: Option<u64>,
    /// How long the first one in line has been due.
    pub oldest_wait: Option<Duration>,
}

impl Size {
    /// A queue of which the back end knows nothing.
    pub fn unknown(queue: &str) -> Self {
        Self { queue: queue.to_owned(), waiting: None, delayed: None, running: None, oldest_wait: None }
    }
}
