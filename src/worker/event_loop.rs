//! The event loop: one thread that owns the driver, and the only place where a worker sleeps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use super::connection::Connection;
use super::control::ControlState;
use super::failed_writes::FailedWrites;
use super::give_back::Stall;
use super::in_flight::InFlight;
use super::locked_rows::Locked;
use super::prefetch::Prefetch;
use super::schedule::{Action, Facts, Schedule};
use super::settle::Judged;
use super::shutdown::Stop;
use super::suspects::SuspectSchedule;
use super::unknown_names::Unknown;
use super::{Inbox, Report, StopReason, Wakeup, WorkerOptions};
use crate::driver::Notifier;
use crate::error::Result;
use crate::event::{self, Event};
use crate::failed::FailedJobs;
use crate::policy::{Judgement, NotRun};
use crate::reserved::Reserved;
use crate::runner::{Finished, MakeRunner, Runner, Task, Witness, Work};

pub(super) struct EventLoop {
    pub(super) setup: WorkerOptions,
    pub(super) inbox: Receiver<Wakeup>,
    /// Into the inbox.
    pub(super) notes: Sender<Wakeup>,
    pub(super) line: Connection,
    /// Opened at the start, for the recorder.
    pub(super) failed_jobs: Option<Box<dyn FailedJobs>>,
    pub(super) runner: Box<dyn Runner>,
    pub(super) held: InFlight,
    /// What is decided and not yet written down.
    pub(super) judged: Vec<Judged>,
    /// A good many of these were not taken.
    pub(super) backlog_is_full: bool,
    /// What is decided on jobs whose connection is gone, or that somebody else has locked: written down when they
    /// come back, or are free.
    pub(super) parked: Vec<Judged>,
    pub(super) locked: Locked,
    /// The same, of what concerns the failed jobs.
    pub(super) burials: FailedWrites,
    /// Since when the back end has refused what no second try mends: nothing is taken meanwhile.
    pub(super) refused_since: Option<Instant>,
    /// After a settle that was refused: one by one, so that a bad one fails alone.
    pub(super) one_by_one: bool,
    pub(super) pace: Prefetch,
    pub(super) report: Report,
    pub(super) hooks: usize,
    /// How many jobs were begun.
    pub(super) begun: u64,
    /// The last extend failed: what is over is written down before the next one.
    pub(super) extend_failed: bool,
    pub(super) suspects: SuspectSchedule,
    pub(super) stall: Stall,
    pub(super) unknown: Unknown,
    pub(super) stop: Stop,
    pub(super) orders: ControlState,
    pub(super) schedule: Schedule,
}

impl EventLoop {
    pub(super) fn start(setup: WorkerOptions, runner: MakeRunner, inbox: Inbox) -> Result<Self> {
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
            schedule: Schedule::new(now, setup.poll, setup.lease),
            orders: ControlState::new(&setup.queues),
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
            stop: Stop::No,
        };
        event_loop.ignore_past_restarts()?;
        Ok(event_loop)
    }

    pub(super) fn run(mut self) -> Result<Report> {
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

    pub(super) fn read(&mut self, note: Wakeup) {
        match note {
            Wakeup::Finished(finished) => self.finished(finished),
            Wakeup::Tended(answer) => self.tended(answer),
            Wakeup::Notifier => self.schedule.notified(Instant::now()),
            Wakeup::Gone => self.schedule.connection_gone(Instant::now()),
            Wakeup::Stop => self.begin_to_stop(StopReason::Stopped),
            Wakeup::StopNow => self.stop = Stop::Now(StopReason::StoppedNow),
            Wakeup::Finish => self.setup.bounds.when_empty = true,
        }
    }

    /// A job that was just taken is to be begun, or it is judged without being run.
    pub(super) fn accept(
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
                    self.schedule.became_idle(Instant::now());
                }
                return;
            }
            Finished::Broken(error) => {
                self.stop = Stop::Broken(error);
                return;
            }
        };
        self.pace.count(1);
        self.schedule.job_ended(task.begun().map_or_else(Instant::now, |begun| begun + took));
        let attempt = self.attempt_of(&task);
        let judgement = self.setup.policy.judge(attempt, &outcome, &task.limits, fastrand::f64());
        let judgement = match task.job.suspect {
            true => judgement.of_suspect(attempt, task.job.last_error.as_deref(), &task.limits),
            false => judgement,
        };
        self.judge(task, judgement, Some(took));
    }

    pub(super) fn judge(&mut self, task: Arc<Task>, judgement: Judgement, took: Option<Duration>) {
        let judged = Judged::new(task, judgement, took, &self.setup);
        self.decide(judged);
    }

    pub(super) fn give_back(&mut self, task: Arc<Task>, after: Duration) {
        self.decide(Judged::returned(task, after));
    }

    /// A decision was made; it is written down with the next exchange. If somebody else has the job by now,
    /// whatever this run returned is dropped.
    pub(super) fn decide(&mut self, judged: Judged) {
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
        let stuck_at = self.stuck_at(now);
        self.schedule.may_be_stuck(stuck_at);
        let facts = self.facts(now);
        let (wakes_at, _) = self.schedule.wakes_at(now, &facts);
        let nap = wakes_at.saturating_duration_since(now);
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

    pub(super) fn tell(&self, event: &Event<'_>) {
        if let Some(listener) = &self.setup.listener {
            event::tell(listener, event);
        }
    }

    /// What the schedule depends on.
    pub(super) fn facts(&mut self, now: Instant) -> Facts {
        let forbidden = !self.stop.is_no()
            || self.refused_since.is_some()
            || self.has_enough()
            || self.is_paused()
            || self.room(now) == 0;
        Facts {
            reconnect_at: self.line.retry_at(),
            busy: self.busy() > 0,
            idle: self.is_idle(),
            unsettled: !self.judged.is_empty(),
            write_failed_at: self.burials.wakes_at(),
            retry_locked_at: self.locked.wakes_at(),
            may_take: !forbidden,
            runs_alone: self.held.runs_alone(),
            suspect_at: self.suspects.due.then_some(self.suspects.next_look),
            may_come_back: self.held.any_away(),
            obeys: self.stop.obeys(),
            tell_unknown_at: self.unknown.tell_at,
            has_memory_limit: self.setup.bounds.memory.is_some(),
            ends_at: self.ends_at().filter(|_| self.stop.is_no()),
            deadline: self.stop.deadline(),
        }
    }

    pub(super) fn is_due(&mut self, action: Action, now: Instant) -> bool {
        let facts = self.facts(now);
        self.schedule.is_due(action, now, &facts)
    }
}
