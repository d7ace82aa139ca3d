//! When the worker looks, extends, and gives back what it cannot begin.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::fake::{Call, FakeBackend, TestWorker, job, waits};
use crate::driver::{Suspects, Taken};
use crate::error::Error;
use crate::event::Event;
use crate::failed::Record;
use crate::job::JobError;
use crate::message::JobId;
use crate::reserved::{Receipt, Reserved};
use crate::worker::StopReason;

fn extends(calls: &[Call]) -> usize {
    calls.iter().filter(|call| matches!(call, Call::Extend(_))).count()
}

fn looks(calls: &[Call]) -> usize {
    calls.iter().filter(|call| matches!(call, Call::Reserve { .. })).count()
}

/// Else it would not notice that nobody can write, and take the jobs of the living when they all can again.
#[test]
fn an_idle_worker_shows_that_the_back_end_can_be_written_to() {
    let backend = FakeBackend::default();
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.lease = Duration::from_millis(300);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("extends of nothing", |calls| {
        calls.iter().filter(|call| **call == Call::Extend(Vec::new())).count() >= 3
    });
    stopper.stop();
    worker.join().unwrap().unwrap();
}

/// The outage that an idle worker noticed so counts as a reconnect: the living renew their holds first.
#[test]
fn after_an_extend_that_was_held_up_suspects_are_left_alone() {
    let backend = FakeBackend::default();
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.lease = Duration::from_millis(1_200);
    worker.options.poll = Duration::from_millis(10);
    worker.options.bounds.when_empty = false;
    let held_up = || {
        std::thread::sleep(Duration::from_millis(300));
        Ok(Vec::new())
    };
    backend.script().extend.push_back(Box::new(held_up));
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("the extend", |calls| extends(calls) >= 1);
    let extended = Instant::now();
    let looked = |call: &Call| matches!(call, Call::Reserve { suspects: Suspects::Look, .. });
    backend.wait_until("a look for suspects", |calls| calls.iter().any(looked));
    assert!(extended.elapsed() >= Duration::from_millis(650), "it looked after {:?}", extended.elapsed());
    stopper.stop();
    worker.join().unwrap().unwrap();
}

/// A failed store that hardly answers: the holds of the others are renewed beside it.
#[test]
fn holds_are_renewed_while_a_death_is_recorded() {
    let backend = FakeBackend::default();
    let mut dead = job(1, "dead");
    dead.attempt = 2;
    backend.find([dead, job(2, "long")]);
    let recording = backend.clone();
    backend.script().record.push_back(Box::new(move || {
        let so_far = extends(&recording.script().calls);
        recording.wait_until("renewals beside the record", |calls| extends(calls) >= so_far + 3);
        Ok(Record { id: JobId::Number(7), fresh: true })
    }));
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, context| {
        if says == "dead" {
            return Err(JobError::new("refused"));
        }
        wait()?;
        assert!(!context.lost());
        Ok(())
    });
    worker.options.lease = Duration::from_millis(600);
    let worker = worker.start();
    backend.wait_until("the record's end", |calls| {
        calls.contains(&Call::Settle(Receipt(1, 101), "done".to_owned()))
    });
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.failed, report.lost), (1, 1, 0));
}

/// A settle that fails must not stand before the renewal of the others' holds.
#[test]
fn holds_are_renewed_although_a_settle_fails() {
    let backend = FakeBackend::default();
    backend.find([job(1, "short"), job(2, "long")]);
    for _ in 0..20 {
        backend.script().settle.push_back(Box::new(|| Err(Error::unavailable("the server is away"))));
    }
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, _| if says == "long" { wait() } else { Ok(()) });
    worker.options.lease = Duration::from_millis(600);
    let worker = worker.start();
    backend.wait_until("renewals", |calls| extends(calls) >= 5);
    drop(end);
    assert_eq!(worker.join().unwrap().unwrap().done, 2);
}

/// Somebody has the row of one of them locked.
#[test]
fn what_is_over_is_written_down_although_holds_cannot_be_renewed() {
    let backend = FakeBackend::default();
    backend.find([job(1, "short"), job(2, "long")]);
    for _ in 0..6 {
        backend.script().extend.push_back(Box::new(|| Err(Error::unavailable("the row is locked"))));
        backend.script().settle.push_back(Box::new(|| Err(Error::unavailable("the row is locked"))));
    }
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, _| if says == "long" { wait() } else { Ok(()) });
    worker.options.lease = Duration::from_millis(300);
    let worker = worker.start();
    let ten = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Settle(..))).count() >= 7;
    backend.wait_until("tries of both in turns", |calls| extends(calls) >= 7 && ten(calls));
    drop(end);
    assert_eq!(worker.join().unwrap().unwrap().done, 2);
}

/// Its row is locked: what is clean runs on, and nothing spins.
#[test]
fn a_suspect_that_cannot_be_taken_keeps_back_nothing() {
    let backend = FakeBackend::default();
    backend.script().locked_suspect = true;
    for id in 1..=20 {
        backend.find([job(id, "clean")]);
    }
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.lease = Duration::from_millis(300);
    worker.options.poll = Duration::from_millis(20);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    let settled = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Settle(..))).count();
    backend.wait_until("an attempt to take it", |calls| {
        calls.contains(&Call::Reserve { fresh: 0, suspects: Suspects::Take(1) })
    });
    backend.wait_until("the clean ones", |calls| settled(calls) == 20);
    backend.script().calls.clear();
    let began = Instant::now();
    backend.wait_until("more looks", |calls| looks(calls) >= 10);
    let most = began.elapsed().as_millis() / 5 + 20;
    assert!((looks(&backend.script().calls) as u128) < most, "it spins");
    stopper.stop();
    assert_eq!(worker.join().unwrap().unwrap().done, 20);
}

/// Somebody else took it while a long job ran here: the slots work on.
#[test]
fn a_suspect_that_is_gone_keeps_no_slot_empty() {
    let backend = FakeBackend::default();
    backend.find([job(1, "long")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, _| if says == "long" { wait() } else { Ok(()) });
    worker.options.lease = Duration::from_millis(300);
    worker.options.poll = Duration::from_millis(20);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("the long job", |calls| calls.contains(&Call::Job("long".into())));
    backend.script().suspect = Some(Reserved { suspect: true, ..job(2, "suspect") });
    let seen = Call::Reserve { fresh: 0, suspects: Suspects::Look };
    backend.wait_until("the worker waits for what runs", |calls| calls.contains(&seen));
    backend.script().suspect = None;
    backend.find([job(3, "next")]);
    backend.wait_until("the next job", |calls| calls.contains(&Call::Job("next".into())));
    drop(end);
    stopper.stop();
    assert_eq!(worker.join().unwrap().unwrap().done, 2);
}

/// A supervisor starts it again and again, and each life is shorter than a third of the lease.
#[test]
fn a_worker_whose_time_is_up_stays_for_the_suspects_that_it_has_seen() {
    let backend = FakeBackend::default();
    backend.script().suspect = Some(Reserved { suspect: true, ..job(1, "suspect") });
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.lease = Duration::from_millis(900);
    worker.options.poll = Duration::from_millis(20);
    worker.options.bounds.when_empty = false;
    worker.options.bounds.time = Some(Duration::from_millis(50));
    let started = Instant::now();
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.ended), (1, StopReason::TimeLimit));
    assert!(started.elapsed() >= Duration::from_millis(300), "the living had no time to renew");
    backend.find([job(2, "not its business")]);
}

/// Ready and not begun is anybody's.
#[test]
fn what_waits_behind_a_slow_job_goes_back() {
    let backend = FakeBackend::default();
    backend.find([job(1, "slow"), job(2, "quick"), job(3, "quick")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, _| if says == "slow" { wait() } else { Ok(()) });
    worker.slots = 1;
    let worker = worker.start();
    for receipt in [Receipt(2, 102), Receipt(3, 103)] {
        let given_back = Call::Settle(receipt, "unstarted, in 0ns".to_owned());
        backend.wait_until("giving back", |calls| calls.contains(&given_back));
    }
    // What the back end hands out ahead of being asked, too.
    let asked_for_none = |backend: &FakeBackend| backend.script().asked_for.iter().any(Vec::is_empty);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !asked_for_none(&backend) {
        assert!(Instant::now() < deadline, "nothing was asked to come back");
        std::thread::yield_now();
    }
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.returned), (1, 2));
    assert_eq!(backend.said(), ["slow"]);
}

/// They were to count for its limit, and did not run.
#[test]
fn a_limit_of_jobs_is_not_reached_by_those_that_went_back() {
    let backend = FakeBackend::default();
    backend.find([job(1, "slow"), job(2, "quick")]);
    let (end, wait) = waits();
    let mut worker = TestWorker::new(&backend, move |says, _| if says == "slow" { wait() } else { Ok(()) });
    worker.slots = 1;
    worker.options.bounds.when_empty = false;
    worker.options.bounds.jobs = Some(2);
    let worker = worker.start();
    backend.wait_until("giving back", |calls| calls.iter().any(|call| matches!(call, Call::Settle(..))));
    backend.find([job(2, "quick")]);
    drop(end);
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.returned, report.ended), (2, 1, StopReason::JobLimit));
}

#[test]
fn jobs_of_an_unknown_name_are_told_once_and_counted() {
    let backend = FakeBackend::default();
    let gone = (1..=2_000).map(|id| {
        let mut gone = job(id, "");
        gone.message.name = "Gone".into();
        gone
    });
    backend.find(gone);
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    let (tell, told) = mpsc::channel();
    worker.options.listener = Some(Arc::new(move |event: &Event<'_>| match event {
        Event::Again { error, .. } => tell.send((*error).to_owned()).unwrap(),
        Event::Warning(text) => tell.send((*text).to_owned()).unwrap(),
        _ => {}
    }));
    assert_eq!(worker.run().unwrap().returned, 2_000);
    let told: Vec<_> = told.try_iter().collect();
    let name = "no worker knows a job named \"Gone\"";
    assert_eq!(told, [name.to_owned(), format!("{name}: put back 1999 times more")]);
}

/// The back end is away at its end: nothing is told as done that was not written down.
#[test]
fn what_was_not_written_down_is_never_told_as_done() {
    let backend = FakeBackend::default();
    backend.find([job(1, "runs")]);
    for _ in 0..100 {
        backend.script().settle.push_back(Box::new(|| Err(Error::unavailable("the file is locked"))));
    }
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.grace = Duration::from_millis(300);
    worker.options.process_ends = true;
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    backend.wait_until("a settle", |calls| calls.iter().any(|call| matches!(call, Call::Settle(..))));
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.done, report.unsettled), (0, vec!["Job #1".to_owned()]));
}

/// Somebody has all rows locked: what was taken stays in memory.
#[test]
fn a_worker_takes_no_more_than_it_can_bring_home() {
    for attempt in [1, OVER_ITS_LIMIT] {
        takes_no_more(attempt, 16 << 20, 1, 50, 4..10);
        takes_no_more(attempt, 1, 50, 3_000, 1_000..1_500);
    }
}

const OVER_ITS_LIMIT: u32 = 3;

/// Of so many jobs of this size, each look finds a few; so many of them are taken.
fn takes_no_more(attempt: u32, size: usize, few: u64, all: u64, most: Range<u64>) {
    let backend = FakeBackend::default();
    let (payload, handed_out) = (Arc::from(vec![0; size]), Arc::new(AtomicU64::new(0)));
    backend.script().locks = true;
    let count = handed_out.clone();
    backend.script().reserve = Some(Box::new(move |want| {
        let before = count.load(Ordering::SeqCst);
        let next = (before + few.min(want.fresh as u64)).min(all);
        count.store(next, Ordering::SeqCst);
        let gone = |number| {
            let mut gone = job(number, "");
            (gone.message.name, gone.message.payload) = ("Gone".into(), Arc::clone(&payload));
            Reserved { attempt, ..gone }
        };
        Taken { jobs: (before + 1..=next).map(gone).collect(), ..Taken::default() }
    }));
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.slots = few as usize;
    worker.options.lease = Duration::from_millis(1_200);
    worker.options.poll = Duration::from_millis(5);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    // Those that are locked are tried again and again.
    let tries = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Extend(_))).count();
    backend.wait_until("a full backlog", |_| handed_out.load(Ordering::SeqCst) >= most.start);
    let so_far = tries(&backend.script().calls);
    backend.wait_until("tries", |calls| tries(calls) >= so_far + 10);
    let taken = handed_out.load(Ordering::SeqCst);
    assert!(most.contains(&taken), "{taken} jobs of {size} bytes were taken, attempt {attempt}");
    backend.script().locks = false;
    let last = |call: &Call| matches!(call, Call::Settle(receipt, _) if receipt.0 == all);
    backend.wait_until("the last of them", |calls| calls.iter().any(last));
    stopper.stop();
    let report = worker.join().unwrap().unwrap();
    assert_eq!((report.returned, report.failed), if attempt == 1 { (all, 0) } else { (0, all) });
}

/// Somebody waits for the worker, and would wait for ever.
#[test]
fn a_worker_that_panics_is_an_error_and_no_silence() {
    let backend = FakeBackend::default();
    backend.find([job(1, "work")]);
    backend.script().settle.push_back(Box::new(|| panic!("a fault in a driver")));
    let error = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap_err();
    assert_eq!(error.to_string(), "the worker of driver \"stage\" panicked: a fault in a driver");
}

#[test]
fn spans_of_any_length_end_no_worker() {
    let backend = FakeBackend::default();
    let mut forever = job(1, "later");
    forever.message.overrides = Some(r#"{"timeout": 3e9, "backoff": 3e9}"#.into());
    backend.find([forever]);
    let mut worker = TestWorker::new(&backend, |_, _| Err(JobError::again_after(Duration::MAX, "never")));
    worker.options.lease = Duration::MAX;
    worker.options.poll = Duration::MAX;
    worker.options.grace = Duration::MAX;
    worker.options.bounds.time = Some(Duration::MAX);
    worker.options.policy.limits.timeout = Some(Duration::MAX);
    worker.options.bounds.jobs = Some(1);
    worker.options.bounds.when_empty = false;
    assert_eq!(worker.run().unwrap().retried, 1);
    let longest = Duration::from_secs(36_600 * 86_400);
    assert_eq!(backend.settled(), [(Receipt(1, 101), format!("again in {longest:?}, uncounted"))]);
}
