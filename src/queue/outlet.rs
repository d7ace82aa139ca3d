//! A configured driver, as the desk sees it: where to push, where its dead lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pusher::Pusher;
use crate::config::Config;
#[cfg(feature = "sqlite")]
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
    /// There, and it is an error when that can't be used.
    Configured(Arc<dyn FailedBackend>),
    /// There, if it can be used: nobody asked for it by name.
    IfUsable(Arc<dyn FailedBackend>),
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

/// The drivers of a configuration, and those of the program.
pub(super) fn all(
    config: &Config,
    own: BTreeMap<String, Arc<dyn Backend>>,
) -> Result<BTreeMap<String, Arc<Outlet>>> {
    let mut outlets = BTreeMap::new();
    let mut add = |outlet: Outlet| {
        outlets.insert(outlet.name.clone(), Arc::new(outlet));
    };
    let memory = Memory::new();
    let outlet = Outlet::new(config, "async", "", Arc::new(memory.clone()), graveyard(config, "async")?);
    add(Outlet { memory: Some(memory), ..outlet });
    #[cfg(feature = "sqlite")]
    {
        let connection = &config.database.connection;
        let database = Arc::new(Database::of_jobs(config, connection)?);
        let failed = match database.keeps_failed() {
            true => Graveyard::Configured(database.clone()),
            false => graveyard(config, "database")?,
        };
        add(Outlet::new(config, "database", connection, database, failed));
    }
    for (name, backend) in own {
        let failed = graveyard(config, &name)?;
        add(Outlet::new(config, &name, "", backend, failed));
    }
    match outlets.contains_key(&config.default) {
        true => Ok(outlets),
        false => Err(unknown_driver(&outlets, &config.default)),
    }
}

pub(super) fn unknown_driver(outlets: &BTreeMap<String, Arc<Outlet>>, name: &str) -> Error {
    let known: Vec<_> = outlets.keys().map(String::as_str).collect();
    Error::config(format!("no driver is named \"{name}\""))
        .with_help(format!("this program has: {}", known.join(", ")))
}

#[cfg(feature = "sqlite")]
fn graveyard(config: &Config, driver: &str) -> Result<Graveyard> {
    let settings = config.settings(driver);
    let Some(table) = &settings.failed_table else { return Ok(Graveyard::None) };
    Ok(match &settings.failed_connection {
        Some(name) => Graveyard::Configured(Arc::new(Database::of_failed(config, name, table)?)),
        None => {
            let database = Database::of_failed(config, &config.database.connection, table)?;
            Graveyard::IfUsable(Arc::new(database))
        }
    })
}

#[cfg(not(feature = "sqlite"))]
fn graveyard(_: &Config, _: &str) -> Result<Graveyard> {
    Ok(Graveyard::None)
}
