//! Takes jobs in: addresses them, checks them, hands them to the driver.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::ConfiguredDriver;
use super::async_worker::Pool;
use super::blocking;
use super::drivers;
use super::fake::Recorder;
use super::unfinished::Unfinished;
use crate::config::Config;
#[cfg(feature = "database")]
use crate::config::DriverKind;
use crate::context::{RunEnv, State, is_inside_a_job};
use crate::driver::Size;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::driver::memory::Memory;
use crate::error::{Error, Result};
use crate::event::Listener;
use crate::message::{Message, Pushed, check_name, check_queue, new_uuid};
use crate::payload::PAYLOAD_LIMIT;
use crate::push::{Enlist, Enqueue, NewJob, PushOptions};
use crate::registry::{JobTypes, Jobs};
#[cfg(unix)]
use crate::runner::Program;
use crate::time::Timestamp;

/// How often a push that waits for room checks that the worker still lives.
const LOOK: Duration = Duration::from_millis(200);

/// The inside of a queue.
pub(crate) struct QueueInner {
    pub(super) config: Config,
    pub(super) kinds: JobTypes,
    pub(super) drivers: BTreeMap<String, Arc<ConfiguredDriver>>,
    pub(super) listener: Option<Listener>,
    pub(super) pool: Pool,
    state: Arc<State>,
    pub(super) recorder: Option<Recorder>,
    own: Weak<QueueInner>,
}

impl QueueInner {
    pub(super) fn open(
        config: Config,
        jobs: Jobs,
        drivers: BTreeMap<String, Arc<ConfiguredDriver>>,
        listener: Option<Listener>,
    ) -> Result<Arc<Self>> {
        let (kinds, state) = with_programs(jobs, &config)?.into_parts()?;
        Ok(Arc::new_cyclic(|own| Self {
            config,
            kinds,
            drivers,
            listener,
            pool: Pool::default(),
            state,
            recorder: None,
            own: own.clone(),
        }))
    }

    pub(super) fn recording(recorder: Recorder) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            config: Config::default(),
            kinds: JobTypes::default(),
            drivers: BTreeMap::new(),
            listener: None,
            pool: Pool::default(),
            state: Arc::default(),
            recorder: Some(recorder),
            own: own.clone(),
        })
    }

    /// A driver by name, else the default one.
    pub(super) fn configured(&self, name: Option<&str>) -> Result<&Arc<ConfiguredDriver>> {
        if self.recorder.is_some() {
            return Err(Recorder::refusal());
        }
        let name = name.unwrap_or(&self.config.default);
        self.drivers.get(name).ok_or_else(|| drivers::unknown_driver(&self.drivers, name))
    }

    pub(super) fn shared(&self) -> Result<Arc<Self>> {
        self.own.upgrade().ok_or_else(|| Error::unavailable("the queue is closed"))
    }

    /// What jobs share. They hold the queue weakly, or it would never be dropped.
    pub(super) fn surroundings(&self, driver: &str, stopping: Arc<AtomicBool>) -> RunEnv {
        let enqueue = Arc::new(FromJobs(self.own.clone()));
        let environment = self.config.environment_of_programs(driver).into();
        RunEnv { state: self.state.clone(), enqueue, killed: Arc::default(), stopping, environment }
    }

    /// What waits in the memory of the async driver.
    pub(super) fn left(&self) -> Result<Unfinished> {
        let sizes = self.configured(Some("async"))?.open()?.size(&[])?;
        let sum = |count: fn(&Size) -> Option<u64>| sizes.iter().filter_map(count).sum();
        Ok(Unfinished {
            waiting: sum(|size| size.waiting),
            delayed: sum(|size| size.delayed),
            running: sum(|size| size.running),
        })
    }

    #[cfg(feature = "database")]
    pub(super) fn install(&self) -> Result<()> {
        if self.recorder.is_some() {
            return Ok(());
        }
        let config = &self.config;
        // Where jobs wait in a broker, only the failed ones need a table.
        if config.default_kind() != DriverKind::Amqp {
            Database::of_jobs(config, &config.database.connection)?.install()?;
        }
        match config.failed_place(&config.default) {
            Some((connection, table)) => Database::of_failed(config, connection, table)?.install(),
            None => Ok(()),
        }
    }

    #[cfg(not(feature = "database"))]
    pub(super) fn install(&self) -> Result<()> {
        Err(Error::unsupported("cannot install tables: this build has no database driver"))
    }

    /// Addresses new jobs for a driver.
    fn address(
        &self,
        configured: &ConfiguredDriver,
        options: &PushOptions,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<Message>> {
        let asked: Option<Arc<str>> = options.queue.as_deref().map(Arc::from);
        if let Some(queue) = &asked {
            check_queue("name of the queue", queue)?;
        }
        let overrides = options.overrides.to_json();
        let unique_key: Option<Arc<str>> = options.overrides.unique_key.as_deref().map(Arc::from);
        new_jobs
            .into_iter()
            .map(|new_job| {
                check_name("name of the job", &new_job.name)?;
                if new_job.payload.len() > PAYLOAD_LIMIT {
                    return Err(Error::invalid(format!(
                        "cannot push {}: its payload has {} bytes, at most {PAYLOAD_LIMIT} fit",
                        new_job.name,
                        new_job.payload.len()
                    ))
                    .with_help("store large data elsewhere and push a reference to it"));
                }
                // A known name is shared with the registry.
                let known = self.kinds.get_key_value(&*new_job.name);
                let of_type: Option<Arc<str>> = new_job.queue.or_else(|| known?.1.queue()).map(Arc::from);
                if let Some(queue) = of_type.as_ref().filter(|_| asked.is_none()) {
                    check_queue("name of the queue", queue)?;
                }
                Ok(Message {
                    uuid: new_uuid(),
                    queue: asked.clone().or(of_type).unwrap_or_else(|| configured.default_queue.clone()),
                    name: known.map_or_else(|| Arc::from(&*new_job.name), |(name, _)| name.clone()),
                    payload: new_job.payload.into(),
                    delay: options.delay,
                    priority: options.overrides.priority.unwrap_or(0),
                    unique_key: unique_key.clone(),
                    replaces: options.replace,
                    overrides: overrides.clone(),
                })
            })
            .collect()
    }

    /// Hands messages to a driver that is not run in this thread.
    pub(super) fn send(
        &self,
        configured: &ConfiguredDriver,
        mut messages: Vec<Message>,
    ) -> Result<Vec<Pushed>> {
        let Some(memory) = &configured.memory else { return configured.batcher.push(messages) };
        self.pool.open(self)?;
        // A job that waits for room in the queue that it is taken from would wait for ever.
        if is_inside_a_job() {
            return Ok(memory.add(messages));
        }
        let capacity = self.config.memory.capacity;
        if messages.len() <= capacity {
            self.wait_for_room(memory, capacity)?;
            return Ok(memory.add(messages));
        }
        let mut pushed = Vec::with_capacity(messages.len());
        while !messages.is_empty() {
            self.wait_for_room(memory, capacity)?;
            let rest = messages.split_off(messages.len().min(capacity));
            pushed.extend(memory.add(messages));
            messages = rest;
        }
        Ok(pushed)
    }
}

impl QueueInner {
    /// Waits for room for as long as there is a worker that makes some.
    fn wait_for_room(&self, memory: &Memory, capacity: usize) -> Result<()> {
        while !memory.wait_for_room(capacity, LOOK) {
            self.pool.open(self)?;
        }
        Ok(())
    }
}

impl Enqueue for QueueInner {
    fn accept(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        if let Some(recorder) = &self.recorder {
            return recorder.record(options, new_jobs);
        }
        let configured = self.configured(options.driver.as_deref())?;
        let messages = self.address(configured, options, new_jobs)?;
        let Some(first) = messages.first() else { return Ok(Vec::new()) };
        let (name, queue, count) = (first.name.clone(), first.queue.clone(), messages.len());
        match configured.memory.is_some() && self.config.memory.blocking {
            true => blocking::run_all(self, configured, messages),
            false => self.send(configured, messages).map_err(|error| match error.is_schema() {
                // What is missing is the whole story.
                true => error,
                false if count == 1 => error.context(format!("cannot push {name} onto queue \"{queue}\"")),
                false => error.context(format!("cannot push {count} {name} onto queue \"{queue}\"")),
            }),
        }
    }

    fn accept_in(
        &self,
        transaction: &mut dyn Enlist,
        options: &PushOptions,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<Pushed>> {
        if let Some(recorder) = &self.recorder {
            return recorder.enlist(options, new_jobs);
        }
        let configured = self.configured(options.driver.as_deref())?;
        let messages = self.address(configured, options, new_jobs)?;
        if configured.memory.is_some() && self.config.memory.blocking {
            return blocking::run_all(self, configured, messages);
        }
        #[cfg(feature = "database")]
        if DriverKind::of(&configured.name) == DriverKind::Database {
            let created_at = self.config.database.settings.tz.format(Timestamp::now());
            let database = Database::of_jobs(&self.config, &self.config.database.connection)?;
            return database.push_in(transaction, &messages, &created_at);
        }
        let _ = (transaction, messages, Timestamp::now());
        Err(Error::unsupported(format!(
            "cannot push within a transaction: driver \"{}\" keeps its jobs outside of the database",
            configured.name
        ))
        .with_help("push with the driver \"database\", or once the transaction has committed"))
    }
}

/// Adds the jobs that are programs.
#[cfg(unix)]
fn with_programs(mut jobs: Jobs, config: &Config) -> Result<Jobs> {
    for (name, command) in &config.commands {
        let program = Program::new(name, command).map_err(|error| error.context(format!("[jobs.{name}]")))?;
        jobs.insert(name, Arc::new(program));
    }
    Ok(jobs)
}

#[cfg(not(unix))]
fn with_programs(jobs: Jobs, config: &Config) -> Result<Jobs> {
    match config.commands.keys().next() {
        Some(name) => Err(config.error_at(
            &format!("jobs.{name}.command"),
            "jobs that are programs are not supported on this system",
        )),
        None => Ok(jobs),
    }
}

/// The queue, seen from a job.
struct FromJobs(Weak<QueueInner>);

impl FromJobs {
    fn queue(&self) -> Result<Arc<QueueInner>> {
        self.0.upgrade().ok_or_else(|| Error::unavailable("the queue is closed"))
    }
}

impl Enqueue for FromJobs {
    fn accept(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        self.queue()?.accept(options, new_jobs)
    }

    fn accept_in(
        &self,
        transaction: &mut dyn Enlist,
        options: &PushOptions,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<Pushed>> {
        self.queue()?.accept_in(transaction, options, new_jobs)
    }
}
