//! The inbox of a worker: what wakes its event loop, and how it is stopped from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::recorder::Answer;
use crate::runner::Finished;

/// What wakes the event loop.
pub(crate) enum Wakeup {
    Finished(Finished),
    Recorder(Answer),
    Notifier,
    /// The connection is gone.
    Gone,
    Stop,
    StopNow,
    Finish,
}

/// The inbox of a worker, made before the worker so that it can be stopped from its first moment.
pub(crate) struct Inbox {
    pub(super) wakeups: Receiver<Wakeup>,
    pub(super) sender: Sender<Wakeup>,
    /// Set with the first request to stop, before the event loop has read it.
    stopping: Arc<AtomicBool>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let (sender, wakeups) = unbounded();
        Self { wakeups, sender, stopping: Arc::default() }
    }

    pub(crate) fn stopper(&self) -> Stopper {
        Stopper { sender: self.sender.clone(), stopping: self.stopping.clone() }
    }

    /// Whether it was asked to stop.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        self.stopping.clone()
    }
}

/// Stops a worker, from any thread.
#[derive(Clone)]
pub struct Stopper {
    sender: Sender<Wakeup>,
    stopping: Arc<AtomicBool>,
}

impl Stopper {
    /// Takes nothing new, finishes what runs for up to the grace, gives the rest back.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // An error means that the worker has ended, which is what was asked for.
        let _ = self.sender.send(Wakeup::Stop);
    }

    /// Stops at once and gives everything back. In a worker whose process goes on, running threads cannot
    /// be ended: it returns an error then, and keeps their holds alive.
    pub fn stop_now(&self) {
        self.stopping.store(true, Ordering::Release);
        let _ = self.sender.send(Wakeup::StopNow);
    }

    /// Works until nothing is due any more, then ends.
    pub fn finish(&self) {
        let _ = self.sender.send(Wakeup::Finish);
    }
}
