//! What a running job knows about itself, and the hold that its worker has on it.

use std::any::{Any, TypeId, type_name};
use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::job::{JobError, Queueable};
use crate::message::{JobId, Pushed};
use crate::push::{Enqueue, Push};

/// What [`Queueable::handle`] is given: the attempt, the application's state, a way to push.
pub struct Context {
    pub(crate) id: JobId,
    pub(crate) uuid: Arc<str>,
    pub(crate) queue: Arc<str>,
    pub(crate) attempt: u32,
    pub(crate) attempts: u32,
    pub(crate) deadline: Option<Instant>,
    pub(crate) hold: Arc<Hold>,
    pub(crate) run_env: Arc<RunEnv>,
}

/// What all jobs of a worker share. Each thread that runs jobs has a copy behind an `Arc` of its own: threads
/// that count the same references for every job would wait for each other.
#[derive(Clone)]
pub(crate) struct RunEnv {
    pub(crate) state: Arc<State>,
    pub(crate) enqueue: Arc<dyn Enqueue>,
    /// Set when all that runs shall end at once. A thread can't, so only jobs that are programs heed it.
    pub(crate) killed: Arc<AtomicBool>,
    /// Set as soon as the worker is asked to stop: what ends by a signal from now on was most likely sent the
    /// same one.
    pub(crate) stopping: Arc<AtomicBool>,
    /// What jobs that are programs find in their environment, so that what they push goes where their own
    /// worker takes from.
    pub(crate) environment: Arc<[(&'static str, OsString)]>,
}

impl RunEnv {
    /// With nothing in the environment of programs.
    pub(crate) fn new(state: Arc<State>, enqueue: Arc<dyn Enqueue>, stopping: Arc<AtomicBool>) -> Self {
        Self { state, enqueue, killed: Arc::default(), stopping, environment: Arc::default() }
    }
}

impl Context {
    /// The id of this job in its back end.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// The uuid of this job, which stays the same across attempts, retries and back ends: a good idempotency key for
    /// the services that the job calls.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many attempts the job has in all.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The queue that the job was taken from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// When this attempt times out; `None` without a timeout.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether this attempt has timed out. A long job in thread mode asks this and ends itself.
    pub fn timed_out(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether the worker has lost its hold on this job, so that another worker may run it. The result of this run is
    /// dropped then. A long job asks this before it does what must not be done twice.
    pub fn lost(&self) -> bool {
        self.hold.is_lost()
    }

    /// The application's state of type `T`, which [`Jobs::state`](crate::Jobs::state) was given.
    ///
    /// # Errors
    /// No such state was given.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T, JobError> {
        self.run_env.state.get::<T>().ok_or_else(|| {
            JobError::new(format!(
                "the job asked for state of type {}, which was not given: add `.state(…)` to Jobs",
                type_name::<T>()
            ))
        })
    }

    /// Pushes a job to its default queue and driver.
    ///
    /// # Errors
    /// As [`Queue::push`](crate::Queue::push).
    pub fn push<J: Queueable>(&self, job: J) -> Result<Pushed> {
        self.options().push(job)
    }

    /// Starts a push with options, as [`Queue::options`](crate::Queue::options) does.
    pub fn options(&self) -> Push<'_> {
        Push::new(&*self.run_env.enqueue)
    }

    /// Starts a push onto a queue.
    pub fn on(&self, queue: impl Into<String>) -> Push<'_> {
        self.options().on(queue)
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of a job's; see [`is_inside_a_job`].
pub(crate) fn inside_a_job<T>(code: impl FnOnce() -> T) -> T {
    let before = INSIDE.replace(true);
    let result = code();
    INSIDE.set(before);
    result
}

/// Whether this thread is running a job. A push from there must not wait for room in a queue that only
/// this thread may empty.
pub(crate) fn is_inside_a_job() -> bool {
    INSIDE.get()
}

/// A worker's hold on one job: until when it may believe that nobody else runs it.
pub(crate) struct Hold {
    /// Microseconds after `BASE`; monotonic time stands still while a machine is suspended, so after a
    /// resume only the token in the database decides.
    until: AtomicU64,
    gone: AtomicBool,
}

static BASE: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

impl Hold {
    pub(crate) fn until_then(until: Instant) -> Self {
        Self { until: AtomicU64::new(micros(until)), gone: AtomicBool::new(false) }
    }

    pub(crate) fn renew(&self, until: Instant) {
        self.until.store(micros(until), Ordering::Relaxed);
        self.gone.store(false, Ordering::Relaxed);
    }

    /// When it ends, unless it is renewed before.
    #[cfg(unix)]
    pub(crate) fn until(&self) -> Instant {
        *BASE + Duration::from_micros(self.until.load(Ordering::Relaxed))
    }

    /// It is there after all.
    #[cfg(unix)]
    pub(crate) fn keep(&self) {
        self.gone.store(false, Ordering::Relaxed);
    }

    pub(crate) fn lose(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_over(Instant::now())
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.gone.load(Ordering::Relaxed) || micros(now) >= self.until.load(Ordering::Relaxed)
    }
}

fn micros(at: Instant) -> u64 {
    let since: Duration = at.saturating_duration_since(*BASE);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The application's values, one of each type.
#[derive(Default)]
pub(crate) struct State(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl State {
    pub(crate) fn put<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
