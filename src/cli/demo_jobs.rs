//! The jobs of the stock binary, so that it can be tried in a minute.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::escape;
use crate::context::Context;
use crate::job::{JobError, JobResult, Queueable};
use crate::registry::Jobs;

/// Prints its payload to stdout, as JSON: it is the job's output, and JSON cannot look like a log line.
#[derive(Serialize, Deserialize)]
struct Echo(serde_json::Value);

impl Queueable for Echo {
    const NAME: &'static str = "Echo";

    fn handle(&self, _: &Context) -> JobResult {
        // One write: lines of jobs that run beside each other stay whole.
        let line = format!("{}\n", escape::json(&self.0.to_string()));
        std::io::stdout().write_all(line.as_bytes())?;
        Ok(())
    }
}

/// Fails, with its payload as the reason.
#[derive(Serialize, Deserialize)]
struct Fail(serde_json::Value);

impl Queueable for Fail {
    const NAME: &'static str = "Fail";

    fn handle(&self, _: &Context) -> JobResult {
        Err(JobError::new(match &self.0 {
            serde_json::Value::Null => "the payload gives no reason".to_owned(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }))
    }
}

/// `Echo`, which prints its payload, and `Fail`, which fails with it as the reason.
pub fn jobs() -> Jobs {
    Jobs::new().add::<Echo>().add::<Fail>()
}
