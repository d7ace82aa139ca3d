//! The async driver: jobs in memory, run by a pool of this program.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use craft_queue::failed::Filter;
use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable, Unfinished};
use serde::{Deserialize, Serialize};

use crate::support::{Act, Diary, Folder, PATIENCE, Then, config, hooks};

fn open(folder: &Folder, change: impl FnOnce(&mut Config)) -> (Queue, Diary) {
    let mut config = config(folder);
    config.default = "async".into();
    config.memory.settings.workers = 1;
    change(&mut config);
    let diary = Diary::default();
    let queue = Queue::open(config, Jobs::new().state(diary.clone()).add::<Act>().add::<Waits>()).unwrap();
    (queue, diary)
}

/// A job that waits until its test lets it go.
#[derive(Serialize, Deserialize)]
struct Waits {
    gate: usize,
}

static GATES: Mutex<Vec<Arc<Mutex<mpsc::Receiver<()>>>>> = Mutex::new(Vec::new());

impl Waits {
    fn new() -> (Self, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        let mut gates = GATES.lock().unwrap();
        gates.push(Arc::new(Mutex::new(gate)));
        (Self { gate: gates.len() - 1 }, open)
    }
}

impl Queueable for Waits {
    const NAME: &'static str = "Waits";

    fn handle(&self, job: &Context) -> JobResult {
        job.state::<Diary>()?.note("waiting");
        let gate = GATES.lock().unwrap()[self.gate].clone();
        let _ = gate.lock().unwrap().recv();
        Ok(())
    }
}

#[test]
fn dropping_the_last_queue_works_off_what_waits() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |_| {});
    for number in 0..100 {
        queue
            .on(format!("queue-{}", number % 3))
            .push(Act::new(&format!("n{number}"), Then::Succeed))
            .unwrap();
    }
    let clone = queue.clone();
    drop(queue);
    clone.push(Act::new("last", Then::FailTimes(2))).unwrap();
    drop(clone);
    assert_eq!(diary.lines().len(), 103, "{:?}", diary.lines());
}

#[test]
fn attempts_hooks_and_failed_jobs_work_as_everywhere() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |_| {});
    queue.install().unwrap();
    queue.push(Act::new("in memory, failing", Then::Fail)).unwrap();
    assert!(queue.close(PATIENCE).unwrap().is_nothing());
    assert_eq!(diary.lines().len(), 3);
    assert_eq!(hooks("in memory, failing"), ["it does not work"]);
    let failed = queue.failed().list(&Filter::default()).unwrap();
    assert_eq!((failed.len(), &*failed[0].driver, failed[0].attempts), (1, "async", 3));
}

#[test]
fn without_a_table_of_failed_jobs_it_works_and_makes_no_file() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |_| {});
    queue.push(Act::new("nowhere", Then::FailNow)).unwrap();
    drop(queue);
    assert_eq!(diary.lines(), ["nowhere 1"]);
    assert!(!folder.join("jobs.sqlite3").exists());
}

/// Push from a job into a full queue with one worker: it must not wait for itself.
#[test]
fn a_job_may_push_into_a_full_queue_that_only_it_can_empty() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |config| config.memory.capacity = 1);
    queue.push(Act::new("batcher", Then::Push("other".into()))).unwrap();
    drop(queue);
    assert_eq!(diary.lines(), ["batcher 1", "pushed 1"]);
}

#[test]
fn a_push_waits_while_the_queue_is_full() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |config| config.memory.capacity = 2);
    let (waits, gate) = Waits::new();
    queue.push(waits).unwrap();
    diary.wait_for("waiting");
    queue.push(Act::new("fits", Then::Succeed)).unwrap();
    let (told, done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            queue.push(Act::new("waits for room", Then::Succeed)).unwrap();
            told.send(()).unwrap();
        });
        // It can't be seen to wait; but it must not have gone through while nothing left.
        assert!(done.recv_timeout(Duration::from_millis(200)).is_err());
        drop(gate);
        done.recv_timeout(PATIENCE).unwrap();
    });
}

#[test]
fn closing_tells_what_is_left_and_refuses_more() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |_| {});
    let (waits, gate) = Waits::new();
    queue.push(waits).unwrap();
    diary.wait_for("waiting");
    queue.options().delay("1h").push(Act::new("later", Then::Succeed)).unwrap();
    let left = queue.close(Duration::from_millis(100)).unwrap();
    assert_eq!(left, Unfinished { waiting: 0, delayed: 1, running: 1 });
    let refused = queue.push(Act::new("too late", Then::Succeed)).unwrap_err();
    assert!(refused.to_string().contains("its queue was closed"), "{refused}");
    drop(gate);
}

#[test]
fn several_workers_run_beside_each_other_in_one_pool() {
    #[derive(Serialize, Deserialize)]
    struct Meets;
    struct Meeting(Barrier);
    impl Queueable for Meets {
        const NAME: &'static str = "Meets";
        fn handle(&self, job: &Context) -> JobResult {
            job.state::<Meeting>()?.0.wait();
            Ok(())
        }
    }
    let mut config = Config::default();
    config.default = "async".into();
    config.memory.settings.workers = 4;
    let jobs = Jobs::new().state(Meeting(Barrier::new(4))).add::<Meets>();
    let queue = Queue::open(config, jobs).unwrap();
    // With fewer than four at once this would wait for ever.
    queue.push_many((0..8).map(|_| Meets)).unwrap();
    assert!(queue.close(PATIENCE).unwrap().is_nothing());
}

#[test]
fn blocking_runs_the_job_in_the_pushing_thread_and_returns_its_error() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |config| config.memory.blocking = true);
    queue.install().unwrap();
    queue.push(Act::new("here", Then::Succeed)).unwrap();
    assert_eq!(diary.lines(), ["here 1"], "it is done when push returns");
    queue.push(Act::new("batcher", Then::Push("other".into()))).unwrap();
    assert_eq!(diary.lines()[1..], ["batcher 1", "pushed 1"]);
    let error = queue.push(Act::new("blocked", Then::Fail)).unwrap_err();
    assert!(error.is_job_failed());
    assert_eq!(error.to_string(), "Act failed in attempt 3 of 3: it does not work");
    assert_eq!(hooks("blocked"), ["it does not work"]);
    assert_eq!(queue.failed().list(&Filter::default()).unwrap().len(), 1);
}

#[test]
fn blocking_applies_the_timeouts_of_its_jobs() {
    #[derive(Serialize, Deserialize)]
    struct Slow;
    impl Queueable for Slow {
        const NAME: &'static str = "Slow";
        fn handle(&self, job: &Context) -> JobResult {
            while !job.timed_out() {
                std::thread::yield_now();
            }
            Ok(())
        }
    }
    let mut config = Config::default();
    config.default = "async".into();
    config.memory.blocking = true;
    config.memory.settings.failed_table = None;
    let queue = Queue::open(config, Jobs::new().add::<Slow>()).unwrap();
    let push = queue.options().attempts(1).timeout(Duration::from_millis(20));
    let error = push.push(Slow).unwrap_err();
    assert_eq!(error.to_string(), "Slow failed in attempt 1 of 1: timed out after 20ms");
}

#[test]
fn a_worker_of_its_own_for_it_is_refused_with_a_reason() {
    let folder = Folder::new();
    let (queue, _) = open(&folder, |_| {});
    let error = queue.worker().run().unwrap_err();
    assert!(error.is_unsupported());
    assert!(error.to_string().starts_with("cannot work for driver \"async\""), "{error}");
}

#[test]
fn a_program_that_serves_no_children_is_told_so_before_any_is_started() {
    let folder = Folder::new();
    let (queue, _) = open(&folder, |config| config.memory.settings.mode = craft_queue::Mode::Multiprocess);
    // This program's main is a test harness, which serves no children.
    let error = queue.push(Act::new("a", Then::Succeed)).unwrap_err();
    assert!(error.is_config(), "{error:?}");
}

#[test]
fn a_listener_that_panics_stops_no_job() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.default = "async".into();
    let diary = Diary::default();
    let jobs = Jobs::new().state(diary.clone()).add::<Act>();
    let queue = Queue::builder(config, jobs).listener(|_| panic!("it can't listen")).open().unwrap();
    for number in 0..20 {
        queue.push(Act::new(&format!("n{number}"), Then::FailTimes(1))).unwrap();
    }
    assert!(queue.close(PATIENCE).unwrap().is_nothing());
    assert_eq!(diary.lines().len(), 40);
}

#[test]
fn names_of_queues_that_end_alike_are_no_slower_than_others_and_do_not_gather() {
    let folder = Folder::new();
    let (queue, diary) = open(&folder, |_| {});
    for number in 0..5_000 {
        queue
            .on(format!("customer-{number}-invoices-to-be-sent"))
            .push(Act::new("a", Then::Succeed))
            .unwrap();
    }
    // Far more than it takes; with names that collide it would be minutes.
    assert!(queue.close(PATIENCE).unwrap().is_nothing());
    assert_eq!(diary.lines().len(), 5_000);
    assert!(queue.size(Some("async"), &[]).unwrap().is_empty());
}
