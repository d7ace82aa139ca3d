//! The last turn of a worker: what it does with the jobs that it still holds, and what it reports.

use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::outcomes::Outcomes;
use super::report::{Report, listed};
use super::settle::name_of;
use super::shutdown::{LastAct, Stop};
use super::turn::Turn;
use crate::error::{Error, Result};
use crate::event::Event;

/// How long a worker waits for the failed jobs before it ends.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Ends a worker whose event loop is over.
///
/// # Errors
/// Nothing could be run any more, or a job is stuck in a thread that goes on.
pub(super) fn end(mut worker: EventLoop) -> Result<Report> {
    let may_interrupt = worker.options.process_ends || worker.jobs.are_isolated();
    let names = |worker: &EventLoop| -> Vec<String> {
        worker.jobs.outcomes.in_flight.all().map(|held| name_of(held.job())).collect()
    };
    match worker.stop.last_act(may_interrupt) {
        LastAct::Nothing => {}
        LastAct::GiveUp => worker.jobs.give_up(),
        LastAct::GiveUpAndInterrupt => {
            worker.jobs.give_up();
            worker.jobs.interrupt();
        }
        LastAct::CountStuck => worker.jobs.count_stuck(&worker.options),
    }
    let running = names(&worker);
    if let Err(error) = settle(&mut worker) {
        let warning = format!("cannot write down the outcomes of the last jobs: {error}");
        worker.options.emit(&Event::Warning(&warning));
    }
    worker.jobs.begin_hooks();
    worker.warn_unknown();
    let unsettled = names(&worker);
    let reason = worker.stop.reason().unwrap_or_default();
    let is_stuck = match worker.stop {
        Stop::Broken(error) => {
            if !unsettled.is_empty() {
                let warning = Report::of_unsettled(&unsettled, unsettled.len() as u64);
                worker.options.emit(&Event::Warning(&warning));
            }
            return Err(error);
        }
        Stop::Stuck => true,
        Stop::No | Stop::Waiting { .. } | Stop::Now(_) => false,
    };
    // What has ended and could not be written down runs again; nothing of it is in a thread any more.
    let all_over = worker.jobs.outcomes.busy() == 0;
    if !is_stuck && (unsettled.is_empty() || may_interrupt || all_over) {
        let mut report = worker.jobs.outcomes.report;
        report.ended = reason;
        unsettled.into_iter().for_each(|name| report.note_unsettled(name));
        return Ok(report);
    }
    let error = stuck_error(if is_stuck { &running } else { &unsettled });
    if !may_interrupt {
        worker.stop = Stop::Waiting { why: reason, deadline: None };
        keep_holds_until_threads_end(worker);
    }
    Err(error)
}

/// Writes down what is decided, for the last time.
fn settle(worker: &mut EventLoop) -> Result<()> {
    worker.connection.reopen(Instant::now())?;
    worker.jobs.outcomes.decide_again();
    write_failed(worker);
    let (outcomes, mut turn) = worker.outcomes_and_turn();
    // What is refused keeps none of the others from being written down.
    let mut refusals = outcomes.unwritten() + 1;
    loop {
        match outcomes.settle(&mut turn) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                refusals -= 1;
                let is_gone = error.is_unavailable() || !turn.options.backend.holds_outlive_connection();
                if is_gone || refusals == 0 {
                    return Err(error);
                }
                turn.connection.lose(Instant::now(), Duration::ZERO);
                turn.connection.reopen(Instant::now())?;
            }
        }
        extend_in_time(outcomes, &mut turn)?;
    }
}

fn extend_in_time(outcomes: &mut Outcomes, turn: &mut Turn<'_>) -> Result<()> {
    if Instant::now() < turn.schedule.extend_at() { Ok(()) } else { outcomes.extend(turn, None) }
}

/// What the failed jobs don't take by the end is put back.
fn write_failed(worker: &mut EventLoop) {
    let deadline = Instant::now() + LAST_WAIT;
    loop {
        let (outcomes, mut turn) = worker.outcomes_and_turn();
        if extend_in_time(outcomes, &mut turn).is_err() {
            return;
        }
        outcomes.failed.retry_now(Instant::now());
        match outcomes.write_failed(&mut turn, Instant::now()) {
            Ok(true) => continue,
            Ok(false) if outcomes.failed.is_sent() => {}
            Ok(false) | Err(_) => return,
        }
        let wakes = deadline.min(worker.schedule.extend_at());
        match worker.inbox.recv_timeout(wakes.saturating_duration_since(Instant::now())) {
            Ok(wakeup) => worker.handle(wakeup),
            Err(_) if Instant::now() < deadline => {}
            Err(_) => return,
        }
    }
}

/// A worker inside a program that goes on: the threads may still run, so the holds are kept alive.
fn keep_holds_until_threads_end(mut worker: EventLoop) {
    worker.options.process_ends = false;
    let started = std::thread::Builder::new().name("craft-holds".into()).spawn(move || {
        worker.run();
        // The error would be the one that was returned to its owner.
        let _ = end(worker);
    });
    if let Err(cause) = started {
        log::error!("cannot start a thread that keeps the holds of running jobs: {cause}");
    }
}

fn stuck_error(names: &[String]) -> Error {
    let names = listed(names, names.len() as u64);
    Error::stuck(format!("jobs are stuck in threads that cannot be killed: {names}"))
        .with_help("let long jobs look at Context::timed_out, or run them with --mode multiprocess")
}
