//! A database as a back end: opens its table of jobs, and its table of failed jobs.

use std::collections::HashSet;

use super::Database;
use super::batch_size::Weight;
use super::failed::FailedTable;
use super::jobs::JobsTable;
use super::refused::RefusedRows;
use crate::config::Connection;
use crate::driver::{Backend, Driver, Notifier};
use crate::error::Result;
use crate::failed::{FailedBackend, FailedJobs};

impl Backend for Database {
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>> {
        let mut adapter = self.connect_and_check(false)?;
        adapter.watch(notifier)?;
        Ok(Box::new(JobsTable {
            adapter,
            database: self.clone(),
            no_control_table: false,
            asked_when_due: None,
            looked_for_odd: None,
            weight: Weight::default(),
            locks_until: None,
            refused: RefusedRows::default(),
            passed_over: Vec::new(),
            refused_holds: HashSet::new(),
            warnings: Vec::new(),
        }))
    }

    fn pushes_wait_for_keys(&self) -> bool {
        // Who writes to a file keeps out everybody, whatever the key.
        !matches!(self.connection, Connection::Sqlite { .. })
    }

    fn describe(&self) -> String {
        match &self.connection {
            Connection::Sqlite { database } => format!("sqlite {}", database.display()),
            server => server.to_string(),
        }
    }
}

impl FailedBackend for Database {
    fn open(&self) -> Result<Box<dyn FailedJobs>> {
        let adapter = self.connect_and_check(true)?;
        let shares_jobs = self.jobs.is_some();
        Ok(Box::new(FailedTable { adapter, shares_jobs, zone: self.zone.clone() }))
    }
}
