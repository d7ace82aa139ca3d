//! Failed jobs with a store of their own: recorded, settled, and taken back only by a worker that can prove that nobody
//! counts on the record. Each test is an interleaving of two workers, of which the fake backend plays one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use super::fake::{Call, FakeBackend, TestWorker, job, waits};
use crate::driver::{Settlement, Taken};
use crate::error::Error;
use crate::event::Event;
use crate::failed::Record;
use crate::job::JobError;
use crate::message::JobId;
use crate::reserved::{Receipt, Reserved};

fn dead() -> Reserved {
    Reserved { attempt: 2, ..job(1, "no") }
}

fn fails(_: &str, _: &crate::Context) -> crate::JobResult {
    Err(JobError::new("refused"))
}

fn lost() -> Settlement {
    Settlement { lost: vec![Receipt(1, 101)], ..Settlement::default() }
}

fn records(backend: &FakeBackend) -> usize {
    backend.count(|call| matches!(call, Call::Record(_)))
}

fn withdrawn(backend: &FakeBackend) -> Vec<Vec<JobId>> {
    let withdraws = |call: &Call| match call {
        Call::Withdraw(records) => Some(records.clone()),
        _ => None,
    };
    backend.script().calls.iter().filter_map(withdraws).collect()
}

/// It records, its hold ends, and another worker records in its place: that one counts on it.
#[test]
fn a_record_that_took_the_place_of_another_stays_when_the_job_is_lost() {
    let backend = FakeBackend::default();
    backend.find([dead()]);
    backend.script().record.push_back(Box::new(|| Ok(Record { id: JobId::Number(8), fresh: false })));
    backend.script().settle.push_back(Box::new(|| Ok(lost())));
    let report = TestWorker::new(&backend, fails).run().unwrap();
    assert_eq!((report.lost, report.failed), (1, 0));
    assert_eq!(withdrawn(&backend), [[]; 0]);
    assert_eq!(backend.said(), ["no"], "no hook: it is not this worker's dead");
}

/// The same, but nothing was there before: it takes back what it made, by its id. If another worker has recorded
/// meanwhile, that record has another id.
#[test]
fn a_fresh_record_of_a_job_that_is_lost_is_taken_back_by_its_id() {
    let backend = FakeBackend::default();
    backend.find([dead()]);
    backend.script().settle.push_back(Box::new(|| Ok(lost())));
    let mut worker = TestWorker::new(&backend, fails);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    let withdraws = |calls: &[Call]| calls.iter().any(|call| matches!(call, Call::Withdraw(_)));
    backend.wait_until("the withdrawal", withdraws);
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.lost, report.failed), (1, 0));
    assert_eq!(withdrawn(&backend), [[JobId::Number(7)]]);
}

/// Its settle was cut off, and is answered as lost when it is made again: it may have gone through, and then the
/// record is the only place where the job is.
#[test]
fn a_record_whose_settle_is_in_doubt_stays() {
    for hold_lasts in [true, false] {
        let backend = FakeBackend::default();
        let mut dead = dead();
        let mut worker = TestWorker::new(&backend, fails);
        if !hold_lasts {
            worker.options.lease = Duration::from_millis(600);
            dead.held_until = std::time::Instant::now() + Duration::from_millis(600);
        }
        backend.find([dead]);
        backend.script().settle.push_back(Box::new(move || {
            if !hold_lasts {
                std::thread::sleep(Duration::from_millis(700));
            }
            Err(Error::unavailable("cut"))
        }));
        // Nobody can renew it either.
        if !hold_lasts {
            backend.script().open.push_back(Box::new(|| Ok(())));
        }
        backend.script().settle.push_back(Box::new(|| Ok(lost())));
        let report = worker.run().unwrap();
        assert_eq!(withdrawn(&backend), [[]; 0]);
        assert_eq!(records(&backend), 1);
        if hold_lasts {
            assert_eq!((report.lost, report.failed), (0, 1), "nobody else can have had it");
        }
    }
}

/// The connection broke after the settle had gone through: the row is gone, and the renewal that comes before the
/// next settle answers it as lost. It is not.
#[test]
fn what_is_in_doubt_is_not_lost_because_it_cannot_be_renewed() {
    let backend = FakeBackend::default();
    backend.find([job(1, "fine"), job(2, "long")]);
    let (end, until_ended) = waits();
    backend.script().settle.push_back(Box::new(|| Err(Error::unavailable("cut"))));
    backend.script().extend.push_back(Box::new(|| Ok(vec![Receipt(1, 101)])));
    backend.script().settle.push_back(Box::new(|| Ok(lost())));
    let worker =
        TestWorker::new(&backend, move |says, _| if says == "long" { until_ended() } else { Ok(()) }).start();
    let settles = |call: &&Call| matches!(call, Call::Settle(Receipt(1, _), _));
    backend.wait_until("the second settle", |calls| calls.iter().filter(settles).count() == 2);
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.lost), (2, 0));
}

/// A suspect that lives: a predecessor may have died between its record and its settle. It is looked for, the hold is
/// proven, and only what was there before the proof is withdrawn, before the job is settled and could be lost.
#[test]
fn what_a_predecessor_recorded_is_withdrawn_between_the_proof_and_the_settle() {
    let backend = FakeBackend::default();
    backend.find([Reserved { suspect: true, ..job(1, "fine") }]);
    backend.script().records = vec![JobId::Number(5)];
    let report = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    assert_eq!((report.done, report.failed), (1, 0));
    let calls = backend.script().calls.clone();
    let position = |wanted: &Call| calls.iter().position(|call| call == wanted).unwrap();
    let looked = position(&Call::Look("uuid-1".into()));
    let proven = calls.iter().rposition(|call| matches!(call, Call::Extend(_))).unwrap();
    let withdrawn = position(&Call::Withdraw(vec![JobId::Number(5)]));
    let settled = position(&Call::Settle(Receipt(1, 101), "done".into()));
    assert!(looked < proven && proven < withdrawn && withdrawn < settled, "{calls:#?}");
}

/// Its hold ends after it looked: the next holder may have recorded by now, and counts on what is there.
#[test]
fn a_suspect_whose_hold_is_lost_withdraws_nothing() {
    let backend = FakeBackend::default();
    backend.find([Reserved { suspect: true, ..job(1, "fine") }]);
    backend.script().records = vec![JobId::Number(5)];
    backend.script().extend.push_back(Box::new(|| Ok(Vec::new())));
    backend.script().extend.push_back(Box::new(|| Ok(vec![Receipt(1, 101)])));
    let report = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    assert_eq!((report.done, report.lost), (0, 1));
    assert_eq!(withdrawn(&backend), [[]; 0]);
}

#[test]
fn a_suspect_that_is_done_is_settled_though_the_driver_buries_and_nothing_is_looked_for() {
    let backend = FakeBackend::default();
    backend.script().buries = true;
    backend.find([Reserved { suspect: true, ..job(1, "fine") }]);
    assert_eq!(TestWorker::new(&backend, |_, _| Ok(())).run().unwrap().done, 1);
    assert_eq!(backend.count(|call| matches!(call, Call::Look(_) | Call::Extend(_))), 0);
}

/// The failed jobs are away for a while: the job is not run again, and its hold is renewed all the while.
#[test]
fn a_dead_job_waits_for_the_failed_jobs_and_is_not_run_again() {
    let backend = FakeBackend::default();
    backend.find([dead()]);
    for _ in 0..3 {
        // The first of each two is tried again at once: the connection may only have been idle for too long.
        backend.script().record.push_back(Box::new(|| Err(Error::unavailable("away"))));
    }
    let mut worker = TestWorker::new(&backend, fails);
    worker.options.bounds.when_empty = false;
    worker.options.lease = Duration::from_millis(300);
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("the record", |calls| calls.contains(&Call::Settle(Receipt(1, 101), "done".into())));
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.failed, report.retried), (1, 0));
    assert_eq!(backend.said().first().map(String::as_str), Some("no"));
    assert_eq!(backend.said().iter().filter(|said| *said == "no").count(), 1);
    assert!(backend.count(|call| matches!(call, Call::Extend(_))) >= 2);
}

/// The failed jobs are away for long: of the dead jobs that wait for them only so many stay in memory, however many
/// die before they are asked again.
#[test]
fn dead_jobs_that_are_too_many_to_wait_for_are_put_back_without_a_run_left() {
    let backend = FakeBackend::default();
    backend.script().records_none = true;
    let [handed_out, put_aside, most] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    let payload = Arc::from(vec![b' '; 16 << 20]);
    let (count, away, largest) = (handed_out.clone(), put_aside.clone(), most.clone());
    backend.script().reserve = Some(Box::new(move |want| {
        if want.fresh == 0 || count.load(SeqCst) == 60 {
            return Taken::default();
        }
        let number = count.fetch_add(1, SeqCst) + 1;
        largest.fetch_max(number - away.load(SeqCst), SeqCst);
        let mut gone = Reserved { attempt: 3, ..job(number, "") };
        (gone.message.name, gone.message.payload) = ("Gone".into(), Arc::clone(&payload));
        Taken { jobs: vec![gone], ..Taken::default() }
    }));
    let mut worker = TestWorker::new(&backend, fails);
    worker.options.poll = Duration::from_millis(5);
    worker.options.bounds.when_empty = false;
    let away = put_aside.clone();
    worker.options.listener = Some(Arc::new(move |event: &Event<'_>| {
        if let Event::PutAside { .. } = event {
            away.fetch_add(1, SeqCst);
        }
    }));
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("most to be put back", |_| put_aside.load(SeqCst) >= 50);
    // Who ends waits for none of them.
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.put_aside, report.failed), (handed_out.load(SeqCst), 0));
    assert!((4..20).contains(&most.load(SeqCst)), "{most:?} jobs of 16 MiB waited");
}

/// A worker that ends does not wait for them: the job is put back so that no run is left.
#[test]
fn a_dead_job_that_cannot_be_recorded_by_the_end_is_put_back_without_a_run_left() {
    for error in [|| Error::schema("no such table: failed_jobs"), || Error::unavailable("away")] {
        let backend = FakeBackend::default();
        backend.find([dead()]);
        for _ in 0..2 {
            backend.script().record.push_back(Box::new(move || Err(error())));
        }
        let mut worker = TestWorker::new(&backend, fails);
        worker.options.bounds.when_empty = false;
        worker.options.bounds.jobs = Some(1);
        let (tell, told) = std::sync::mpsc::channel();
        worker.options.listener = Some(std::sync::Arc::new(move |event: &Event<'_>| match event {
            Event::PutAside { error, .. } => tell.send(format!("put aside: {error}")).unwrap(),
            Event::Again { .. } => tell.send("again".to_owned()).unwrap(),
            _ => {}
        }));
        let report = worker.run().unwrap();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["put aside: refused"]);
        assert_eq!(backend.settled(), [(Receipt(1, 101), "exhausted, in 30s".to_owned())]);
        assert_eq!((report.put_aside, report.retried, report.failed), (1, 0, 0));
        assert_eq!(backend.said(), ["no"], "no hook for what is not written down");
    }
}

/// Each further take of it, which runs it not, is longer in coming.
#[test]
fn what_is_refused_again_and_again_is_tried_less_and_less_often() {
    for (attempt, wait) in [(3, "30s"), (4, "60s"), (5, "120s"), (60, "3600s")] {
        let backend = FakeBackend::default();
        backend.find([Reserved { attempt, ..job(1, "no") }]);
        backend.script().record.push_back(Box::new(|| Err(Error::invalid("no such character"))));
        backend.script().record.push_back(Box::new(|| Err(Error::invalid("no such character"))));
        TestWorker::new(&backend, fails).run().unwrap();
        assert_eq!(backend.settled(), [(Receipt(1, 101), format!("exhausted, in {wait}"))]);
        assert_eq!(backend.said(), [""; 0], "it is over its limit, and not run");
    }
}

/// One of several is refused: the others are recorded.
#[test]
fn a_failed_job_that_is_refused_is_refused_alone() {
    let backend = FakeBackend::default();
    let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    backend.find([dead(), Reserved { attempt: 2, ..job(2, "no") }]);
    let refuse = || Err(Error::invalid("no such character"));
    backend.script().record.push_back(Box::new(refuse));
    backend.script().record.push_back(Box::new(refuse));
    let report = TestWorker::new(&backend, move |_, _| {
        gate.wait();
        Err(JobError::new("refused"))
    })
    .run()
    .unwrap();
    assert_eq!((report.failed, report.put_aside, report.retried), (1, 1, 0), "{:#?}", backend.script().calls);
}

/// However slow the failed jobs are, what runs beside is held.
#[test]
fn holds_are_renewed_while_a_record_takes_long() {
    let backend = FakeBackend::default();
    let seen = backend.clone();
    backend.find([dead(), job(2, "long")]);
    let (end, until_ended) = waits();
    backend.script().record.push_back(Box::new(move || {
        let renewals = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Extend(_))).count();
        seen.wait_until("four renewals", |calls| renewals(calls) >= 4);
        Ok(Record { id: JobId::Number(7), fresh: true })
    }));
    let mut worker = TestWorker::new(&backend, move |says, _| match says {
        "long" => until_ended(),
        _ => Err(JobError::new("refused")),
    });
    worker.options.lease = Duration::from_millis(300);
    let worker = worker.start();
    let done = Call::Settle(Receipt(1, 101), "done".into());
    backend.wait_until("the settle", |calls| calls.contains(&done));
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.failed, report.done, report.lost), (1, 1, 0));
}

#[test]
fn failed_jobs_that_panic_are_asked_again() {
    let backend = FakeBackend::default();
    backend.find([dead()]);
    backend.script().record.push_back(Box::new(|| panic!("a fault of whoever keeps them")));
    let mut worker = TestWorker::new(&backend, fails);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    let settles = |call: &Call| matches!(call, Call::Settle(..));
    backend.wait_until("the word that it is dead", |calls| calls.iter().any(settles));
    stopper.stop();
    assert_eq!(worker.join().unwrap().unwrap().failed, 1);
    assert_eq!(records(&backend), 2);
}
