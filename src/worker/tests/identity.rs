//! What a job is: its row, or the delivery by which it came. Never the uuid, which others may use twice.

use std::sync::{Arc, mpsc};

use super::fake::{Call, Play, Stage, job};
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
    let stage = Stage::default();
    stage.script().buries = true;
    let mut rows = [job(1, "one"), job(2, "two")];
    rows[1].message.uuid = rows[0].message.uuid.clone();
    stage.find(rows);
    // Both are held at the same moment.
    let gate = Arc::new(std::sync::Barrier::new(2));
    let play = Play::new(&stage, move |_, _| {
        gate.wait();
        Err(JobError::fail_now("no"))
    });
    let report = play.run().unwrap();
    assert_eq!(report.failed, 2);
    let mut settled = stage.settled();
    settled.sort_by_key(|(receipt, _)| receipt.0);
    let expected = [(Receipt(1, 101), "bury: no".to_owned()), (Receipt(2, 102), "bury: no".to_owned())];
    assert_eq!(settled, expected);
}

#[test]
fn messages_that_share_an_id_are_run_each_and_settled_each() {
    let stage = Stage::default();
    stage.find([message("m", "one", Receipt(1, 1)), message("m", "two", Receipt(1, 2))]);
    stage.find([message("m", "two", Receipt(1, 3))]);
    let gate = Arc::new(std::sync::Barrier::new(3));
    let mut play = Play::new(&stage, move |_, _| {
        gate.wait();
        Ok(())
    });
    play.slots = 3;
    assert_eq!(play.run().unwrap().done, 3);
    let mut said = stage.said();
    said.sort();
    assert_eq!(said, ["one", "two", "two"]);
    let mut settled: Vec<_> = stage.settled().into_iter().map(|(receipt, _)| receipt.1).collect();
    settled.sort_unstable();
    assert_eq!(settled, [1, 2, 3]);
}

/// The connection that carried it is gone, and with it the hold: what comes then is the same message again,
/// unless it says something else.
#[test]
fn a_message_that_comes_again_after_its_hold_was_lost_is_adopted() {
    let stage = Stage::default();
    stage.find([message("m", "runs", Receipt(1, 1))]);
    stage.script().extend.push_back(Box::new(|| Ok(vec![Receipt(1, 1)])));
    let (end, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let mut play = Play::new(&stage, move |says, _| {
        if says == "runs" {
            let _ = wait.lock().unwrap().recv();
        }
        Ok(())
    });
    play.options.lease = std::time::Duration::from_millis(300);
    play.options.poll = std::time::Duration::from_millis(10);
    let worker = play.start();
    stage.wait_until("the loss", |calls| calls.iter().any(|call| matches!(call, Call::Extend(_))));
    stage.find([message("m", "another", Receipt(2, 1)), message("m", "runs", Receipt(2, 2))]);
    let done = Call::Settle(Receipt(2, 1), "done".into());
    stage.wait_until("the end of the other", |calls| calls.contains(&done));
    end.send(()).unwrap();
    let report = worker.join().unwrap().unwrap();
    assert_eq!(stage.said(), ["runs", "another"]);
    assert_eq!(stage.settled().last(), Some(&(Receipt(2, 2), "done".to_owned())));
    assert_eq!((report.done, report.lost), (2, 1));
}
