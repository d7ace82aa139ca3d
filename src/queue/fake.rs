//! A queue for users' tests: it records what is pushed, and runs nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::driver::Size;
use crate::error::{Error, Result};
use crate::job::Queueable;
use crate::message::{JobId, Overrides, Pushed, check_name, check_queue};
use crate::push::{NewJob, PushOptions};

/// Records what is pushed to a [`Queue::fake`](crate::Queue::fake).
///
/// A push within a transaction ([`Push::push_in`](crate::Push::push_in)) takes effect when the transaction commits, and
/// a fake cannot see that: such pushes are [`enlisted`](Recorder::enlisted) until the test calls
/// [`commit`](Recorder::commit) or [`roll_back`](Recorder::roll_back).
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    sent: Vec<RecordedPush>,
    /// Pushed within transactions whose end is not known.
    enlisted: Vec<RecordedPush>,
    last_id: i64,
}

/// One recorded push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedPush {
    /// The id that the push was answered.
    pub id: JobId,
    /// The job's name.
    pub name: String,
    /// The queue that the push or the job's type named; else `default`.
    pub queue: String,
    /// The driver that the push named.
    pub driver: Option<String>,
    /// How long until the job would be due.
    pub delay: Duration,
    /// The other options of the push.
    pub overrides: Overrides,
    /// The job as JSON.
    pub payload: Vec<u8>,
}

impl RecordedPush {
    /// The job itself.
    ///
    /// # Errors
    /// The job is of another type.
    pub fn job<J: Queueable>(&self) -> Result<J> {
        if self.name != J::NAME {
            return Err(Error::invalid(format!("this is a {}, not a {}", self.name, J::NAME)));
        }
        serde_json::from_slice(&self.payload)
            .map_err(|cause| Error::invalid(format!("this is not a {}", J::NAME)).because(&cause))
    }
}

impl Recorder {
    /// All pushes so far, in order. Unique keys hold as in a driver: all recorded jobs wait, as nothing runs.
    pub fn sent(&self) -> Vec<RecordedPush> {
        self.lock().sent.clone()
    }

    /// The jobs of one type that were pushed, in order.
    pub fn jobs<J: Queueable>(&self) -> Vec<J> {
        self.sent().iter().filter_map(|sent| sent.job().ok()).collect()
    }

    /// The pushes within transactions, in order, since the last [`commit`](Recorder::commit) or
    /// [`roll_back`](Recorder::roll_back).
    pub fn enlisted(&self) -> Vec<RecordedPush> {
        self.lock().enlisted.clone()
    }

    /// Acts as if the transactions had committed: the pushes within them are sent.
    pub fn commit(&self) {
        let mut records = self.lock();
        let enlisted = std::mem::take(&mut records.enlisted);
        records.sent.extend(enlisted);
    }

    /// Acts as if the transactions were rolled back: the pushes within them are forgotten.
    pub fn roll_back(&self) {
        self.lock().enlisted.clear();
    }

    /// Forgets all pushes, as if their jobs were done: all unique keys are free.
    pub fn clear(&self) {
        let mut records = self.lock();
        records.sent.clear();
        records.enlisted.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        new_jobs.into_iter().map(|new_job| self.lock().add(options, new_job, false)).collect()
    }

    pub(super) fn enlist(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        new_jobs.into_iter().map(|new_job| self.lock().add(options, new_job, true)).collect()
    }

    /// How much waits in these queues, or in all when none is named.
    pub(super) fn size(&self, queues: &[String]) -> Vec<Size> {
        let records = self.lock();
        let mut names: Vec<_> = queues.to_vec();
        if names.is_empty() {
            names = records.sent.iter().map(|sent| sent.queue.clone()).collect();
            names.sort();
            names.dedup();
        }
        let count = |name: &str, is_due: bool| {
            let counts = |sent: &&RecordedPush| sent.queue == name && sent.delay.is_zero() == is_due;
            Some(records.sent.iter().filter(counts).count() as u64)
        };
        let size = |queue: String| Size {
            waiting: count(&queue, true),
            delayed: count(&queue, false),
            running: Some(0),
            oldest_wait: None,
            queue,
        };
        names.into_iter().map(size).collect()
    }

    /// Why a fake can't do what needs a driver.
    pub(super) fn refusal() -> Error {
        Error::unsupported("this queue is a fake (Queue::fake): it records what is pushed, and runs nothing")
            .with_help(
                "to run jobs in a test, open a queue whose default driver is \"async\" with blocking = true, \
                 or one on a file of the test's own: Config::sqlite",
            )
    }
}

impl Records {
    fn add(&mut self, options: &PushOptions, new_job: NewJob, is_enlisted: bool) -> Result<Pushed> {
        check_name("name of the job", &new_job.name)?;
        let queue = options.queue.as_deref().or(new_job.queue).unwrap_or("default");
        check_queue("name of the queue", queue)?;
        let mut sent = RecordedPush {
            id: JobId::Number(self.last_id + 1),
            name: new_job.name.to_string(),
            queue: queue.to_owned(),
            driver: options.driver.clone(),
            delay: options.delay,
            overrides: options.overrides.clone(),
            payload: new_job.payload,
        };
        let key = options.overrides.unique_key.as_ref();
        let waits = |other: &&mut RecordedPush| key.is_some() && other.overrides.unique_key.as_ref() == key;
        if let Some(other) = self.sent.iter_mut().chain(&mut self.enlisted).find(waits) {
            let id = other.id.clone();
            if !options.replace {
                return Ok(Pushed::Duplicate(id));
            }
            sent.id = id.clone();
            *other = sent;
            return Ok(Pushed::Replaced(id));
        }
        self.last_id += 1;
        let id = sent.id.clone();
        if is_enlisted { &mut self.enlisted } else { &mut self.sent }.push(sent);
        Ok(Pushed::Added(id))
    }
}
