//! One call of the command line: the jobs, the configuration with its flags, and how much to print.

use std::path::PathBuf;

use clap::ArgMatches;

use super::exit::usage;
use crate::config::{Config, ConfigFlag, DriverKind};
use crate::error::{Error, Result};
use crate::queue::{Queue, QueueBuilder};
use crate::registry::Jobs;

/// What the program opens its queues with.
#[derive(Default)]
pub(super) struct QueueSetup {
    pub(super) config: Option<Config>,
    /// Add drivers and a listener.
    pub(super) additions: Vec<Box<dyn FnOnce(QueueBuilder) -> QueueBuilder>>,
}

impl QueueSetup {
    fn open(self, config: Config, jobs: Jobs) -> Result<Queue> {
        self.additions.into_iter().fold(Queue::builder(config, jobs), |builder, add| add(builder)).open()
    }
}

/// What a command works with.
pub(super) struct Invocation {
    jobs: Jobs,
    setup: QueueSetup,
    file: Option<PathBuf>,
    pub(super) quiet: bool,
    pub(super) verbosity: u8,
}

impl Invocation {
    pub(super) fn new(jobs: Jobs, setup: QueueSetup, matches: &ArgMatches) -> Result<Self> {
        let file = matches.get_one::<String>("config").map(PathBuf::from);
        if file.is_some() && setup.config.is_some() {
            return Err(usage("--config: this program has a configuration of its own, and reads no file"));
        }
        Ok(Self {
            jobs,
            setup,
            file,
            quiet: matches.get_flag("quiet"),
            verbosity: matches.get_count("verbose"),
        })
    }

    /// The names of the jobs that the program knows.
    pub(super) fn job_names(&self) -> Vec<String> {
        self.jobs.names().map(str::to_owned).collect()
    }

    /// The configuration without the flags of a command.
    pub(super) fn base_config(&self) -> Result<Config> {
        match (&self.setup.config, &self.file) {
            (Some(own), _) => Ok(own.clone()),
            (None, Some(file)) => Config::load_from(file),
            (None, None) => Config::load(),
        }
    }

    /// The configuration, with the flags of this command on top. Everything is checked here, before
    /// anything is done.
    pub(super) fn config(&self, matches: &ArgMatches) -> Result<Config> {
        self.config_with(matches, &ConfigFlag::ALL)
    }

    /// The same with these flags alone, where the command means something else by the others' names.
    fn config_with(&self, matches: &ArgMatches, flags: &[ConfigFlag]) -> Result<Config> {
        let mut config = self.base_config()?;
        for flag in flags.iter().copied() {
            let name = flag.name().trim_start_matches("--");
            let given = matches.try_get_one::<String>(name).ok().flatten();
            // A worker's list of queues is its own; what a retry calls a queue is a target.
            let own = flag == ConfigFlag::Queue;
            if let Some(value) = given.filter(|_| !own) {
                config.set_flag(flag, value).map_err(Error::of_usage)?;
                // Where jobs wait in a broker, the only connection is that of the failed ones.
                if flag == ConfigFlag::Connection && config.default_kind() == DriverKind::Amqp {
                    config.amqp.settings.failed_connection = Some(value.clone());
                }
            }
        }
        Ok(config)
    }

    /// The queue of this configuration.
    pub(super) fn queue(self, config: Config) -> Result<Queue> {
        self.setup.open(config, self.jobs)
    }

    /// The same where only `--driver` and `--connection` are about the configuration.
    pub(super) fn open_driver(self, matches: &ArgMatches) -> Result<Queue> {
        let config = self.config_with(matches, &[ConfigFlag::Driver, ConfigFlag::Connection])?;
        self.queue(config)
    }

    /// The same where only `--connection` is.
    #[cfg(feature = "dashboard")]
    pub(super) fn open_connection(self, matches: &ArgMatches) -> Result<Queue> {
        let config = self.config_with(matches, &[ConfigFlag::Connection])?;
        self.queue(config)
    }

    /// The queue, with the configuration that this command's flags make.
    pub(super) fn open(self, matches: &ArgMatches) -> Result<Queue> {
        let config = self.config(matches)?;
        self.queue(config)
    }
}
