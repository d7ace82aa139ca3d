//! Real workers, really killed, stopped and asked to stop: the same on every database.

use crate::process_site::{Place, Site, on_every_database, on_every_server};
use crate::programs::{assert_no_overlap, ledger};
use crate::support::wait_until;

on_every_database!(
    workers_that_are_killed_lose_nothing_and_no_job_runs_twice_at_once,
    a_worker_that_was_stopped_beyond_its_lease_changes_nothing_any_more,
    asked_to_stop_a_worker_finishes_what_runs_and_gives_back_the_rest,
    a_second_signal_stops_at_once_and_gives_everything_back,
    over_its_grace_a_worker_gives_back_what_runs_and_exits_0,
    eight_workers_run_ten_thousand_jobs_exactly_once_each,
    whatever_the_worker_of_processes_dies_of_is_charged_to_no_job,
);

/// `kill -9` in the middle of 2,000 jobs, 20 times.
fn workers_that_are_killed_lose_nothing_and_no_job_runs_twice_at_once(place: Place) {
    let site = Site::with_lease(place, "1");
    site.push_ledgers(0..2_000, ",\"millis\":2");
    for round in 1..=20 {
        let worker = site.worker(&[]);
        // Each one gets some work done, and is killed in the middle of more.
        wait_until("some jobs' ends", || site.ended() >= round * 60 || site.left() == 0);
        worker.kill();
    }
    let last = site.worker(&[]);
    wait_until("the end of all", || site.left() == 0);
    last.signal("TERM");
    assert_eq!(last.wait().0, Some(0));
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs.len(), 2_000, "a job was lost");
    assert_eq!(site.ended(), 2_000, "a job never ended");
    assert_no_overlap(&runs);
    assert!(site.failed().is_empty());
    if let Place::Sqlite = site.place {
        assert_eq!(site.sql("PRAGMA integrity_check"), ["ok"]);
    }
}

/// Stopped for longer than its lease; what it says afterwards changes nothing.
fn a_worker_that_was_stopped_beyond_its_lease_changes_nothing_any_more(place: Place) {
    let site = Site::with_lease(place, "1");
    let gate = site.file("gate");
    // The first run ends in a failure, which must not put the job back once the second has done it.
    site.push_ledgers(0..1, &format!(",\"until\":{gate:?},\"fails\":1"));
    let first = site.worker(&[]);
    let file = site.file("ledger");
    wait_until("the first run", || ledger(&file).len() == 1);
    first.signal("STOP");
    std::fs::write(&gate, "").unwrap();
    let second = site.worker(&[]);
    // As a suspect its attempt is the first one still, so the second run fails, too, and the third is fine.
    wait_until("the job's end", || site.left() == 0);
    let before = ledger(&file);
    first.signal("CONT");
    let told = first.wait_for("event=lost");
    assert!(told.contains("job=Ledger"), "{told}");
    for worker in [first, second] {
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
    assert_eq!(site.left(), 0, "the late one put it back");
    assert!(site.failed().is_empty());
    assert_eq!(ledger(&file)[&0].len(), before[&0].len(), "it was run again after its end");
}

/// Promise 5: what runs is finished, what waits is given back with no attempt used.
fn asked_to_stop_a_worker_finishes_what_runs_and_gives_back_the_rest(place: Place) {
    let site = Site::with_lease(place, "60");
    let file = site.file("ledger");
    for (round, signal) in ["TERM", "INT"].into_iter().enumerate() {
        site.sql("DELETE FROM jobs");
        let _ = std::fs::remove_file(&file);
        let gate = site.file(&format!("gate{round}"));
        site.push_ledgers(0..12, &format!(",\"until\":{gate:?}"));
        let worker = site.worker(&[]);
        wait_until("four runs", || ledger(&file).len() == 4);
        worker.signal(signal);
        worker.wait_for("event=stopping running=4");
        std::fs::write(&gate, "").unwrap();
        assert_eq!(worker.wait(), (Some(0), None), "{signal}");
        let runs = ledger(&file);
        assert_eq!(runs.len(), 4);
        assert!(runs.values().all(|runs| runs[0].end.is_some()));
        let rows = site.sql("SELECT count(*), coalesce(max(attempts), 0), count(token) FROM jobs");
        assert_eq!(rows, ["8", "0", "0"], "eight wait, unattempted and held by nobody");
    }
}

fn a_second_signal_stops_at_once_and_gives_everything_back(place: Place) {
    let site = Site::with_lease(place, "60");
    let due = match site.place {
        Place::Sqlite => {
            "available_at - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) BETWEEN 0 AND 5000"
        }
        Place::Postgres(_) => "(available_at BETWEEN now() AND now() + interval '5 s')::integer",
        Place::MariaDb(_) => "available_at BETWEEN UTC_TIMESTAMP(6) AND UTC_TIMESTAMP(6) + INTERVAL 5 SECOND",
    };
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        site.sql("DELETE FROM jobs");
        let _ = std::fs::remove_file(site.file("ledger"));
        site.push_ledgers(0..1, &format!(",\"until\":{:?}", site.file("never")));
        let worker = site.worker(&[]);
        wait_until("its run", || ledger(&site.file("ledger")).len() == 1);
        worker.signal(signal);
        worker.wait_for("event=stopping");
        worker.signal(signal);
        assert_eq!(worker.wait(), (Some(status), None));
        let row = site.sql(&format!("SELECT max(attempts), count(token), min({due}) FROM jobs"));
        assert_eq!(row, ["0", "0", "1"], "uncounted, held by nobody, and due when it is surely dead");
    }
}

fn over_its_grace_a_worker_gives_back_what_runs_and_exits_0(place: Place) {
    let site = Site::with_lease(place, "60");
    site.push_ledgers(0..1, &format!(",\"until\":{:?}", site.file("never")));
    let worker = site.worker(&["--grace", "0.2"]);
    wait_until("its run", || ledger(&site.file("ledger")).len() == 1);
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(0), None));
    assert_eq!(site.left(), 1);
}

/// Nobody is told of a lost hold, and no job has a second run.
fn eight_workers_run_ten_thousand_jobs_exactly_once_each(place: Place) {
    let site = Site::with_lease(place, "60");
    let workers: Vec<_> = (0..8).map(|_| site.worker(&[])).collect();
    for worker in &workers {
        worker.wait_for("event=started");
    }
    site.push_ledgers(0..10_000, "");
    wait_until("the end of all", || site.left() == 0);
    for worker in &workers {
        worker.signal("TERM");
    }
    for worker in workers {
        let end = worker.wait_for("event=stopped");
        assert!(end.contains("lost=0"), "{end}");
        assert_eq!(worker.wait().0, Some(0));
    }
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs.len(), 10_000, "a job was lost");
    for (number, runs) in runs {
        assert!(runs.len() == 1 && runs[0].attempt == 1 && runs[0].end.is_some(), "{number}: {runs:?}");
    }
    assert!(site.failed().is_empty());
}

/// Its jobs are in children, so it did not die of any: neither of those that ran nor of those that it had only taken.
fn whatever_the_worker_of_processes_dies_of_is_charged_to_no_job(place: Place) {
    let site = Site::with_lease(place, "1");
    let gate = site.file("gate");
    site.push_ledgers(0..100, &format!(",\"until\":{gate:?}"));
    let (file, alone) = (site.file("ledger"), ["--mode", "multiprocess", "--attempts", "1"]);
    for _ in 0..3 {
        let before = ledger(&file).values().map(Vec::len).sum::<usize>();
        let worker = site.worker(&alone);
        wait_until("four more runs", || ledger(&file).values().map(Vec::len).sum::<usize>() >= before + 4);
        worker.kill();
    }
    std::fs::write(&gate, "").unwrap();
    let last = site.worker(&alone);
    wait_until("the end of all", || site.left() == 0);
    last.signal("TERM");
    assert_eq!(last.wait().0, Some(0));
    assert_eq!(site.failed(), [], "a death was charged");
    let runs = ledger(&file);
    assert_eq!((runs.len(), site.ended()), (100, 100));
    assert!(runs.values().flatten().all(|run| run.attempt == 1), "{runs:?}");
    assert_no_overlap(&runs);
}

/// Stopped between the statements of a transaction, it has locked rows, and for as long as the server
/// keeps its connection.
mod amid_a_transaction {
    use super::*;

    on_every_server!(a_stopped_worker_keeps_nobody_out);

    fn a_stopped_worker_keeps_nobody_out(place: Place) {
        let site = Site::with_lease(place, "3");
        // A failed attempt is written down in a transaction of several statements.
        site.push_ledgers(0..3_000, ",\"fails\":1");
        let open = match site.place {
            Place::Sqlite => unreachable!("a file has no sessions"),
            Place::Postgres(_) => {
                "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state = 'idle in transaction'"
            }
            Place::MariaDb(_) => {
                // The server looks anew when nobody has looked for a tenth of a second.
                "DO SLEEP(0.12); SELECT count(*) FROM information_schema.innodb_trx AS open
                JOIN information_schema.processlist AS session ON session.id = open.trx_mysql_thread_id
                WHERE session.db = database() AND session.command = 'Sleep'"
            }
        };
        let first = site.worker(&[]);
        wait_until("a stop within a transaction", || {
            first.signal("STOP");
            let is_open = site.sql(open) != ["0"];
            if !is_open {
                assert_ne!(site.left(), 0, "it was never stopped within a transaction");
                first.signal("CONT");
            }
            is_open
        });
        let second = site.worker(&[]);
        wait_until("the end of all by the second worker", || site.left() == 0);
        first.signal("CONT");
        for worker in [first, second] {
            worker.signal("TERM");
            assert_eq!(worker.wait().0, Some(0));
        }
        let runs = ledger(&site.file("ledger"));
        assert_eq!(site.ended(), 3_000);
        assert_no_overlap(&runs);
        assert!(site.failed().is_empty());
    }
}
