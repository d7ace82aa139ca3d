//! Pauses and resumes queues, and asks workers to restart.

use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::route::Act;
use super::shared::Shared;
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    driver: Option<String>,
    queue: Option<String>,
}

pub(super) fn act(shared: &Shared, request: &Request, act: Act) -> Result<(Response, String)> {
    #[derive(Serialize)]
    struct Done {
        /// Whether something has changed.
        changed: bool,
    }
    let chosen: Chosen = request.json()?;
    let driver = shared.driver(chosen.driver.as_deref())?;
    let queue = || chosen.queue.as_deref().ok_or_else(|| Error::invalid("no queue is named"));
    let (changed, audit) = match act {
        Act::Pause => (shared.queue.pause(Some(driver), queue()?)?, format!("paused queue {}", queue()?)),
        Act::Resume => (shared.queue.resume(Some(driver), queue()?)?, format!("resumed queue {}", queue()?)),
        _ => {
            shared.queue.restart_workers(Some(driver))?;
            (true, "asked all workers to restart".to_owned())
        }
    };
    shared.snapshots.forget();
    Ok((Response::json(&Done { changed }), format!("{audit} of driver {driver}")))
}
