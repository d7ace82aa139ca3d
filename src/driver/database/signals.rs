//! The table of signals: what the workers are told, beside their jobs.

use super::adapter::{Adapter, Value};
use super::{Database, Open};
use crate::driver::{Signal, Signals};
use crate::error::{Error, Result};

/// What the workers of one driver are told.
pub(super) fn list(adapter: &mut dyn Adapter, driver: &str) -> Result<Signals> {
    let mut signals = Signals::default();
    for row in adapter.query("list_signals", &[driver.into()])? {
        match row.text(0) {
            none if none.is_empty() => signals.restart = row.number(1),
            queue => drop(signals.paused.insert(queue)),
        }
    }
    Ok(signals)
}

/// Says whether it changed anything.
pub(super) fn send(adapter: &mut dyn Adapter, driver: &str, signal: &Signal<'_>) -> Result<bool> {
    let changed = match signal {
        Signal::Pause(queue) => adapter.execute("pause", &[driver.into(), (*queue).into()])?,
        Signal::Resume(queue) => adapter.execute("resume", &[driver.into(), (*queue).into()])?,
        // Any number will do that is not the last one.
        Signal::Restart => adapter.execute("restart", &[driver.into(), Value::Number(fastrand::i64(1..))])?,
    };
    Ok(changed > 0)
}

/// What the workers of a driver are told whose own back end has no place for it.
#[cfg(feature = "amqp")]
pub(crate) struct SignalsTable {
    adapter: Box<dyn Adapter>,
    database: Database,
    driver: String,
}

#[cfg(feature = "amqp")]
impl Database {
    /// Opens the table beside the configured table of jobs, which itself need not be there.
    ///
    /// # Errors
    /// The database can't be reached, or has no such table ([`is_schema`](Error::is_schema)).
    pub(crate) fn open_signals(&self, driver: &str) -> Result<SignalsTable> {
        if self.is_missing_file() {
            return Err(self.explain_missing(Error::schema("no such file"), "check_signals"));
        }
        let mut adapter = self.connect(Open::Existing)?;
        adapter.query("check_signals", &[]).map_err(|error| self.explain_missing(error, "check_signals"))?;
        Ok(SignalsTable { adapter, database: self.clone(), driver: driver.to_owned() })
    }
}

#[cfg(feature = "amqp")]
impl SignalsTable {
    pub(crate) fn list(&mut self) -> Result<Signals> {
        list(&mut *self.adapter, &self.driver)
            .map_err(|error| self.database.explain_missing(error, "check_signals"))
    }

    pub(crate) fn send(&mut self, signal: &Signal<'_>) -> Result<bool> {
        send(&mut *self.adapter, &self.driver, signal)
    }
}
