//! What is checked: a back end, and what it can do.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::Backend;
use crate::failed::FailedBackend;

/// A back end under test.
pub struct Subject {
    /// What it can do; all of it unless you say otherwise.
    pub can: Can,
    /// The lease of holds that a check lets run out: 300 ms. It is really waited for, some hundred times
    /// in all. Make it longer where your clock is coarse.
    pub short_lease: Duration,
    /// How long a check waits for what must come before it calls the rule broken: 20 s.
    pub patience: Duration,
    /// How long a check looks before it believes that nothing comes: 20 ms. Make it longer where a job
    /// is on its way for a while after the push, as with a broker.
    pub quiet: Duration,
    make: Box<dyn Fn() -> Storage + Send + Sync>,
}

/// The jobs and, where there are any, the failed jobs.
pub(super) type Storage = (Arc<dyn Backend>, Option<Arc<dyn FailedBackend>>);

impl Subject {
    /// A back end without failed jobs, without control, and that shows no single jobs; set [`Can::control`] and
    /// [`Can::inspect`] where it can. `make` is called for each check, and must answer one with storage of its
    /// own that is empty. It is called from several threads when tests run in parallel.
    pub fn new<B: Backend + 'static>(make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        let can =
            Can { failed_jobs: false, bury: false, control: false, inspect: false, ..Can::everything() };
        Self::of(can, move || (Arc::new(make()), None))
    }

    /// A back end and the failed jobs that lie beside it. Where the two share no transaction, set
    /// [`Can::bury`] to false.
    pub fn with_failed_jobs<B, F>(make: impl Fn() -> (B, F) + Send + Sync + 'static) -> Self
    where
        B: Backend + 'static,
        F: FailedBackend + 'static,
    {
        Self::of(Can::everything(), move || {
            let (jobs, failed) = make();
            (Arc::new(jobs), Some(Arc::new(failed)))
        })
    }

    fn of(can: Can, make: impl Fn() -> Storage + Send + Sync + 'static) -> Self {
        Self {
            can,
            short_lease: Duration::from_millis(300),
            patience: Duration::from_secs(20),
            quiet: Duration::from_millis(20),
            make: Box::new(make),
        }
    }

    pub(super) fn make(&self) -> Storage {
        (self.make)()
    }
}

/// What a back end can do beyond the core of the contract. A rule that needs what it cannot do is not
/// checked.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Can {
    /// Knows which uuids it holds, so that pushing one again adds nothing.
    pub know_uuids: bool,
    /// Keeps a second job with the same unique key away.
    pub unique_keys: bool,
    /// Lets a push take the place of the job that waits with its key
    /// ([`Message::replaces`](crate::Message::replaces)), and a key go once its job is handed out
    /// ([`Message::frees_key_at_start`](crate::Message::frees_key_at_start)).
    pub replace: bool,
    /// Gives higher priorities first.
    pub priorities: bool,
    /// Gives jobs in exactly the promised order, whatever is on its way.
    pub strict_order: bool,
    /// Knows of every queue how much waits, is delayed, and runs.
    pub sizes: bool,
    /// Knows when the next job is due.
    pub next_due: bool,
    /// Keeps what the last attempt died of.
    pub last_errors: bool,
    /// A hold ends with its lease, and not before. Where this is false, a hold ends when the handle that
    /// took the job is dropped, and the checks make suspects that way.
    pub leases: bool,
    /// A receipt is good with any handle. Where this is false, it dies with the handle that gave it.
    pub shared_receipts: bool,
    /// Keeps control messages to its workers ([`Driver::control`](crate::driver::Driver::control)).
    pub control: bool,
    /// Shows single jobs, and cancels them ([`Driver::jobs`](crate::driver::Driver::jobs)).
    pub inspect: bool,
    /// Has failed jobs beside it; [`Subject`] knows.
    pub failed_jobs: bool,
    /// Moves a job to the failed jobs and back in one transaction
    /// ([`Driver::buries`](crate::driver::Driver::buries)).
    pub bury: bool,
}

impl Can {
    /// All of it: what a table of a SQL database can do.
    pub fn everything() -> Self {
        Self {
            know_uuids: true,
            unique_keys: true,
            replace: true,
            priorities: true,
            strict_order: true,
            sizes: true,
            next_due: true,
            last_errors: true,
            leases: true,
            shared_receipts: true,
            control: true,
            inspect: true,
            failed_jobs: true,
            bury: true,
        }
    }
}
