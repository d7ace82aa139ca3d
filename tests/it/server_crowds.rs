//! Many workers on one table of a server: each job runs once, nobody is in another one's way for long, and a turn that its
//! holder never ends keeps nothing waiting.

use crate::process_site::{Place, Site, on_every_server};
use crate::programs::ledger;
use crate::server_locks::Session;
use crate::support::wait_until;

on_every_server!(
    a_crowd_runs_each_job_once_and_meets_no_deadlock,
    a_turn_that_nobody_ends_keeps_no_job_waiting
);

const WORKERS: usize = 12;

const JOBS: u64 = 3_000;

fn a_crowd_runs_each_job_once_and_meets_no_deadlock(place: Place) {
    let site = Site::with_lease(place, "60");
    let workers: Vec<_> = (0..WORKERS).map(|_| site.worker(&[])).collect();
    for worker in &workers {
        worker.wait_for("event=started");
    }
    (0..JOBS).step_by(500).for_each(|first| site.push_ledgers(first..first + 500, ""));
    wait_until("all of them", || site.ended() as u64 == JOBS && site.left() == 0);
    for worker in workers {
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs.len() as u64, JOBS);
    assert!(runs.values().all(|runs| runs.len() == 1), "a job ran twice");
    if let Place::Postgres(_) = &site.place {
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(site.sql(deadlocks), ["0"]);
    }
}

/// As a worker that was stopped in the midst of a take.
fn a_turn_that_nobody_ends_keeps_no_job_waiting(place: Place) {
    let site = Site::with_lease(place, "60");
    let mut stopped = Session::open(&site.place);
    stopped.run(match &site.place {
        Place::MariaDb(_) => "SELECT GET_LOCK(LEFT(CONCAT('craft_take.', DATABASE(), '.jobs'), 64), 0)",
        _ => {
            "BEGIN; SELECT pg_advisory_xact_lock(hashtext('craft_take.jobs'), line) FROM generate_series(0, 1) AS line (line)"
        }
    });
    let workers: Vec<_> = (0..WORKERS).map(|_| site.worker(&[])).collect();
    (0..JOBS).step_by(500).for_each(|first| site.push_ledgers(first..first + 500, ""));
    wait_until("all of them", || site.ended() as u64 == JOBS && site.left() == 0);
    drop(workers);
    assert!(ledger(&site.file("ledger")).values().all(|runs| runs.len() == 1));
}
