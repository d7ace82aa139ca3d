//! Servers that go away, connections that break, settings that bite: nothing is lost, and workers go on by
//! themselves.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Diary, Then, config_on, queue, work_off};

const JOBS: usize = 400;

/// Long enough for something to happen amid a drain.
#[derive(Serialize, Deserialize)]
struct Slow(String);

impl Queueable for Slow {
    const NAME: &'static str = "Slow";

    fn handle(&self, job: &Context) -> JobResult {
        thread::sleep(Duration::from_millis(5));
        job.state::<Diary>()?.note(self.0.clone());
        Ok(())
    }
}

/// How often each job ran.
pub fn runs(diary: &Diary) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in diary.lines() {
        *runs.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    runs
}

/// Drains while something bad happens. A job may run twice, but each runs and none is left.
pub fn drain_during(config: Config, bad: impl FnOnce()) {
    let diary = Diary::default();
    let queue = Queue::open(config, Jobs::new().state(diary.clone()).add::<Slow>()).unwrap();
    queue.install().unwrap();
    let options = queue.options().attempts(50);
    options.push_many((0..JOBS).map(|at| Slow(format!("job{at:04}")))).unwrap();
    thread::scope(|scope| {
        let worker = scope.spawn(|| queue.worker().threads(2).stop_when_empty().run());
        crate::support::wait_until("a part of the drain", || diary.lines().len() >= 20);
        bad();
        worker.join().unwrap().unwrap();
    });
    // What was taken when the answer was lost comes back when its lease is over; and a worker that has
    // just connected leaves such jobs to others for a while.
    crate::support::wait_until("the end of all jobs", || {
        queue.worker().max_time(Duration::from_millis(1_500)).run().unwrap();
        queue.size(None, &[]).unwrap().is_empty()
    });
    assert_eq!(runs(&diary).len(), JOBS, "each job ran");
    assert!(queue.failed().list(&craft_queue::failed::Filter::default()).unwrap().is_empty());
}

pub fn short_lease(url: &str) -> Config {
    let mut config = config_on(url);
    config.database.settings.lease = Duration::from_secs(3);
    config
}

#[test]
fn postgres_connections_that_are_terminated_are_made_anew() {
    let url = Postgres::shared().database();
    drain_during(short_lease(&url), || {
        for _ in 0..5 {
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            postgres::query(&url, end).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn mariadb_connections_that_are_killed_are_made_anew() {
    let server = MariaDb::shared();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap().to_owned();
    drain_during(short_lease(&url), || {
        for _ in 0..5 {
            let list = format!("SELECT id FROM information_schema.processlist WHERE db = '{database}'");
            for id in server.sql(&list).lines() {
                // It may have left by itself.
                let _ = mariadb::query(&server.url(), &format!("KILL {id}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn a_postgres_server_that_restarts_amid_a_drain_loses_nothing() {
    let mut server = Postgres::start(postgres::Options::default());
    let url = server.database();
    drain_during(short_lease(&url), || {
        server.kill();
        thread::sleep(Duration::from_secs(1));
        server.start_again();
    });
}

#[test]
fn a_mariadb_server_that_restarts_amid_a_drain_loses_nothing() {
    let mut server = MariaDb::start(mariadb::Options::default());
    let url = server.database();
    drain_during(short_lease(&url), || {
        server.kill();
        thread::sleep(Duration::from_secs(1));
        server.start_again();
    });
}

#[test]
fn a_mariadb_that_hangs_up_on_the_idle_is_called_again() {
    let server = MariaDb::start(mariadb::Options::default().argument("--wait-timeout=1"));
    let (queue, diary) = queue(config_on(&server.database()));
    for _ in 0..2 {
        queue.push(Act::new("job", Then::Succeed)).unwrap();
        work_off(&queue);
        thread::sleep(Duration::from_millis(1_500));
    }
    assert_eq!(diary.lines().len(), 2);
}

/// Pushes, failures and retries at once, by many workers.
fn crowd(config: Config) {
    let (queue, diary) = queue(config);
    thread::scope(|scope| {
        for batcher in 0..4 {
            let queue = &queue;
            scope.spawn(move || {
                for at in 0..50 {
                    let then = if at % 5 == 0 { Then::FailTimes(1) } else { Then::Succeed };
                    let push = queue.options().unique(format!("{batcher}-{at}"));
                    push.push(Act::new(&format!("job{batcher}{at:02}"), then)).unwrap();
                }
            });
        }
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..3 {
                    queue.worker().threads(2).stop_when_empty().run().unwrap();
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
    work_off(&queue);
    let runs = runs(&diary);
    assert_eq!(runs.len(), 200);
    for (name, count) in runs {
        let wanted = if name[4..].parse::<u32>().unwrap().is_multiple_of(5) { 2 } else { 1 };
        assert_eq!(count, wanted, "{name}");
    }
    assert!(queue.failed().list(&craft_queue::failed::Filter::default()).unwrap().is_empty());
}

#[test]
fn a_crowd_of_workers_on_mariadb_charges_no_job_with_a_deadlock() {
    crowd(config_on(&MariaDb::shared().database()));
}

#[test]
fn a_crowd_of_workers_on_a_postgres_that_is_serializable_by_default() {
    let options = postgres::Options::default().setting("default_transaction_isolation = serializable");
    let server = Postgres::start(options);
    crowd(config_on(&server.database()));
}
