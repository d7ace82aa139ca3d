//! A configured driver, as the desk sees it: where to push, where its dead lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pusher::Pusher;
use crate::config::Config;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::driver::memory::Memory;
use crate::driver::{Backend, Bell, Driver};
use crate::error::{Error, Result};
use crate::failed::FailedBackend;

pub(super) struct Outlet {
    pub(super) name: String,
    /// Empty when it has none.
    pub(super) connection: String,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) pusher: Pusher,
    pub(super) failed: Graveyard,
    /// The store of the async driver.
    pub(super) memory: Option<Memory>,
    pub(super) default_queue: Arc<str>,
}

/// Where a driver's dead lie.
#[derive(Clone)]
pub(super) enum Graveyard {
    /// They are not kept.
    None,
    /// There. When that can't be used, it is an error if somebody asked for it by name.
    Table { backend: Arc<dyn FailedBackend>, asked_for: bool },
}

impl Outlet {
    pub(super) fn open(&self) -> Result<Box<dyn Driver>> {
        self.backend.open(Bell::silent())
    }

    fn new(
        config: &Config,
        name: &str,
        connection: &str,
        backend: Arc<dyn Backend>,
        failed: Graveyard,
    ) -> Self {
        Self {
            name: name.to_owned(),
            connection: connection.to_owned(),
            pusher: Pusher::new(backend.clone()),
            backend,
            failed,
            memory: None,
            default_queue: Arc::from(&*config.settings(name).queue),
        }
    }
}

/// What a program brings itself.
#[derive(Default)]
pub(super) struct Own {
    pub(super) drivers: BTreeMap<String, Arc<dyn Backend>>,
    /// Where the dead of the async driver and of its own drivers lie.
    pub(super) failed: Option<Arc<dyn FailedBackend>>,
}

/// The drivers of a configuration, and those of the program.
pub(super) fn all(config: &Config, own: Own) -> Result<BTreeMap<String, Arc<Outlet>>> {
    let mut outlets = BTreeMap::new();
    let mut add = |outlet: Outlet| {
        outlets.insert(outlet.name.clone(), Arc::new(outlet));
    };
    let graveyard = |driver: &str| match &own.failed {
        Some(backend) => Ok(Graveyard::Table { backend: backend.clone(), asked_for: true }),
        None => configured_graveyard(config, driver),
    };
    let memory = Memory::new();
    let outlet = Outlet::new(config, "async", "", Arc::new(memory.clone()), graveyard("async")?);
    add(Outlet { memory: Some(memory), ..outlet });
    #[cfg(feature = "database")]
    match database(config) {
        Ok(outlet) => add(outlet),
        Err(error) if config.default == "database" => return Err(error),
        // A program that does not use it need not configure it.
        Err(error) => log::debug!("there is no database driver: {error}"),
    }
    for (name, backend) in &own.drivers {
        add(Outlet::new(config, name, "", backend.clone(), graveyard(name)?));
    }
    match outlets.contains_key(&config.default) {
        true => Ok(outlets),
        false => {
            let known: Vec<_> = outlets.keys().map(String::as_str).collect();
            let message = format!("no driver is named \"{}\"", config.default);
            let help = format!("this program has: {}", known.join(", "));
            Err(config.error_at("default", message).with_help(help))
        }
    }
}

#[cfg(feature = "database")]
fn database(config: &Config) -> Result<Outlet> {
    let connection = &config.database.connection;
    let database = Arc::new(Database::of_jobs(config, connection)?);
    let failed = match database.keeps_failed() {
        true => Graveyard::Table { backend: database.clone(), asked_for: true },
        false => configured_graveyard(config, "database")?,
    };
    Ok(Outlet::new(config, "database", connection, database, failed))
}

pub(super) fn unknown_driver(outlets: &BTreeMap<String, Arc<Outlet>>, name: &str) -> Error {
    let known: Vec<_> = outlets.keys().map(String::as_str).collect();
    Error::config(format!("no driver is named \"{name}\""))
        .with_help(format!("this program has: {}", known.join(", ")))
}

#[cfg(feature = "database")]
fn configured_graveyard(config: &Config, driver: &str) -> Result<Graveyard> {
    let settings = config.settings(driver);
    let Some(table) = &settings.failed_table else { return Ok(Graveyard::None) };
    let asked_for = settings.failed_connection.is_some();
    let connection = settings.failed_connection.as_ref().unwrap_or(&config.database.connection);
    match Database::of_failed(config, connection, table) {
        Ok(database) => Ok(Graveyard::Table { backend: Arc::new(database), asked_for }),
        Err(error) if asked_for => Err(error),
        Err(_) => Ok(Graveyard::None),
    }
}

#[cfg(not(feature = "database"))]
fn configured_graveyard(_: &Config, _: &str) -> Result<Graveyard> {
    Ok(Graveyard::None)
}
