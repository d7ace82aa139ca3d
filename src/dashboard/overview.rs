//! The overview: the queues of a driver, and what is wrong.

use serde::Serialize;

use super::http::Response;
use super::problems::{Problem, problems};
use super::shared::Shared;
use crate::error::Result;
use crate::queue::QueueStatus;
use crate::time::Timestamp;

#[derive(Serialize)]
struct Overview<'a> {
    version: &'static str,
    driver: &'a str,
    drivers: &'a [String],
    back_end: String,
    read_only: bool,
    /// Whether a token is asked for.
    signs_in: bool,
    /// Milliseconds since 1970.
    now: i64,
    /// Whether the driver keeps failed jobs.
    keeps_failed: bool,
    queues: &'a [QueueStatus],
    problems: Vec<Problem>,
}

pub(super) fn show(shared: &Shared, driver: &str) -> Result<Response> {
    let now = Timestamp::now();
    let queues = shared.snapshots.get(&shared.queue, driver)?;
    let keeps_failed = shared.queue.config().settings(driver).failed_table.is_some();
    Ok(Response::json(&Overview {
        version: env!("CARGO_PKG_VERSION"),
        driver,
        drivers: &shared.drivers,
        back_end: shared.queue.describe(Some(driver))?,
        read_only: shared.access.read_only,
        signs_in: shared.access.token.is_some(),
        now: now.as_millis(),
        keeps_failed,
        queues: &queues,
        problems: problems(&queues, keeps_failed),
    }))
}
