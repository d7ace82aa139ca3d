//! The jobs of a worker between being taken and their outcome: begun in the runner, given back, stuck, interrupted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WorkerOptions;
use super::in_flight::Held;
use super::outcomes::Outcomes;
use super::prefetch::{MOST_BYTES, Prefetch};
use super::settle::{Judged, judge_before_run, name_of};
use super::shutdown::Stop;
use crate::error::Error;
use crate::policy::{Judgement, NotRun, Outcome};
use crate::reserved::Reserved;
use crate::runner::{Finished, Runner, Task, Witness, Work};
use crate::time;

/// After this long an interrupted job may run elsewhere: its process has surely ended by then.
const SURELY_DEAD: Duration = Duration::from_secs(5);

pub(super) struct Jobs {
    runner: Box<dyn Runner>,
    pub(super) outcomes: Outcomes,
    pub(super) prefetch: Prefetch,
    /// How many jobs were begun.
    pub(super) begun: u64,
}

/// A piece of work that is over, as far as the schedule and the end of the worker depend on it.
pub(super) enum Ended {
    /// A job ended at this time.
    Job(Instant),
    /// A job was not run.
    NotRun,
    /// No hook runs any more.
    LastHook,
    /// A hook ended, and others run.
    Hook,
    /// Nothing can be run any more.
    Broken(Error),
}

impl Jobs {
    pub(super) fn new(runner: Box<dyn Runner>, outcomes: Outcomes, now: Instant) -> Self {
        Self { runner, outcomes, prefetch: Prefetch::new(now), begun: 0 }
    }

    /// Whether suspects run beside other jobs.
    pub(super) fn are_isolated(&self) -> bool {
        self.runner.isolates()
    }

    /// For how many more jobs there is room; 0 until a good part of what is ready has run: few steps, and large ones.
    pub(super) fn room(&mut self, now: Instant, options: &WorkerOptions) -> usize {
        let prefetch = self.prefetch.prefetch(now);
        let room = (options.slots + prefetch).saturating_sub(self.outcomes.busy());
        if room < prefetch / 4 {
            return 0;
        }
        match options.bounds.jobs {
            Some(most) => room.min(usize::try_from(most.saturating_sub(self.begun)).unwrap_or(room)),
            None => room,
        }
    }

    /// Begins jobs that were just taken; says whether any were begun. `charged`: a suspect among them is charged with
    /// the end of its worker, and runs alone.
    pub(super) fn begin(
        &mut self,
        jobs: Vec<Reserved>,
        now: Instant,
        charged: bool,
        options: &WorkerOptions,
    ) -> bool {
        let (mut bytes, witness) = (0, options.witness());
        let mut work = Vec::with_capacity(jobs.len());
        for job in jobs {
            let size = job.message.payload.len();
            self.prefetch.sized(size);
            bytes += size;
            let Some(task) = self.accept(job, now, charged, witness.clone(), options) else { continue };
            // More than anybody expected: what no slot is free for goes back.
            match bytes > 4 * MOST_BYTES && work.len() >= options.slots {
                true => self.outcomes.give_back(task, Duration::ZERO),
                false => work.push(Work::Run(task)),
            }
        }
        let begins = !work.is_empty();
        if begins {
            self.begun += work.len() as u64;
            self.runner.begin(work);
        }
        begins
    }

    /// A job begins, or it is judged without being run.
    fn accept(
        &mut self,
        job: Reserved,
        now: Instant,
        charged: bool,
        witness: Option<Witness>,
        options: &WorkerOptions,
    ) -> Option<Arc<Task>> {
        let job = self.outcomes.in_flight.adopt(job)?;
        let alone = job.suspect && charged;
        let job_type = options.job_types.get(&*job.message.name).cloned();
        let of_type = job_type.as_ref().map(|job_type| job_type.limits()).unwrap_or_default();
        let limits = options.policy.limits_for(job.message.overrides.as_deref(), &of_type);
        let judgement = judge_before_run(&options.policy, &job, &limits, job_type.is_some());
        let task = Arc::new(Task::new(job, limits, job_type).witnessed_by(witness));
        self.outcomes.in_flight.insert(task.clone(), now, alone);
        let Some(judgement) = judgement else { return Some(task) };
        // As quick as it can be: many of them go in few steps.
        self.prefetch.count(1);
        self.outcomes.decide(Judged::new(task, judgement, None, options));
        None
    }

    /// A piece of work is over.
    pub(super) fn finished(&mut self, finished: Finished, options: &WorkerOptions) -> Ended {
        let (task, outcome, took) = match finished {
            Finished::Ran(task, outcome, took) => (task, outcome, took),
            Finished::NotRun(task, NotRun { after }) => {
                self.outcomes.give_back(task, after);
                return Ended::NotRun;
            }
            Finished::Hooked => {
                self.outcomes.running_hooks -= 1;
                return if self.outcomes.running_hooks == 0 { Ended::LastHook } else { Ended::Hook };
            }
            Finished::Broken(error) => return Ended::Broken(error),
        };
        self.prefetch.count(1);
        let ended = task.begun().map_or_else(Instant::now, |begun| begun + took);
        let attempt = self.outcomes.attempt_of(&task);
        let judgement = options.policy.judge(attempt, &outcome, &task.limits, fastrand::f64());
        let judgement = match task.job.suspect {
            true => judgement.of_suspect(attempt, task.job.last_error.as_deref(), &task.limits),
            false => judgement,
        };
        self.outcomes.decide(Judged::new(task, judgement, Some(took), options));
        Ended::Job(ended)
    }

    pub(super) fn begin_hooks(&mut self) {
        let hooks = std::mem::take(&mut self.outcomes.hooks);
        if !hooks.is_empty() {
            self.runner.begin(hooks);
        }
    }

    /// Gives back all jobs that have not begun.
    pub(super) fn give_back_unbegun(&mut self) {
        let tasks = self.runner.take_back(usize::MAX);
        tasks.into_iter().for_each(|task| self.outcomes.give_back(task, Duration::ZERO));
    }

    /// Gives back those of paused queues.
    pub(super) fn give_back_paused(&mut self, paused: &BTreeSet<String>) {
        let waiting = self.runner.take_back(usize::MAX);
        // What came first is begun first.
        let (paused, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().rev().partition(|task| paused.contains(&*task.job.message.queue));
        self.begun -= paused.len() as u64;
        paused.into_iter().for_each(|task| self.outcomes.give_back(task, Duration::ZERO));
        self.runner.begin(others.into_iter().map(Work::Run).collect());
    }

    /// Whether no ready job could begin. In processes a child may be on its way for it.
    pub(super) fn fill_all_slots(&self, slots: usize) -> bool {
        self.outcomes.in_flight.running().saturating_sub(self.outcomes.unwritten()) >= slots
    }

    /// Gives back all jobs that have not begun, if one of them has waited for too long; says whether it did.
    pub(super) fn give_back_stalled(&mut self, now: Instant) -> bool {
        let patience = self.prefetch.patience();
        let waits = self.outcomes.in_flight.all().any(|held| {
            let unbegun = !held.lost && held.task.begun().is_none();
            unbegun && held.since + patience <= now
        });
        let tasks = if waits { self.runner.take_back(usize::MAX) } else { Vec::new() };
        if tasks.is_empty() {
            return false;
        }
        self.prefetch.stall(now);
        self.begun -= tasks.len() as u64;
        tasks.into_iter().for_each(|task| self.outcomes.give_back(task, Duration::ZERO));
        true
    }
}

/// Jobs that don't end, and the end of the worker.
impl Jobs {
    /// A job that should have ended longer ago than the grace.
    pub(super) fn stuck(&self, now: Instant, grace: Duration) -> Option<&Held> {
        self.outcomes.in_flight.all().find(|held| held.is_stuck(now, grace))
    }

    /// When a job is stuck first; or, in a worker that waits for the jobs that are not, when all are.
    pub(super) fn stuck_at(&self, stop: &Stop, now: Instant, grace: Duration) -> Option<Instant> {
        let in_flight = &self.outcomes.in_flight;
        match stop {
            Stop::No if !self.are_isolated() => in_flight.first_stuck_after().map(|at| at + grace),
            Stop::Stuck => in_flight.last_stuck_after().map(|at| at + grace).filter(|at| *at > now),
            _ => None,
        }
    }

    /// Whether all jobs that are held are stuck.
    pub(super) fn are_all_stuck(&self, now: Instant, grace: Duration) -> bool {
        self.outcomes.in_flight.all().all(|held| held.is_stuck(now, grace))
    }

    /// Whether nothing runs, or, in a worker that waits for the jobs that are not stuck, nothing that may end by
    /// itself.
    pub(super) fn run_nothing(&self, stop: &Stop, now: Instant, grace: Duration) -> bool {
        self.outcomes.running_hooks == 0
            && match stop {
                Stop::Stuck => self.outcomes.unfinished().all(|held| held.is_stuck(now, grace)),
                _ => self.outcomes.busy() == 0,
            }
    }

    /// Ends what runs, where that is possible, and gives back what has not begun.
    pub(super) fn give_up(&mut self) {
        self.runner.kill();
        self.give_back_unbegun();
    }

    /// Running jobs of a process that is about to exit: uncounted, and due when they are surely dead.
    pub(super) fn interrupt(&mut self) {
        let kept = self.outcomes.unfinished().filter(|held| !held.lost);
        let running: Vec<_> = kept.map(|held| held.task.clone()).collect();
        running.into_iter().for_each(|task| self.outcomes.give_back(task, SURELY_DEAD));
    }

    /// Stuck jobs of a process that is about to exit: an attempt that timed out, and due when they are surely dead.
    pub(super) fn count_stuck(&mut self, options: &WorkerOptions) {
        let stuck: Vec<_> = self.outcomes.in_flight.kept().map(|held| held.task.clone()).collect();
        for task in stuck {
            let limit = task.limits.timeout.unwrap_or_default();
            let outcome = Outcome::TimedOut(limit);
            let attempt = self.outcomes.attempt_of(&task);
            let judgement = match options.policy.judge(attempt, &outcome, &task.limits, fastrand::f64()) {
                Judgement::Again { after, counted, error } => {
                    Judgement::Again { after: after.max(SURELY_DEAD), counted, error }
                }
                other => other,
            };
            self.outcomes.decide(Judged::new(task, judgement, Some(limit), options));
        }
    }
}

pub(super) fn stuck_warning(task: &Task) -> String {
    format!(
        "{} is stuck: it should have ended within {}, and a thread cannot be killed. This worker takes no more jobs \
         and ends when the others have",
        name_of(&task.job),
        time::format_duration(task.limits.timeout.unwrap_or_default()),
    )
}
