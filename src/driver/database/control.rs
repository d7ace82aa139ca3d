//! The table of signals: what the workers are told, beside their jobs.

use super::adapter::{Adapter, Value};
use crate::driver::{ControlFlags, ControlMessage};
use crate::error::Result;

/// What the workers of one driver are told.
pub(super) fn list(adapter: &mut dyn Adapter, driver: &str) -> Result<ControlFlags> {
    let mut signals = ControlFlags::default();
    for row in adapter.query("list_signals", &[driver.into()])? {
        match row.text(0) {
            none if none.is_empty() => signals.restart = row.number(1),
            queue => drop(signals.paused.insert(queue)),
        }
    }
    Ok(signals)
}

/// Says whether it changed anything.
pub(super) fn send(adapter: &mut dyn Adapter, driver: &str, signal: &ControlMessage<'_>) -> Result<bool> {
    let changed = match signal {
        ControlMessage::Pause(queue) => adapter.execute("pause", &[driver.into(), (*queue).into()])?,
        ControlMessage::Resume(queue) => adapter.execute("resume", &[driver.into(), (*queue).into()])?,
        // Any number will do that is not the last one.
        ControlMessage::Restart => {
            adapter.execute("restart", &[driver.into(), Value::Number(fastrand::i64(1..))])?
        }
    };
    Ok(changed > 0)
}
