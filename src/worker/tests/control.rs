//! What people tell a worker: pause, resume, restart.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fake::{Call, FakeBackend, TestWorker, job, waits};
use crate::event::Event;
use crate::job::JobResult;
use crate::reserved::{Receipt, Reserved};
use crate::worker::StopReason;

/// The queues of a look into none.
const NONE: Vec<String> = Vec::new();

fn on(queue: &str, job: Reserved) -> Reserved {
    let mut job = job;
    job.message.queue = queue.into();
    job
}

fn pause(backend: &FakeBackend, queues: &[&str]) {
    backend.script().signals.paused = queues.iter().map(ToString::to_string).collect();
}

fn began(says: &str) -> impl Fn(&[Call]) -> bool {
    move |calls| calls.contains(&Call::Job(says.to_owned()))
}

/// A worker on two queues that looks for signals all the time.
fn worker(backend: &FakeBackend, handle: impl Fn(&str) -> JobResult + Send + Sync + 'static) -> TestWorker {
    let mut worker = TestWorker::new(backend, move |says, _| handle(says));
    worker.options.queues = vec!["default".into(), "mail".into()];
    worker.options.poll = Duration::from_millis(5);
    worker.slots = 1;
    worker
}

#[test]
fn a_paused_queue_is_not_asked_for() {
    let backend = FakeBackend::default();
    pause(&backend, &["default", "somebody else's"]);
    backend.find([on("mail", job(1, "mail"))]);
    let report = worker(&backend, |_| Ok(())).run().unwrap();
    assert_eq!((report.done, report.ended), (1, StopReason::Empty));
    let asked_for = &backend.script().asked_for;
    assert!(asked_for.len() >= 2 && asked_for.iter().all(|queues| *queues == ["mail"]), "{asked_for:?}");
}

#[test]
fn a_paused_queue_counts_as_empty() {
    let backend = FakeBackend::default();
    pause(&backend, &["default", "mail"]);
    backend.find([job(1, "waits")]);
    let report = worker(&backend, |_| Ok(())).run().unwrap();
    assert_eq!((report.done, report.ended), (0, StopReason::Empty));
    assert_eq!(backend.script().asked_for, [NONE], "it has the back end hand out nothing ahead");
}

#[test]
fn a_resumed_queue_is_worked_off() {
    let backend = FakeBackend::default();
    pause(&backend, &["default", "mail"]);
    backend.find([job(1, "resumed")]);
    let mut worker = worker(&backend, |_| Ok(()));
    worker.options.bounds.when_empty = false;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    worker.options.listener = Some(Arc::new(move |event: &Event<'_>| match event {
        Event::Paused { queue } => heard.lock().unwrap().push(format!("paused {queue}")),
        Event::Resumed { queue } => heard.lock().unwrap().push(format!("resumed {queue}")),
        _ => {}
    }));
    let stopper = worker.stopper();
    let worker = worker.start();
    let deadline = Instant::now() + Duration::from_secs(60);
    while backend.script().signals_read < 5 {
        assert!(Instant::now() < deadline, "a paused worker reads its signals");
        std::thread::yield_now();
    }
    assert_eq!(backend.script().asked_for, [NONE], "once, and then it does not look");
    pause(&backend, &["mail"]);
    backend.wait_until("the job", began("resumed"));
    stopper.stop();
    assert_eq!(worker.join().unwrap().unwrap().done, 1);
    assert_eq!(*told.lock().unwrap(), ["paused default", "paused mail", "resumed default"]);
}

/// A worker holds jobs ahead: those that have not begun are given back, and those of other queues stay.
#[test]
fn what_was_taken_from_a_paused_queue_and_has_not_begun_goes_back() {
    let backend = FakeBackend::default();
    backend.find([
        job(1, "runs"),
        job(2, "paused"),
        on("mail", job(3, "first")),
        on("mail", job(4, "second")),
    ]);
    let (end, wait) = waits();
    let worker = worker(&backend, move |says| if says == "runs" { wait() } else { Ok(()) });
    let worker = worker.start();
    backend.wait_until("the first job", began("runs"));
    pause(&backend, &["default"]);
    let given_back = Call::Settle(Receipt(2, 102), "unstarted, in 0ns".to_owned());
    backend.wait_until("giving back", |calls| calls.contains(&given_back));
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.returned), (3, 1));
    assert_eq!(backend.said(), ["runs", "first", "second"]);
}

#[test]
fn jobs_that_go_back_do_not_count_as_run() {
    let backend = FakeBackend::default();
    backend.find([job(1, "runs"), job(2, "paused")]);
    let (end, wait) = waits();
    let mut worker = worker(&backend, move |says| if says == "runs" { wait() } else { Ok(()) });
    worker.options.bounds.when_empty = false;
    worker.options.bounds.jobs = Some(3);
    let worker = worker.start();
    backend.wait_until("the first job", began("runs"));
    pause(&backend, &["default"]);
    backend.wait_until("giving back", |calls| calls.iter().any(|call| matches!(call, Call::Settle(..))));
    backend.find([on("mail", job(3, "second")), on("mail", job(4, "third"))]);
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.ended), (3, StopReason::JobLimit));
}

#[test]
fn told_to_restart_it_finishes_what_runs_gives_back_the_rest_and_ends() {
    let backend = FakeBackend::default();
    // It was said before this worker was started.
    backend.script().signals.restart = Some(7);
    backend.find([job(1, "runs"), job(2, "waits")]);
    let (end, wait) = waits();
    let mut worker = worker(&backend, move |says| if says == "runs" { wait() } else { Ok(()) });
    worker.options.bounds.when_empty = false;
    // It has all the time that its jobs need.
    worker.options.grace = Duration::from_millis(1);
    let worker = worker.start();
    backend.wait_until("the first job", began("runs"));
    backend.script().signals.restart = Some(3);
    let given_back = Call::Settle(Receipt(2, 102), "unstarted, in 0ns".to_owned());
    backend.wait_until("giving back", |calls| calls.contains(&given_back));
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.returned, report.ended), (1, 1, StopReason::Restarted));
}

#[test]
fn a_worker_that_may_not_read_its_signals_says_so_once_and_works_on() {
    let backend = FakeBackend::default();
    backend.script().hides_signals = true;
    let long = |_: &str| {
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    };
    backend.find([job(1, "one")]);
    let mut worker = worker(&backend, long);
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = warnings.clone();
    worker.options.listener = Some(Arc::new(move |event: &Event<'_>| {
        if let Event::Warning(text) = event {
            heard.lock().unwrap().push((*text).to_owned());
        }
    }));
    assert_eq!(worker.run().unwrap().done, 1);
    assert!(backend.script().signals_read > 2);
    assert_eq!(
        *warnings.lock().unwrap(),
        [
            "cannot read control messages, so that queue:pause and queue:restart have no effect: permission denied for table jobs_signals"
        ]
    );
}

#[test]
fn signals_are_read_once_a_poll() {
    let backend = FakeBackend::default();
    (1..=20).for_each(|id| backend.find([job(id, "quick")]));
    let mut worker = worker(&backend, |_| Ok(()));
    worker.options.poll = Duration::from_secs(3_600);
    assert_eq!(worker.run().unwrap().done, 20);
    assert_eq!(backend.script().signals_read, 2, "at its start, and in its first turn");
}

#[test]
fn signals_that_take_long_to_read_are_read_seldom() {
    let backend = FakeBackend::default();
    backend.script().signals_take = Duration::from_millis(20);
    backend.find([job(1, "long")]);
    let long = |_: &str| {
        std::thread::sleep(Duration::from_millis(600));
        Ok(())
    };
    let begun = Instant::now();
    assert_eq!(worker(&backend, long).run().unwrap().done, 1);
    // A tenth of the time, and the two at the start.
    let most = begun.elapsed().as_millis() / 200 + 3;
    let read = backend.script().signals_read;
    assert!(read as u128 <= most, "{read} reads of 20 ms in {:?}", begun.elapsed());
}
