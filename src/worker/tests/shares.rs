//! How the room is shared between clean jobs and suspects, where these run beside others.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fake::{Call, FakeBackend, TestWorker, job};
use crate::driver::{Suspects, Taken, Want};
use crate::reserved::{Receipt, Reserved};

/// What waits in a back end.
#[derive(Default)]
struct Backlog {
    clean: usize,
    suspects: usize,
    handed_out: u64,
}

impl Backlog {
    fn hand_out(&mut self, suspect: bool) -> Reserved {
        self.handed_out += 1;
        Reserved { suspect, ..job(self.handed_out, if suspect { "suspect" } else { "clean" }) }
    }

    fn reserve(&mut self, want: &Want<'_>) -> Taken {
        let suspects = want.suspects.most().min(self.suspects);
        let clean = want.fresh.min(self.clean);
        (self.suspects, self.clean) = (self.suspects - suspects, self.clean - clean);
        let mut jobs: Vec<_> = (0..suspects).map(|_| self.hand_out(true)).collect();
        jobs.extend((0..clean).map(|_| self.hand_out(false)));
        let suspects_due = want.suspects != Suspects::Ignore && self.suspects > 0;
        let next_due = (jobs.is_empty() && suspects_due).then_some(Duration::ZERO);
        Taken { jobs, suspects_due, next_due, ..Taken::default() }
    }
}

/// A worker of processes, and what waits for it.
fn worker(backend: &FakeBackend, backlog: &Arc<Mutex<Backlog>>) -> TestWorker {
    let waits = backlog.clone();
    backend.script().reserve = Some(Box::new(move |want| waits.lock().unwrap().reserve(want)));
    let mut worker = TestWorker::new(backend, |_, _| Ok(()));
    (worker.isolates, worker.slots) = (true, 10);
    worker.options.lease = Duration::from_millis(300);
    worker.options.poll = Duration::from_millis(5);
    worker
}

fn shares(calls: &[Call]) -> Vec<(usize, Suspects)> {
    let look = |call: &Call| match call {
        Call::Reserve { fresh, suspects } => Some((*fresh, *suspects)),
        _ => None,
    };
    calls.iter().filter_map(look).collect()
}

/// All are found by one look, which may take suspects.
#[test]
fn a_limit_of_jobs_counts_suspects_too() {
    let backend = FakeBackend::default();
    let backlog = Arc::new(Mutex::new(Backlog { clean: 10, suspects: 10, handed_out: 0 }));
    let mut worker = worker(&backend, &backlog);
    let (waits, begin) = (backlog.clone(), Instant::now());
    let mut visible = false;
    backend.script().reserve = Some(Box::new(move |want| {
        visible |= begin.elapsed() > Duration::from_millis(300) && want.suspects != Suspects::Ignore;
        if visible { waits.lock().unwrap().reserve(want) } else { Taken::default() }
    }));
    (worker.options.bounds.when_empty, worker.options.bounds.jobs) = (false, Some(5));
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.returned), (5, 0));
    assert_eq!(backlog.lock().unwrap().handed_out, 5);
}

#[test]
fn suspects_and_clean_jobs_take_turns_and_no_poll_lies_between() {
    let backend = FakeBackend::default();
    let backlog = Arc::new(Mutex::new(Backlog { clean: 20_000, suspects: 300, handed_out: 0 }));
    let mut worker = worker(&backend, &backlog);
    // What waits for a poll would wait for the rest of the test.
    worker.options.bounds.when_empty = false;
    let stopper = worker.stopper();
    let worker = worker.start();
    let run = |calls: &[Call]| {
        let suspect = |call: &&Call| matches!(call, Call::Job(says) if says == "suspect");
        calls.iter().filter(suspect).count()
    };
    backend.wait_until("the end of all suspects", |calls| run(calls) == 300);
    stopper.stop();
    worker.join().unwrap().unwrap();
    let shares = shares(&backend.script().calls);
    let first = shares.iter().position(|(_, suspects)| suspects.most() > 0).unwrap();
    let last = shares.iter().rposition(|(_, suspects)| suspects.most() > 0).unwrap();
    for pair in shares[first..=last].windows(2) {
        assert!(
            matches!(pair, [(0, Suspects::TakeUncharged(1..)), (1.., Suspects::Look)])
                || matches!(pair, [(1.., Suspects::Look), (0, Suspects::TakeUncharged(1..))]),
            "they take turns: {pair:?}"
        );
    }
}

/// The last look for suspects found none: the clean ones that wait are no less due.
#[test]
fn a_worker_that_ends_when_all_is_done_has_looked_for_both() {
    let backend = FakeBackend::default();
    let backlog = Arc::new(Mutex::new(Backlog { clean: 35, suspects: 35, handed_out: 0 }));
    let report = worker(&backend, &backlog).run().unwrap();
    assert_eq!(report.done, 70);
    let settled: std::collections::HashSet<Receipt> =
        backend.settled().into_iter().map(|(receipt, _)| receipt).collect();
    assert_eq!(settled.len(), 70);
}
