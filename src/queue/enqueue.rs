//! Takes new jobs: addresses them, checks them, hands them to the driver.

use std::sync::Arc;
use std::time::Duration;

use super::blocking;
use super::drivers::ConfiguredDriver;
use super::inner::QueueInner;
use super::worker_builder;
#[cfg(feature = "database")]
use crate::config::DriverKind;
use crate::context::is_inside_a_job;
#[cfg(feature = "database")]
use crate::driver::database::Database;
use crate::driver::memory::Memory;
use crate::error::{Error, Result};
use crate::message::{Message, Pushed, check_name, check_queue, new_uuid};
use crate::payload::PAYLOAD_LIMIT;
use crate::push::{Enlist, Enqueue, NewJob, PushOptions};
use crate::time::Timestamp;

/// How often a push that waits for room checks that the worker still lives.
const LOOK: Duration = Duration::from_millis(200);

impl QueueInner {
    /// Addresses new jobs for a driver.
    fn address(
        &self,
        configured: &ConfiguredDriver,
        options: &PushOptions,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<Message>> {
        let asked: Option<Arc<str>> = options.queue.as_deref().map(Arc::from);
        if let Some(queue) = &asked {
            check_queue("name of the queue", queue)?;
        }
        let overrides = options.overrides.to_json();
        let unique_key: Option<Arc<str>> = options.overrides.unique_key.as_deref().map(Arc::from);
        new_jobs
            .into_iter()
            .map(|new_job| {
                check_name("name of the job", &new_job.name)?;
                if new_job.payload.len() > PAYLOAD_LIMIT {
                    return Err(Error::invalid(format!(
                        "cannot push {}: its payload has {} bytes, at most {PAYLOAD_LIMIT} fit",
                        new_job.name,
                        new_job.payload.len()
                    ))
                    .with_help("store large data elsewhere and push a reference to it"));
                }
                // A known name is shared with the registry.
                let known = self.job_types.get_key_value(&*new_job.name);
                let of_type: Option<Arc<str>> = new_job.queue.or_else(|| known?.1.queue()).map(Arc::from);
                if let Some(queue) = of_type.as_ref().filter(|_| asked.is_none()) {
                    check_queue("name of the queue", queue)?;
                }
                Ok(Message {
                    uuid: new_uuid(),
                    queue: asked.clone().or(of_type).unwrap_or_else(|| configured.default_queue.clone()),
                    name: known.map_or_else(|| Arc::from(&*new_job.name), |(name, _)| name.clone()),
                    payload: new_job.payload.into(),
                    delay: options.delay,
                    priority: options.overrides.priority.unwrap_or(0),
                    unique_key: unique_key.clone(),
                    replaces: options.replace,
                    overrides: overrides.clone(),
                })
            })
            .collect()
    }

    /// Hands messages to a driver that is not run in this thread.
    pub(super) fn send(
        &self,
        configured: &ConfiguredDriver,
        mut messages: Vec<Message>,
    ) -> Result<Vec<Pushed>> {
        let Some(memory) = &configured.memory else { return configured.batcher.push(messages) };
        self.open_pool()?;
        // A job that waits for room in the queue that it is taken from would wait for ever.
        if is_inside_a_job() {
            return Ok(memory.add(messages));
        }
        let capacity = self.config.memory.capacity;
        if messages.len() <= capacity {
            self.wait_for_room(memory, capacity)?;
            return Ok(memory.add(messages));
        }
        let mut pushed = Vec::with_capacity(messages.len());
        while !messages.is_empty() {
            self.wait_for_room(memory, capacity)?;
            let rest = messages.split_off(messages.len().min(capacity));
            pushed.extend(memory.add(messages));
            messages = rest;
        }
        Ok(pushed)
    }

    /// Waits for room for as long as there is a worker that makes some.
    fn wait_for_room(&self, memory: &Memory, capacity: usize) -> Result<()> {
        while !memory.wait_for_room(capacity, LOOK) {
            self.open_pool()?;
        }
        Ok(())
    }

    /// Starts the async driver's worker when it does not run yet.
    fn open_pool(&self) -> Result<()> {
        self.pool.open(|| worker_builder::prepare_pool(self))
    }
}

impl Enqueue for QueueInner {
    fn accept(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        if let Some(recorder) = &self.recorder {
            return recorder.record(options, new_jobs);
        }
        let configured = self.configured(options.driver.as_deref())?;
        let messages = self.address(configured, options, new_jobs)?;
        let Some(first) = messages.first() else { return Ok(Vec::new()) };
        let (name, queue, count) = (first.name.clone(), first.queue.clone(), messages.len());
        match configured.memory.is_some() && self.config.memory.blocking {
            true => blocking::run_all(self, configured, messages),
            false => self.send(configured, messages).map_err(|error| match error.is_schema() {
                // What is missing is the whole story.
                true => error,
                false if count == 1 => error.context(format!("cannot push {name} onto queue \"{queue}\"")),
                false => error.context(format!("cannot push {count} {name} onto queue \"{queue}\"")),
            }),
        }
    }

    fn accept_in(
        &self,
        transaction: &mut dyn Enlist,
        options: &PushOptions,
        new_jobs: Vec<NewJob>,
    ) -> Result<Vec<Pushed>> {
        if let Some(recorder) = &self.recorder {
            return recorder.enlist(options, new_jobs);
        }
        let configured = self.configured(options.driver.as_deref())?;
        let messages = self.address(configured, options, new_jobs)?;
        if configured.memory.is_some() && self.config.memory.blocking {
            return blocking::run_all(self, configured, messages);
        }
        #[cfg(feature = "database")]
        if DriverKind::of(&configured.name) == DriverKind::Database {
            let created_at = self.config.database.settings.tz.format(Timestamp::now());
            let database = Database::of_jobs(&self.config, &self.config.database.connection)?;
            return database.push_in(transaction, &messages, &created_at);
        }
        let _ = (transaction, messages, Timestamp::now());
        Err(Error::unsupported(format!(
            "cannot push within a transaction: driver \"{}\" keeps its jobs outside of the database",
            configured.name
        ))
        .with_help("push with the driver \"database\", or once the transaction has committed"))
    }
}
