//! Holds: renewed, lost, adopted, over; suspects; lost connections.

use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use super::fake::{Call, FakeBackend, TestWorker, job};
use crate::driver::{Settlement, Suspects, Taken};
use crate::error::Error;
use crate::reserved::Receipt;

fn unreachable() -> Error {
    Error::unavailable("the server is away")
}

#[test]
fn holds_are_renewed_while_jobs_run_and_a_lost_one_is_told_to_its_job() {
    let backend = FakeBackend::default();
    backend.find([job(1, "long")]);
    backend.script().extend.push_back(Box::new(|| Ok(Vec::new())));
    backend.script().extend.push_back(Box::new(|| Ok(vec![Receipt(1, 101)])));
    let mut worker = TestWorker::new(&backend, |_, context| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !context.lost() {
            assert!(Instant::now() < deadline, "the job was never told");
            std::thread::yield_now();
        }
        Ok(())
    });
    worker.options.lease = Duration::from_millis(300);
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.lost), (0, 1));
    assert_eq!(backend.settled(), [], "what the run returned is dropped");
}

/// The hold was over before the job was begun.
#[test]
fn a_job_is_not_begun_after_its_hold_may_have_run_out() {
    let backend = FakeBackend::default();
    let mut late = job(1, "late");
    late.held_until = Instant::now();
    backend.find([late]);
    let report = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    assert_eq!(backend.said(), [""; 0]);
    assert_eq!(backend.settled(), [(Receipt(1, 101), "unstarted, in 0ns".to_owned())]);
    assert_eq!(report.returned, 1);
}

/// Delivered again while it runs here.
#[test]
fn a_job_that_runs_here_is_adopted_and_not_run_again() {
    let backend = FakeBackend::default();
    backend.find([job(1, "once")]);
    let mut again = job(1, "once");
    again.receipt = Receipt(1, 999);
    let (adopted, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let worker = TestWorker::new(&backend, move |_, _| {
        wait.lock().unwrap().recv().unwrap();
        Ok(())
    });
    backend.find([again]);
    let worker = worker.start();
    let looks = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Reserve { .. })).count();
    backend.wait_until("a look after the second delivery", |calls| looks(calls) >= 3);
    adopted.send(()).unwrap();
    let report = worker.join().unwrap().unwrap();
    assert_eq!(backend.said(), ["once"]);
    assert_eq!(backend.settled(), [(Receipt(1, 999), "done".to_owned())]);
    assert_eq!(report.done, 1);
}

/// In threads a suspect runs alone.
#[test]
fn a_suspect_runs_alone() {
    let backend = FakeBackend::default();
    let jobs = vec![job(1, "clean"), job(2, "clean")];
    let due = Taken { jobs, suspects_due: true, ..Taken::default() };
    backend.script().taken.push_back(due);
    let mut suspect = job(3, "suspect");
    suspect.suspect = true;
    backend.script().taken.push_back(Taken { jobs: vec![suspect], ..Taken::default() });
    backend.find([job(4, "clean")]);
    let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let together = Arc::new(Barrier::new(2));
    let mut worker = TestWorker::new(&backend, move |says, context| {
        use std::sync::atomic::Ordering::SeqCst;
        let beside = running.fetch_add(1, SeqCst);
        match says {
            "suspect" => {
                assert_eq!(beside, 0, "a suspect ran beside another job");
                // Time enough for a look that finds job 4.
                std::thread::sleep(Duration::from_millis(50));
            }
            // The two clean ones of the first look do run beside each other.
            _ if context.id().to_string() != "4" => drop(together.wait()),
            _ => {}
        }
        running.fetch_sub(1, SeqCst);
        Ok(())
    });
    // The looks of the first third of the lease, which leave suspects alone, find nothing.
    backend.script().finds_from_first_suspects = true;
    worker.options.lease = Duration::from_millis(600);
    worker.options.poll = Duration::from_millis(10);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    let settles = |calls: &[Call]| calls.iter().filter(|call| matches!(call, Call::Settle(..))).count();
    backend.wait_until("the end of all", |calls| settles(calls) == 4);
    stopper.stop();
    assert_eq!(worker.join().unwrap().unwrap().done, 4);
    let calls = backend.script().calls.clone();
    let alone = Call::Reserve { fresh: 0, suspects: Suspects::Take(1) };
    let asked = calls.iter().position(|call| *call == alone).expect("suspects were asked for alone");
    let settled_before = calls[..asked].iter().filter(|call| matches!(call, Call::Settle(..))).count();
    assert_eq!(settled_before, 2, "the slots were empty first: {calls:#?}");
    let settled = calls.iter().position(|call| matches!(call, Call::Settle(Receipt(3, _), _)));
    let next_job = calls.iter().rposition(|call| matches!(call, Call::Job(_)));
    assert!(settled < next_job, "nothing begins before it has ended: {calls:#?}");
}

/// Right after a connect the living holders get the first chance to renew.
#[test]
fn suspects_are_left_alone_for_a_third_of_the_lease_after_a_connect() {
    let backend = FakeBackend::default();
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.lease = Duration::from_millis(600);
    worker.options.poll = Duration::from_millis(20);
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let started = Instant::now();
    let worker = worker.start();
    let looked = |call: &Call| matches!(call, Call::Reserve { suspects: Suspects::Look, .. });
    backend.wait_until("a look for suspects", |calls| calls.iter().any(looked));
    assert!(started.elapsed() >= Duration::from_millis(200), "it looked at once");
    assert!(backend.count(|call| matches!(call, Call::Reserve { suspects: Suspects::Ignore, .. })) > 0);
    stopper.stop();
    worker.join().unwrap().unwrap();
}

/// `--stop-when-empty`: a suspect is a job that is to be done.
#[test]
fn a_worker_that_ends_when_all_is_done_leaves_no_suspect_behind() {
    let backend = FakeBackend::default();
    let suspect = crate::reserved::Reserved { suspect: true, ..job(1, "suspect") };
    backend.script().suspect = Some(suspect);
    let mut worker = TestWorker::new(&backend, |_, _| Ok(()));
    worker.options.lease = Duration::from_millis(600);
    worker.options.poll = Duration::from_millis(20);
    let started = Instant::now();
    assert_eq!(worker.run().unwrap().done, 1);
    assert!(started.elapsed() >= Duration::from_millis(200), "the living had no time to renew");
}

/// A settle whose connection broke is made again, and "lost" says nothing then.
#[test]
fn outcomes_survive_a_lost_connection_and_are_settled_after_it() {
    let backend = FakeBackend::default();
    backend.find([job(1, "work")]);
    backend.script().settle.push_back(Box::new(|| Err(unreachable())));
    let in_doubt = Settlement { lost: vec![Receipt(1, 101)], ..Settlement::default() };
    backend.script().settle.push_back(Box::new(move || Ok(in_doubt)));
    // The first open works, the next two don't.
    backend.script().open.push_back(Box::new(|| Ok(())));
    backend.script().open.push_back(Box::new(|| Err(unreachable())));
    backend.script().open.push_back(Box::new(|| Err(unreachable())));
    let report = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap();
    assert_eq!((report.done, report.lost), (1, 0));
    assert_eq!(backend.settled().len(), 2);
    assert_eq!(backend.count(|call| *call == Call::Open), 4);
}

#[test]
fn a_back_end_that_is_away_at_the_start_is_an_error_for_a_person() {
    let backend = FakeBackend::default();
    backend.script().open.push_back(Box::new(|| Err(unreachable())));
    let error = TestWorker::new(&backend, |_, _| Ok(())).run().unwrap_err();
    assert!(error.is_unavailable());
}

/// After a settle that failed the holds are renewed before the next one: what can't be written down must not let
/// its neighbours' holds run out.
#[test]
fn the_order_is_extend_settle_reserve() {
    let backend = FakeBackend::default();
    backend.find([job(1, "short"), job(2, "long")]);
    let (end, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    // The connection breaks at the first settle; after it all three are due.
    backend.script().settle.push_back(Box::new(|| Err(unreachable())));
    let worker = TestWorker::new(&backend, move |says, _| {
        if says == "long" {
            wait.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let worker = worker.start();
    backend.wait_until("a renewal", |calls| calls.iter().any(|call| matches!(call, Call::Extend(_))));
    let opened_again = |calls: &[Call]| calls.iter().rposition(|call| *call == Call::Open).unwrap();
    backend.wait_until("a look after the reconnect", |calls| {
        calls[opened_again(calls)..].iter().any(|call| matches!(call, Call::Reserve { .. }))
    });
    let calls = backend.script().calls.clone();
    let after = &calls[opened_again(&calls) + 1..];
    let mut extended = calls[..].iter().filter_map(|call| match call {
        Call::Extend(receipts) => Some(receipts.clone()),
        _ => None,
    });
    let first: std::collections::HashSet<_> = extended.next().unwrap().into_iter().collect();
    assert_eq!(first, [Receipt(1, 101), Receipt(2, 102)].into());
    assert!(matches!(after[0], Call::Extend(_)), "{after:#?}");
    assert!(matches!(after[1], Call::Settle(Receipt(1, 101), _)), "{after:#?}");
    assert!(matches!(after[2], Call::Reserve { .. }));
    end.send(()).unwrap();
    worker.join().unwrap().unwrap();
}

/// It ends while the back end is away; the extend that comes first then and the settle both say that it is lost.
#[test]
fn a_hold_that_is_lost_is_told_once() {
    let backend = FakeBackend::default();
    backend.find([job(1, "long")]);
    backend.script().extend.push_back(Box::new(|| Err(unreachable())));
    backend.script().extend.push_back(Box::new(|| Ok(vec![Receipt(1, 101)])));
    backend.script().open.push_back(Box::new(|| Ok(())));
    (0..3).for_each(|_| backend.script().open.push_back(Box::new(|| Err(unreachable()))));
    let lost = || Settlement { lost: vec![Receipt(1, 101)], ..Settlement::default() };
    backend.script().settle.push_back(Box::new(move || Ok(lost())));
    let seen = backend.clone();
    let mut worker = TestWorker::new(&backend, move |_, _| {
        let opens = |call: &&Call| matches!(call, Call::Open);
        seen.wait_until("a try to open it", |calls| calls.iter().filter(opens).count() >= 2);
        Ok(())
    });
    worker.options.lease = Duration::from_millis(600);
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.lost), (0, 1));
}
