//! A configured driver, as the queue sees it: where to push, where its failed jobs are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batcher::Batcher;
use super::failed_store::FailedStore;
use crate::config::{Choice, Config, DatabaseKind, DriverKind};
#[cfg(feature = "amqp")]
use crate::driver::amqp::{AmqpBackend, AmqpOptions};
#[cfg(all(feature = "amqp", feature = "database"))]
use crate::driver::database::ControlTable;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::driver::memory::Memory;
use crate::driver::{Backend, Control, Driver, Notifier};
use crate::error::{Error, Result};
use crate::failed::FailedBackend;

/// Makes a handle to control messages; opens nothing.
pub(super) type MakeControl = Box<dyn Fn() -> Box<dyn Control> + Send + Sync>;

pub(super) struct ConfiguredDriver {
    pub(super) name: String,
    /// Empty when it has none.
    pub(super) connection: String,
    pub(super) backend: Arc<dyn Backend>,
    /// The control table of a database beside a back end that keeps no control messages.
    pub(super) control: Option<MakeControl>,
    pub(super) batcher: Batcher,
    pub(super) failed: FailedStore,
    /// The store of the async driver.
    pub(super) memory: Option<Memory>,
    pub(super) default_queue: Arc<str>,
}

impl ConfiguredDriver {
    pub(super) fn open(&self) -> Result<Box<dyn Driver>> {
        self.backend.open(Notifier::silent())
    }

    /// Works with the control messages of this driver, wherever they are kept.
    pub(super) fn with_control<T>(&self, work: impl FnOnce(&mut dyn Control) -> Result<T>) -> Result<T> {
        match &self.control {
            Some(make) => work(&mut *make()),
            None => work(self.open()?.control()?),
        }
    }

    fn new(
        config: &Config,
        name: &str,
        connection: &str,
        backend: Arc<dyn Backend>,
        failed: FailedStore,
    ) -> Self {
        Self {
            name: name.to_owned(),
            connection: connection.to_owned(),
            batcher: Batcher::new(backend.clone()),
            backend,
            control: None,
            failed,
            memory: None,
            default_queue: Arc::from(&*config.settings(name).queue),
        }
    }
}

/// Drivers and a store of failed jobs that the program brings itself.
#[derive(Default)]
pub(super) struct Own {
    pub(super) drivers: BTreeMap<String, Arc<dyn Backend>>,
    /// Where the failed jobs of the async driver and of its own drivers are stored.
    pub(super) failed: Option<Arc<dyn FailedBackend>>,
}

/// The drivers of a configuration, and those of the program.
pub(super) fn all(config: &Config, own: Own) -> Result<BTreeMap<String, Arc<ConfiguredDriver>>> {
    let mut drivers = BTreeMap::new();
    let mut add = |configured: ConfiguredDriver| {
        drivers.insert(configured.name.clone(), Arc::new(configured));
    };
    let failed_store = |driver: &str| match &own.failed {
        Some(backend) => Ok(FailedStore::named(backend.clone())),
        None => FailedStore::configured(config, driver, None),
    };
    let memory = Memory::new();
    let configured =
        ConfiguredDriver::new(config, "async", "", Arc::new(memory.clone()), failed_store("async")?);
    add(ConfiguredDriver { memory: Some(memory), ..configured });
    #[cfg(feature = "database")]
    if_used(config, "database", database(config))?.map(&mut add);
    #[cfg(feature = "amqp")]
    if_used(config, "amqp", amqp(config))?.map(&mut add);
    for (name, backend) in &own.drivers {
        add(ConfiguredDriver::new(config, name, "", backend.clone(), failed_store(name)?));
    }
    match drivers.contains_key(&config.default) {
        true => Ok(drivers),
        false => {
            let message = format!("no driver is named \"{}\"", config.default);
            Err(config.error_at("default", message).with_help(known(&drivers, &config.default)))
        }
    }
}

/// A program that does not use a driver need not configure it.
#[cfg(any(feature = "database", feature = "amqp"))]
fn if_used(
    config: &Config,
    name: &str,
    configured: Result<ConfiguredDriver>,
) -> Result<Option<ConfiguredDriver>> {
    match configured {
        Ok(configured) => Ok(Some(configured)),
        Err(error) if config.default == name => Err(error),
        Err(error) => {
            log::debug!("there is no driver {name}: {error}");
            Ok(None)
        }
    }
}

#[cfg(feature = "database")]
fn database(config: &Config) -> Result<ConfiguredDriver> {
    let connection = &config.database.connection;
    let database = Arc::new(Database::of_jobs(config, connection)?);
    let failed = match database.keeps_failed() {
        true => FailedStore::named(database.clone()),
        false => FailedStore::configured(config, "database", None)?,
    };
    Ok(ConfiguredDriver::new(config, "database", connection, database, failed))
}

#[cfg(feature = "amqp")]
fn amqp(config: &Config) -> Result<ConfiguredDriver> {
    config.check_broker()?;
    let backend = AmqpBackend::new(AmqpOptions::from_config(&config.amqp)?);
    let queue = Arc::new(backend.failed_jobs(config.amqp.settings.tz.clone()));
    let failed = FailedStore::configured(config, "amqp", Some(queue))?;
    let configured = ConfiguredDriver::new(config, "amqp", "", Arc::new(backend), failed);
    Ok(ConfiguredDriver { control: control_table(config), ..configured })
}

/// Control messages to the amqp driver's workers are kept in the database that has its failed jobs, if there is one.
#[cfg(all(feature = "amqp", feature = "database"))]
fn control_table(config: &Config) -> Option<MakeControl> {
    let (connection, _) = config.failed_place("amqp")?;
    let database = Database::of_jobs(config, connection).ok()?;
    Some(Box::new(move || Box::new(ControlTable::new(database.clone(), "amqp"))))
}

#[cfg(all(feature = "amqp", not(feature = "database")))]
fn control_table(_: &Config) -> Option<MakeControl> {
    None
}

pub(super) fn unknown_driver(drivers: &BTreeMap<String, Arc<ConfiguredDriver>>, name: &str) -> Error {
    Error::config(format!("no driver is named \"{name}\"")).with_help(known(drivers, name))
}

fn known(drivers: &BTreeMap<String, Arc<ConfiguredDriver>>, name: &str) -> String {
    let is_database = || name == "pgsql" || DatabaseKind::named(name).is_some();
    match DriverKind::of(name) {
        DriverKind::Amqp if cfg!(not(feature = "amqp")) => "build craft-queue with the feature \"amqp\"".into(),
        // Other libraries name the database here; in this one the connection does.
        DriverKind::Custom if is_database() && drivers.contains_key("database") => {
            "databases have the driver \"database\": the connection says which one, --connection NAME or connection = \"NAME\" under [database]".into()
        }
        _ => {
            let known: Vec<_> = drivers.keys().map(String::as_str).collect();
            format!("this program has: {}", known.join(", "))
        }
    }
}
