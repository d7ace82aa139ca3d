//! What people tell the workers: read once a poll, and obeyed. A paused queue is not asked for, and what
//! was taken from it and has not begun goes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::StopReason;
use super::event_loop::EventLoop;
use crate::driver::{ControlFlags, Suspects, Want};
use crate::error::Result;
use crate::event::Event;
use crate::runner::Work;

/// What it was told, as far as it obeys.
pub(super) struct ControlState {
    /// Those of its queues that it works off now, in order.
    pub(super) queues: Vec<String>,
    /// The number that it found at its start: with another one it ends.
    restart: Option<i64>,
    /// That they can't be read was told.
    warned: bool,
}

impl ControlState {
    pub(super) fn new(queues: &[String]) -> Self {
        Self { queues: queues.to_vec(), restart: None, warned: false }
    }
}

impl EventLoop {
    /// At its start: what was said before is not meant for it.
    pub(super) fn ignore_past_restarts(&mut self) -> Result<()> {
        self.orders.restart = self.read_signals()?.and_then(|signals| signals.restart);
        Ok(())
    }

    pub(super) fn obey_signals(&mut self) -> Result<()> {
        // Without a queue to look into, nothing else would listen for the end of the pause.
        if self.is_paused() {
            self.line.listen();
        }
        let begin = Instant::now();
        let signals = self.read_signals();
        self.schedule.read_control(begin, begin.elapsed());
        let Some(signals) = signals? else { return Ok(()) };
        if self.pause(&signals.paused) && self.is_paused() {
            self.fetch_nothing_ahead(1)?;
        }
        if signals.restart.is_some() && signals.restart != self.orders.restart {
            self.orders.restart = signals.restart;
            self.begin_to_stop(StopReason::Restarted);
        }
        Ok(())
    }

    /// Whether all of its queues are paused.
    pub(super) fn is_paused(&self) -> bool {
        self.orders.queues.is_empty()
    }

    /// `None` when they can't be read although the back end works: a worker goes on as it is.
    fn read_signals(&mut self) -> Result<Option<ControlFlags>> {
        let Some(driver) = self.line.driver() else { return Ok(None) };
        let read = match &mut self.setup.control {
            Some(control) => control.flags(),
            None => match driver.control() {
                Ok(control) => control.flags(),
                // Nobody can have sent a message.
                Err(error) if error.is_unsupported() => Ok(ControlFlags::default()),
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(signals) => Ok(Some(signals)),
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => {
                if !std::mem::replace(&mut self.orders.warned, true) {
                    let warning = format!("cannot be told to pause or to restart: {error}");
                    self.tell(&Event::Warning(&warning));
                }
                Ok(None)
            }
        }
    }

    /// Says whether that changes anything.
    fn pause(&mut self, paused: &BTreeSet<String>) -> bool {
        let is_paused = |queue: &&String| paused.contains(*queue);
        let queues: Vec<_> = self.setup.queues.iter().filter(|queue| !is_paused(queue)).cloned().collect();
        if queues == self.orders.queues {
            return false;
        }
        let before = std::mem::replace(&mut self.orders.queues, queues);
        self.give_back_what_is_paused(paused);
        self.schedule.queues_changed(Instant::now());
        for queue in &self.setup.queues {
            match (before.contains(queue), self.orders.queues.contains(queue)) {
                (true, false) => self.tell(&Event::Paused { queue }),
                (false, true) => self.tell(&Event::Resumed { queue }),
                _ => {}
            }
        }
        true
    }

    /// Some back ends hand jobs out before they are asked for, and each reserve says anew from which queues.
    pub(super) fn fetch_nothing_ahead(&mut self, fresh: usize) -> Result<()> {
        let want = Want { queues: &[], fresh, suspects: Suspects::Ignore, lease: self.setup.lease };
        match self.line.driver() {
            Some(driver) => driver.reserve(&want).map(drop),
            None => Ok(()),
        }
    }

    fn give_back_what_is_paused(&mut self, paused: &BTreeSet<String>) {
        let waiting = self.runner.take_back(usize::MAX);
        // What came first is begun first.
        let (paused, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().rev().partition(|task| paused.contains(&*task.job.message.queue));
        for task in paused {
            self.begun -= 1;
            self.give_back(task, Duration::ZERO);
        }
        self.runner.begin(others.into_iter().map(Work::Run).collect());
    }
}
