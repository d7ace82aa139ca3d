//! Jobs wait in a table of a SQL database.
//!
//! What all databases share is here: the driver, the failed jobs, the migrations. What differs is an
//! adapter for each, and its SQL in `sql/`. A finished job's row leaves the table; nothing holds a
//! transaction open while a job runs.

#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(
        dead_code,
        unreachable_code,
        unused_macros,
        unused_variables,
        reason = "a command line for other drivers alone never makes any of this"
    )
)]

mod adapter;
mod backend;
mod batch_size;
mod burial;
mod control;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod cursor;
mod dead;
mod failed;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod hosts;
mod inspect;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod interned;
mod jobs;
mod keys;
mod lenient;
mod lexer;
#[cfg(feature = "cli")]
mod migrations;
mod missing_tables;
#[cfg(feature = "mysql")]
mod mysql;
mod odd_rows;
mod one_by_one;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod push_in;
mod receipts;
mod refused;
mod schema_errors;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod value;
mod version;
mod weaker_texts;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[cfg(feature = "amqp")]
pub(crate) use self::control::ControlTable;
#[cfg(feature = "cli")]
pub(crate) use self::migrations::{DOWN, File, Migrated, State, Table, files};

use self::adapter::{Adapter, schema_transaction};
use self::open::Open;
use self::schema_errors::is_missing;
use self::statements::{Dialect, Statements, not_compiled_in};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::config::Server;
use crate::config::{Config, Connection, Durability};
use crate::error::{Error, Result};
use crate::time::Zone;

/// A database with a table of jobs, of failed jobs, or both.
#[derive(Clone)]
pub struct Database {
    name: String,
    /// As messages call its connection.
    label: String,
    connection: Connection,
    dialect: Dialect,
    durability: Durability,
    zone: Zone,
    /// A statement may take this long; less than a third of the lease.
    patience: Duration,
    jobs: Option<String>,
    failed: Option<String>,
    statements: Arc<Statements>,
    /// What the server calls the database, where that was asked.
    own_name: Arc<OnceLock<String>>,
}

impl Database {
    /// The database driver of a configuration: its jobs, and its failed jobs where they share the
    /// connection.
    ///
    /// # Errors
    /// The connection is not configured, or its kind is not compiled in.
    pub fn of_jobs(config: &Config, connection: &str) -> Result<Self> {
        let settings = &config.database.settings;
        let shared = settings.failed_connection.as_deref().is_none_or(|name| name == connection);
        let failed = settings.failed_table.clone().filter(|_| shared);
        Self::named(config, connection, Some(config.database.table.clone()), failed)
    }

    /// A table of failed jobs on a connection.
    ///
    /// # Errors
    /// The connection is not configured, or its kind is not compiled in.
    pub fn of_failed(config: &Config, connection: &str, table: &str) -> Result<Self> {
        Self::named(config, connection, None, Some(table.to_owned()))
    }

    fn named(config: &Config, name: &str, jobs: Option<String>, failed: Option<String>) -> Result<Self> {
        let connection = config.connection(name)?.clone();
        let settings = &config.database.settings;
        let dialect = Dialect::of(&connection)?;
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        check_tls(name, &connection, cfg!(feature = "tls"))?;
        let statements = Statements::new(
            dialect,
            jobs.as_deref().unwrap_or("jobs"),
            failed.as_deref().unwrap_or("failed_jobs"),
        );
        Ok(Self {
            name: name.to_owned(),
            label: config.label(name),
            connection,
            dialect,
            durability: config.database.durability,
            zone: settings.tz.clone(),
            patience: (settings.lease / 4).min(Duration::from_secs(5)),
            jobs,
            failed,
            statements: Arc::new(statements),
            own_name: Arc::default(),
        })
    }

    /// Makes the tables that are missing, brings an older table of jobs to today's version, and leaves those that are
    /// there.
    ///
    /// # Errors
    /// The database can't be reached or written, or has a table of that name that does not fit.
    pub fn install(&self) -> Result<()> {
        let mut adapter = self.connect(Open::Migrate)?;
        let tables = [
            (self.jobs.is_some(), "check_jobs", "create_jobs"),
            (self.jobs.is_some(), "check_signals", "create_signals"),
            (self.failed.is_some(), "check_failed_jobs", "create_failed_jobs"),
        ];
        for (wanted, check, create) in tables {
            if wanted && adapter.query(check, &[]).is_err_and(|error| is_missing(&error)) {
                schema_transaction(&mut *adapter, |adapter| match adapter.query(check, &[]) {
                    Err(error) if is_missing(&error) => adapter.run_script(self.statements.get(create)),
                    // Another process made it while this one waited for the lock.
                    checked => checked.map(drop),
                })?;
            }
        }
        if self.jobs.is_some() {
            self.upgrade_jobs(&mut *adapter)?;
        }
        self.check_tables(&mut *adapter, true)
    }

    /// Whether the table of jobs is there, whatever its columns.
    ///
    /// # Errors
    /// The database can't be reached.
    #[cfg(feature = "cli")]
    pub(crate) fn has_jobs_table(&self) -> Result<bool> {
        let table = self.dialect.quoted(self.jobs.as_deref().unwrap_or("jobs"));
        match self.connect(Open::Migrate)?.run_script(&format!("SELECT 1 FROM {table} LIMIT 0")) {
            Ok(()) => Ok(true),
            Err(error) if error.is_schema() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the table of jobs, all that is in it, and its control messages.
    ///
    /// # Errors
    /// The database can't be reached, or did not allow it.
    #[cfg(feature = "cli")]
    pub(crate) fn uninstall_jobs(&self) -> Result<()> {
        self.connect(Open::Existing)?.run_script(self.statements.get("drop_jobs"))
    }

    /// The names of the indexes that the table of jobs should have and has not.
    ///
    /// # Errors
    /// The database can't be reached.
    #[cfg(feature = "cli")]
    pub(crate) fn missing_indexes(&self) -> Result<Vec<String>> {
        let rows = self.connect(Open::Existing)?.query("missing_indexes", &[])?;
        Ok(rows.iter().map(|row| row.text(0)).collect())
    }

    /// Checks the table of control messages.
    ///
    /// # Errors
    /// It is missing, or the database can't be reached.
    #[cfg(feature = "cli")]
    pub(crate) fn check_signals(&self) -> Result<()> {
        let checked = self.connect(Open::Existing)?.query("check_signals", &[]);
        checked.map(drop).map_err(|error| self.explain_missing(error, "check_signals"))
    }

    /// What the connection is called.
    #[cfg(feature = "cli")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has this table of failed jobs.
    #[cfg(feature = "cli")]
    pub(crate) fn has_failed(&self, connection: &str, table: &str) -> bool {
        self.name == connection && self.failed.as_deref() == Some(table)
    }

    /// Whether it has a table of failed jobs beside the jobs.
    pub fn keeps_failed(&self) -> bool {
        self.jobs.is_some() && self.failed.is_some()
    }

    fn connect(&self, open: Open) -> Result<Box<dyn Adapter>> {
        // Only a file can be made; only a file has a durability of ours.
        let _ = (open, self.durability);
        // A migration may rewrite a large table; and another migration that waits for it waits as long.
        let limit = Some(self.patience).filter(|_| open != Open::Migrate);
        match &self.connection {
            #[cfg(feature = "sqlite")]
            Connection::Sqlite { database } => {
                sqlite::open(database, open, self.statements.clone(), self.durability, limit)
            }
            #[cfg(feature = "postgres")]
            Connection::Postgres { url } => hosts::first(url, self.patience, |server, patience| {
                postgres::open(server, self.statements.clone(), patience, limit)
            }),
            #[cfg(feature = "mysql")]
            Connection::Mysql { url } => hosts::first(url, self.patience, |server, patience| {
                mysql::open(&server, self.statements.clone(), patience, limit)
            }),
            #[allow(unreachable_patterns, reason = "with all three drivers nothing is left")]
            other => Err(not_compiled_in(other)),
        }
        .map_err(|error| error.context(format!("cannot open {}", self.label)))
    }

    /// Checks that the tables are there and fit this version. A worker whose table of failed jobs goes
    /// missing works on: it is checked at the start, when that table is opened by itself.
    fn check_tables(&self, adapter: &mut dyn Adapter, failed_too: bool) -> Result<()> {
        if self.jobs.is_some() {
            self.check_jobs(adapter)?;
        }
        if failed_too && self.failed.is_some() {
            let check = "check_failed_jobs";
            adapter.query(check, &[]).map_err(|error| self.explain_missing(error, check))?;
        }
        Ok(())
    }

    fn connect_and_check(&self, failed_too: bool) -> Result<Box<dyn Adapter>> {
        if self.is_missing_file() {
            let check = if self.jobs.is_some() { "check_jobs" } else { "check_failed_jobs" };
            return Err(self.explain_missing(Error::schema("no such file"), check));
        }
        let mut adapter = self.connect(Open::Existing)?;
        self.check_tables(&mut *adapter, failed_too)?;
        Ok(adapter)
    }
}

/// Fails for a server that is to be spoken to by TLS, when a build has none.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn check_tls(name: &str, connection: &Connection, has_tls: bool) -> Result<()> {
    let (Connection::Postgres { url } | Connection::Mysql { url }) = connection else { return Ok(()) };
    if Server::of(url)?.tls.is_required() && !has_tls {
        return Err(Error::unsupported(format!(
            "connection \"{name}\" asks for TLS (sslmode), and this build has none"
        ))
        .with_help("build craft-queue with the feature \"tls\""));
    }
    Ok(())
}

#[cfg(all(test, any(feature = "postgres", feature = "mysql")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_tls_says_so_when_it_is_asked_for() {
        let check = |mode: &str, has_tls| {
            let url = format!("postgres://u:secret@h/db{mode}");
            check_tls("shop", &Connection::Postgres { url }, has_tls)
        };
        for mode in ["?sslmode=require", "?sslmode=verify-full"] {
            assert!(check(mode, true).is_ok());
            let error = check(mode, false).unwrap_err();
            assert_eq!(
                error.to_string(),
                "connection \"shop\" asks for TLS (sslmode), and this build has none"
            );
            assert_eq!(error.help(), Some("build craft-queue with the feature \"tls\""));
        }
        for mode in ["", "?sslmode=prefer", "?sslmode=disable"] {
            assert!(check(mode, false).is_ok());
        }
    }
}
