//! What becomes of jobs: done, again, dead; and what the back end is told, in which order.

use std::time::Duration;

use super::fake::{Call, FakeBackend, TestWorker, job};
use crate::driver::{Settlement, Taken};
use crate::job::JobError;
use crate::reserved::Receipt;

#[test]
fn after_a_look_that_found_something_it_does_not_sleep() {
    let backend = FakeBackend::default();
    for id in 1..=50 {
        backend.find([job(id, "work")]);
    }
    // With a poll of an hour, a single sleep would keep the test for ever.
    let report = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    assert_eq!(report.done, 50);
    assert_eq!(backend.settled().len(), 50);
}

#[test]
fn what_is_found_late_is_found_when_it_is_due() {
    let backend = FakeBackend::default();
    let soon = Some(Duration::from_millis(30));
    backend.script().taken.push_back(Taken { next_due: soon, ..Taken::default() });
    backend.find([job(1, "late")]);
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.bounds.when_empty = false;
    worker.options.bounds.jobs = Some(1);
    assert_eq!(worker.run().unwrap().done, 1);
}

/// Settles rest while jobs run, so that several share a commit; but none waits for another job's end.
#[test]
fn what_is_over_is_written_down_while_another_job_runs() {
    let backend = FakeBackend::default();
    backend.find([job(1, "long"), job(2, "short"), job(3, "short")]);
    let seen = backend.clone();
    let handle = move |says: &str, _: &_| {
        if says == "long" {
            let settles = |call: &&Call| matches!(call, Call::Settle(..));
            seen.wait_until("both settles", |calls| calls.iter().filter(settles).count() == 2);
        }
        Ok(())
    };
    assert_eq!(TestWorker::new(&backend, handle).run().unwrap().done, 3);
}

#[test]
fn a_worker_does_not_end_over_a_job_that_is_due_and_cannot_be_taken_yet() {
    let backend = FakeBackend::default();
    for _ in 0..3 {
        backend.script().taken.push_back(Taken { next_due: Some(Duration::ZERO), ..Taken::default() });
    }
    backend.find([job(1, "on its way")]);
    assert_eq!(TestWorker::new(&backend, |_, _| Ok(())).run().unwrap().done, 1);
}

#[test]
fn a_failed_attempt_waits_and_the_last_one_is_dead() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    let mut second = job(2, "no");
    second.attempt = 2;
    backend.find([job(1, "no"), second]);
    let report = TestWorker::new(&backend, |_, _| Err(JobError::new("refused"))).run().unwrap();
    let mut settled = backend.settled();
    settled.sort_by_key(|(receipt, _)| receipt.0);
    let expected =
        [(Receipt(1, 101), "again in 20ms".to_owned()), (Receipt(2, 102), "bury: refused".to_owned())];
    assert_eq!(settled, expected);
    assert_eq!((report.retried, report.failed), (1, 1));
    assert!(backend.said().contains(&"hook: refused".to_owned()));
}

#[test]
fn a_job_over_its_limit_is_buried_without_being_run() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    let mut poison = job(1, "poison");
    (poison.attempt, poison.suspect) = (3, true);
    backend.find([poison]);
    TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    let reason = "the worker died while running it";
    assert_eq!(backend.settled(), [(Receipt(1, 101), format!("bury: {reason}"))]);
    assert_eq!(backend.said(), [format!("hook: {reason}")]);
}

#[test]
fn an_unknown_name_is_put_back_uncounted_and_fails_after_its_time() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    let mut early = job(1, "");
    early.message.name = "Gone".into();
    let mut late = job(2, "");
    late.message.name = "Gone".into();
    late.unknown_for = Some(Duration::from_secs(3_600));
    backend.find([early, late]);
    TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    let expected = [
        (Receipt(1, 101), "unknown, in 15s".to_owned()),
        (Receipt(2, 102), "bury: no worker knows a job named \"Gone\", for 1h".to_owned()),
    ];
    let mut settled = backend.settled();
    settled.sort_by_key(|(receipt, _)| receipt.0);
    assert_eq!(settled, expected);
    assert_eq!(backend.said(), [""; 0], "neither the job nor its hook can be called");
}

/// A driver that can't bury. The hold is proven before the record, and the record comes before the
/// settle.
#[test]
fn a_dead_job_is_recorded_between_extend_and_settle() {
    let backend = FakeBackend::default();
    let mut dead = job(1, "no");
    dead.attempt = 2;
    backend.find([dead]);
    TestWorker::new(&backend, |_, _| Err(JobError::new("refused"))).run().unwrap();
    let calls = backend.script().calls.clone();
    let position = |wanted: &Call| calls.iter().position(|call| call == wanted).unwrap();
    let extended = position(&Call::Extend(vec![Receipt(1, 101)]));
    let recorded = position(&Call::Record("refused".into()));
    let settled = position(&Call::Settle(Receipt(1, 101), "done".into()));
    assert!(extended < recorded && recorded < settled, "{calls:#?}");
}

/// Somebody else has it. Nothing may be recorded.
#[test]
fn a_dead_job_whose_hold_is_lost_is_not_recorded() {
    let backend = FakeBackend::default();
    let mut dead = job(1, "no");
    dead.attempt = 2;
    backend.find([dead]);
    let receipt = Receipt(1, 101);
    backend.script().extend.push_back(Box::new(move || Ok(vec![receipt])));
    let lost = Settlement { lost: vec![receipt], ..Settlement::default() };
    backend.script().settle.push_back(Box::new(move || Ok(lost)));
    let report = TestWorker::new(&backend, |_, _| Err(JobError::new("refused"))).run().unwrap();
    assert_eq!((report.lost, report.failed), (1, 0));
    assert_eq!(backend.count(|call| matches!(call, Call::Record(_))), 0);
}

/// A batch that is refused is settled one by one: the bad one is put off, the others are done.
#[test]
fn one_verdict_that_is_refused_does_not_hold_up_the_others() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    let mut dead = job(1, "dead");
    dead.attempt = 2;
    backend.find([dead, job(2, "fine")]);
    // Both are over before anything is settled.
    let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    backend.script().refuses_to_bury = true;
    let mut worker = TestWorker::new(&backend, move |says, _| {
        gate.wait();
        if says == "dead" { Err(JobError::new("refused")) } else { Ok(()) }
    });
    worker.options.bounds.when_empty = false;
    worker.options.bounds.jobs = Some(2);
    let report = worker.run().unwrap();
    assert_eq!(
        (report.done, report.put_aside, report.retried, report.failed),
        (1, 1, 0, 0),
        "{:#?}",
        backend.script().calls
    );
    let put_off = (Receipt(1, 101), "exhausted, in 30s".to_owned());
    assert!(backend.settled().contains(&put_off), "{:#?}", backend.settled());
}
