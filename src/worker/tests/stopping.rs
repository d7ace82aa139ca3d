//! How a worker ends: asked to, at a bound, over its grace, stuck.

use std::time::Duration;

use super::fake::{Call, FakeBackend, TestWorker, job, waits};
use crate::error::Error;
use crate::reserved::Receipt;
use crate::worker::StopReason;

fn begun(backend: &FakeBackend, count: usize) {
    let jobs = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Job(_))).count();
    backend.wait_until("a job's beginning", |calls| jobs(calls) >= count);
}

#[test]
fn asked_to_stop_it_finishes_what_runs_and_gives_back_the_rest() {
    let backend = FakeBackend::default();
    backend.find([job(1, "runs"), job(2, "waits"), job(3, "waits")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |_, _| wait());
    worker.slots = 1;
    let stopper = worker.stopper();
    let worker = worker.start();
    begun(&backend, 1);
    stopper.stop();
    let given_back = |call: &Call| matches!(call, Call::Settle(_, verdict) if verdict == "unstarted, in 0ns");
    backend.wait_until("giving back", |calls| calls.iter().filter(|call| given_back(call)).count() == 2);
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.returned, report.ended), (1, 2, StopReason::Stopped));
    assert_eq!(backend.said(), ["runs"]);
}

#[test]
fn over_the_grace_a_worker_whose_process_ends_gives_back_what_runs() {
    let backend = FakeBackend::default();
    backend.find([job(1, "for ever")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |_, _| wait());
    worker.options.grace = Duration::from_millis(50);
    worker.options.process_ends = true;
    let stopper = worker.stopper();
    let worker = worker.start();
    begun(&backend, 1);
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!(backend.settled(), [(Receipt(1, 101), "unstarted, in 5s".to_owned())]);
    assert_eq!((report.returned, report.ended), (1, StopReason::Stopped));
    drop(end);
}

#[test]
fn over_the_grace_a_worker_inside_a_program_keeps_its_holds_alive() {
    let backend = FakeBackend::default();
    backend.find([job(1, "for ever")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |_, _| wait());
    worker.options.grace = Duration::from_millis(50);
    worker.options.lease = Duration::from_millis(300);
    let stopper = worker.stopper();
    let worker = worker.start();
    begun(&backend, 1);
    stopper.stop();
    let error = worker.join().unwrap().unwrap_err();
    assert!(error.is_stuck(), "{error:?}");
    assert!(error.to_string().contains("Job #1"), "{error}");
    let renewals = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Extend(_))).count();
    let so_far = renewals(&backend.script().calls);
    backend.wait_until("renewals by the keeper", |calls| renewals(calls) >= so_far + 3);
    assert_eq!(backend.settled(), []);
    drop(end);
    backend
        .wait_until("the outcome", |calls| calls.contains(&Call::Settle(Receipt(1, 101), "done".to_owned())));
}

#[test]
fn stopped_at_once_it_gives_everything_back() {
    let backend = FakeBackend::default();
    backend.find([job(1, "runs"), job(2, "waits")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |_, _| wait());
    worker.slots = 1;
    worker.options.process_ends = true;
    let stopper = worker.stopper();
    let worker = worker.start();
    begun(&backend, 1);
    stopper.stop();
    stopper.stop_now();
    let report = worker.join().unwrap().unwrap();
    let mut settled = backend.settled();
    settled.sort_by_key(|(receipt, _)| receipt.0);
    let expected =
        [(Receipt(1, 101), "unstarted, in 5s".to_owned()), (Receipt(2, 102), "unstarted, in 0ns".to_owned())];
    assert_eq!(settled, expected);
    assert_eq!(report.ended, StopReason::StoppedNow);
    drop(end);
}

/// It still looks for a job of the lost connection that may come back.
#[test]
fn stopping_it_settles_for_sure_although_it_looks_for_jobs_that_may_come_back() {
    let backend = FakeBackend::default();
    backend.find([job(1, "comes back"), job(2, "stays away")]);
    backend.script().holds_end = true;
    backend.script().stay_away.push(Receipt(2, 102));
    backend.script().extend.push_back(Box::new(|| Err(Error::unavailable("cut"))));
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |_, _| wait());
    worker.options.lease = Duration::from_millis(600);
    worker.options.poll = Duration::from_millis(10);
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("a renewal after the reconnect", |calls| {
        let opened = calls.iter().rposition(|call| *call == Call::Open);
        let extended = calls.iter().rposition(|call| matches!(call, Call::Extend(_)));
        calls.iter().filter(|call| **call == Call::Open).count() == 2 && opened < extended
    });
    backend.script().takes_none = true;
    stopper.stop();
    drop(end);
    backend.wait_until("looks after a settle", |calls| {
        let settled = calls.iter().position(|call| matches!(call, Call::Settle(..))).unwrap_or(calls.len());
        calls[settled..].iter().filter(|call| matches!(call, Call::Reserve { .. })).count() >= 3
    });
    backend.script().takes_none = false;
    backend.script().stay_away.clear();
    assert_eq!(worker.join().unwrap().unwrap().done, 2);
    assert_eq!(backend.script().unsure, 0);
}

/// A stuck job is a counted attempt that timed out, and no suspect.
#[test]
fn a_stuck_job_ends_the_worker_and_is_counted_as_timed_out() {
    let backend = FakeBackend::default();
    backend.find([job(1, "stuck"), job(2, "fine")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, _| if says == "stuck" { wait() } else { Ok(()) });
    worker.options.policy.limits.timeout = Some(Duration::from_millis(50));
    worker.options.grace = Duration::from_millis(50);
    worker.options.process_ends = true;
    let error = worker.run().unwrap_err();
    assert!(error.is_stuck());
    let settled = backend.settled();
    assert!(settled.contains(&(Receipt(1, 101), "again in 5s".to_owned())), "{settled:?}");
    assert!(settled.contains(&(Receipt(2, 102), "done".to_owned())), "{settled:?}");
    drop(end);
}

/// The grace is for a worker that was asked to stop; one that ends by itself has all the time in the world.
#[test]
fn a_worker_that_reached_its_bound_lets_the_last_job_run_to_its_end() {
    let backend = FakeBackend::default();
    backend.find([job(1, "longer than the grace")]);
    let mut worker = TestWorker::new(&backend, |_, _| {
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    });
    worker.options.grace = Duration::from_millis(1);
    worker.options.process_ends = true;
    worker.options.bounds.jobs = Some(1);
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.ended), (1, StopReason::JobLimit));
    assert_eq!(backend.settled(), [(Receipt(1, 101), "done".to_owned())]);
}

/// The last few are less than what is worth a look while others are ready.
#[test]
fn at_a_quick_pace_it_does_not_sleep_before_the_last_jobs() {
    let backend = FakeBackend::default();
    (1..=2_000).for_each(|id| backend.find([job(id, "work")]));
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.bounds.jobs = Some(2_000);
    // With a poll of an hour, a single sleep would keep the test for ever.
    assert_eq!(worker.run().unwrap().done, 2_000);
}

#[test]
fn it_never_takes_more_jobs_than_it_may_run() {
    let backend = FakeBackend::default();
    backend.find([job(1, "one")]);
    backend.find([job(2, "two")]);
    backend.find([job(3, "three")]);
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.slots = 10;
    worker.options.bounds.jobs = Some(2);
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.ended), (2, StopReason::JobLimit));
    for call in &backend.script().calls {
        if let Call::Reserve { fresh, .. } = call {
            assert!(*fresh <= 2, "asked for {fresh}");
        }
    }
    assert_eq!(backend.said().len(), 2);
}
