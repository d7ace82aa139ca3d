//! A push and its options, as values: a push changes no state that another push can see.

use std::borrow::Cow;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::job::Queueable;
use crate::message::{Message, Overrides, Pushed};
use crate::time;

/// What a push is handed to: the queue, seen from a running job or from the program.
pub(crate) trait Enqueue: Send + Sync {
    fn accept(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>>;

    fn accept_in(
        &self,
        transaction: &mut dyn Enlist,
        options: &PushOptions,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<Pushed>>;
}

/// A transaction of the caller's that a job can be pushed in. The transactions of rusqlite, postgres and mysql are,
/// as far as these are compiled in.
pub trait Enlist {
    /// The SQL dialect of the transaction: `sqlite`, `postgres` or `mysql`.
    fn dialect(&self) -> &'static str;

    /// The database in which a statement of this transaction finds the table: its name on a server, the path of its
    /// file with SQLite (empty for one in memory). `None` where there is no such table, or where that can't be known;
    /// the push is not checked for being on the right database then.
    ///
    /// # Errors
    /// The database does not answer.
    fn database_of(&mut self, table: &str) -> Result<Option<String>> {
        let _ = table;
        Ok(None)
    }

    /// Adds the messages. `statement` gives the text of a statement of that dialect.
    ///
    /// # Errors
    /// The database refuses the messages; the caller rolls the transaction back.
    fn insert(
        &mut self,
        statement: &dyn Fn(&str) -> String,
        messages: &[Message],
        created_at: &str,
    ) -> Result<Vec<Pushed>>;
}

/// A job that was written down and not yet addressed.
#[derive(Clone)]
pub(crate) struct NewJob {
    pub(crate) name: Cow<'static, str>,
    pub(crate) payload: Vec<u8>,
    /// The queue that the job's type asks for.
    pub(crate) queue: Option<&'static str>,
}

/// What one push asks for; what it leaves open comes from the job's type, then the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct PushOptions {
    pub(crate) driver: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) delay: Duration,
    /// What is pushed takes the place of what waits with its unique key.
    pub(crate) replace: bool,
    pub(crate) overrides: Overrides,
}

/// A push with options: `queue.on("invoices").delay("10 minutes").push(job)`.
#[must_use = "nothing is pushed until `push` or `push_many` is called"]
pub struct Push<'a> {
    enqueue: &'a dyn Enqueue,
    options: PushOptions,
    wrong: Option<Error>,
}

impl<'a> Push<'a> {
    pub(crate) fn new(enqueue: &'a dyn Enqueue) -> Self {
        Self { enqueue, options: PushOptions::default(), wrong: None }
    }

    /// The queue to put the job on.
    pub fn on(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = Some(queue.into());
        self
    }

    /// The driver to use: a key of the configuration, or the name given to `add_driver`.
    pub fn driver(mut self, name: impl Into<String>) -> Self {
        self.options.driver = Some(name.into());
        self
    }

    /// How long until the job is due: a [`Duration`], or words such as `"10 minutes"`; at most 36,600 days. Words that
    /// are no span of time make the push an error.
    pub fn delay(mut self, delay: impl Delay) -> Self {
        match delay.span() {
            Ok(span) => self.options.delay = time::bounded(span),
            Err(error) => self.wrong = Some(error.context("cannot delay the job")),
        }
        self
    }

    /// The priority within the queue, from 0 (the default) to 9 (first).
    pub fn priority(mut self, priority: u8) -> Self {
        self.options.overrides.priority = Some(priority);
        self
    }

    /// How often the job is attempted, at least 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.overrides.attempts = Some(attempts);
        self
    }

    /// How long to wait between attempts.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.options.overrides.backoff = Some(backoff.into());
        self
    }

    /// How long one attempt may take, at most 36,600 days.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.overrides.timeout = Some(time::bounded(timeout).as_secs_f64());
        self
    }

    /// While a job with this key waits or runs, another push of it adds nothing and answers
    /// [`Pushed::Duplicate`].
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.options.overrides.unique_key = Some(key.into());
        self.options.overrides.unique_until_start = false;
        self
    }

    /// As [`Push::unique`], but the key is free once a worker has taken the job to run it: for a job that does all
    /// there is to do, such as to index a document anew. A change made while the job runs would be lost if its push
    /// were a duplicate; so the push is added, and its job runs afterwards or at the same time.
    ///
    /// ```
    /// # use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Index { document: i64 }
    /// # impl Queueable for Index {
    /// #     const NAME: &'static str = "Index";
    /// #     fn handle(&self, _: &Context) -> JobResult { Ok(()) }
    /// # }
    /// # let folder = std::env::temp_dir().join(format!("craft-unique-{}", std::process::id()));
    /// # let queue = Queue::open(Config::sqlite(&folder), Jobs::new().add::<Index>())?;
    /// # queue.install()?;
    /// let index = || queue.options().unique_until_start("document-7").push(Index { document: 7 });
    /// assert!(index()?.is_added());
    /// assert!(!index()?.is_added(), "one that waits is enough");
    /// # drop(queue);
    /// # std::fs::remove_file(folder).unwrap();
    /// # Ok::<(), craft_queue::Error>(())
    /// ```
    pub fn unique_until_start(mut self, key: impl Into<String>) -> Self {
        self.options.overrides.unique_key = Some(key.into());
        self.options.overrides.unique_until_start = true;
        self
    }

    /// The newest push wins: a job with the same unique key that still waits becomes this one, with its payload, queue,
    /// options and due time, and the answer is [`Pushed::Replaced`]. A job that runs already stays as it is: the answer
    /// is [`Pushed::Duplicate`] then, or with [`Push::unique_until_start`] the new job is added. A push that is due
    /// later puts off the job that waits.
    ///
    /// Drivers without unique keys refuse this option, as they refuse the keys.
    pub fn replace(mut self) -> Self {
        self.options.replace = true;
        self
    }

    /// Pushes one job.
    ///
    /// # Errors
    /// As [`Queue::push`](crate::Queue::push).
    pub fn push<J: Queueable>(self, job: J) -> Result<Pushed> {
        let new_job = NewJob::of(&job)?;
        let mut pushed = self.hand_in(vec![new_job])?;
        pushed.pop().ok_or_else(|| no_answer(J::NAME))
    }

    /// Pushes one job within a transaction of yours: the job exists exactly when it commits. The
    /// transaction must be on the database that the driver uses.
    ///
    /// The async driver with `blocking`, which is for debugging, runs the job at once, before the commit: the job does
    /// not see what the transaction wrote, and must not wait for what the transaction has locked.
    ///
    /// # Errors
    /// As [`Queue::push`](crate::Queue::push); and when the driver keeps its jobs in no such database.
    pub fn push_in<J: Queueable>(self, transaction: &mut dyn Enlist, job: J) -> Result<Pushed> {
        let new_job = NewJob::of(&job)?;
        let (enqueue, options) = self.checked()?;
        let mut pushed = enqueue.accept_in(transaction, &options, vec![new_job])?;
        pushed.pop().ok_or_else(|| no_answer(J::NAME))
    }

    /// Pushes many jobs in one go, which is far quicker than one by one. The answers are in order.
    ///
    /// # Errors
    /// As [`Queue::push`](crate::Queue::push). Where one job is refused, none or all of the others may be
    /// on the queue.
    pub fn push_many<J: Queueable>(self, jobs: impl IntoIterator<Item = J>) -> Result<Vec<Pushed>> {
        let new_jobs = jobs.into_iter().map(|job| NewJob::of(&job)).collect::<Result<Vec<_>>>()?;
        self.hand_in(new_jobs)
    }

    /// Pushes many jobs within a transaction of yours, as [`Push::push_in`] does one.
    ///
    /// # Errors
    /// As [`Push::push_in`].
    pub fn push_many_in<J: Queueable>(
        self,
        transaction: &mut dyn Enlist,
        jobs: impl IntoIterator<Item = J>,
    ) -> Result<Vec<Pushed>> {
        let new_jobs = jobs.into_iter().map(|job| NewJob::of(&job)).collect::<Result<Vec<_>>>()?;
        let (enqueue, options) = self.checked()?;
        enqueue.accept_in(transaction, &options, new_jobs)
    }

    /// Pushes a job by its name, with its payload as JSON text, within a transaction of yours.
    ///
    /// # Errors
    /// As [`Push::push_in`] and [`Push::push_json`].
    pub fn push_json_in(self, transaction: &mut dyn Enlist, name: &str, payload: &str) -> Result<Pushed> {
        let new_job = NewJob::json(name, payload)?;
        let (enqueue, options) = self.checked()?;
        let mut pushed = enqueue.accept_in(transaction, &options, vec![new_job])?;
        pushed.pop().ok_or_else(|| no_answer(name))
    }

    /// Pushes `count` jobs by their name, each with this payload as JSON text: for jobs that are programs, or whose
    /// type this program does not know. No text at all means `null`: the job has no fields.
    ///
    /// # Errors
    /// As [`Queue::push`](crate::Queue::push); and when the payload is not JSON.
    pub fn push_json(self, name: &str, payload: &str, count: usize) -> Result<Vec<Pushed>> {
        let new_job = NewJob::json(name, payload)?;
        self.hand_in(vec![new_job; count])
    }

    fn hand_in(self, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        let (enqueue, options) = self.checked()?;
        enqueue.accept(&options, new_jobs)
    }

    fn checked(self) -> Result<(&'a dyn Enqueue, PushOptions)> {
        let needs_key = self.options.replace && self.options.overrides.unique_key.is_none();
        match self.wrong {
            Some(error) => Err(error),
            None if needs_key => Err(Error::invalid("replace needs a unique key: what shall be replaced?")
                .with_help("say `.unique(key)` or `.unique_until_start(key)`, too")),
            None => self.options.overrides.check().map(|()| (self.enqueue, self.options)),
        }
    }
}

/// A back end that answers for fewer jobs than it was given; none of ours does.
fn no_answer(name: &str) -> Error {
    Error::other(format!("cannot push {name}: the driver gave no answer"))
}

impl NewJob {
    fn of<J: Queueable>(job: &J) -> Result<Self> {
        let payload = serde_json::to_vec(job).map_err(|cause| {
            Error::invalid(format!("cannot push {}: cannot write it as JSON", J::NAME)).because(&cause)
        })?;
        Ok(Self { name: Cow::Borrowed(J::NAME), payload, queue: J::queue() })
    }

    /// # Errors
    /// The payload is no JSON.
    fn json(name: &str, payload: &str) -> Result<Self> {
        let payload = if payload.trim().is_empty() { "null" } else { payload };
        match serde_json::from_str::<serde::de::IgnoredAny>(payload) {
            Ok(_) => Ok(Self { name: Cow::Owned(name.to_owned()), payload: payload.into(), queue: None }),
            Err(cause) => {
                Err(Error::invalid(format!("cannot push {name}: the payload is not JSON: {cause}"))
                    .with_help("JSON looks like {\"order_id\": 1}; in a shell put it between single quotes"))
            }
        }
    }
}

/// What [`Push::delay`] takes.
pub trait Delay {
    /// The delay.
    ///
    /// # Errors
    /// The words are no span of time.
    fn span(self) -> Result<Duration>;
}

impl Delay for Duration {
    fn span(self) -> Result<Duration> {
        Ok(self)
    }
}

impl Delay for &str {
    fn span(self) -> Result<Duration> {
        time::parse_span(self)
    }
}
