//! `queue:work`: a worker in the foreground.

mod pretty;
mod signals;
mod structured;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::{ArgMatches, Command};

use self::pretty::Pretty;
use self::structured::{Form, Structured};
use self::view::{Reporter, View};
use super::arguments::{
    connection, driver, given_queues, option, queues, span, span_option, switch, text, whole,
};
use super::exit::Exit;
use super::invocation::Invocation;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::message::check_queue;
use crate::queue::Worker;
use crate::worker::{Report, StopReason};

pub(super) fn command() -> Command {
    Command::new("queue:work")
        .about("Run jobs until it is stopped")
        .arg(driver())
        .arg(queues("The queues; the first one goes first [default: the configured one]"))
        .arg(connection())
        .arg(span_option("poll", "SEC", "The longest sleep between polls [default: 1]").short('p'))
        .arg(option("attempts", "N", "Attempts before a job is a failed job [default: 3]"))
        .arg(option("workers", "N", "How many jobs run at once [default: 1]"))
        .arg(option("mode", "MODE", "threading or multiprocess"))
        .arg(option("max-jobs-per-child", "N", "Replace a child process after so many jobs"))
        .arg(option("child-memory", "MB", "The most memory that a child process may have"))
        .arg(switch("once", "Run one job, or none when none waits"))
        .arg(switch("stop-when-empty", "End when nothing is due and no retry of its own is still to come"))
        .arg(option("max-jobs", "N", "End after so many jobs"))
        .arg(span_option("max-time", "SEC", "End after so long"))
        .arg(option("memory", "MB", "End, with status 12, when the process is this large"))
        .arg(span_option("timeout", "SEC", "How long one attempt may take"))
        .arg(span_option("backoff", "SEC[,SEC…]", "How long to wait between attempts, or: exponential"))
        .arg(span_option("grace", "SEC", "How long to wait for running jobs when stopped [default: 25]"))
        .arg(option("name", "NAME", "What to call this worker in its log lines"))
        .arg(switch("json", "Print each event as a line of JSON"))
        .arg(option("pid-file", "FILE", "Write the process id there while it runs"))
        .after_long_help(
            "Examples:\n  \
             craft queue:work --queue invoices,default --workers 4\n  \
             craft queue:work --driver database --connection mysql --poll 5 --attempts 2\n  \
             craft queue:work --stop-when-empty --json\n\n\
             -v also prints a line when a job begins, -vv one for each poll; -q prints failures and problems only.\n\n\
             Signals:\n  \
             SIGTERM, SIGINT (Ctrl-C)  Takes nothing new, finishes what runs within --grace, gives the rest back, and\n                            \
             exits with 0. Once more: stops at once, gives everything back, and exits with 143 or 130.\n  \
             SIGHUP, SIGQUIT           The same, with 129 and 131. Under nohup SIGHUP is ignored.",
        )
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    let view = View::new(&invocation, matches, &config)?;
    for queue in given_queues(matches, "queue") {
        check_queue("name of the queue", &queue).map_err(Error::of_usage)?;
    }
    let tells_begins = view.verbosity > 0 && !view.quiet;
    let mut job_names = invocation.job_names();
    job_names.extend(config.commands.keys().cloned());
    let queue = invocation.queue(config)?;
    let mut worker = queue.worker().process_ends();
    for name in &view.queues {
        worker = worker.on(name);
    }
    worker = bounded(worker, matches)?;
    let pid_file = text(matches, "pid-file").map(PidFile::write).transpose()?;
    let what = queue.describe(None)?;
    let reporter = Arc::new(Mutex::new(reporter(view, &what, &job_names)));
    let told = reporter.clone();
    let worker = worker.reporter(move |event: &Event<'_>| {
        // Skipped before the lock, for which many threads would wait.
        if matches!(event, Event::Began { .. }) && !tells_begins {
            return;
        }
        // A reporter that panicked prints nothing more; the worker goes on.
        told.lock().unwrap_or_else(PoisonError::into_inner).tell(event);
    });
    let signals = signals::stop_with(worker.stopper())?;
    #[cfg(unix)]
    crate::runner::reap_orphans()?;
    let started = Instant::now();
    let report = worker.run();
    drop(pid_file);
    let report = report?;
    reporter.lock().unwrap_or_else(PoisonError::into_inner).ended(&report, started.elapsed());
    exit(&report, signals.last())
}

/// The exit status of a worker that ended.
fn exit(report: &Report, last_signal: u8) -> Result<Exit> {
    if report.unsettled_in_all > 0 {
        return Err(Error::unavailable(Report::of_unsettled(&report.unsettled, report.unsettled_in_all)));
    }
    Ok(match report.ended {
        StopReason::MemoryLimit => Exit::Status(12),
        StopReason::StoppedNow => Exit::Status(128 + last_signal),
        _ => Exit::Fine,
    })
}

fn bounded(mut worker: Worker, matches: &ArgMatches) -> Result<Worker> {
    if matches.get_flag("once") {
        worker = worker.max_jobs(1).stop_when_empty();
    }
    if matches.get_flag("stop-when-empty") {
        worker = worker.stop_when_empty();
    }
    if let Some(count) = whole(matches, "max-jobs", 1)? {
        worker = worker.max_jobs(count);
    }
    if let Some(megabytes) = whole(matches, "memory", 1)? {
        worker = worker.max_memory(megabytes);
    }
    if let Some(span) = span(matches, "max-time")? {
        worker = worker.max_time(span);
    }
    Ok(worker)
}

fn reporter(view: View, back_end: &str, jobs: &[String]) -> Box<dyn Reporter> {
    match (view.json, view.terminal) {
        (true, _) => Box::new(Structured::new(view, Form::Json)),
        (false, true) => Box::new(Pretty::new(view, back_end, jobs)),
        (false, false) => Box::new(Structured::new(view, Form::KeyValue)),
    }
}

/// A file with the process id, removed when the worker ends.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &str) -> Result<Self> {
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(|cause| {
            Error::other(format!("cannot write the process id to {path}")).because(&cause)
        })?;
        Ok(Self(Path::new(path).to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
