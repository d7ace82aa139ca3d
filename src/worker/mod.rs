//! The loop: asks the driver for jobs, has the runner run them, asks the policy, tells the driver.
//!
//! One thread, the event loop, owns the driver. It sleeps in one place, on one inbox, which carries outcomes,
//! requests to stop, and the notifier. A turn of the loop is: read the inbox, look at the clock, exchange with
//! the back end (extend, settle, reserve, in that order), sleep. Its correctness rests on its own polls;
//! the notifier only makes it quicker.
//!
//! Invariants: the worker names no driver; it decides nothing that the policy decides; a job that it
//! holds is in `held` until its outcome is written down or its hold is lost and its run is over.

mod backlog;
mod connection;
mod control;
mod ending;
mod event_loop;
mod failed_thread;
mod failed_writes;
mod faults;
mod give_back;
mod in_flight;
mod locked_rows;
mod options;
mod poll;
mod prefetch;
mod schedule;
mod settle;
mod share;
mod shutdown;
mod suspects;
#[cfg(test)]
mod tests;
mod unknown_names;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam::channel::{Receiver, Sender, unbounded};

use self::event_loop::EventLoop;
pub(crate) use self::options::{Bounds, WorkerOptions};
pub use self::options::{Report, StopReason, Stopper};
use crate::error::{Error, Result};
use crate::runner::{Finished, MakeRunner};

/// What wakes the event loop.
pub(crate) enum Wakeup {
    Finished(Finished),
    Tended(failed_thread::Answer),
    Notifier,
    /// The connection is gone.
    Gone,
    Stop,
    StopNow,
    Finish,
}

/// The inbox of a worker, made before the worker so that it can be stopped from its first moment.
pub(crate) struct Inbox {
    notes: Receiver<Wakeup>,
    sender: Sender<Wakeup>,
    /// Set with the first request to stop, before the event loop has read it.
    stopping: Arc<AtomicBool>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let (sender, notes) = unbounded();
        Self { notes, sender, stopping: Arc::default() }
    }

    pub(crate) fn stopper(&self) -> Stopper {
        Stopper { notes: self.sender.clone(), stopping: self.stopping.clone() }
    }

    /// Whether it was asked to stop.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        self.stopping.clone()
    }
}

/// Works in this thread until it is stopped or a bound is reached.
///
/// # Errors
/// The back end can't be used at the start; or a job is stuck in a thread ([`is_stuck`](Error::is_stuck)).
pub(crate) fn run(setup: WorkerOptions, runner: MakeRunner, inbox: Inbox) -> Result<Report> {
    let (driver, bound) = (setup.driver.clone(), setup.bounded());
    let worked = catch_unwind(AssertUnwindSafe(|| EventLoop::start(bound, runner, inbox)?.run()));
    // A worker that is gone is never silence: whoever waits for it is told.
    worked.unwrap_or_else(|panic| {
        let why = panic_text(&*panic);
        Err(Error::other(format!("the worker of driver \"{driver}\" panicked: {why}")).with_help(
            "what it held comes back when its lease is over; this is a fault of craft-queue: please report it",
        ))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for an unknown reason")
}
