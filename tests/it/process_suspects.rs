//! Jobs that a dead worker held, in the hands of workers whose jobs run in child processes.

use crate::process_site::{Place, Site, on_every_database};
use crate::programs::ledger;

on_every_database!(a_limit_of_jobs_counts_suspects_too);

/// Half of the jobs were held by a worker that is gone.
fn a_limit_of_jobs_counts_suspects_too(place: Place) {
    let site = Site::with_lease(place, "1");
    site.push_ledgers(0..20, "");
    let held = "UPDATE jobs SET token = 7, attempts = 1, lease = available_at, reserved_at = available_at";
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
