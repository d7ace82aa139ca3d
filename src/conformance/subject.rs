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
    /// How many bytes of payloads one take brings at most, about, where jobs are large: 32 MiB.
    pub take_bytes: usize,
    make: Box<dyn Fn() -> Storage + Send + Sync>,
}

/// What a check is given: empty storage of its own.
pub struct Storage {
    pub(super) jobs: Arc<dyn Backend>,
    pub(super) failed: Option<Arc<dyn FailedBackend>>,
    pub(super) foreign: Option<Arc<dyn ForeignWriter>>,
}

impl Storage {
    /// Jobs, and nothing beside them.
    pub fn new(jobs: impl Backend + 'static) -> Self {
        Self { jobs: Arc::new(jobs), failed: None, foreign: None }
    }

    /// Their failed jobs.
    pub fn failed_jobs(self, failed: impl FailedBackend + 'static) -> Self {
        Self { failed: Some(Arc::new(failed)), ..self }
    }

    /// Who else writes to it.
    pub fn foreign_writer(self, foreign: impl ForeignWriter + 'static) -> Self {
        Self { foreign: Some(Arc::new(foreign)), ..self }
    }
}

/// Somebody else who writes to the same back end: with SQL, or as another client of a broker.
pub trait ForeignWriter: Send + Sync {
    /// Adds jobs to a queue, due now, as no push does, and answers how many. Each holds something that can't be
    /// read, or has a name that no job can have.
    fn add_unreadable(&self, queue: &str) -> usize;

    /// Has the back end refuse, from now on, each change and each removal of the jobs of this name. Called only where
    /// a back end can do that ([`Can::refuse_changes`]).
    fn refuse_changes(&self, name: &str);
}

impl Subject {
    /// A back end without failed jobs, without control, that shows no single jobs, takes them by their number alone
    /// and to which nobody else writes; set [`Can::control`], [`Can::inspect`] and [`Can::bound_bytes`] where it can,
    /// or see [`Subject::of`]. `make` is called for each check, and must answer one
    /// with storage of its own that is empty. It is called from several threads when tests run in parallel.
    pub fn new<B: Backend + 'static>(make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        let mut subject = Self::of(move || Storage::new(make()));
        subject.can = Can {
            failed_jobs: false,
            bury: false,
            control: false,
            inspect: false,
            ..Can::everything().for_itself()
        };
        subject
    }

    /// A back end and its failed jobs. Where the two share no transaction, set
    /// [`Can::bury`] to false.
    pub fn with_failed_jobs<B, F>(make: impl Fn() -> (B, F) + Send + Sync + 'static) -> Self
    where
        B: Backend + 'static,
        F: FailedBackend + 'static,
    {
        let mut subject = Self::of(move || {
            let (jobs, failed) = make();
            Storage::new(jobs).failed_jobs(failed)
        });
        subject.can = subject.can.for_itself();
        subject
    }

    /// A back end with all that there is; say of what lacks, or can't be, that it can't ([`Subject::can`]).
    pub fn of(make: impl Fn() -> Storage + Send + Sync + 'static) -> Self {
        Self {
            can: Can::everything(),
            short_lease: Duration::from_millis(300),
            patience: Duration::from_secs(20),
            quiet: Duration::from_millis(20),
            take_bytes: 32 * 1024 * 1024,
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
    /// Takes jobs by their bytes, too ([`Subject::take_bytes`]): where jobs were large lately, fewer than were asked
    /// for.
    pub bound_bytes: bool,
    /// May hold jobs that can't be read, as others write them: there is a [`ForeignWriter`].
    pub hold_unreadable: bool,
    /// May refuse a change of a job, as a trigger does: [`ForeignWriter::refuse_changes`] has it do that.
    pub refuse_changes: bool,
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
            bound_bytes: true,
            hold_unreadable: true,
            refuse_changes: true,
        }
    }

    /// Takes jobs by their number alone, and nobody else writes to it.
    fn for_itself(self) -> Self {
        Self { bound_bytes: false, hold_unreadable: false, refuse_changes: false, ..self }
    }
}
