//! The queue: pushes jobs, makes workers, and gives access to the failed jobs.

mod async_worker;
mod batcher;
mod blocking;
mod control;
mod drivers;
mod enqueue;
mod failed;
mod failed_search;
mod failed_store;
mod fake;
mod inner;
mod inspect;
#[cfg(feature = "cli")]
mod name_check;
mod put_back;
mod status;
mod unfinished;
mod worker_builder;

use std::sync::Arc;
use std::time::Duration;

pub use self::failed::{FailedJobsHandle, Retried, Retry};
pub use self::fake::{RecordedPush, Recorder};
#[cfg(feature = "cli")]
pub(crate) use self::name_check::Known;
pub use self::status::QueueStatus;
pub use self::unfinished::Unfinished;
pub use self::worker_builder::Worker;

use self::drivers::Own;
use self::inner::QueueInner;
use crate::config::Config;
use crate::driver::{Backend, Size};
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::failed::FailedBackend;
use crate::job::Queueable;
use crate::message::Pushed;
use crate::push::{Enlist, Push};
use crate::registry::Jobs;

/// A queue: cheap to clone, and used from many threads at once.
///
/// Dropping the last clone runs the jobs that wait in the async driver; see [`Queue::close`]. A clone in
/// [`Jobs::state`] counts, so jobs that push use [`Context::push`] instead.
///
/// [`Context::push`]: crate::Context::push
#[derive(Clone)]
pub struct Queue(Arc<Handle>);

/// Counts the handles of users: jobs hold the inside of the queue only weakly.
struct Handle(Arc<QueueInner>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.pool.drain(|| self.0.left().unwrap_or_default());
    }
}

impl Queue {
    /// Opens a queue. It connects to nothing yet: a driver is opened when it is first used.
    ///
    /// # Errors
    /// A value of the configuration is wrong, or a job is registered twice.
    pub fn open(config: Config, jobs: Jobs) -> Result<Self> {
        Self::builder(config, jobs).open()
    }

    /// Starts a queue with drivers of your own, a place of your own for failed jobs, or a listener.
    pub fn builder(config: Config, jobs: Jobs) -> QueueBuilder {
        QueueBuilder { config, jobs, own: Own::default(), listener: None }
    }

    /// A queue for tests: it records what is pushed, as if that waited for ever, and runs nothing. [`Queue::size`]
    /// counts the recorded jobs; a worker, and all else that needs a driver, is an error that says so.
    ///
    /// ```
    /// # use craft_queue::{Context, JobResult, Jobs, Queue, Queueable};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct SendEmail { to: String }
    /// # impl Queueable for SendEmail {
    /// #     const NAME: &'static str = "SendEmail";
    /// #     fn handle(&self, _: &Context) -> JobResult { Ok(()) }
    /// # }
    /// let (queue, recorder) = Queue::fake();
    /// queue.on("mail").delay("10 minutes").push(SendEmail { to: "a@example.org".into() })?;
    /// let sent = recorder.sent();
    /// assert_eq!(sent[0].queue, "mail");
    /// assert_eq!(sent[0].delay.as_secs(), 600);
    /// assert_eq!(sent[0].job::<SendEmail>().unwrap().to, "a@example.org");
    /// # Ok::<(), craft_queue::Error>(())
    /// ```
    pub fn fake() -> (Self, Recorder) {
        let recorder = Recorder::default();
        let inner = QueueInner::recording(recorder.clone());
        (Self(Arc::new(Handle(inner))), recorder)
    }

    /// Pushes a job to its default queue and driver. When it returns `Ok`, the job is as durable as the
    /// driver is.
    ///
    /// # Errors
    /// The job can't be written as JSON, or is refused (a name too long, over 16 MiB); the driver can't be
    /// used; it stayed away for 15 s ([`is_unavailable`](crate::Error::is_unavailable)); or the connection was lost
    /// before the answer ([`is_outcome_unknown`](crate::Error::is_outcome_unknown)). With `blocking`, the job's own
    /// error ([`is_job_failed`](crate::Error::is_job_failed)).
    pub fn push<J: Queueable>(&self, job: J) -> Result<Pushed> {
        self.options().push(job)
    }

    /// Pushes many jobs in one go.
    ///
    /// # Errors
    /// As [`Push::push_many`].
    pub fn push_many<J: Queueable>(&self, jobs: impl IntoIterator<Item = J>) -> Result<Vec<Pushed>> {
        self.options().push_many(jobs)
    }

    /// Pushes a job within a transaction of yours: it exists exactly when that commits.
    ///
    /// # Errors
    /// As [`Push::push_in`].
    pub fn push_in<J: Queueable>(&self, transaction: &mut dyn Enlist, job: J) -> Result<Pushed> {
        self.options().push_in(transaction, job)
    }

    /// Pushes many jobs within a transaction of yours.
    ///
    /// # Errors
    /// As [`Push::push_in`].
    pub fn push_many_in<J: Queueable>(
        &self,
        transaction: &mut dyn Enlist,
        jobs: impl IntoIterator<Item = J>,
    ) -> Result<Vec<Pushed>> {
        self.options().push_many_in(transaction, jobs)
    }

    /// Starts a push with options: `queue.options().delay("10 minutes").push(job)`.
    pub fn options(&self) -> Push<'_> {
        Push::new(&*self.0.0)
    }

    /// Starts a push onto a queue: `queue.on("invoices").push(job)`.
    pub fn on(&self, queue: impl Into<String>) -> Push<'_> {
        self.options().on(queue)
    }

    /// A worker with the configured settings, to be changed and run.
    pub fn worker(&self) -> Worker {
        Worker::new(self.0.0.clone())
    }

    /// The failed jobs of the default driver.
    pub fn failed(&self) -> FailedJobsHandle {
        FailedJobsHandle::new(self.0.0.clone())
    }

    /// Makes the tables that the configuration names and that are missing, on the connection of the database driver;
    /// for the amqp driver only the table of failed jobs, where that is configured. `craft migrate` does the same with
    /// files that are kept with the program.
    ///
    /// # Errors
    /// The database can't be reached or written.
    pub fn install(&self) -> Result<()> {
        self.0.0.install()
    }

    /// Counts the jobs of these queues of a driver, or of all its queues when none is named.
    ///
    /// # Errors
    /// There is no such driver, or it can't be reached.
    pub fn size(&self, driver: Option<&str>, queues: &[String]) -> Result<Vec<Size>> {
        match &self.0.0.recorder {
            Some(recorder) => Ok(recorder.size(queues)),
            None => self.0.0.configured(driver)?.open()?.size(queues),
        }
    }

    /// Removes all jobs of a queue that no worker holds, and answers how many.
    ///
    /// # Errors
    /// As [`Queue::size`].
    pub fn clear(&self, driver: Option<&str>, queue: &str) -> Result<u64> {
        self.0.0.configured(driver)?.open()?.clear(queue)
    }

    /// How a driver's back end is shown to people, without secrets: `sqlite database.sqlite3`.
    ///
    /// # Errors
    /// There is no such driver.
    pub fn describe(&self, driver: Option<&str>) -> Result<String> {
        Ok(self.0.0.configured(driver)?.backend.describe())
    }

    /// The configuration that the queue was opened with.
    pub fn config(&self) -> &Config {
        &self.0.0.config
    }

    /// Runs the jobs that wait in the async driver, for up to `patience`, and answers what is left. Jobs that are due
    /// later are not waited for. Further pushes to the async driver are refused.
    ///
    /// # Errors
    /// The async driver's worker ended with an error, before or during this call: the jobs that wait are not run.
    pub fn close(&self, patience: Duration) -> Result<Unfinished> {
        self.0.0.pool.close(patience)?;
        self.0.0.left()
    }
}

/// Builds a queue.
#[must_use = "nothing is opened until `open` is called"]
pub struct QueueBuilder {
    config: Config,
    jobs: Jobs,
    own: Own,
    listener: Option<Listener>,
}

impl QueueBuilder {
    /// Adds a driver of your own under a name. Its settings are those of `[database]`.
    pub fn add_driver(mut self, name: impl Into<String>, backend: impl Backend + 'static) -> Self {
        self.own.drivers.insert(name.into(), Arc::new(backend));
        self
    }

    /// Keeps the failed jobs of the async driver, and of your own drivers, in a place of your own.
    pub fn failed_jobs(mut self, backend: impl FailedBackend + 'static) -> Self {
        self.own.failed = Some(Arc::new(backend));
        self
    }

    /// Calls this with every event of the async driver's worker, and of all workers without a listener of their own.
    /// The log lines of [`Worker::listener`] are written with and without a listener.
    pub fn listener(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Opens the queue.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub fn open(self) -> Result<Queue> {
        self.config.check()?;
        let drivers = drivers::all(&self.config, self.own)?;
        let inner = QueueInner::open(self.config, self.jobs, drivers, self.listener)?;
        Ok(Queue(Arc::new(Handle(inner))))
    }
}
