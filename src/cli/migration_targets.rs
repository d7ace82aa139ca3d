//! The databases that migrations are for.

use std::collections::BTreeMap;

use crate::config::{Config, DriverKind};
use crate::driver::database::{Database, File, State};
use crate::error::Result;

/// A database whose tables are made.
pub(super) struct Target {
    pub(super) database: Database,
    /// It has the jobs, and gets all migrations that name no connection.
    pub(super) main: bool,
}

impl Target {
    /// The migrations that are for it.
    pub(super) fn own<'f>(&self, files: &'f [File]) -> Vec<&'f File> {
        files.iter().filter(|file| self.database.takes(file, self.main)).collect()
    }
}

/// How far each migration is in the database that it is for.
pub(super) fn states(targets: &[Target], files: &[File]) -> Result<BTreeMap<String, State>> {
    let mut states = BTreeMap::new();
    for target in targets {
        for (name, state) in target.database.migrations(&target.own(files))? {
            // Two that share a database agree, but for what one of them alone knows as its own.
            if state != State::Applied || !states.contains_key(&name) {
                states.insert(name, state);
            }
        }
    }
    Ok(states)
}

/// The databases whose tables are made: the driver's, and that of its failed jobs where it is another one, or
/// another table.
pub(super) fn targets(config: &Config) -> Result<Vec<Target>> {
    let main = database(config)?;
    let failed = match config.failed_place(&config.default) {
        Some((connection, table)) if !main.has_failed(connection, table) => {
            let is_main = connection == main.name();
            Some(Target { database: Database::of_failed(config, connection, table)?, main: is_main })
        }
        _ => None,
    };
    Ok(std::iter::once(Target { database: main, main: true }).chain(failed).collect())
}

/// The driver's database. The amqp driver has one for its failed jobs only.
pub(super) fn database(config: &Config) -> Result<Database> {
    match config.failed_place(&config.default) {
        Some((connection, table)) if config.default_kind() == DriverKind::Amqp => {
            Database::of_failed(config, connection, table)
        }
        _ => Database::of_jobs(config, &config.database.connection),
    }
}
