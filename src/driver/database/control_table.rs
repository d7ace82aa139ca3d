//! The table of signals for another driver: one whose own back end has no place for them.

use super::adapter::Adapter;
use super::{Database, Open, control};
use crate::driver::{ControlFlags, ControlMessage};
use crate::error::{Error, Result};

/// What the workers of that driver are told.
pub(crate) struct ControlTable {
    adapter: Box<dyn Adapter>,
    database: Database,
    driver: String,
}

impl Database {
    /// Opens the table beside the configured table of jobs, which itself need not be there.
    ///
    /// # Errors
    /// The database can't be reached, or has no such table ([`is_schema`](Error::is_schema)).
    pub(crate) fn open_signals(&self, driver: &str) -> Result<ControlTable> {
        if self.is_missing_file() {
            return Err(self.explain_missing(Error::schema("no such file"), "check_signals"));
        }
        let mut adapter = self.connect(Open::Existing)?;
        adapter.query("check_signals", &[]).map_err(|error| self.explain_missing(error, "check_signals"))?;
        Ok(ControlTable { adapter, database: self.clone(), driver: driver.to_owned() })
    }
}

impl ControlTable {
    pub(crate) fn list(&mut self) -> Result<ControlFlags> {
        control::list(&mut *self.adapter, &self.driver)
            .map_err(|error| self.database.explain_missing(error, "check_signals"))
    }

    pub(crate) fn send(&mut self, signal: &ControlMessage<'_>) -> Result<bool> {
        control::send(&mut *self.adapter, &self.driver, signal)
    }
}
