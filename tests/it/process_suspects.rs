//! Jobs that a dead worker held, in the hands of workers whose jobs run in child processes.

use std::time::{Duration, Instant};

use crate::process_site::{Place, Site, on_every_database};
use crate::programs::{assert_no_overlap, ledger};
use crate::support::wait_until;

on_every_database!(
    a_limit_of_jobs_counts_suspects_too,
    a_job_that_kills_its_worker_is_bounded_and_its_neighbours_are_not_charged,
    what_a_killed_worker_held_runs_beside_each_other,
);

/// Half of the jobs were held by a worker that is gone.
fn a_limit_of_jobs_counts_suspects_too(place: Place) {
    let site = Site::with_lease(place, "1");
    site.push_ledgers(0..20, "");
    let held = "UPDATE jobs SET token = -7, attempts = 1, lease = available_at, reserved_at = available_at";
    site.sql(&format!("{held} WHERE id <= 10"));
    let limited = ["--mode", "multiprocess", "--workers", "8", "--max-jobs", "5"];
    for ended in [5, 10, 15, 20] {
        let worker = site.worker(&limited);
        assert_eq!(worker.wait().0, Some(0));
        assert_eq!((site.ended(), site.left()), (ended, 20 - ended as u64));
    }
    let runs = ledger(&site.file("ledger"));
    assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "{runs:?}");
}

/// It kills the worker when it is clean, once more beside other suspects, and then alone: once for each attempt.
fn a_job_that_kills_its_worker_is_bounded_and_its_neighbours_are_not_charged(place: Place) {
    for attempts in [1, 3] {
        let killer = "[jobs.Killer]\ncommand = [\"sh\", \"-c\", \"kill -9 $PPID\"]\n";
        let settings = "mode = \"multiprocess\"\nworkers = 4\nlease = 1\npoll = 0.05";
        let settings = format!("{settings}\nattempts = {attempts}");
        let site = Site::make(place.clone(), &settings, killer);
        site.push_ledgers(0..10, ",\"millis\":100");
        site.push("Killer", "{}");
        site.push_ledgers(10..20, ",\"millis\":100");
        let (mut deaths, patience) = (0, Instant::now() + Duration::from_secs(180));
        while site.left() > 0 {
            assert!(Instant::now() < patience, "{deaths} deaths, {} left", site.left());
            match site.worker(&["--stop-when-empty"]).wait() {
                (_, Some(9)) => deaths += 1,
                ended => assert_eq!(ended, (Some(0), None)),
            }
        }
        assert_eq!(deaths, attempts + 2);
        assert_eq!(site.failed(), [(attempts + 1, "the worker died while running it".to_owned())]);
        let runs = ledger(&site.file("ledger"));
        assert_eq!((runs.len(), site.ended()), (20, 20), "a neighbour was lost");
        assert!(runs.values().flatten().all(|run| run.attempt == 1), "a neighbour was charged: {runs:?}");
        assert_no_overlap(&runs);
        site.sql("DELETE FROM failed_jobs");
    }
}

/// One after another they would take as many seconds as there are jobs.
fn what_a_killed_worker_held_runs_beside_each_other(place: Place) {
    let site = Site::with_lease(place, "1");
    let gate = site.file("gate");
    site.push_ledgers(0..60, &format!(",\"until\":{gate:?}"));
    site.sql("UPDATE jobs SET token = -7, attempts = 1, lease = available_at, reserved_at = available_at");
    let worker = site.worker(&["--mode", "multiprocess", "--workers", "10"]);
    let begun = || ledger(&site.file("ledger")).len();
    wait_until("ten at once", || begun() == 10);
    std::fs::write(&gate, "").unwrap();
    wait_until("the end of all", || site.left() == 0);
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    let runs = ledger(&site.file("ledger"));
    assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "{runs:?}");
}
