//! Control messages to the workers: pause queues, resume them, restart. Read once a poll. A paused queue is not asked
//! for, and what was taken from it and has not begun goes back.

use std::collections::BTreeSet;
use std::time::Instant;

use super::WorkerOptions;
use super::connection::Connection;
use super::jobs::Jobs;
use super::schedule::Schedule;
use crate::driver::{Control, ControlFlags, Driver};
use crate::error::Result;
use crate::event::Event;

/// The control flags, as far as the worker obeys them.
pub(super) struct ControlState {
    /// Those of its queues that are not paused, in order.
    pub(super) queues: Vec<String>,
    /// Where the control messages are when the driver keeps none itself.
    messages: Option<Box<dyn Control>>,
    /// The number that the worker found at its start: with another one it ends.
    restart: Option<i64>,
    /// Whether a warning said that the flags can't be read.
    warned: bool,
}

impl ControlState {
    pub(super) fn new(queues: &[String], messages: Option<Box<dyn Control>>) -> Self {
        Self { queues: queues.to_vec(), messages, restart: None, warned: false }
    }

    /// At the start: earlier messages are not for this worker.
    pub(super) fn ignore_past_restarts(
        &mut self,
        driver: &mut dyn Driver,
        options: &WorkerOptions,
    ) -> Result<()> {
        self.restart = self.read(driver, options)?.and_then(|flags| flags.restart);
        Ok(())
    }

    /// `None` when the flags can't be read although the back end works: a worker goes on as it is.
    fn read(&mut self, driver: &mut dyn Driver, options: &WorkerOptions) -> Result<Option<ControlFlags>> {
        let read = match &mut self.messages {
            Some(messages) => messages.flags(),
            None => match driver.control() {
                Ok(messages) => messages.flags(),
                // Nobody can have sent a message.
                Err(error) if error.is_unsupported() => Ok(ControlFlags::default()),
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(flags) => Ok(Some(flags)),
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    let warning = format!(
                        "cannot read control messages, so that queue:pause and queue:restart have no effect: {error}"
                    );
                    options.emit(&Event::Warning(&warning));
                }
                Ok(None)
            }
        }
    }

    /// Reads the flags and obeys them: pauses and resumes queues. Says whether the worker is to restart.
    pub(super) fn obey(
        &mut self,
        connection: &mut Connection,
        schedule: &mut Schedule,
        jobs: &mut Jobs,
        options: &WorkerOptions,
    ) -> Result<bool> {
        // Without a queue to look into, nothing else listens for the end of the pause.
        if self.is_paused() {
            connection.listen();
        }
        let Some(driver) = connection.driver() else { return Ok(false) };
        let began = Instant::now();
        let flags = self.read(driver, options);
        schedule.read_control(began, began.elapsed());
        let Some(flags) = flags? else { return Ok(false) };
        let events = self.pause(&flags.paused, options);
        if !events.is_empty() {
            jobs.give_back_paused(&flags.paused);
            schedule.queues_changed(Instant::now());
            events.iter().for_each(|event| options.emit(event));
            // Some back ends hand jobs out before they are asked for, and each reserve says anew from which queues.
            if self.is_paused() {
                connection.fetch_nothing_ahead(1, options.lease)?;
            }
        }
        Ok(self.restarts(&flags))
    }

    /// Whether all of its queues are paused.
    pub(super) fn is_paused(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether these flags tell it to restart.
    fn restarts(&mut self, flags: &ControlFlags) -> bool {
        let restarts = flags.restart.is_some() && flags.restart != self.restart;
        if restarts {
            self.restart = flags.restart;
        }
        restarts
    }

    /// Pauses and resumes queues. Answers the events, in order of the queues: none when nothing changes.
    fn pause<'a>(&mut self, paused: &BTreeSet<String>, options: &'a WorkerOptions) -> Vec<Event<'a>> {
        let is_paused = |queue: &&String| paused.contains(*queue);
        let queues: Vec<_> = options.queues.iter().filter(|queue| !is_paused(queue)).cloned().collect();
        let before = std::mem::replace(&mut self.queues, queues);
        let event = |queue: &'a String| match (before.contains(queue), self.queues.contains(queue)) {
            (true, false) => Some(Event::Paused { queue }),
            (false, true) => Some(Event::Resumed { queue }),
            _ => None,
        };
        options.queues.iter().filter_map(event).collect()
    }
}
