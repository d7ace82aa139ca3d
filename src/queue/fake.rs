//! A queue for users' tests: it records what was pushed, and runs nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::Queueable;
use crate::message::{JobId, Overrides, Pushed};
use crate::push::{Letter, Options};

/// What was pushed to a [`Queue::fake`](crate::Queue::fake).
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Sent>>>);

/// One recorded push.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The job's name.
    pub name: String,
    /// The queue that the push or the job's type named; else `default`.
    pub queue: String,
    /// The driver that the push named.
    pub driver: Option<String>,
    /// How long until it would be due.
    pub delay: Duration,
    /// What else the push asked for.
    pub overrides: Overrides,
    /// The job as JSON.
    pub payload: Vec<u8>,
}

impl Sent {
    /// The job itself.
    ///
    /// # Errors
    /// It is a job of another type.
    pub fn job<J: Queueable>(&self) -> Result<J> {
        if self.name != J::NAME {
            return Err(Error::invalid(format!("this is a {}, not a {}", self.name, J::NAME)));
        }
        serde_json::from_slice(&self.payload)
            .map_err(|cause| Error::invalid(format!("this is not a {}", J::NAME)).because(&cause))
    }
}

impl Recorder {
    /// Everything that was pushed so far, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The jobs of one type that were pushed, in order.
    pub fn jobs<J: Queueable>(&self) -> Vec<J> {
        self.sent().iter().filter_map(|sent| sent.job().ok()).collect()
    }

    pub(super) fn record(&self, options: &Options, letters: Vec<Letter>) -> Result<Vec<Pushed>> {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pushed = Vec::with_capacity(letters.len());
        for letter in letters {
            let queue = options.queue.as_deref().or(letter.queue).unwrap_or("default");
            sent.push(Sent {
                name: letter.name.to_string(),
                queue: queue.to_owned(),
                driver: options.driver.clone(),
                delay: options.delay,
                overrides: options.overrides.clone(),
                payload: letter.payload,
            });
            pushed.push(Pushed::Added(JobId::Number(i64::try_from(sent.len()).unwrap_or(i64::MAX))));
        }
        Ok(pushed)
    }
}
