//! Makes workers: puts configuration, driver, runner and policy together.

use std::sync::Arc;
use std::time::Duration;

use super::async_worker::RunWorker;
use super::fake::Recorder;
use super::inner::QueueInner;
use crate::backoff::Backoff;
use crate::config::{DriverKind, Mode, Settings};
use crate::context::RunEnv;
use crate::error::{Error, Result};
use crate::event::{self, Event, Listener};
use crate::message::check_queue;
use crate::runner::{MakeRunner, Threads};
#[cfg(unix)]
use crate::runner::{Processes, Rules, check_exit_statuses};
use crate::worker::{self, Bounds, Inbox, Report, Stopper, WorkerOptions};

type Change = Box<dyn FnOnce(&mut Settings) + Send + Sync>;

/// A worker: takes jobs from a driver and runs them in its threads.
///
/// ```no_run
/// # use craft_queue::{Config, Jobs, Queue};
/// # let queue = Queue::open(Config::default(), Jobs::new())?;
/// let report = queue.worker().on("invoices").threads(4).stop_when_empty().run()?;
/// println!("{} done, {} failed", report.done, report.failed);
/// # Ok::<(), craft_queue::Error>(())
/// ```
///
/// Options that are not set come from the configuration. A library worker installs no signal handlers: a
/// [`Worker::stopper`] stops it.
#[must_use = "a worker does nothing until it is run"]
pub struct Worker {
    inner: Arc<QueueInner>,
    driver: String,
    queues: Vec<String>,
    /// What was said about it, put on the settings of its driver once that is known.
    changes: Vec<Change>,
    bounds: Bounds,
    listener: Option<Listener>,
    /// Whether events are written to the log, too.
    logs: bool,
    process_ends: bool,
    inbox: Inbox,
}

impl Worker {
    pub(super) fn new(inner: Arc<QueueInner>) -> Self {
        let driver = inner.config.default.clone();
        Self {
            changes: Vec::new(),
            listener: inner.listener.clone(),
            inner,
            driver,
            queues: Vec::new(),
            bounds: Bounds::default(),
            logs: true,
            process_ends: false,
            inbox: Inbox::new(),
        }
    }

    /// Takes jobs from this driver, with the settings of that driver for all options that are not set.
    pub fn driver(mut self, name: impl Into<String>) -> Self {
        self.driver = name.into();
        self
    }

    fn set(mut self, change: impl FnOnce(&mut Settings) + Send + Sync + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Takes jobs from this queue. Called several times, the queue named first goes first.
    pub fn on(mut self, queue: impl Into<String>) -> Self {
        self.queues.push(queue.into());
        self
    }

    /// How many jobs run at once, at least 1.
    pub fn threads(self, count: usize) -> Self {
        self.set(move |settings| settings.workers = count.max(1))
    }

    /// Runs jobs in threads, or in child processes. A program whose own `main` calls
    /// [`Jobs::serve_if_child`](crate::Jobs::serve_if_child) first can have children.
    pub fn mode(self, mode: Mode) -> Self {
        self.set(move |settings| settings.mode = mode)
    }

    /// Replaces a child process after this many jobs, at least 1.
    pub fn max_jobs_per_child(self, count: u64) -> Self {
        self.set(move |settings| settings.max_jobs_per_child = Some(count.max(1)))
    }

    /// The most memory that a child process may have, in MB; a job that wants more ends its child.
    pub fn child_memory(self, megabytes: u64) -> Self {
        self.set(move |settings| settings.child_memory = Some(megabytes))
    }

    /// The longest that an idle worker sleeps before it asks for jobs.
    pub fn poll(self, poll: Duration) -> Self {
        self.set(move |settings| settings.poll = poll)
    }

    /// How long a job stays held when the worker does not renew its hold.
    pub fn lease(self, lease: Duration) -> Self {
        self.set(move |settings| settings.lease = lease)
    }

    /// How often a job is attempted that says nothing itself, at least 1.
    pub fn attempts(self, attempts: u32) -> Self {
        self.set(move |settings| settings.attempts = attempts.max(1))
    }

    /// How long to wait between attempts of a job that says nothing itself.
    pub fn backoff(self, backoff: impl Into<Backoff>) -> Self {
        let backoff = backoff.into();
        self.set(move |settings| settings.backoff = backoff)
    }

    /// How long one attempt may take of a job that says nothing itself.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(move |settings| settings.timeout = Some(timeout))
    }

    /// How long a stopping worker waits for running jobs.
    pub fn grace(self, grace: Duration) -> Self {
        self.set(move |settings| settings.grace = grace)
    }

    /// Ends when no job is due or running, and no retry of the worker's own jobs is still to come.
    pub fn stop_when_empty(mut self) -> Self {
        self.bounds.when_empty = true;
        self
    }

    /// Ends after this many jobs.
    pub fn max_jobs(mut self, count: u64) -> Self {
        self.bounds.jobs = Some(count);
        self
    }

    /// Ends after this long.
    pub fn max_time(mut self, time: Duration) -> Self {
        self.bounds.time = Some(time);
        self
    }

    /// Ends when the resident memory of the process reaches this many MB (Linux).
    pub fn max_memory(mut self, megabytes: u64) -> Self {
        self.bounds.memory = Some(megabytes);
        self
    }

    /// Calls this with every event, instead of the listener that the queue was opened with.
    ///
    /// Events are also written to the log (crate `log`, target `craft_queue::worker`): dead jobs as errors; warnings,
    /// lost holds and an unavailable back end as warnings; other changes as info; each job that begins and is done as
    /// debug.
    pub fn listener(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Reports events to people in place of the log. The listener of the queue gets them as well.
    #[cfg(feature = "cli")]
    pub(crate) fn reporter(mut self, report: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.logs = false;
        let own = self.listener.take();
        self.listener(move |event| {
            report(event);
            if let Some(own) = &own {
                event::emit(own, event);
            }
        })
    }

    /// Declares that the process exits as soon as [`Worker::run`] returns. Only then can a worker give back jobs whose
    /// threads are still running: they are due again 5 s later. Without this option such a worker returns an error and
    /// keeps the jobs held for as long as their threads live.
    pub fn process_ends(mut self) -> Self {
        self.process_ends = true;
        self
    }

    /// A handle that stops the worker from another thread.
    pub fn stopper(&self) -> Stopper {
        self.inbox.stopper()
    }

    /// Runs jobs until the worker is stopped or a bound is reached.
    ///
    /// # Errors
    /// The driver is unknown or can't be used, a table is missing
    /// ([`is_schema`](crate::Error::is_schema)); or a job is stuck in a thread
    /// ([`is_stuck`](crate::Error::is_stuck)).
    pub fn run(self) -> Result<Report> {
        if self.inner.recorder.is_some() {
            return Err(Recorder::refusal());
        }
        if DriverKind::of(&self.driver) == DriverKind::Async {
            return Err(Error::unsupported(
                "cannot work for driver \"async\": its jobs wait in the memory of the program that pushes \
                 them, which runs them by itself",
            )
            .with_help("for workers of their own use --driver database"));
        }
        self.prepare()?.run()
    }

    fn prepare(self) -> Result<Prepared> {
        let Self { inner, driver, mut queues, changes, bounds, listener, logs, process_ends, inbox } = self;
        let configured = inner.configured(Some(&driver))?.clone();
        let mut settings = inner.config.settings(&driver).clone();
        changes.into_iter().for_each(|change| change(&mut settings));
        if queues.is_empty() {
            queues.push(settings.queue.clone());
        }
        for queue in &queues {
            check_queue("name of the queue", queue)?;
        }
        let runner = make_runner(&inner, &driver, &settings, &inbox)?;
        let options = WorkerOptions {
            driver,
            connection: configured.connection.clone(),
            backend: configured.backend.clone(),
            control: configured.control.as_ref().map(|open| open()),
            failed: configured.failed.of_worker(&configured.name)?,
            job_types: inner.job_types.clone(),
            queues,
            slots: settings.workers,
            policy: settings.policy(),
            poll: settings.poll,
            lease: settings.lease,
            grace: settings.grace,
            bounds,
            is_heard: listener.is_some(),
            listener: if logs { Some(event::logged(listener)) } else { listener },
            process_ends,
        };
        Ok(Prepared { options, runner, inbox, inner: Some(inner) })
    }
}

/// A worker with everything found that it needs.
struct Prepared {
    options: WorkerOptions,
    runner: MakeRunner,
    inbox: Inbox,
    /// Jobs that push need the queue for as long as the worker runs. The pool's must not keep it: it ends
    /// when the queue is dropped.
    inner: Option<Arc<QueueInner>>,
}

impl Prepared {
    fn run(self) -> Result<Report> {
        let Self { options, runner, inbox, inner: _keeps_the_queue_open } = self;
        worker::run(options, runner, inbox)
    }
}

fn make_runner(inner: &QueueInner, driver: &str, settings: &Settings, inbox: &Inbox) -> Result<MakeRunner> {
    let (slots, callback) = (settings.workers, settings.callback.clone());
    let run_env = inner.run_env(driver, inbox.stopping());
    #[cfg(unix)]
    if inner.job_types.values().any(|job_type| job_type.is_program()) {
        check_exit_statuses()?;
    }
    match settings.mode {
        Mode::Threading => {
            Ok(Box::new(move |tell| Ok(Box::new(Threads::start(slots, &callback, &run_env, &tell)?))))
        }
        Mode::Multiprocess => processes(settings, run_env),
    }
}

#[cfg(unix)]
fn processes(settings: &Settings, run_env: RunEnv) -> Result<MakeRunner> {
    let rules = Rules {
        slots: settings.workers,
        callback: settings.callback.clone(),
        jobs_per_child: settings.max_jobs_per_child,
        memory: settings.child_memory,
    };
    Processes::check()?;
    Ok(Box::new(move |tell| Ok(Box::new(Processes::start(rules, run_env, tell)?))))
}

#[cfg(not(unix))]
fn processes(_: &Settings, _: RunEnv) -> Result<MakeRunner> {
    Err(Error::config("mode = \"multiprocess\" is not supported on this system")
        .with_help("use mode = \"threading\""))
}

/// The async driver's worker.
pub(super) fn prepare_pool(inner: &QueueInner) -> Result<(RunWorker, Stopper)> {
    let worker = Worker::new(inner.shared()?).driver("async");
    let stopper = worker.stopper();
    let mut prepared = worker.prepare()?;
    if let Some(memory) = &inner.configured(Some("async"))?.memory {
        prepared.options.backend = Arc::new(memory.all_queues());
    }
    prepared.inner = None;
    Ok((Box::new(|| prepared.run()), stopper))
}
