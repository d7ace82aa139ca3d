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
mod suspects;
#[cfg(test)]
mod tests;
mod unknown_names;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use self::connection::Connection;
use self::control::ControlState;
use self::failed_writes::FailedWrites;
use self::give_back::Stall;
use self::in_flight::InFlight;
use self::locked_rows::Locked;
pub(crate) use self::options::{Bounds, WorkerOptions};
pub use self::options::{Report, StopReason, Stopper};
use self::prefetch::Prefetch;
use self::settle::Judged;
use self::suspects::SuspectSchedule;
use self::unknown_names::Unknown;
use crate::driver::Notifier;
use crate::error::{Error, Result};
use crate::event::{self, Event};
use crate::failed::FailedJobs;
use crate::policy::{Judgement, NotRun};
use crate::reserved::Reserved;
use crate::runner::{Finished, MakeRunner, Runner, Task, Witness, Work};

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

struct EventLoop {
    setup: WorkerOptions,
    inbox: Receiver<Wakeup>,
    /// Into the inbox.
    notes: Sender<Wakeup>,
    line: Connection,
    /// Opened at the start, for the recorder.
    failed_jobs: Option<Box<dyn FailedJobs>>,
    runner: Box<dyn Runner>,
    held: InFlight,
    /// What is decided and not yet written down.
    judged: Vec<Judged>,
    /// A good many of these were not taken.
    backlog_is_full: bool,
    /// What is decided on jobs whose connection is gone, or that somebody else has locked: written down when they
    /// come back, or are free.
    parked: Vec<Judged>,
    locked: Locked,
    /// The same, of what concerns the failed jobs.
    burials: FailedWrites,
    /// Since when the back end has refused what no second try mends: nothing is taken meanwhile.
    refused_since: Option<Instant>,
    /// After a settle that was refused: one by one, so that a bad one fails alone.
    one_by_one: bool,
    pace: Prefetch,
    report: Report,
    hooks: usize,
    /// How many jobs were begun.
    begun: u64,
    /// The last extend failed: what is over is written down before the next one.
    extend_failed: bool,
    suspects: SuspectSchedule,
    stall: Stall,
    unknown: Unknown,
    /// How often in a row something was due and could not be taken.
    in_vain: u32,
    stop: Stop,
    orders: ControlState,
    /// When the last look began, if it found nothing.
    found_nothing_at: Option<Instant>,
    started: Instant,
    last_job: Instant,
    next_look: Instant,
    next_extend: Instant,
    next_settle: Instant,
    /// When the first job of those that ran before the last sleep is stuck.
    stuck_at: Option<Instant>,
    /// When the last job that was put back here is due.
    own_retries_until: Instant,
}

/// How far it is on its way to its end.
enum Stop {
    /// It works.
    No,
    /// It takes nothing new and waits for what runs: until `deadline` when it was asked to stop, and for as
    /// long as it takes when it ends by itself.
    Waiting { why: StopReason, deadline: Option<Instant> },
    /// A job is stuck in its thread: it takes nothing new and waits for the others.
    Stuck,
    /// It ends now, whatever runs.
    Now(StopReason),
    /// Nothing can be run any more.
    Broken(Error),
}

impl Stop {
    fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

impl EventLoop {
    fn start(setup: WorkerOptions, runner: MakeRunner, inbox: Inbox) -> Result<Self> {
        let Inbox { notes: inbox, sender: notes, .. } = inbox;
        let (wake, gone) = (notes.clone(), notes.clone());
        let notifier = Notifier::with_gone(
            move || drop(wake.send(Wakeup::Notifier)),
            move || drop(gone.send(Wakeup::Gone)),
        );
        let mut line = Connection::open(setup.backend.clone(), notifier)?;
        let buries = line.driver().is_some_and(|driver| driver.buries());
        // A missing table of failed jobs is told now, and not when the first job dies.
        let failed_jobs = setup.failed.as_ref().map(|failed| failed.open()).transpose()?;
        let told = notes.clone();
        let tell = Arc::new(move |finished| drop(told.send(Wakeup::Finished(finished))));
        let runner = runner(tell)?;
        let now = Instant::now();
        let suspects = SuspectSchedule::new(now, setup.lease);
        let mut event_loop = Self {
            next_extend: now + setup.lease / 3,
            orders: ControlState::new(&setup.queues, now),
            setup,
            inbox,
            notes,
            line,
            failed_jobs,
            runner,
            held: InFlight::default(),
            judged: Vec::new(),
            backlog_is_full: false,
            parked: Vec::new(),
            locked: Locked::default(),
            burials: FailedWrites::new(buries, now),
            refused_since: None,
            one_by_one: false,
            pace: Prefetch::new(now),
            report: Report::default(),
            hooks: 0,
            begun: 0,
            extend_failed: false,
            suspects,
            stall: Stall::new(now),
            unknown: Unknown::default(),
            in_vain: 0,
            stop: Stop::No,
            found_nothing_at: None,
            started: now,
            last_job: now,
            next_look: now,
            next_settle: now,
            stuck_at: None,
            own_retries_until: now,
        };
        event_loop.ignore_past_restarts()?;
        Ok(event_loop)
    }

    fn run(mut self) -> Result<Report> {
        self.tell(&Event::Started);
        self.warn_of_short_holds();
        loop {
            self.read_inbox();
            let now = Instant::now();
            self.watch_clock(now);
            match self.exchange(now) {
                Ok(()) => self.exchanged(),
                Err(error) => self.face(error, now),
            }
            if self.is_over() {
                return self.end();
            }
            self.sleep();
        }
    }

    fn read_inbox(&mut self) {
        while let Ok(note) = self.inbox.try_recv() {
            self.read(note);
        }
    }

    fn read(&mut self, note: Wakeup) {
        match note {
            Wakeup::Finished(finished) => self.finished(finished),
            Wakeup::Tended(answer) => self.tended(answer),
            Wakeup::Notifier => {
                self.next_look = Instant::now();
                self.orders.next_look = self.next_look;
            }
            // The driver answers with the error; if it is another one by now, it renews the holds.
            Wakeup::Gone => self.next_extend = Instant::now(),
            Wakeup::Stop => self.begin_to_stop(StopReason::Stopped),
            Wakeup::StopNow => self.stop = Stop::Now(StopReason::StoppedNow),
            Wakeup::Finish => self.setup.bounds.when_empty = true,
        }
    }

    /// A job that was just taken is to be begun, or it is judged without being run.
    fn accept(
        &mut self,
        job: Reserved,
        now: Instant,
        charged: bool,
        witness: Option<Witness>,
    ) -> Option<Work> {
        let job = self.held.adopt(job)?;
        let alone = job.suspect && charged;
        let kind = self.setup.kinds.get(&*job.message.name).cloned();
        let of_type = kind.as_ref().map(|kind| kind.limits()).unwrap_or_default();
        let policy = &self.setup.policy;
        let limits = policy.limits_for(job.message.overrides.as_deref(), &of_type);
        let judgement = policy
            .judge_unreadable(job.unreadable.as_deref(), job.message.overrides.as_deref())
            .or_else(|| policy.judge_before(job.attempt, job.suspect, job.last_error.as_deref(), &limits))
            .or_else(|| {
                let unknown = || policy.judge_unknown(&job.message.name, job.unknown_for);
                kind.is_none().then(unknown)
            });
        let task = Arc::new(Task::new(job, limits, kind).witnessed_by(witness));
        self.held.insert(task.clone(), now, alone);
        match judgement {
            Some(judgement) => {
                // As quick as it can be: many of them go in few steps.
                self.pace.count(1);
                self.judge(task, judgement, None);
                None
            }
            None => {
                self.begun += 1;
                Some(Work::Run(task))
            }
        }
    }

    /// A piece of work is over.
    fn finished(&mut self, finished: Finished) {
        let (task, outcome, took) = match finished {
            Finished::Ran(task, outcome, took) => (task, outcome, took),
            Finished::NotRun(task, NotRun { after }) => return self.give_back(task, after),
            Finished::Hooked => {
                self.hooks -= 1;
                if self.setup.bounds.when_empty && self.hooks == 0 {
                    self.next_look = Instant::now();
                }
                return;
            }
            Finished::Broken(error) => {
                self.stop = Stop::Broken(error);
                return;
            }
        };
        self.pace.count(1);
        self.last_job = task.begun().map_or_else(Instant::now, |begun| begun + took);
        let attempt = self.attempt_of(&task);
        let judgement = self.setup.policy.judge(attempt, &outcome, &task.limits, fastrand::f64());
        let judgement = match task.job.suspect {
            true => judgement.of_suspect(attempt, task.job.last_error.as_deref(), &task.limits),
            false => judgement,
        };
        self.judge(task, judgement, Some(took));
    }

    fn judge(&mut self, task: Arc<Task>, judgement: Judgement, took: Option<Duration>) {
        let judged = Judged::new(task, judgement, took, &self.setup);
        self.decide(judged);
    }

    fn give_back(&mut self, task: Arc<Task>, after: Duration) {
        self.decide(Judged::returned(task, after));
    }

    /// A decision was made; it is written down with the next exchange. If somebody else has the job by now,
    /// whatever this run returned is dropped.
    fn decide(&mut self, judged: Judged) {
        match self.held.get(&judged.task) {
            None => {}
            Some(holding) if holding.lost => drop(self.held.remove(&judged.task)),
            Some(holding) if holding.away => self.parked.push(judged),
            Some(_) => {
                let judged = self.send_to_failed_jobs(judged);
                self.judged.extend(judged);
            }
        }
    }

    /// The only place where it sleeps.
    fn sleep(&mut self) {
        let now = Instant::now();
        let nap = self.wakes_at(now).saturating_duration_since(now);
        if nap.is_zero() {
            return;
        }
        match self.inbox.recv_timeout(nap) {
            Ok(note) => self.read(note),
            Err(RecvTimeoutError::Timeout) => {}
            // The runner and the notifier keep senders, so this is never seen; if it were, it must not spin.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(nap),
        }
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(listener) = &self.setup.listener {
            event::tell(listener, event);
        }
    }
}
