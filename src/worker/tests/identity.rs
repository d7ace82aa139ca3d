//! What a job is: its row, or the delivery by which it came. Never the uuid, which others may use twice.

use std::sync::{Arc, mpsc};

use super::fake::{Call, FakeBackend, TestWorker, job};
use crate::job::JobError;
use crate::message::JobId;
use crate::reserved::{Receipt, Reserved};

/// A message as a broker hands it out, in this delivery.
fn message(id: &str, says: &str, receipt: Receipt) -> Reserved {
    let mut message = job(0, says);
    message.id = JobId::Text(id.into());
    message.message.uuid = id.into();
    message.receipt = receipt;
    message
}

#[test]
fn two_rows_of_one_uuid_are_two_jobs_which_both_run_and_both_die() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    let mut rows = [job(1, "one"), job(2, "two")];
    rows[1].message.uuid = rows[0].message.uuid.clone();
    backend.find(rows);
    // Both are held at the same moment.
    let gate = Arc::new(std::sync::Barrier::new(2));
    let worker = TestWorker::new(&backend, move |_, _| {
        gate.wait();
        Err(JobError::fail_now("no"))
    });
    let report = worker.run().unwrap();
    assert_eq!(report.failed, 2);
    let mut settled = backend.settled();
    settled.sort_by_key(|(receipt, _)| receipt.0);
    let expected = [(Receipt(1, 101), "bury: no".to_owned()), (Receipt(2, 102), "bury: no".to_owned())];
    assert_eq!(settled, expected);
}

#[test]
fn messages_that_share_an_id_are_run_each_and_settled_each() {
    let backend = FakeBackend::default();
    backend.find([message("m", "one", Receipt(1, 1)), message("m", "two", Receipt(1, 2))]);
    backend.find([message("m", "two", Receipt(1, 3))]);
    let gate = Arc::new(std::sync::Barrier::new(3));
    let mut worker = TestWorker::new(&backend, move |_, _| {
        gate.wait();
        Ok(())
    });
    worker.slots = 3;
    assert_eq!(worker.run().unwrap().done, 3);
    let mut said = backend.said();
    said.sort();
    assert_eq!(said, ["one", "two", "two"]);
    let mut settled: Vec<_> = backend.settled().into_iter().map(|(receipt, _)| receipt.1).collect();
    settled.sort_unstable();
    assert_eq!(settled, [1, 2, 3]);
}

/// The connection that carried it is gone, and with it the hold: what comes then is the same message again,
/// unless it says something else.
#[test]
fn a_message_that_comes_again_after_its_hold_was_lost_is_adopted() {
    let backend = FakeBackend::default();
    backend.find([message("m", "runs", Receipt(1, 1))]);
    backend.script().extend.push_back(Box::new(|| Ok(vec![Receipt(1, 1)])));
    let (end, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let mut worker = TestWorker::new(&backend, move |says, _| {
        if says == "runs" {
            let _ = wait.lock().unwrap().recv();
        }
        Ok(())
    });
    worker.options.lease = std::time::Duration::from_millis(300);
    worker.options.poll = std::time::Duration::from_millis(10);
    let worker = worker.start();
    backend.wait_until("the loss", |calls| calls.iter().any(|call| matches!(call, Call::Extend(_))));
    backend.find([message("m", "another", Receipt(2, 1)), message("m", "runs", Receipt(2, 2))]);
    let done = Call::Settle(Receipt(2, 1), "done".into());
    backend.wait_until("the end of the other", |calls| calls.contains(&done));
    end.send(()).unwrap();
    let report = worker.join().unwrap().unwrap();
    assert_eq!(backend.said(), ["runs", "another"]);
    assert_eq!(backend.settled().last(), Some(&(Receipt(2, 2), "done".to_owned())));
    assert_eq!((report.done, report.lost), (2, 1));
}
