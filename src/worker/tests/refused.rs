//! What no second try mends, while the worker has something in its hands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fake::{Call, FakeBackend, TestWorker, job};
use crate::error::Error;
use crate::event::Event;

const LEASE: Duration = Duration::from_millis(600);

/// The connection breaks when the job is over, and the next `times` are refused.
fn refused(backend: &FakeBackend, times: usize) {
    let mut script = backend.script();
    script.settle.push_back(Box::new(|| Err(Error::unavailable("the server is away"))));
    script.open.push_back(Box::new(|| Ok(())));
    (0..times).for_each(|_| script.open.push_back(Box::new(|| Err(Error::config("wrong password")))));
}

fn with_warnings(worker: &mut TestWorker) -> Arc<Mutex<Vec<String>>> {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = warnings.clone();
    worker.options.lease = LEASE;
    worker.options.listener = Some(Arc::new(move |event: &Event<'_>| {
        if let Event::Warning(warning) = event {
            heard.lock().unwrap().push((*warning).to_owned());
        }
    }));
    warnings
}

#[test]
fn it_ends_a_worker_that_holds_a_finished_job_when_the_hold_is_over() {
    let backend = FakeBackend::default();
    backend.find([job(1, "work")]);
    refused(&backend, 100_000);
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    let warnings = with_warnings(&mut worker);
    let began = Instant::now();
    let error = worker.run().unwrap_err();
    assert!(error.is_config(), "{error}");
    assert!(began.elapsed() >= LEASE, "somebody might have mended it");
    let warnings = warnings.lock().unwrap();
    let last = warnings.last().map(String::as_str);
    assert_eq!(last, Some("the outcome of Job #1 could not be written down; it runs again"));
}

#[test]
fn what_is_mended_in_time_is_written_down() {
    let backend = FakeBackend::default();
    backend.find([job(1, "work")]);
    refused(&backend, 3);
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    with_warnings(&mut worker);
    assert_eq!(worker.run().unwrap().done, 1);
}

#[test]
fn what_runs_comes_to_its_end_before() {
    let backend = FakeBackend::default();
    backend.find([job(1, "short"), job(2, "long")]);
    refused(&backend, 100_000);
    let ended = Arc::new(AtomicBool::new(false));
    let (seen, tells) = (backend.clone(), ended.clone());
    let mut worker = TestWorker::new(&backend, move |says, _| {
        if says == "long" {
            let opens = |calls: &[Call]| calls.iter().filter(|call| **call == Call::Open).count();
            seen.wait_until("a refusal", |calls| opens(calls) >= 2);
            let first = Instant::now();
            seen.wait_until("refusals for a lease", |calls| opens(calls) >= 4 && first.elapsed() > LEASE);
            tells.store(true, Ordering::SeqCst);
        }
        Ok(())
    });
    let warnings = with_warnings(&mut worker);
    let error = worker.run().unwrap_err();
    assert!(error.is_config() && ended.load(Ordering::SeqCst), "{error}");
    assert!(warnings.lock().unwrap().iter().any(|warning| warning.contains("it runs again")));
}
