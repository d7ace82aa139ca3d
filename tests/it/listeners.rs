//! What a program hears of its jobs: in its listener, in its log, in the hook of a job that is dead.

use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use craft_queue::{Config, Context, Event, JobError, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::support::{Act, Diary, Folder, Then, config, queue, shells, wait_until, work_off};

#[derive(Serialize, Deserialize)]
struct CloseBooks;

impl Queueable for CloseBooks {
    const NAME: &'static str = "CloseBooks";

    fn handle(&self, job: &Context) -> JobResult {
        job.state::<Diary>()?.note(job.queue());
        Ok(())
    }
}

/// Whatever a client writes for "no fields", and when it writes nothing.
#[test]
fn a_job_without_fields_runs_from_any_client() {
    for (_folder, config, shell) in shells() {
        let diary = Diary::default();
        let jobs = Jobs::new().state(diary.clone()).add::<CloseBooks>();
        let queue = Queue::open(config, jobs).unwrap();
        queue.install().unwrap();
        shell(
            "INSERT INTO jobs (name, payload) VALUES ('CloseBooks', '{}'), ('CloseBooks', ''),
                ('CloseBooks', 'null'), ('CloseBooks', '[]');
            INSERT INTO jobs (name) VALUES ('CloseBooks');",
        );
        queue.options().push_json("CloseBooks", "", 1).unwrap();
        queue.push(CloseBooks).unwrap();
        let report = work_off(&queue);
        assert_eq!((report.done, report.failed), (7, 0), "{:?}", queue.failed().list(&Default::default()));
        assert_eq!(diary.lines().len(), 7);
    }
}

/// Dies, and has another job clean up.
#[derive(Serialize, Deserialize)]
struct Charge;

impl Queueable for Charge {
    const NAME: &'static str = "Charge";

    fn handle(&self, _: &Context) -> JobResult {
        Err(JobError::fail_now("no money"))
    }

    fn failed(&self, error: &JobError, job: &Context) {
        let diary = job.state::<Diary>().unwrap();
        diary.note(format!("{error}: {} of {}, lost {}", job.attempt(), job.queue(), job.lost()));
        job.on("refunds").push(Act::new("refund", Then::Succeed)).unwrap();
    }
}

#[test]
fn a_hook_has_the_state_and_pushes() {
    let folder = Folder::new();
    let mut config = config(&folder);
    let blocking = |config: &mut Config| {
        config.default = "async".into();
        config.memory.blocking = true;
    };
    for is_blocking in [false, true] {
        if is_blocking {
            blocking(&mut config);
        }
        let diary = Diary::default();
        let jobs = Jobs::new().state(diary.clone()).add::<Charge>().add::<Act>();
        let queue = Queue::open(config.clone(), jobs).unwrap();
        queue.install().unwrap();
        match is_blocking {
            true => assert!(queue.push(Charge).unwrap_err().is_job_failed()),
            false => {
                queue.push(Charge).unwrap();
                assert_eq!(
                    queue.worker().on("default").on("refunds").stop_when_empty().run().unwrap().done,
                    1
                );
            }
        }
        assert_eq!(diary.lines(), ["no money: 1 of default, lost false", "refund 1"]);
    }
}

/// The gauge of a program: what runs is what began and did not end.
#[test]
fn every_job_that_begins_is_told_of_before_it_ends() {
    for (_folder, mut config, _) in shells() {
        config.database.settings.workers = 4;
        let (queue, _) = queue(config);
        queue.options().attempts(1).push(Act::new("one", Then::Fail)).unwrap();
        queue.push_many((0..50).map(|at| Act::new(&format!("{at}"), Then::Succeed))).unwrap();
        queue.push(Act::new("twice", Then::FailTimes(1))).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let worker = queue.worker().stop_when_empty().backoff(Duration::from_millis(1));
        // One that panics harms neither its worker nor a job.
        let worker = worker.listener(move |event| {
            let (what, job) = match event {
                Event::Began { job, waited } => (waited.expect("a database knows"), job),
                Event::Done(job) | Event::Again { job, .. } | Event::Buried { job, .. } => {
                    (Duration::MAX, job)
                }
                _ => panic!("the listener goes wrong"),
            };
            telling.lock().unwrap().push((what, job.job.message.uuid.clone(), job.job.message.delay));
        });
        let report = worker.run().unwrap();
        assert_eq!((report.done, report.failed, report.retried), (51, 1, 1));
        let told = told.lock().unwrap();
        let mut running = std::collections::HashSet::new();
        for (what, uuid, _) in told.iter() {
            match *what == Duration::MAX {
                true => assert!(running.remove(uuid), "{uuid} ended, and had not begun"),
                false => assert!(running.insert(uuid), "{uuid} began twice"),
            }
        }
        assert!(running.is_empty(), "{running:?}");
        let waits: Vec<_> =
            told.iter().map(|(what, ..)| *what).filter(|what| *what != Duration::MAX).collect();
        assert_eq!(waits.len(), 53);
        // It counts from when a job was due.
        assert!(waits[..51].iter().all(|waited| *waited >= Duration::from_millis(40)), "{waits:?}");
    }
}

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what workers log.
struct Kept;

impl log::Log for Kept {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "craft_queue::worker"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LOG.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

fn logged(queue: &str) -> Vec<String> {
    let lines = LOG.lock().unwrap().clone();
    lines.into_iter().filter(|line| line.contains(queue)).collect()
}

#[test]
fn a_worker_in_a_program_logs_by_itself() {
    static START: Once = Once::new();
    START.call_once(|| log::set_logger(&Kept).unwrap());
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    let work = |name: &str, level| {
        log::set_max_level(level);
        for then in [Then::Fail, Then::Succeed] {
            queue.on(name).attempts(2).backoff(Duration::ZERO).push(Act::new("logged", then)).unwrap();
        }
        queue.worker().on(name).stop_when_empty().run().unwrap();
    };
    work("quiet", log::LevelFilter::Warn);
    let quiet = logged("\"quiet\"");
    let dead = "of queue \"quiet\", attempt 2 of 2 is dead, stored as failed job 1: it does not work";
    assert!(quiet.len() == 1 && quiet[0].starts_with("ERROR Act ") && quiet[0].ends_with(dead), "{quiet:?}");
    work("loud", log::LevelFilter::Debug);
    let loud = logged("\"loud\"");
    let count = |level: &str, what: &str| {
        loud.iter().filter(|line| line.starts_with(level) && line.contains(what)).count()
    };
    assert_eq!((count("DEBUG", " begins"), count("DEBUG", " is done")), (3, 1), "{loud:?}");
    assert_eq!((count("INFO", "failed, and runs again"), count("ERROR", "is dead")), (1, 1), "{loud:?}");
    // A listener adds to it.
    let heard = Arc::new(Mutex::new(0));
    let hears = heard.clone();
    queue.on("both").attempts(1).push(Act::new("logged", Then::Fail)).unwrap();
    let worker = queue.worker().on("both").stop_when_empty().listener(move |_| *hears.lock().unwrap() += 1);
    worker.run().unwrap();
    assert!(*heard.lock().unwrap() > 0);
    wait_until("the line", || logged("\"both\"").iter().any(|line| line.starts_with("ERROR")));
    log::set_max_level(log::LevelFilter::Off);
}
