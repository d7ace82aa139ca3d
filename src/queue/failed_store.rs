//! Where a driver's dead lie, and what takes that place's place.

use std::sync::Arc;

use crate::config::Config;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedJobs};

/// Where a driver's dead lie.
///
/// Whether a place that nobody asked for can be used is judged anew by each worker that starts and each
/// look at the failed jobs, so that a table that was made meanwhile counts for both.
pub(super) enum FailedStore {
    /// They are not kept.
    None,
    /// There.
    Kept { place: Arc<dyn FailedBackend>, otherwise: Fallback },
}

/// What holds when the place has no table.
pub(super) enum Fallback {
    /// An error: somebody asked for it by name.
    Error,
    /// They are not kept.
    Nothing,
    /// They lie there.
    There(Arc<dyn FailedBackend>),
}

impl FailedStore {
    /// A place that somebody asked for by name.
    pub(super) fn asked_for(place: Arc<dyn FailedBackend>) -> Self {
        Self::Kept { place, otherwise: Fallback::Error }
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
        let asked_for = config.settings(driver).failed_connection.is_some();
        match (database(config, connection, table), own) {
            (Ok(place), _) if asked_for => Ok(Self::asked_for(place)),
            (Err(error), _) if asked_for => Err(error),
            (Ok(place), Some(own)) => Ok(Self::Kept { place, otherwise: Fallback::There(own) }),
            (Ok(place), None) => Ok(Self::Kept { place, otherwise: Fallback::Nothing }),
            (Err(_), Some(own)) => Ok(Self::asked_for(own)),
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
            Self::Kept { place, otherwise: Fallback::There(other) } => match found(driver, place)? {
                Some(open) => Ok(open),
                None => other.open(),
            },
            Self::Kept { place, .. } => place.open(),
        }
    }

    /// Where a worker of a driver keeps its dead from now on, if anywhere.
    ///
    /// # Errors
    /// The place can't be reached, so that nobody can tell whether it can be used.
    pub(super) fn of_worker(&self, driver: &str) -> Result<Option<Arc<dyn FailedBackend>>> {
        match self {
            Self::None => Ok(None),
            Self::Kept { place, otherwise: Fallback::Error } => Ok(Some(place.clone())),
            Self::Kept { place, otherwise: Fallback::There(other) } => {
                let there = found(driver, place)?.map(|_| place.clone());
                Ok(Some(there.unwrap_or_else(|| other.clone())))
            }
            Self::Kept { place, otherwise: Fallback::Nothing } => match place.open() {
                Ok(_) => Ok(Some(place.clone())),
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
fn found(driver: &str, place: &Arc<dyn FailedBackend>) -> Result<Option<Box<dyn FailedJobs>>> {
    match place.open() {
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
