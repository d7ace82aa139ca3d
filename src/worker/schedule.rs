//! When the worker wakes, when it ends, and what it does last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::options::listed;
use super::{EventLoop, Report, Stop, StopReason};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::policy::{Judgement, Outcome};
use crate::registry::Kind;
use crate::time;

/// After this long an interrupted job may run elsewhere: its process has surely ended by then.
const SURELY_DEAD: Duration = Duration::from_secs(5);

/// How often the process's memory is looked at.
const MEMORY_LOOK: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Looks for what only time brings about: bounds that are reached, jobs that are stuck, a grace that
    /// is over.
    pub(super) fn watch_clock(&mut self, now: Instant) {
        self.give_back_what_stalls(now);
        self.tell_unknown(now, false);
        match self.stop {
            Stop::No => {
                if let Some(why) = self.bound_reached(now) {
                    self.begin_to_stop(why);
                }
                self.look_for_stuck_jobs(now);
            }
            Stop::Waiting { why, deadline: Some(deadline) } if now >= deadline => self.stop = Stop::Now(why),
            Stop::Waiting { .. } | Stop::Stuck | Stop::Now(_) | Stop::Broken(_) => {}
        }
    }

    /// A job that is held for too long is taken away while it runs, and may run elsewhere at once.
    pub(super) fn warn_of_short_holds(&self) {
        let Some((longest, option)) = self.setup.backend.longest_hold() else { return };
        let timeout = |kind: &Arc<dyn Kind>| self.setup.policy.limits_for(None, &kind.limits()).timeout;
        let too_long: Vec<_> = (self.setup.kinds.iter())
            .filter(|(_, kind)| timeout(kind).is_some_and(|timeout| timeout >= longest))
            .map(|(name, _)| &**name)
            .collect();
        if !too_long.is_empty() {
            let warning = format!(
                "{} may run for as long as {option} or longer, which is {}: then the job is taken away and run \
                 again. Give it a shorter timeout, or raise {option} and the limit that it stands for",
                too_long.join(", "),
                time::format_duration(longest),
            );
            self.tell(&Event::Warning(&warning));
        }
    }

    fn bound_reached(&self, now: Instant) -> Option<StopReason> {
        let bounds = &self.setup.bounds;
        if bounds.jobs.is_some_and(|most| self.begun >= most) {
            return Some(StopReason::JobLimit);
        }
        if self.ends_at().is_some_and(|at| now >= at) {
            return Some(StopReason::TimeLimit);
        }
        let resident = || resident_megabytes().unwrap_or(0);
        bounds.memory.is_some_and(|most| resident() >= most).then_some(StopReason::MemoryLimit)
    }

    /// Whether it has worked for as long as it should.
    pub(super) fn time_is_up(&self, now: Instant) -> bool {
        self.setup.bounds.time.is_some_and(|most| now >= self.started + most)
    }

    /// When its time is up. Where suspects wait it stays until it may take them, and for a while longer: else
    /// workers that never get old would leave them behind for ever.
    fn ends_at(&self) -> Option<Instant> {
        let most = self.setup.bounds.time?;
        let at = self.started + most;
        if !self.suspects.seen && !self.held.has_suspect() {
            return Some(at);
        }
        let lease = self.setup.lease;
        let settled_in = self.line.opened() + self.setup.backend.settling_in(lease);
        Some(at.max(settled_in + most.min(lease / 3).max(MEMORY_LOOK)))
    }

    pub(super) fn tell_unknown(&mut self, now: Instant, at_the_end: bool) {
        for warning in self.unknown.due(now, at_the_end) {
            self.tell(&Event::Warning(&warning));
        }
    }

    pub(super) fn begin_to_stop(&mut self, why: StopReason) {
        let asked_to = why == StopReason::Stopped;
        match self.stop {
            Stop::No | Stop::Stuck => {}
            // A worker that ends by itself can still be asked to hurry.
            Stop::Waiting { deadline: None, .. } if asked_to => {}
            Stop::Waiting { .. } | Stop::Now(_) | Stop::Broken(_) => return,
        }
        // The last job of a limit is still to be begun; all others go back.
        if why != StopReason::JobLimit {
            self.give_back_what_has_not_begun();
        }
        let grace = self.setup.grace;
        self.stop = Stop::Waiting { why, deadline: asked_to.then(|| Instant::now() + grace) };
        let running = self.held.running();
        match why {
            StopReason::Stopped => self.tell(&Event::Stopping { running, grace }),
            StopReason::Restarted => self.tell(&Event::Restarting { running }),
            _ => {}
        }
    }

    fn give_back_what_has_not_begun(&mut self) {
        for task in self.runner.take_back(usize::MAX) {
            self.give_back(task, Duration::ZERO);
        }
    }

    /// A thread can't be killed. A job that is stuck in one stays held, so that nobody else runs it; the
    /// worker lets the others finish and ends, for its supervisor to start it again.
    fn look_for_stuck_jobs(&mut self, now: Instant) {
        if self.stuck_at.is_none_or(|at| now < at) {
            return;
        }
        let over = |at: &Instant| *at + self.setup.grace <= now;
        let stuck = self.held.all().find(|holding| holding.task.stuck_after().as_ref().is_some_and(over));
        let Some(task) = stuck.map(|holding| holding.task.clone()) else { return };
        let warning = format!(
            "{} #{} is stuck: it should have ended within {}, and a thread cannot be killed. This worker \
             takes no more jobs and ends when the others have",
            task.job.message.name,
            task.job.id,
            time::format_duration(task.limits.timeout.unwrap_or_default()),
        );
        self.tell(&Event::Warning(&warning));
        self.give_back_what_has_not_begun();
        self.stop = Stop::Stuck;
    }

    fn first_stuck_at(&self) -> Option<Instant> {
        if self.runner.isolates() {
            return None;
        }
        Some(self.held.first_stuck_after()? + self.setup.grace)
    }

    pub(super) fn is_over(&self) -> bool {
        let written = self.judged.is_empty() && self.parked.is_empty() && self.burials.len() == 0;
        let idle = self.held.is_empty() && written && self.hooks == 0;
        match self.stop {
            Stop::Now(_) | Stop::Broken(_) => true,
            Stop::Waiting { .. } => idle,
            Stop::Stuck => {
                let now = Instant::now();
                self.held.all().all(|holding| self.is_stuck(holding, now)) && written
            }
            Stop::No => {
                // What waits in a paused queue is not to come.
                let since_retries = self.found_nothing_at.is_some_and(|at| at > self.own_retries_until);
                self.setup.bounds.when_empty && idle && (since_retries || self.is_paused())
            }
        }
    }

    /// When there is something to do, if nothing comes in before.
    pub(super) fn wakes_at(&mut self, now: Instant) -> Instant {
        self.stuck_at = self.first_stuck_at();
        let mut wakes = now + self.setup.poll.max(Duration::from_secs(1));
        let mut at = |moment: Option<Instant>| {
            if let Some(moment) = moment {
                wakes = wakes.min(moment);
            }
        };
        match self.line.retry_at() {
            Some(retry) => at(Some(retry)),
            None => {
                at((!self.judged.is_empty()).then(|| self.settles_at(now)));
                at(self.burials.wakes_at().map(|at| at.max(self.settles_at(now))));
                at(Some(self.next_extend));
                at(self.locked.wakes_at());
                at(self.looks_at(now));
                at(self.may_obey().then_some(self.orders.next_look));
            }
        }
        at(self.stuck_at);
        at(self.ends_at());
        at((self.busy() > 0).then_some(self.stall.check_at));
        at(self.unknown.tell_at);
        at(self.setup.bounds.memory.map(|_| now + MEMORY_LOOK));
        if let Stop::Waiting { deadline, .. } = self.stop {
            at(deadline);
        }
        wakes
    }

    pub(super) fn end(mut self) -> Result<Report> {
        let may_give_back = self.setup.process_ends || self.runner.isolates();
        match &self.stop {
            Stop::No => self.report.ended = StopReason::Empty,
            Stop::Waiting { why, .. } => self.report.ended = *why,
            Stop::Now(why) => {
                self.report.ended = *why;
                self.give_up_what_runs(may_give_back);
            }
            Stop::Broken(_) => self.give_up_what_runs(may_give_back),
            Stop::Stuck if may_give_back => self.count_stuck_attempts(),
            Stop::Stuck => {}
        }
        let stuck = matches!(self.stop, Stop::Stuck);
        let running: Vec<_> = self.held.all().map(|holding| name_of(holding.job())).collect();
        self.settle_for_the_last_time();
        self.tell_unknown(Instant::now(), true);
        let names: Vec<_> = self.held.all().map(|holding| name_of(holding.job())).collect();
        if matches!(self.stop, Stop::Broken(_)) && !names.is_empty() {
            self.tell(&Event::Warning(&Report::of_unsettled(&names, names.len() as u64)));
        }
        if let Stop::Broken(error) = self.stop {
            return Err(error);
        }
        if self.held.is_empty() && !stuck {
            return Ok(self.report);
        }
        // What has ended and could not be written down runs again; nothing of it is in a thread any more.
        let all_over = self.busy() == 0;
        if (may_give_back || all_over) && !stuck {
            names.into_iter().for_each(|name| self.report.note_unsettled(name));
            return Ok(self.report);
        }
        let error = stuck_error(if stuck { &running } else { &names });
        if !may_give_back {
            self.keep_holds_until_threads_end();
        }
        Err(error)
    }

    fn give_up_what_runs(&mut self, may_give_back: bool) {
        self.runner.kill();
        self.give_back_what_has_not_begun();
        if may_give_back {
            self.interrupt_what_runs();
        }
    }

    /// Running jobs of a process that is about to exit: uncounted, and due when they are surely dead.
    fn interrupt_what_runs(&mut self) {
        let kept = self.undecided().filter(|holding| !holding.lost);
        let running: Vec<_> = kept.map(|holding| holding.task.clone()).collect();
        running.into_iter().for_each(|task| self.give_back(task, SURELY_DEAD));
    }

    fn count_stuck_attempts(&mut self) {
        let stuck: Vec<_> = self.held.kept().map(|holding| holding.task.clone()).collect();
        for task in stuck {
            let limit = task.limits.timeout.unwrap_or_default();
            let outcome = Outcome::TimedOut(limit);
            let attempt = self.attempt_of(&task);
            let judgement = match self.setup.policy.judge(attempt, &outcome, &task.limits, fastrand::f64()) {
                Judgement::Again { after, counted, error } => {
                    Judgement::Again { after: after.max(SURELY_DEAD), counted, error }
                }
                other => other,
            };
            self.judge(task, judgement, Some(limit));
        }
    }

    fn settle_for_the_last_time(&mut self) {
        let settled = match self.line.reopen(Instant::now()) {
            Ok(_) => {
                self.decide_again();
                self.end_burials();
                self.settle_all()
            }
            Err(error) => Err(error),
        };
        if let Err(error) = settled {
            let warning = format!("cannot write down what became of the last jobs: {error}");
            self.tell(&Event::Warning(&warning));
        }
    }

    /// What is refused keeps none of the others from being written down.
    fn settle_all(&mut self) -> Result<()> {
        let mut refusals = self.judged.len() + 1;
        loop {
            match self.settle() {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(error) => {
                    refusals -= 1;
                    let is_gone = error.is_unavailable() || !self.setup.backend.holds_outlive_connection();
                    if is_gone || refusals == 0 {
                        return Err(error);
                    }
                    self.line.lose(Instant::now(), Duration::ZERO);
                    self.line.reopen(Instant::now())?;
                }
            }
            self.extend_in_time()?;
        }
    }

    /// Renews the holds, if it is time.
    pub(super) fn extend_in_time(&mut self) -> Result<()> {
        if Instant::now() < self.next_extend { Ok(()) } else { self.extend(None) }
    }

    /// A worker inside a program that goes on: the threads may still run, so the holds are kept alive.
    fn keep_holds_until_threads_end(mut self) {
        self.stop = Stop::Waiting { why: self.report.ended, deadline: None };
        self.setup.process_ends = false;
        let keeper = std::thread::Builder::new().name("craft-keeper".into()).spawn(move || {
            // The error would be this worker's own, which its owner has been told.
            let _ = self.run();
        });
        if let Err(cause) = keeper {
            log::error!("cannot start a thread that keeps the holds of running jobs: {cause}");
        }
    }
}

fn name_of(job: &crate::reserved::Reserved) -> String {
    format!("{} #{}", job.message.name, job.id)
}

fn stuck_error(names: &[String]) -> Error {
    let names = listed(names, names.len() as u64);
    Error::stuck(format!("jobs are stuck in threads that cannot be killed: {names}"))
        .with_help("let long jobs look at Context::timed_out, or run them with --mode multiprocess")
}

/// Resident memory of this process; `None` where the system has no /proc.
fn resident_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}
