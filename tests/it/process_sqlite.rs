//! Real workers on one SQLite file: what they share, what locks it, and what is seen of them from outside.

use std::time::Duration;

use crate::process_site::{Place, Site};
use crate::programs::{assert_no_overlap, ledger, test_jobs};
use crate::support::wait_until;

fn site(lease: &str) -> Site {
    Site::with_lease(Place::Sqlite, lease)
}

/// Promise 3, in thread mode: a poison among innocent ones. Only the poison is charged.
#[test]
fn a_job_that_kills_its_worker_ends_with_the_failed_jobs_and_its_neighbours_are_not_charged() {
    for how in ["\"Abort\"", "{\"Exit\":3}", "\"Overflow\""] {
        let site = site("1");
        site.push_ledgers(0..100, ",\"millis\":1");
        site.queue.options().attempts(2).push_json("Die", how, 1).unwrap();
        site.push_ledgers(100..200, ",\"millis\":1");
        let mut deaths = 0;
        let mut worker = site.worker(&["--workers", "10", "--attempts", "2"]);
        wait_until("the end of all", || {
            if worker.has_ended() {
                deaths += 1;
                worker = site.worker(&["--workers", "10", "--attempts", "2"]);
            }
            site.left() == 0
        });
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
        let failed = site.queue.failed().list(&Default::default()).unwrap();
        assert_eq!(failed.len(), 1, "{how}: {failed:#?}");
        assert_eq!(failed[0].name, "Die");
        assert_eq!(failed[0].exception, "the worker died while running it");
        assert!(deaths <= 3, "{how}: {deaths} deaths, at most one more than its two attempts");
        let runs = ledger(&site.file("ledger"));
        assert_eq!(runs.len(), 200, "{how}");
        for runs in runs.values() {
            assert!(runs.iter().any(|run| run.end.is_some()), "{how}: {runs:?}");
            assert!(runs.iter().all(|run| run.attempt == 1), "{how}: an innocent one was charged: {runs:?}");
        }
        assert_no_overlap(&runs);
    }
}

/// In threads: the runs in between clear it of the suspicion, and the deaths are charged all the same.
#[test]
fn a_job_that_kills_its_worker_whenever_it_does_not_ask_to_run_later_is_dead_in_the_end() {
    let site = site("1");
    let how = format!("{{\"InOddRuns\":{:?}}}", site.file("runs"));
    site.queue.options().attempts(2).push_json("Die", &how, 1).unwrap();
    let mut deaths = 0;
    let mut worker = site.worker(&[]);
    wait_until("its burial", || {
        if worker.has_ended() {
            deaths += 1;
            worker = site.worker(&[]);
        }
        site.left() == 0
    });
    assert_eq!(deaths, 3, "one more than its attempts");
    assert!(site.reason().contains("the worker died while running it"), "{}", site.reason());
}

/// Many processes on one file. Each job exactly once, and nobody hears of a locked database.
#[test]
fn eight_workers_and_eight_pushers_share_one_file() {
    let site = site("60");
    let workers: Vec<_> = (0..8).map(|_| site.worker(&[])).collect();
    for worker in &workers {
        worker.wait_for("event=started");
    }
    let file = site.file("ledger");
    let batchers: Vec<_> = (0..8)
        .map(|batcher| {
            let payload = format!("{{\"file\":{file:?},\"number\":{batcher}}}");
            let mut command = test_jobs(&site.folder, &["queue:push", "Ledger", &payload, "--count", "1"]);
            // Many short pushes each, so that they really compete.
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            std::thread::spawn(move || {
                for _ in 0..25 {
                    let output = command.output().unwrap();
                    assert!(output.status.success(), "{arguments:?}: {output:?}");
                    assert!(output.stderr.is_empty(), "{output:?}");
                }
            })
        })
        .collect();
    for batcher in batchers {
        batcher.join().unwrap();
    }
    wait_until("the end of all", || site.left() == 0);
    for worker in &workers {
        worker.signal("TERM");
    }
    for worker in workers {
        let end = worker.wait_for("event=stopped");
        assert!(end.contains("lost=0"), "{end}");
        assert_eq!(worker.wait().0, Some(0));
    }
    // Eight numbers, 25 jobs each; every run is a first attempt that ended.
    let runs = ledger(&file);
    let counts: Vec<_> = runs.values().map(Vec::len).collect();
    assert_eq!(counts, [25; 8]);
    assert!(runs.values().flatten().all(|run| run.attempt == 1 && run.end.is_some()));
    assert!(site.queue.failed().list(&Default::default()).unwrap().is_empty());
}

/// Somebody keeps the write lock for longer than anybody waits for it.
#[test]
fn a_locked_file_is_waited_for_and_nothing_is_lost() {
    let site = site("1");
    let worker = site.worker(&[]);
    worker.wait_for("event=started");
    let locker = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    site.push_ledgers(0..20, ",\"millis\":100");
    wait_until("a run", || !ledger(&site.file("ledger")).is_empty());
    locker.busy_timeout(Duration::from_secs(60)).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    worker.wait_for("event=disconnected");
    locker.execute_batch("COMMIT").unwrap();
    wait_until("the end of all", || site.left() == 0);
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs.len(), 20);
    assert_no_overlap(&runs);
}

/// A thread can't be killed: the others finish, the worker ends with 1, and the stuck one is counted.
#[test]
fn a_stuck_job_ends_the_worker_and_never_runs_twice_at_once() {
    let site = site("1");
    site.push_ledgers(0..1, &format!(",\"until\":{:?}", site.file("never")));
    site.push_ledgers(1..10, ",\"millis\":20");
    let worker = site.worker(&["--timeout", "0.5", "--grace", "0.5"]);
    let told = worker.wait_for("event=warning");
    assert!(told.contains("is stuck"), "{told}");
    assert_eq!(worker.wait(), (Some(1), None));
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs[&0].len(), 1);
    assert!((1..10).all(|number| runs[&number][0].end.is_some()), "{runs:?}");
    let database = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    let row = database.query_row("SELECT attempts, suspect, last_error FROM jobs", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    });
    assert_eq!(row, Ok((1, 0, "timed out after 500ms".into())));
}

/// Nobody reads what it says.
#[test]
fn a_worker_whose_output_nobody_reads_goes_on() {
    let site = site("60");
    site.push_ledgers(0..200, "");
    let mut command = test_jobs(&site.folder, &["queue:work", "--stop-when-empty", "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(ledger(&site.file("ledger")).len(), 200);
}
