//! A worker: reserves jobs, has the runner run them, asks the policy for a verdict, and settles them.
//!
//! One thread, the [event loop](event_loop), owns the driver. It sleeps in one place, on one inbox, which carries
//! outcomes, requests to stop, and notifications. A turn of the loop is: read the inbox, look at the clock, exchange
//! with the back end (extend, settle, reserve, in that order), sleep. Its correctness rests on its own polls; a
//! notification only makes it quicker.
//!
//! Invariants: the worker names no driver; it decides nothing that the policy decides; a job that it holds is in
//! [`in_flight`] until its outcome is written down, or its hold is lost and its run is over.

mod backlog;
mod connection;
mod control;
mod event_loop;
mod failed_writes;
mod in_flight;
mod inbox;
mod jobs;
mod last_turn;
mod locked_rows;
mod options;
mod outcomes;
mod poll;
mod prefetch;
mod recorder;
mod report;
mod schedule;
mod settle;
mod shutdown;
mod stall;
mod suspect_share;
mod suspects;
#[cfg(test)]
mod tests;
mod turn;
mod unknown_names;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::event_loop::EventLoop;
pub(crate) use self::inbox::Inbox;
pub use self::inbox::Stopper;
pub(crate) use self::options::{Bounds, WorkerOptions};
pub use self::report::{Report, StopReason};
use crate::error::{Error, Result};
use crate::runner::MakeRunner;

/// Works in this thread until it is stopped or a bound is reached.
///
/// # Errors
/// The back end can't be used at the start; or a job is stuck in a thread ([`is_stuck`](Error::is_stuck)).
pub(crate) fn run(options: WorkerOptions, runner: MakeRunner, inbox: Inbox) -> Result<Report> {
    let (driver, bound) = (options.driver.clone(), options.bounded());
    let worked = catch_unwind(AssertUnwindSafe(|| work(bound, runner, inbox)));
    // A worker that ends always answers: a caller waits for it.
    worked.unwrap_or_else(|panic| {
        let why = panic_text(&*panic);
        Err(Error::other(format!("the worker of driver \"{driver}\" panicked: {why}")).with_help(
            "what it held comes back when its lease is over; this is a fault of craft-queue: please report it",
        ))
    })
}

fn work(options: WorkerOptions, runner: MakeRunner, inbox: Inbox) -> Result<Report> {
    let mut worker = EventLoop::start(options, runner, inbox)?;
    worker.run();
    last_turn::end(worker)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for an unknown reason")
}
