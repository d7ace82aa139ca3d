//! Real workers whose holds are in danger: a file that is locked for almost a lease, a store of failed jobs that
//! does not answer, a slow job before quick ones, an end at which nothing can be written.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use crate::process_site::{Place, Site, on_every_database};
use crate::programs::{Running, assert_no_overlap, ledger, test_jobs};
use crate::servers::postgres::Postgres;
use crate::servers::proxy::{Proxy, Traffic};
use crate::support::wait_until;

on_every_database!(what_waits_behind_a_slow_job_is_run_by_others);

fn begun(site: &Site, number: u64) -> bool {
    ledger(&site.file("ledger")).contains_key(&number)
}

/// An idle worker only reads, and stands at the lock when the lease of the living ends: it must not be the first
/// one through.
#[test]
fn a_file_that_is_locked_for_less_than_a_lease_gives_no_job_to_two() {
    let site = Site::with_lease(Place::Sqlite, "3");
    let go_on = site.file("go-on");
    site.push_ledgers(0..1, &format!(",\"until\":{go_on:?}"));
    let holder = site.worker(&[]);
    wait_until("the job runs", || begun(&site, 0));
    let idle = site.worker(&[]);
    idle.wait_for("event=started");
    let locker = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    locker.busy_timeout(Duration::from_secs(60)).unwrap();
    // Both have settled in, and the holder renews once a second.
    std::thread::sleep(Duration::from_secs(2));
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::sleep(Duration::from_millis(2_800));
    locker.execute_batch("COMMIT").unwrap();
    // Whoever would take it, has: the idle one looks for suspects all the time, once it may.
    std::thread::sleep(Duration::from_secs(2));
    std::fs::write(&go_on, "").unwrap();
    wait_until("the end of all", || site.left() == 0);
    for worker in [holder, idle] {
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
    assert_eq!(ledger(&site.file("ledger"))[&0].len(), 1, "it ran twice");
}

/// Each record of a death waits out its timeout, and a job that runs beside them is nobody else's meanwhile.
#[test]
fn failed_jobs_that_cannot_be_kept_endanger_no_hold() {
    let database = Postgres::shared().database();
    let port = database.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let proxy = Proxy::before(port);
    let settings =
        "lease = 2\npoll = 0.05\nattempts = 1\nconnection = \"sqlite\"\nfailed_connection = \"dead\"\n";
    let dead = format!("[connections.dead]\nurl = \"{}\"\n", proxy.url(&database));
    let site = Site::new(&settings.replace("poll = 0.05\nattempts = 1\n", ""), &dead);
    let go_on = site.file("go-on");
    site.push_ledgers(0..1, &format!(",\"until\":{go_on:?}"));
    let _holder = site.worker(&[]);
    wait_until("the job runs", || begun(&site, 0));
    let other = site.worker(&["--workers", "1"]);
    other.wait_for("event=started");
    proxy.set(Traffic::Stall);
    site.push_ledgers(1..13, ",\"fails\":1000");
    // Both are busy with records that end nowhere, for longer than a lease.
    wait_until("the failures", || site.ended() >= 12);
    std::thread::sleep(Duration::from_secs(4));
    std::fs::write(&go_on, "").unwrap();
    wait_until("its end", || ledger(&site.file("ledger"))[&0].iter().any(|run| run.end.is_some()));
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs[&0].len(), 1, "another worker ran it beside the first: {:?}", runs[&0]);
}

fn what_waits_behind_a_slow_job_is_run_by_others(place: Place) {
    for mode in ["threading", "multiprocess"] {
        let site = Site::with_lease(place.clone(), "60");
        let go_on = site.file("go-on");
        site.push_ledgers(0..300, "");
        site.push_ledgers(300..301, &format!(",\"until\":{go_on:?}"));
        site.push_ledgers(301..400, "");
        let arguments = ["--workers", "1", "--mode", mode];
        let first = site.worker(&arguments);
        wait_until("the slow job runs", || begun(&site, 300));
        let second = site.worker(&arguments);
        wait_until("all others' ends", || site.ended() == 399);
        assert!(ledger(&site.file("ledger"))[&300][0].end.is_none());
        std::fs::write(&go_on, "").unwrap();
        wait_until("the end of all", || site.left() == 0);
        for worker in [first, second] {
            worker.signal("TERM");
            assert_eq!(worker.wait().0, Some(0));
        }
        let runs = ledger(&site.file("ledger"));
        assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "{runs:?}");
        assert_no_overlap(&runs);
        site.sql("DELETE FROM jobs");
    }
}

/// The file is locked from before the job's end until after the worker's.
#[test]
fn an_outcome_that_could_not_be_written_down_is_told_as_that() {
    let site = Site::with_lease(Place::Sqlite, "2");
    let go_on = site.file("go-on");
    site.push_ledgers(0..1, &format!(",\"until\":{go_on:?}"));
    let arguments = ["queue:work", "--grace", "1"];
    let (mut read, write) = std::io::pipe().unwrap();
    let worker = Running::start_with(test_jobs(&site.folder, &arguments), Stdio::from(write));
    wait_until("the job runs", || begun(&site, 0));
    let locker = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    locker.busy_timeout(Duration::from_secs(60)).unwrap();
    locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    worker.signal("TERM");
    std::fs::write(&go_on, "").unwrap();
    let end = worker.wait_for("event=stopped");
    assert!(end.contains("done=0") && end.contains("unsettled=1"), "{end}");
    let said = worker.said();
    assert!(!said.iter().any(|line| line.contains("event=done")), "{said:#?}");
    assert_eq!(worker.wait(), (Some(1), None));
    let mut told = String::new();
    read.read_to_string(&mut told).unwrap();
    assert!(
        told.contains("Ledger #1") && told.contains("could not be written down; it runs again"),
        "{told}"
    );
    locker.execute_batch("COMMIT").unwrap();
    let worker = site.worker(&[]);
    wait_until("the second run", || site.left() == 0);
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    assert_eq!(ledger(&site.file("ledger"))[&0].len(), 2);
}
