//! The inside of a queue, which its handles share: the configuration, the jobs, the drivers.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use super::async_worker::Pool;
use super::drivers::{self, ConfiguredDriver};
use super::fake::Recorder;
use super::unfinished::Unfinished;
use crate::config::Config;
#[cfg(feature = "database")]
use crate::config::DriverKind;
use crate::context::{RunEnv, State};
use crate::driver::Size;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::error::{Error, Result};
use crate::event::Listener;
use crate::message::Pushed;
use crate::push::{Enlist, Enqueue, NewJob, PushOptions};
use crate::registry::{JobTypes, Jobs};
#[cfg(unix)]
use crate::runner::Program;

/// The inside of a queue.
pub(crate) struct QueueInner {
    pub(super) config: Config,
    pub(super) job_types: JobTypes,
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
        let (job_types, state) = with_programs(jobs, &config)?.into_parts()?;
        Ok(Arc::new_cyclic(|own| Self {
            config,
            job_types,
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
            job_types: JobTypes::default(),
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

    /// The environment of runs. Jobs hold the queue weakly, or it would never be dropped.
    pub(super) fn run_env(&self, driver: &str, stopping: Arc<AtomicBool>) -> RunEnv {
        let enqueue = Arc::new(FromJobs(self.own.clone()));
        let environment = self.config.environment_of_programs(driver).into();
        RunEnv { state: self.state.clone(), enqueue, killed: Arc::default(), stopping, environment }
    }

    /// The jobs that the async driver still has in memory.
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
struct FromJobs(Weak<dyn Enqueue>);

impl FromJobs {
    fn queue(&self) -> Result<Arc<dyn Enqueue>> {
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
