//! The workloads: pickup, push, push many, drain, drain with others behind or due later.

use std::time::{Duration, Instant};

use super::ledger::{Ledger, Nothing};
use super::{Bench, Figure};
use crate::config::DriverKind;
use crate::error::Result;
use crate::message::Pushed;
use crate::queue::Queue;

/// Jobs a call, in `push_many` and when a queue is filled.
const A_CALL: usize = 1_000;

/// The longest a workload waits for a job that does not come, before it counts it as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// The quiet before each timed push of `pickup`: an idle worker, not one that has just been busy.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Workloads<'a> {
    pub(super) bench: &'a Bench,
    pub(super) queue: &'a Queue,
    pub(super) ledger: &'a Ledger,
}

impl Workloads<'_> {
    pub(super) fn all(&self, tell: &mut dyn FnMut(Figure)) -> Result<()> {
        if self.bench.kind() == DriverKind::Async {
            tell(self.push_and_run()?);
            return Ok(());
        }
        // First, while nothing has been removed: a server sweeps within a minute, and until then a look steps
        // over what is gone. That is no idle worker's common day.
        if self.bench.pickups > 0 {
            tell(self.pickup()?);
        }
        let single = (self.bench.jobs / 5).max(1);
        tell(self.push(1, single)?);
        tell(self.push(self.bench.threads, self.bench.jobs)?);
        tell(self.push_many()?);
        tell(self.drain("drain", 1)?);
        tell(self.drain("drain", self.bench.workers)?);
        if self.bench.backlog > 0 {
            tell(self.drain_deep()?);
            // In a broker they would wait for tomorrow where nobody can remove them.
            if self.bench.kind() != DriverKind::Amqp {
                tell(self.drain_future()?);
            }
        }
        Ok(())
    }

    /// One job a call. The jobs are removed unrun, and counted by that.
    fn push(&self, threads: usize, jobs: usize) -> Result<Figure> {
        let each = jobs.div_ceil(threads);
        let start = Instant::now();
        std::thread::scope(|scope| {
            let push = || (0..each).try_for_each(|number| self.queue.push(Nothing::number(number)).map(drop));
            let pushing: Vec<_> = (0..threads).map(|_| scope.spawn(push)).collect();
            // A thread that panicked has told so; its jobs are counted as lost.
            pushing.into_iter().filter_map(|thread| thread.join().ok()).collect::<Result<Vec<()>>>()
        })?;
        let took = start.elapsed();
        self.pushed("push", threads, each * threads, took)
    }

    fn push_many(&self) -> Result<Figure> {
        let start = Instant::now();
        self.fill(self.bench.jobs)?;
        let took = start.elapsed();
        self.pushed("push_many", 1, self.bench.jobs, took)
    }

    fn pushed(&self, workload: &'static str, threads: usize, jobs: usize, took: Duration) -> Result<Figure> {
        let there = usize::try_from(self.clear()?).unwrap_or(usize::MAX);
        let lost = jobs.saturating_sub(there);
        Ok(self.figure(workload, threads, jobs, took, (lost, there.saturating_sub(jobs))))
    }

    fn drain(&self, workload: &'static str, slots: usize) -> Result<Figure> {
        let jobs = self.bench.jobs;
        self.ledger.begin(jobs);
        self.fill(jobs)?;
        let start = Instant::now();
        self.queue.worker().threads(slots).stop_when_empty().run()?;
        let took = start.elapsed();
        Ok(self.figure(workload, slots, jobs, took, self.ledger.lost_and_doubled(jobs)))
    }

    /// As many jobs as `drain` runs, with others waiting behind them.
    fn drain_deep(&self) -> Result<Figure> {
        let (jobs, all) = (self.bench.jobs, self.bench.jobs + self.bench.backlog);
        self.ledger.begin(all);
        self.fill(all)?;
        let start = Instant::now();
        self.queue.worker().threads(self.bench.workers).max_jobs(jobs as u64).run()?;
        let took = start.elapsed();
        // Which of them ran is the back end's choice; that as many ran as were asked for is not.
        let counted = (jobs.saturating_sub(self.ledger.total()), self.ledger.lost_and_doubled(all).1);
        self.clear()?;
        Ok(self.figure("drain_deep", self.bench.workers, jobs, took, counted))
    }

    /// With others in the table that are due tomorrow and would go first.
    fn drain_future(&self) -> Result<Figure> {
        let tomorrow = Duration::from_secs(86_400);
        for first in (0..self.bench.backlog).step_by(A_CALL) {
            let call = (first..self.bench.backlog.min(first + A_CALL)).map(Nothing::number);
            self.queue.options().delay(tomorrow).priority(9).push_many(call)?;
        }
        let figure = self.drain("drain_future", self.bench.workers)?;
        self.clear()?;
        Ok(figure)
    }

    fn clear(&self) -> Result<u64> {
        self.queue.clear(None, &self.queue.config().settings(&self.bench.driver).queue)
    }

    /// From a push to the job's beginning, by a worker that was idle for a second.
    fn pickup(&self) -> Result<Figure> {
        let worker = self.queue.worker();
        let stopper = worker.stopper();
        let mut waits = Vec::new();
        let mut counted = (0, 0);
        std::thread::scope(|scope| -> Result<()> {
            let worker = scope.spawn(|| worker.run());
            let timed = (0..self.bench.pickups).try_for_each(|_| {
                self.ledger.begin(1);
                std::thread::sleep(IDLE);
                let pushed = Instant::now();
                self.queue.push(Nothing::number(0))?;
                while self.ledger.total() == 0 && pushed.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_micros(100));
                }
                if let Some(begun) = self.ledger.begun() {
                    waits.push(begun.saturating_duration_since(pushed).as_secs_f64() * 1e3);
                }
                let (lost, doubled) = self.ledger.lost_and_doubled(1);
                counted = (counted.0 + lost, counted.1 + doubled);
                Ok(())
            });
            stopper.stop();
            // A worker that panicked has told so, and its jobs are counted as lost.
            timed.and(worker.join().unwrap_or(Ok(Default::default())).map(drop))
        })?;
        waits.sort_by(f64::total_cmp);
        let at =
            |share: f64| waits.get(((waits.len() as f64 * share) as usize).min(waits.len() - 1)).copied();
        let percentiles = if waits.is_empty() { (None, None) } else { (at(0.5), at(0.99)) };
        let figure = self.figure("pickup", 1, self.bench.pickups, Duration::ZERO, counted);
        Ok(Figure { per_second: 0.0, p50_ms: percentiles.0, p99_ms: percentiles.1, ..figure })
    }

    /// The async driver: its own pool runs what is pushed.
    fn push_and_run(&self) -> Result<Figure> {
        let jobs = self.bench.jobs;
        self.ledger.begin(jobs);
        let start = Instant::now();
        for number in 0..jobs {
            self.queue.push(Nothing::number(number))?;
        }
        self.queue.close(PATIENCE)?;
        let took = start.elapsed();
        let workers = self.queue.config().memory.settings.workers;
        Ok(self.figure("push_and_run", workers, jobs, took, self.ledger.lost_and_doubled(jobs)))
    }

    fn fill(&self, jobs: usize) -> Result<()> {
        for first in (0..jobs).step_by(A_CALL) {
            let call = (first..jobs.min(first + A_CALL)).map(Nothing::number);
            let _: Vec<Pushed> = self.queue.push_many(call)?;
        }
        Ok(())
    }

    fn figure(
        &self,
        workload: &'static str,
        threads: usize,
        jobs: usize,
        took: Duration,
        (lost, doubled): (usize, usize),
    ) -> Figure {
        let per_second = jobs as f64 / took.as_secs_f64().max(1e-9);
        let backend = self.bench.backend().to_owned();
        Figure { workload, backend, threads, jobs, per_second, p50_ms: None, p99_ms: None, lost, doubled }
    }
}
