//! What is written down one by one, after the back end refused all of it together, lets no hold run out.

use std::time::Duration;

use super::fake::{Call, FakeBackend, TestWorker, job, waits};
use crate::reserved::Reserved;
use crate::worker::Report;

const LEASE: Duration = Duration::from_millis(400);

/// So long takes each statement: 40 of them last as long as a lease.
const STATEMENT: Duration = Duration::from_millis(10);

const JOBS: usize = 250;

fn worker(backend: &FakeBackend, handle: impl Fn() + Send + Sync + 'static) -> TestWorker {
    backend.script().refuses_batches = true;
    backend.script().settle_takes = STATEMENT;
    let mut worker = TestWorker::new(backend, move |_, _| {
        handle();
        Ok(())
    });
    (worker.options.lease, worker.slots) = (LEASE, 1);
    worker
}

/// Between any two renewals less is written down than fits into a lease; that each takes longer on a busy machine
/// makes it less.
fn assert_renewed_in_between(backend: &FakeBackend) {
    let calls = backend.script().calls.clone();
    let settled = calls.iter().filter(|call| matches!(call, Call::Settle(..))).count();
    assert!(settled >= JOBS, "{settled} were written down");
    // After the batch that was refused.
    let one_by_one = calls.iter().rposition(|call| *call == Call::Open).unwrap();
    let parts = calls[one_by_one..].split(|call| matches!(call, Call::Extend(_)));
    let most = parts.map(|part| part.iter().filter(|call| matches!(call, Call::Settle(..))).count()).max();
    assert!(most < Some(30), "{most:?} between two renewals");
}

#[test]
fn outcomes() {
    let backend = FakeBackend::default();
    let unknown = |id| {
        let mut job = job(id, "");
        job.message.name = "Gone".into();
        job
    };
    backend.find((1..=JOBS as u64).map(unknown));
    assert_eq!(worker(&backend, || {}).run().unwrap().returned, JOBS as u64);
    assert_renewed_in_between(&backend);
}

#[test]
fn burials() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    backend.find((1..=JOBS as u64).map(|id| Reserved { attempt: 9, ..job(id, "") }));
    assert_eq!(worker(&backend, || {}).run().unwrap().failed, JOBS as u64);
    assert_renewed_in_between(&backend);
}

/// It ends at once, and gives back what has not begun.
#[test]
fn what_is_given_back_at_the_end() {
    let backend = FakeBackend::default();
    backend.find((1..=JOBS as u64 + 1).map(|id| job(id, "")));
    let (end, until_dropped) = waits();
    let seen = backend.clone();
    let mut worker = worker(&backend, move || drop(until_dropped()));
    worker.options.process_ends = true;
    let stopper = worker.stopper();
    let worker = worker.start();
    seen.wait_until("a job", |calls| calls.iter().any(|call| matches!(call, Call::Job(_))));
    stopper.stop_now();
    seen.wait_until("the end of all", |calls| {
        let settled = |call: &&Call| matches!(call, Call::Settle(..));
        // The batch that is refused, and then each of them.
        calls.iter().filter(settled).count() >= 2 * JOBS
    });
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.returned, report.unsettled_in_all), (JOBS as u64 + 1, 0));
    assert_renewed_in_between(&backend);
}

/// The names of a thousand are no help to anybody.
#[test]
fn a_report_names_a_bounded_number_of_jobs() {
    let mut report = Report::default();
    (0..1_000).for_each(|number| report.note_unsettled(format!("Job #{number}")));
    assert_eq!((report.unsettled.len(), report.unsettled_in_all), (100, 1_000));
    let told = Report::of_unsettled(&report.unsettled, report.unsettled_in_all);
    assert!(told.starts_with("the outcome of Job #0, Job #1, "), "{told}");
    assert!(told.contains(", Job #19 and 980 others could not be"), "{told}");
}
