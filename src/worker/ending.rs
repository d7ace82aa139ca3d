//! When the worker ends, and what it does last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event_loop::EventLoop;
use super::options::listed;
use super::schedule::{Action, MEMORY_CHECK};
use super::shutdown::{LastAct, Left, Stop};
use super::{Report, StopReason};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::policy::{Judgement, Outcome};
use crate::registry::Kind;
use crate::time;

/// After this long an interrupted job may run elsewhere: its process has surely ended by then.
const SURELY_DEAD: Duration = Duration::from_secs(5);

impl EventLoop {
    /// Looks for what only time brings about: bounds that are reached, jobs that are stuck, a grace that
    /// is over.
    pub(super) fn watch_clock(&mut self, now: Instant) {
        self.give_back_what_stalls(now);
        self.tell_unknown(now, false);
        if self.stop.is_no() {
            if let Some(why) = self.bound_reached(now) {
                self.begin_to_stop(why);
            }
            self.look_for_stuck_jobs(now);
        } else if self.is_due(Action::Hurry, now) {
            self.stop.hurry();
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
        self.setup.bounds.time.is_some_and(|most| self.schedule.has_run_for(most, now))
    }

    /// When its time is up. Where suspects wait it stays until it may take them, and for a while longer: else
    /// workers that never get old would leave them behind for ever.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let most = self.setup.bounds.time?;
        let at = self.schedule.started() + most;
        if !self.suspects.seen && !self.held.has_suspect() {
            return Some(at);
        }
        let lease = self.setup.lease;
        let settled_in = self.line.opened() + self.setup.backend.settling_in(lease);
        Some(at.max(settled_in + most.min(lease / 3).max(MEMORY_CHECK)))
    }

    pub(super) fn tell_unknown(&mut self, now: Instant, at_the_end: bool) {
        for warning in self.unknown.due(now, at_the_end) {
            self.tell(&Event::Warning(&warning));
        }
    }

    pub(super) fn begin_to_stop(&mut self, why: StopReason) {
        let grace = self.setup.grace;
        let deadline = (why == StopReason::Stopped).then(|| Instant::now() + grace);
        if !self.stop.begin(why, deadline) {
            return;
        }
        // The last job of a limit is still to be begun; all others go back.
        if why != StopReason::JobLimit {
            self.give_back_what_has_not_begun();
        }
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
        if !self.is_due(Action::CheckStuck, now) {
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

    /// When a job is stuck first; or, in a worker that waits for the jobs that are not, when all are.
    pub(super) fn stuck_at(&self, now: Instant) -> Option<Instant> {
        let after = match self.stop {
            Stop::No if !self.runner.isolates() => self.held.first_stuck_after(),
            Stop::Stuck => self.held.last_stuck_after().filter(|after| *after + self.setup.grace > now),
            _ => None,
        };
        after.map(|after| after + self.setup.grace)
    }

    pub(super) fn is_over(&self) -> bool {
        let written = self.judged.is_empty() && self.parked.is_empty() && self.burials.len() == 0;
        let idle = self.held.is_empty() && self.hooks == 0;
        let all_stuck = || {
            let now = Instant::now();
            self.held.all().all(|holding| self.is_stuck(holding, now))
        };
        // Jobs of paused queues do not come.
        let nothing_is_left = self.schedule.nothing_is_left() || self.is_paused();
        self.stop.is_over(&Left {
            idle,
            written,
            all_stuck: matches!(self.stop, Stop::Stuck) && all_stuck(),
            empty: self.setup.bounds.when_empty && nothing_is_left,
        })
    }

    pub(super) fn end(mut self) -> Result<Report> {
        let may_give_back = self.setup.process_ends || self.runner.isolates();
        self.report.ended = self.stop.reason().unwrap_or_default();
        match self.stop.last_act(may_give_back) {
            LastAct::Nothing => {}
            LastAct::GiveUp => self.give_up_what_runs(),
            LastAct::GiveUpAndInterrupt => {
                self.give_up_what_runs();
                self.interrupt_what_runs();
            }
            LastAct::CountStuck => self.count_stuck_attempts(),
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

    fn give_up_what_runs(&mut self) {
        self.runner.kill();
        self.give_back_what_has_not_begun();
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
        if Instant::now() < self.schedule.extend_at() { Ok(()) } else { self.extend(None) }
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
