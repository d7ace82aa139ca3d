//! Where the failed jobs of a driver are stored, and the fallback.

use std::sync::Arc;

use crate::config::Config;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedJobs};

/// Where the failed jobs of a driver are stored.
///
/// Each worker that starts, and each look at the failed jobs, checks anew whether a store can be used that no
/// configuration names, so that a table that was made meanwhile counts for both.
pub(super) enum FailedStore {
    /// They are not stored.
    None,
    /// In this store, which may have no table yet.
    Kept { store: Arc<dyn FailedBackend>, fallback: Fallback },
}

/// Where failed jobs are stored when the store has no table.
pub(super) enum Fallback {
    /// That is an error: the configuration names the store.
    Error,
    /// They are not stored.
    Nothing,
    /// In another store.
    Other(Arc<dyn FailedBackend>),
}

impl FailedStore {
    /// A store that the configuration or the program names.
    pub(super) fn named(store: Arc<dyn FailedBackend>) -> Self {
        Self::Kept { store, fallback: Fallback::Error }
    }

    /// What the driver's section says: the connection that it names; else that of the database driver;
    /// else what the driver itself can do.
    ///
    /// # Errors
    /// The connection that it names can't be used in this build.
    pub(super) fn configured(
        config: &Config,
        driver: &str,
        own: Option<Arc<dyn FailedBackend>>,
    ) -> Result<Self> {
        let Some((connection, table)) = config.failed_place(driver) else { return Ok(Self::None) };
        let is_named = config.settings(driver).failed_connection.is_some();
        match (database(config, connection, table), own) {
            (Ok(store), _) if is_named => Ok(Self::named(store)),
            (Err(error), _) if is_named => Err(error),
            (Ok(store), Some(own)) => Ok(Self::Kept { store, fallback: Fallback::Other(own) }),
            (Ok(store), None) => Ok(Self::Kept { store, fallback: Fallback::Nothing }),
            (Err(_), Some(own)) => Ok(Self::named(own)),
            (Err(_), None) => Ok(Self::None),
        }
    }

    /// Opens the failed jobs of a driver, to look at them.
    ///
    /// # Errors
    /// They are not kept, or can't be reached.
    pub(super) fn open(&self, driver: &str) -> Result<Box<dyn FailedJobs>> {
        match self {
            Self::None => Err(Error::config(format!("driver \"{driver}\" keeps no failed jobs"))
                .with_help("set failed_table = \"failed_jobs\" in queue.toml")),
            Self::Kept { store, fallback: Fallback::Other(other) } => match found(driver, store)? {
                Some(open) => Ok(open),
                None => other.open(),
            },
            Self::Kept { store, .. } => store.open(),
        }
    }

    /// Where a worker that starts now stores failed jobs, if anywhere.
    ///
    /// # Errors
    /// The store can't be reached, so that it is unknown whether it can be used.
    pub(super) fn of_worker(&self, driver: &str) -> Result<Option<Arc<dyn FailedBackend>>> {
        match self {
            Self::None => Ok(None),
            Self::Kept { store, fallback: Fallback::Error } => Ok(Some(store.clone())),
            Self::Kept { store, fallback: Fallback::Other(other) } => {
                let usable = found(driver, store)?.map(|_| store.clone());
                Ok(Some(usable.unwrap_or_else(|| other.clone())))
            }
            Self::Kept { store, fallback: Fallback::Nothing } => match store.open() {
                Ok(_) => Ok(Some(store.clone())),
                Err(error) => {
                    log::info!("failed jobs of driver \"{driver}\" are not kept: {error}");
                    Ok(None)
                }
            },
        }
    }
}

/// The open store, if it has a table. One that is away is an error: were the other one used meanwhile, failed jobs
/// would be in both.
fn found(driver: &str, store: &Arc<dyn FailedBackend>) -> Result<Option<Box<dyn FailedJobs>>> {
    match store.open() {
        Ok(open) => Ok(Some(open)),
        Err(error) if error.is_unavailable() => {
            let why = format!("cannot tell where failed jobs of driver \"{driver}\" are kept");
            Err(error.context(why).with_help(format!(
                "start the database, or name another connection in [{driver}]; failed_table = false keeps none"
            )))
        }
        Err(error) => {
            log::info!("failed jobs of driver \"{driver}\" are kept by itself: {error}");
            Ok(None)
        }
    }
}

#[cfg(feature = "database")]
fn database(config: &Config, connection: &str, table: &str) -> Result<Arc<dyn FailedBackend>> {
    Ok(Arc::new(Database::of_failed(config, connection, table)?))
}

#[cfg(not(feature = "database"))]
fn database(_: &Config, _: &str, _: &str) -> Result<Arc<dyn FailedBackend>> {
    Err(Error::unsupported("this build has no database driver"))
}
