//! A configured driver, as the desk sees it: where to push, where its dead lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::graveyard::Graveyard;
use super::pusher::Pusher;
#[cfg(all(feature = "amqp", feature = "database"))]
use super::told::Told;
use crate::config::Config;
#[cfg(feature = "amqp")]
use crate::driver::amqp::{AmqpBackend, Options};
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
        Some(backend) => Ok(Graveyard::asked_for(backend.clone())),
        None => Graveyard::configured(config, driver, None),
    };
    let memory = Memory::new();
    let outlet = Outlet::new(config, "async", "", Arc::new(memory.clone()), graveyard("async")?);
    add(Outlet { memory: Some(memory), ..outlet });
    #[cfg(feature = "database")]
    if_used(config, "database", database(config))?.map(&mut add);
    #[cfg(feature = "amqp")]
    if_used(config, "amqp", amqp(config))?.map(&mut add);
    for (name, backend) in &own.drivers {
        add(Outlet::new(config, name, "", backend.clone(), graveyard(name)?));
    }
    match outlets.contains_key(&config.default) {
        true => Ok(outlets),
        false => {
            let message = format!("no driver is named \"{}\"", config.default);
            Err(config.error_at("default", message).with_help(known(&outlets, &config.default)))
        }
    }
}

/// A program that does not use a driver need not configure it.
#[cfg(any(feature = "database", feature = "amqp"))]
fn if_used(config: &Config, name: &str, outlet: Result<Outlet>) -> Result<Option<Outlet>> {
    match outlet {
        Ok(outlet) => Ok(Some(outlet)),
        Err(error) if config.default == name => Err(error),
        Err(error) => {
            log::debug!("there is no driver {name}: {error}");
            Ok(None)
        }
    }
}

#[cfg(feature = "database")]
fn database(config: &Config) -> Result<Outlet> {
    let connection = &config.database.connection;
    let database = Arc::new(Database::of_jobs(config, connection)?);
    let failed = match database.keeps_failed() {
        true => Graveyard::asked_for(database.clone()),
        false => Graveyard::configured(config, "database", None)?,
    };
    Ok(Outlet::new(config, "database", connection, database, failed))
}

#[cfg(feature = "amqp")]
fn amqp(config: &Config) -> Result<Outlet> {
    config.check_broker()?;
    let backend = AmqpBackend::new(Options::from_config(&config.amqp)?);
    let queue = Arc::new(backend.failed_jobs(config.amqp.settings.tz.clone()));
    let failed = Graveyard::configured(config, "amqp", Some(queue))?;
    Ok(Outlet::new(config, "amqp", "", told(config, Arc::new(backend)), failed))
}

/// The amqp driver's workers are told through the database that has its failed jobs, if there is one.
#[cfg(all(feature = "amqp", feature = "database"))]
fn told(config: &Config, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    let database = config.failed_place("amqp").map(|(connection, _)| Database::of_jobs(config, connection));
    match database {
        Some(Ok(database)) => Arc::new(Told::new(backend, "amqp", database)),
        _ => backend,
    }
}

#[cfg(all(feature = "amqp", not(feature = "database")))]
fn told(_: &Config, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    backend
}

pub(super) fn unknown_driver(outlets: &BTreeMap<String, Arc<Outlet>>, name: &str) -> Error {
    Error::config(format!("no driver is named \"{name}\"")).with_help(known(outlets, name))
}

fn known(outlets: &BTreeMap<String, Arc<Outlet>>, name: &str) -> String {
    match name {
        "amqp" if cfg!(not(feature = "amqp")) => "build craft-queue with the feature \"amqp\"".into(),
        // What others call drivers are connections here.
        "sqlite" | "mysql" | "mariadb" | "postgres" | "postgresql" | "pgsql"
            if outlets.contains_key("database") =>
        {
            "databases have the driver \"database\": the connection says which one, --connection NAME or connection = \"NAME\" under [database]".into()
        }
        _ => {
            let known: Vec<_> = outlets.keys().map(String::as_str).collect();
            format!("this program has: {}", known.join(", "))
        }
    }
}
