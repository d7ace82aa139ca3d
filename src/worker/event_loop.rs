//! The event loop: one thread that owns the driver, and the only place where a worker sleeps. It connects the parts of
//! a worker: [`Schedule`] says what is due, [`Poll`] how many jobs to take, [`Outcomes`] holds the jobs and writes
//! down what became of them, [`ControlState`] says what people asked for, and [`Stop`] how the worker ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::connection::Connection;
use super::control::ControlState;
use super::failed_writes::FailedWrites;
use super::inbox::{Inbox, Wakeup};
use super::jobs::{Ended, Jobs, stuck_warning};
use super::outcomes::Outcomes;
use super::poll::{Load, Poll, Wanted};
use super::schedule::{Action, Facts, Schedule};
use super::shutdown::{Left, Stop};
use super::turn::Turn;
use super::{StopReason, WorkerOptions};
use crate::driver::{Notifier, Suspects, Taken, Want};
use crate::error::{Error, Result};
use crate::event::{Event, LOG_TARGET};
use crate::runner::MakeRunner;

pub(super) struct EventLoop {
    pub(super) options: WorkerOptions,
    pub(super) inbox: Receiver<Wakeup>,
    pub(super) connection: Connection,
    pub(super) schedule: Schedule,
    pub(super) jobs: Jobs,
    poll: Poll,
    control: ControlState,
    pub(super) stop: Stop,
    /// Since when the back end has refused what no second try mends: nothing is taken meanwhile.
    refused_since: Option<Instant>,
    /// The last extend failed: outcomes are written down before the next one.
    extend_failed: bool,
}

impl EventLoop {
    pub(super) fn start(mut options: WorkerOptions, runner: MakeRunner, inbox: Inbox) -> Result<Self> {
        let Inbox { wakeups: inbox, sender, .. } = inbox;
        let (wake, gone) = (sender.clone(), sender.clone());
        let notifier = Notifier::with_gone(
            move || drop(wake.send(Wakeup::Notifier)),
            move || drop(gone.send(Wakeup::Gone)),
        );
        let mut connection = Connection::open(options.backend.clone(), notifier)?;
        let by_driver = connection.driver().is_some_and(|driver| driver.buries());
        let answers = sender.clone();
        let answers = Arc::new(move |answer| drop(answers.send(Wakeup::Recorder(answer))));
        let failed = FailedWrites::open(&options, by_driver, answers)?;
        let tell = Arc::new(move |finished| drop(sender.send(Wakeup::Finished(finished))));
        let runner = runner(tell)?;
        let now = Instant::now();
        let mut control = ControlState::new(&options.queues, options.control.take());
        if let Some(driver) = connection.driver() {
            control.ignore_past_restarts(driver, &options)?;
        }
        Ok(Self {
            schedule: Schedule::new(now, options.poll, options.lease),
            poll: Poll::new(now, options.lease),
            jobs: Jobs::new(runner, Outcomes::new(failed), now),
            stop: Stop::No,
            refused_since: None,
            extend_failed: false,
            options,
            inbox,
            connection,
            control,
        })
    }

    pub(super) fn run(&mut self) {
        self.options.emit(&Event::Started);
        self.options.emit_host(self.connection.host());
        self.options.warn_of_short_holds();
        loop {
            while let Ok(wakeup) = self.inbox.try_recv() {
                self.handle(wakeup);
            }
            let now = Instant::now();
            self.watch_clock(now);
            match self.exchange(now) {
                Ok(()) if self.jobs.outcomes.unwritten() == 0 && self.connection.driver().is_some() => {
                    self.refused_since = None;
                }
                Ok(()) => {}
                Err(error) => self.handle_error(error, now),
            }
            self.jobs.begin_hooks();
            if self.is_over() {
                return;
            }
            self.sleep();
        }
    }

    pub(super) fn handle(&mut self, wakeup: Wakeup) {
        match wakeup {
            Wakeup::Finished(finished) => match self.jobs.finished(finished, &self.options) {
                Ended::Job(at) => self.schedule.job_ended(at),
                Ended::LastHook if self.options.bounds.when_empty => {
                    self.schedule.became_idle(Instant::now())
                }
                Ended::NotRun | Ended::Hook | Ended::LastHook => {}
                Ended::Broken(error) => self.stop = Stop::Broken(error),
            },
            Wakeup::Recorder(answer) => self.with_outcomes(|outcomes, turn| outcomes.recorded(answer, turn)),
            Wakeup::Notifier => self.schedule.notified(Instant::now()),
            Wakeup::Gone => self.schedule.connection_gone(Instant::now()),
            Wakeup::Stop => self.begin_to_stop(StopReason::Stopped),
            Wakeup::StopNow => self.stop = Stop::Now(StopReason::StoppedNow),
            Wakeup::Finish => {
                self.options.bounds.when_empty = true;
                // A look shows whether anything is left: an idle worker would make it at the end of its nap.
                self.schedule.became_idle(Instant::now());
            }
        }
    }

    /// The only place where the worker sleeps.
    fn sleep(&mut self) {
        let now = Instant::now();
        self.schedule.may_be_stuck(self.jobs.stuck_at(&self.stop, now, self.options.grace));
        let facts = self.facts(now);
        let (wakes_at, action) = self.schedule.wakes_at(now, &facts);
        let nap = wakes_at.saturating_duration_since(now);
        log::trace!(target: LOG_TARGET, "sleeps for {nap:?}, until {action:?}");
        if nap.is_zero() {
            return;
        }
        match self.inbox.recv_timeout(nap) {
            Ok(wakeup) => self.handle(wakeup),
            Err(RecvTimeoutError::Timeout) => {}
            // The runner and the notifier keep senders, so this is never seen; if it were, it must not spin.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(nap),
        }
    }

    /// What the schedule depends on.
    fn facts(&mut self, now: Instant) -> Facts {
        let takes = self.stop.is_no()
            && self.refused_since.is_none()
            && !self.jobs.outcomes.is_full()
            && !self.control.is_paused();
        Facts {
            reconnect_at: self.connection.retry_at(),
            busy: self.jobs.outcomes.busy() > 0,
            idle: self.jobs.outcomes.is_idle(),
            unsettled: self.jobs.outcomes.is_unsettled(),
            write_failed_at: self.jobs.outcomes.failed.write_at(),
            retry_locked_at: self.jobs.outcomes.locked.retry_at(),
            may_take: takes && self.jobs.room(now, &self.options) > 0,
            runs_alone: self.jobs.outcomes.in_flight.runs_alone(),
            suspect_at: self.poll.suspects.due.then_some(self.poll.suspects.next_look),
            may_come_back: self.jobs.outcomes.in_flight.any_in_question(),
            obeys: self.stop.obeys(),
            tell_unknown_at: self.jobs.outcomes.unknown.tell_at,
            has_memory_limit: self.options.bounds.memory.is_some(),
            ends_at: self.ends_at().filter(|_| self.stop.is_no()),
            deadline: self.stop.deadline(),
        }
    }

    fn is_due(&mut self, action: Action, now: Instant) -> bool {
        let facts = self.facts(now);
        self.schedule.is_due(action, now, &facts)
    }

    fn with_outcomes<T>(&mut self, work: impl FnOnce(&mut Outcomes, &mut Turn<'_>) -> T) -> T {
        let (outcomes, mut turn) = self.outcomes_and_turn();
        work(outcomes, &mut turn)
    }

    pub(super) fn outcomes_and_turn(&mut self) -> (&mut Outcomes, Turn<'_>) {
        let Self { jobs, connection, schedule, options, stop, .. } = self;
        (&mut jobs.outcomes, Turn { connection, schedule, options, stops: !stop.is_no() })
    }

    /// The worker's exchange with the back end in one turn: extend, settle, reserve, in that order. Holds are renewed
    /// before anything that may fail or take long.
    fn exchange(&mut self, now: Instant) -> Result<()> {
        if self.connection.reopen(now)? {
            self.schedule.reconnected(now);
            self.options.emit(&Event::Reconnected);
            self.options.emit_host(self.connection.host());
        }
        if self.connection.driver().is_none() {
            return Ok(());
        }
        if self.is_due(Action::Extend, now) {
            let settles_first = std::mem::replace(&mut self.extend_failed, true);
            // Holds that can't be renewed must not keep outcomes from being written down: the two take turns.
            if settles_first {
                let settled = self.with_outcomes(Outcomes::settle);
                self.extend_failed = settled.is_ok();
                settled?;
            }
            self.with_outcomes(|outcomes, turn| outcomes.extend(turn, None))?;
            self.extend_failed = false;
        }
        if self.is_due(Action::RetryLocked, now) {
            self.with_outcomes(|outcomes, turn| outcomes.retry_locked(turn, now))?;
        }
        if self.is_due(Action::ReadControl, now) {
            let Self { control, connection, schedule, jobs, options, .. } = self;
            if control.obey(connection, schedule, jobs, options)? {
                self.begin_to_stop(StopReason::Restarted);
            }
        }
        if self.poll.stall.takes_back(self.connection.driver().is_some()) {
            self.connection.fetch_nothing_ahead(0, self.options.lease)?;
        }
        if self.is_due(Action::WriteFailed, now) {
            self.with_outcomes(|outcomes, turn| outcomes.write_failed(turn, now))?;
        }
        let done = if self.is_due(Action::Take, now) {
            let load = self.load(now);
            let wanted = self.poll.want(now, &load, &self.options);
            self.settle_and_reserve(now, wanted)
        } else if self.is_due(Action::Adopt, now) {
            self.settle_and_reserve(now, (0, Suspects::Ignore))
        } else if self.is_due(Action::Settle, now) {
            self.with_outcomes(Outcomes::settle).map(drop)
        } else {
            return Ok(());
        };
        self.schedule.settled(now, Instant::now());
        done
    }

    fn settle_and_reserve(&mut self, now: Instant, (fresh, suspects): Wanted) -> Result<()> {
        let (outcomes, mut turn) = self.outcomes_and_turn();
        // What may be refused is not sent together with a look, nor what is to be written down for sure.
        if (outcomes.backlog.is_one_by_one() || turn.stops) && outcomes.settle(&mut turn)? {
            return Ok(());
        }
        let batch = if turn.stops { Vec::new() } else { outcomes.backlog.next_batch() };
        let settled = self.jobs.outcomes.in_flight.settled(&batch);
        let want = Want { queues: &self.control.queues, fresh, suspects, lease: self.options.lease };
        let began = Instant::now();
        let answer = self.connection.settle_and_reserve(&settled, &want);
        self.jobs.prefetch.exchanged(began.elapsed());
        drop(settled);
        let (settlement, taken) = match answer {
            Ok((settlement, taken)) => (Ok(settlement), Some(taken)),
            Err(error) => (Err(error), None),
        };
        self.with_outcomes(|outcomes, turn| outcomes.answered(batch, settlement, turn))?;
        self.jobs.begin_hooks();
        taken.into_iter().for_each(|taken| self.begin_taken(now, taken, (fresh, suspects)));
        Ok(())
    }

    fn begin_taken(&mut self, now: Instant, taken: Taken, wanted: Wanted) {
        taken.warnings.iter().for_each(|warning| self.options.emit(&Event::Warning(warning)));
        self.options.emit(&Event::Polled { found: taken.jobs.len() });
        let load = self.load(now);
        let looked = self.poll.looked((now, Instant::now()), &taken, wanted, &load, &self.options);
        self.schedule.looked(&looked);
        self.with_outcomes(|outcomes, turn| outcomes.reclaim(turn, now));
        if self.jobs.begin(taken.jobs, now, wanted.1.are_charged(), &self.options) {
            self.schedule.jobs_wait(now, self.jobs.prefetch.patience());
        }
    }

    fn load(&mut self, now: Instant) -> Load {
        Load {
            busy: self.jobs.outcomes.busy(),
            room: self.jobs.room(now, &self.options),
            begun: self.jobs.begun,
            idle: self.jobs.outcomes.is_idle(),
            empty: self.jobs.outcomes.in_flight.is_empty(),
            time_is_up: self.options.bounds.time.is_some_and(|most| self.schedule.has_run_for(most, now)),
            settled_in: now >= self.connection.settled_in(self.options.lease),
            isolates: self.jobs.are_isolated(),
        }
    }

    /// Acts on what time alone changes: bounds that are reached, jobs that are stuck, a grace that is over.
    fn watch_clock(&mut self, now: Instant) {
        if self.is_due(Action::CheckStall, now) {
            self.check_stall(now);
        }
        if self.is_due(Action::WarnUnknown, now) {
            self.warn_unknown();
        }
        if self.stop.is_no() {
            let time_is_up = self.is_due(Action::End, now);
            if let Some(why) = self.options.bounds.reached(self.jobs.begun, time_is_up) {
                self.begin_to_stop(why);
            }
            self.look_for_stuck_jobs(now);
        } else if self.is_due(Action::Hurry, now) {
            self.stop.hurry();
        }
    }

    pub(super) fn warn_unknown(&mut self) {
        let warnings = self.jobs.outcomes.unknown.counts();
        warnings.iter().for_each(|warning| self.options.emit(&Event::Warning(warning)));
    }

    /// Jobs that are ready and not begun go back for other workers while all slots stay busy.
    fn check_stall(&mut self, now: Instant) {
        let patience = self.jobs.prefetch.patience();
        self.schedule.checked_stall(now, patience);
        if !self.stop.begins_jobs() || !self.jobs.fill_all_slots(self.options.slots) {
            return;
        }
        if self.jobs.give_back_stalled(now) {
            // They were to count for a limit, and did not run.
            self.stop.take_back_job_limit();
        }
        if self.jobs.room(now, &self.options) == 0 {
            self.poll.stall.no_room(now, patience);
        }
    }

    /// When the time limit is reached. Where suspects wait the worker stays until it may take them, and for a while
    /// longer: else workers that never get old would leave them behind for ever.
    fn ends_at(&self) -> Option<Instant> {
        let settled_in = || self.connection.settled_in(self.options.lease);
        let waits = self.poll.suspects.seen || self.jobs.outcomes.in_flight.has_suspect();
        Some(self.schedule.ends_at(self.options.bounds.time?, waits.then(settled_in)))
    }

    fn begin_to_stop(&mut self, why: StopReason) {
        let grace = self.options.grace;
        let deadline = (why == StopReason::Stopped).then(|| Instant::now() + grace);
        if !self.stop.begin(why, deadline) {
            return;
        }
        // The last job of a limit is still to be begun; all others go back.
        if why != StopReason::JobLimit {
            self.jobs.give_back_unbegun();
        }
        let running = self.jobs.outcomes.in_flight.running();
        match why {
            StopReason::Stopped => self.options.emit(&Event::Stopping { running, grace }),
            StopReason::Restarted => self.options.emit(&Event::Restarting { running }),
            _ => {}
        }
    }

    /// A thread can't be killed. A job that is stuck in one stays held, so that nobody else runs it; the worker lets
    /// the others finish and ends, for its supervisor to start it again.
    fn look_for_stuck_jobs(&mut self, now: Instant) {
        if !self.is_due(Action::CheckStuck, now) {
            return;
        }
        let Some(stuck) = self.jobs.stuck(now, self.options.grace) else { return };
        self.options.emit(&Event::Warning(&stuck_warning(&stuck.task)));
        self.jobs.give_back_unbegun();
        self.stop = Stop::Stuck;
    }

    fn is_over(&self) -> bool {
        let outcomes = &self.jobs.outcomes;
        // Jobs of paused queues do not come.
        let nothing_is_left = self.schedule.nothing_is_left() || self.control.is_paused();
        self.stop.is_over(&Left {
            idle: outcomes.in_flight.is_empty() && outcomes.running_hooks == 0,
            written: outcomes.unwritten() == 0,
            all_stuck: matches!(self.stop, Stop::Stuck)
                && self.jobs.are_all_stuck(Instant::now(), self.options.grace),
            empty: self.options.bounds.when_empty && nothing_is_left,
        })
    }

    /// The back end failed. What no second try mends is said once, and ends the worker: when it holds nothing, or
    /// when what runs has ended and nobody has mended it for as long as the holds may last.
    fn handle_error(&mut self, error: Error, now: Instant) {
        let outcomes = &self.jobs.outcomes;
        if error.is_config() {
            let since = *self.refused_since.get_or_insert(now);
            let runs_nothing = self.jobs.run_nothing(&self.stop, now, self.options.grace);
            let is_over = runs_nothing && now >= since + self.options.outcome_useful_for();
            if outcomes.in_flight.is_empty() || is_over {
                self.stop = Stop::Broken(error);
                return;
            }
        }
        // While jobs are held, the connection must be back long before their lease is over.
        let holds_nothing = outcomes.in_flight.is_empty();
        let longest = if holds_nothing { Duration::MAX } else { self.options.lease / 12 };
        let error = self.connection.at_host(error);
        let retry_in = self.connection.lose(Instant::now(), longest);
        if !self.options.backend.holds_outlive_connection() {
            self.jobs.outcomes.holds_are_in_question();
        }
        self.options.emit(&Event::Disconnected { error: &error, retry_in });
    }
}
