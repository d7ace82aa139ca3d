//! The table of signals: what the workers are told, beside their jobs.

use super::adapter::{Adapter, Value};
use crate::driver::{Signal, Signals};
use crate::error::Result;

/// Whose signals these are: a row has the driver's name, as others keep theirs in the same table.
const DRIVER: &str = "database";

pub(super) fn list(adapter: &mut dyn Adapter) -> Result<Signals> {
    let mut signals = Signals::default();
    for row in adapter.query("list_signals", &[DRIVER.into()])? {
        match row.text(0) {
            none if none.is_empty() => signals.restart = row.number(1),
            queue => drop(signals.paused.insert(queue)),
        }
    }
    Ok(signals)
}

/// Says whether it changed anything.
pub(super) fn send(adapter: &mut dyn Adapter, signal: &Signal<'_>) -> Result<bool> {
    let changed = match signal {
        Signal::Pause(queue) => adapter.execute("pause", &[DRIVER.into(), (*queue).into()])?,
        Signal::Resume(queue) => adapter.execute("resume", &[DRIVER.into(), (*queue).into()])?,
        // Any number will do that is not the last one.
        Signal::Restart => adapter.execute("restart", &[DRIVER.into(), Value::Number(fastrand::i64(1..))])?,
    };
    Ok(changed > 0)
}
