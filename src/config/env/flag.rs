//! The flags of the command line that set keys, and the variables beside them.

use crate::config::diagnostics::provenance::ConfigSource;
use crate::config::model::{Config, SECTIONS};
use crate::config::schema::value::Value;
use crate::error::Result;

/// A flag of the command line, for [`Config::set_flag`]; some have a variable of the environment beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFlag {
    /// `--driver`, `CRAFT_DRIVER`: the driver to use where none is named.
    Driver,
    /// `--queue`, `CRAFT_QUEUE`: one queue, for every driver.
    Queue,
    /// `--connection`, `CRAFT_CONNECTION`: the connection of the database driver.
    Connection,
    /// `--poll`, `CRAFT_POLL`: seconds, for every driver.
    Poll,
    /// `--attempts`, `CRAFT_ATTEMPTS`: for every driver.
    Attempts,
    /// `--workers`, `CRAFT_WORKERS`: for every driver.
    Workers,
    /// `--mode`: for every driver.
    Mode,
    /// `--timeout`: seconds, for every driver.
    Timeout,
    /// `--backoff`: `exponential`, seconds, or several of them with commas between; for every driver.
    Backoff,
    /// `--grace`: seconds, for every driver.
    Grace,
    /// `--max-jobs-per-child`: for every driver.
    MaxJobsPerChild,
    /// `--child-memory`: megabytes, for every driver.
    ChildMemory,
}

impl ConfigFlag {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Driver,
        Self::Queue,
        Self::Connection,
        Self::Poll,
        Self::Attempts,
        Self::Workers,
        Self::Mode,
        Self::Timeout,
        Self::Backoff,
        Self::Grace,
        Self::MaxJobsPerChild,
        Self::ChildMemory,
    ];

    /// As it is written: `--poll`.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The variable of the environment that says the same, where there is one.
    pub fn variable(self) -> Option<&'static str> {
        self.names().1
    }

    fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Driver => ("--driver", Some("CRAFT_DRIVER")),
            Self::Queue => ("--queue", Some("CRAFT_QUEUE")),
            Self::Connection => ("--connection", Some("CRAFT_CONNECTION")),
            Self::Poll => ("--poll", Some("CRAFT_POLL")),
            Self::Attempts => ("--attempts", Some("CRAFT_ATTEMPTS")),
            Self::Workers => ("--workers", Some("CRAFT_WORKERS")),
            Self::Mode => ("--mode", None),
            Self::Timeout => ("--timeout", None),
            Self::Backoff => ("--backoff", None),
            Self::Grace => ("--grace", None),
            Self::MaxJobsPerChild => ("--max-jobs-per-child", None),
            Self::ChildMemory => ("--child-memory", None),
        }
    }

    /// The keys that it sets.
    pub(super) fn keys(self) -> Vec<String> {
        match self {
            Self::Driver => vec!["default".into()],
            Self::Connection => vec!["database.connection".into()],
            _ => {
                let setting = self.name().trim_start_matches("--").replace('-', "_");
                SECTIONS.map(|section| format!("{section}.{setting}")).into()
            }
        }
    }
}

impl Config {
    /// Sets what a flag of the command line says, on top of everything.
    ///
    /// # Errors
    /// The value is wrong; the message names the flag.
    pub fn set_flag(&mut self, flag: ConfigFlag, value: &str) -> Result<()> {
        let keys = flag.keys();
        for key in &keys {
            self.set(key, &Value::loose(value), ConfigSource::Flag(flag.name()))?;
        }
        let shown = self.shown().into_iter().filter(|(key, _)| keys.contains(key));
        self.origins.seal(shown);
        self.check_values()
    }
}
