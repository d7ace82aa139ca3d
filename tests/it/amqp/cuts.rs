//! A connection that ends under a worker whose slots are all busy: the worker notices, tells its jobs, connects
//! again and goes on with what still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use craft_queue::{AmqpConfig, Config, Context, JobResult, Jobs, Queue, Queueable, Report, Result, Stopper};
use serde::{Deserialize, Serialize};

use crate::servers::rabbitmq::RabbitMq;
use crate::servers::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

/// What the jobs of one test have in common.
#[derive(Default)]
struct Seen {
    begun: AtomicUsize,
    told: AtomicUsize,
}

/// Waits until it is told that its hold is lost; and then, if `stays`, that it is there again.
#[derive(Serialize, Deserialize)]
struct Waits {
    stays: bool,
}

impl Queueable for Waits {
    const NAME: &'static str = "Waits";

    fn handle(&self, job: &Context) -> JobResult {
        let seen = job.state::<Arc<Seen>>()?;
        seen.begun.fetch_add(1, Ordering::SeqCst);
        wait_until("the job is told", LIMIT, || job.lost());
        seen.told.fetch_add(1, Ordering::SeqCst);
        if self.stays {
            wait_until("the job is back", LIMIT, || !job.lost());
        }
        Ok(())
    }
}

struct Site {
    vhost: String,
    queue: Queue,
    seen: Arc<Seen>,
}

impl Site {
    fn new() -> Self {
        let seen = Arc::new(Seen::default());
        Self { seen: seen.clone(), ..Self::with(Jobs::new().state(seen).add::<Waits>()) }
    }

    fn with(jobs: Jobs) -> Self {
        let url = RabbitMq::shared().vhost();
        let (place, vhost) = url.rsplit_once('/').unwrap();
        let port = place.rsplit_once(':').unwrap().1.parse().unwrap();
        let mut config = Config::new();
        config.default = "amqp".into();
        config.amqp = AmqpConfig { host: "127.0.0.1".into(), port, vhost: vhost.into(), ..config.amqp };
        let queue = Queue::open(config, jobs).unwrap();
        Self { vhost: vhost.to_owned(), queue, seen: Arc::default() }
    }

    fn work(&self, slots: usize) -> (Stopper, JoinHandle<Result<Report>>) {
        let worker = self.queue.worker().threads(slots).poll(Duration::from_millis(50));
        (worker.stopper(), std::thread::spawn(move || worker.run()))
    }

    fn begun(&self) -> usize {
        self.seen.begun.load(Ordering::SeqCst)
    }

    fn cut(&self) {
        RabbitMq::shared().rabbitmqctl(&["close_all_connections", "--vhost", &self.vhost, "maintenance"]);
    }

    fn is_empty(&self) -> bool {
        let lines = RabbitMq::shared().rabbitmqctl(&["list_queues", "-p", &self.vhost, "name", "messages"]);
        let of_ours = |line: &&str| {
            line.starts_with("craft-queue.starts\t") || line.starts_with("craft-queue.running\t")
        };
        let is_left = |line: &&str| !line.ends_with("\t0") && !of_ours(line);
        lines.lines().skip(1).filter(is_left).count() == 0
    }
}

/// Quick jobs behind a slow one, of which the broker handed out hundreds ahead.
#[test]
fn what_waits_behind_a_slow_job_is_run_by_others() {
    #[derive(Serialize, Deserialize)]
    struct Step {
        slow: bool,
    }
    #[derive(Default)]
    struct Steps {
        quick: AtomicUsize,
        slow: AtomicUsize,
        go_on: std::sync::atomic::AtomicBool,
    }
    impl Queueable for Step {
        const NAME: &'static str = "Step";
        fn handle(&self, job: &Context) -> JobResult {
            let steps = job.state::<Arc<Steps>>()?;
            if self.slow {
                steps.slow.fetch_add(1, Ordering::SeqCst);
                wait_until("the end of the slow job", LIMIT, || steps.go_on.load(Ordering::SeqCst));
            } else {
                steps.quick.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        }
    }
    let steps = Arc::new(Steps::default());
    let site = Site::with(Jobs::new().state(steps.clone()).add::<Step>());
    let queue = |slow: bool, count: usize| site.queue.push_many((0..count).map(|_| Step { slow })).unwrap();
    queue(false, 2_000);
    queue(true, 1);
    queue(false, 600);
    let (first, one) = site.work(1);
    wait_until("the slow job runs", LIMIT, || steps.slow.load(Ordering::SeqCst) == 1);
    let (second, two) = site.work(1);
    wait_until("all others' ends", LIMIT, || steps.quick.load(Ordering::SeqCst) == 2_600);
    steps.go_on.store(true, Ordering::SeqCst);
    wait_until("the broker has nothing any more", LIMIT, || site.is_empty());
    let done: u64 = [(first, one), (second, two)]
        .into_iter()
        .map(|(stopper, worker)| {
            stopper.stop();
            worker.join().unwrap().unwrap().done
        })
        .sum();
    assert_eq!((done, steps.slow.load(Ordering::SeqCst)), (2_601, 1));
}

fn each_job_runs_once(stays: bool, slots: usize, jobs: usize) {
    let site = Site::new();
    site.queue.push_many((0..jobs).map(|_| Waits { stays })).unwrap();
    let (stopper, worker) = site.work(slots);
    wait_until("the jobs run", LIMIT, || site.begun() == jobs);
    site.cut();
    wait_until("the broker has nothing any more", LIMIT, || site.is_empty());
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.lost, report.failed), (jobs as u64, 0, 0), "{report:?}");
    assert_eq!((site.begun(), site.seen.told.load(Ordering::SeqCst)), (jobs, jobs));
}

#[test]
fn a_job_that_fills_the_only_slot_goes_on_after_a_cut() {
    each_job_runs_once(true, 1, 1);
}

#[test]
fn jobs_go_on_after_a_cut_whether_or_not_a_slot_is_free() {
    each_job_runs_once(true, 3, 2);
    each_job_runs_once(true, 2, 2);
}

/// Its outcome waits for the job to come back, and is written down then.
#[test]
fn a_job_that_ends_while_the_connection_is_away_does_not_run_again() {
    each_job_runs_once(false, 1, 1);
}
