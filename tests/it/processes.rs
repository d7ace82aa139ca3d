//! Real workers, really killed.

use std::time::Duration;

use craft_queue::{Config, Queue};

use crate::programs::{Running, assert_no_overlap, craft, ledger, run, test_jobs};
use crate::support::{Folder, wait_until};

/// A folder with tables, a short lease, and a queue to push to.
fn set_up(lease: &str) -> (Folder, Queue) {
    let folder = Folder::new();
    let text = format!("[database]\nlease = {lease}\npoll = 0.05\nattempts = 20\n[connections.sqlite]\n");
    let text = text + "driver = \"sqlite\"\ndatabase = \"jobs.sqlite3\"\n";
    std::fs::write(folder.join("queue.toml"), text).unwrap();
    assert_eq!(run(craft(&folder, &["queue:install"])).status, 0);
    let queue = Queue::open(Config::sqlite(folder.join("jobs.sqlite3")), Default::default()).unwrap();
    (folder, queue)
}

fn push(queue: &Queue, folder: &Folder, numbers: std::ops::Range<u64>, more: &str) {
    let file = folder.join("ledger");
    for number in numbers {
        let payload = format!("{{\"file\":{file:?},\"number\":{number}{more}}}");
        queue.options().push_json("Ledger", &payload, 1).unwrap();
    }
}

fn worker(folder: &Folder, more: &[&str]) -> Running {
    let mut arguments = vec!["queue:work", "--workers", "4"];
    arguments.extend(more);
    Running::start(test_jobs(folder, &arguments))
}

fn left(queue: &Queue) -> u64 {
    let sizes = queue.size(None, &["default".into()]).unwrap();
    let sum = [sizes[0].waiting, sizes[0].delayed, sizes[0].running];
    sum.into_iter().flatten().sum()
}

/// Fault 2, on SQLite: `kill -9` in the middle of 2,000 jobs, 20 times.
#[test]
fn workers_that_are_killed_lose_nothing_and_no_job_runs_twice_at_once() {
    let (folder, queue) = set_up("1");
    push(&queue, &folder, 0..2_000, ",\"millis\":2");
    let file = folder.join("ledger");
    let done = || ledger(&file).values().filter(|runs| runs.iter().any(|run| run.end.is_some())).count();
    for round in 1..=20 {
        let worker = worker(&folder, &[]);
        // Each one gets some work done, and is killed in the middle of more.
        wait_until("some jobs' ends", || done() >= round * 60 || left(&queue) == 0);
        worker.kill();
    }
    let last = worker(&folder, &[]);
    wait_until("the end of all", || left(&queue) == 0);
    last.signal("TERM");
    assert_eq!(last.wait().0, Some(0));
    let runs = ledger(&file);
    assert_eq!(runs.len(), 2_000, "a job was lost");
    assert!(runs.values().all(|runs| runs.iter().any(|run| run.end.is_some())), "a job never ended");
    assert_no_overlap(&runs);
    assert!(queue.failed().list(&Default::default()).unwrap().is_empty());
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let intact: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
}

/// Fault 4: stopped for longer than its lease; what it says afterwards changes nothing.
#[test]
fn a_worker_that_was_stopped_beyond_its_lease_changes_nothing_any_more() {
    let (folder, queue) = set_up("1");
    let gate = folder.join("gate");
    // The first run ends in a failure, which must not put the job back once the second has done it.
    push(&queue, &folder, 0..1, &format!(",\"until\":{gate:?},\"fails\":1"));
    let first = worker(&folder, &[]);
    let file = folder.join("ledger");
    wait_until("the first run", || ledger(&file).len() == 1);
    first.signal("STOP");
    std::fs::write(&gate, "").unwrap();
    let second = worker(&folder, &[]);
    // As a suspect its attempt is the first one still, so the second run fails, too, and the third is fine.
    wait_until("the job's end", || left(&queue) == 0);
    let before = ledger(&file);
    first.signal("CONT");
    let told = first.wait_for("event=lost");
    assert!(told.contains("job=Ledger"), "{told}");
    for worker in [first, second] {
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
    assert_eq!(left(&queue), 0, "the late one put it back");
    assert!(queue.failed().list(&Default::default()).unwrap().is_empty());
    assert_eq!(ledger(&file)[&0].len(), before[&0].len(), "it was run again after its end");
}

/// Promise 5: what runs is finished, what waits is given back with no attempt used.
#[test]
fn asked_to_stop_a_worker_finishes_what_runs_and_gives_back_the_rest() {
    for signal in ["TERM", "INT"] {
        let (folder, queue) = set_up("60");
        let gate = folder.join("gate");
        push(&queue, &folder, 0..12, &format!(",\"until\":{gate:?}"));
        let worker = worker(&folder, &[]);
        let file = folder.join("ledger");
        wait_until("four runs", || ledger(&file).len() == 4);
        worker.signal(signal);
        worker.wait_for("event=stopping running=4");
        std::fs::write(&gate, "").unwrap();
        assert_eq!(worker.wait(), (Some(0), None), "{signal}");
        let runs = ledger(&file);
        assert_eq!(runs.len(), 4);
        assert!(runs.values().all(|runs| runs[0].end.is_some()));
        let database = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
        let rows = "SELECT count(*), coalesce(max(attempts), 0), count(token) FROM jobs";
        let row = database.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        assert_eq!(row, Ok((8, 0, 0)), "eight wait, unattempted and held by nobody");
    }
}

#[test]
fn a_second_signal_stops_at_once_and_gives_everything_back() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let (folder, queue) = set_up("60");
        push(&queue, &folder, 0..1, &format!(",\"until\":{:?}", folder.join("never")));
        let worker = worker(&folder, &[]);
        wait_until("its run", || ledger(&folder.join("ledger")).len() == 1);
        worker.signal(signal);
        worker.wait_for("event=stopping");
        worker.signal(signal);
        assert_eq!(worker.wait(), (Some(status), None));
        let database = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
        let now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
        let rows = format!("SELECT attempts, token, available_at - {now} BETWEEN 0 AND 5000 FROM jobs");
        let row = database.query_row(&rows, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, bool>(2)?))
        });
        assert_eq!(row, Ok((0, None, true)), "uncounted, and due when it is surely dead");
    }
}

#[test]
fn over_its_grace_a_worker_gives_back_what_runs_and_exits_0() {
    let (folder, queue) = set_up("60");
    push(&queue, &folder, 0..1, &format!(",\"until\":{:?}", folder.join("never")));
    let worker = worker(&folder, &["--grace", "0.2"]);
    wait_until("its run", || ledger(&folder.join("ledger")).len() == 1);
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(0), None));
    assert_eq!(left(&queue), 1);
}

/// Promise 3, in thread mode: a poison among innocent ones. Only the poison is charged.
#[test]
fn a_job_that_kills_its_worker_ends_with_the_failed_jobs_and_its_neighbours_are_not_charged() {
    for how in ["\"Abort\"", "{\"Exit\":3}", "\"Overflow\""] {
        let (folder, queue) = set_up("1");
        push(&queue, &folder, 0..100, ",\"millis\":1");
        queue.options().attempts(2).push_json("Die", how, 1).unwrap();
        push(&queue, &folder, 100..200, ",\"millis\":1");
        let mut deaths = 0;
        let mut worker = worker(&folder, &["--workers", "10", "--attempts", "2"]);
        wait_until("the end of all", || {
            if worker.has_ended() {
                deaths += 1;
                worker = self::worker(&folder, &["--workers", "10", "--attempts", "2"]);
            }
            left(&queue) == 0
        });
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
        let failed = queue.failed().list(&Default::default()).unwrap();
        assert_eq!(failed.len(), 1, "{how}: {failed:#?}");
        assert_eq!(failed[0].name, "Die");
        assert_eq!(failed[0].exception, "the worker died while running it");
        assert!(deaths <= 3, "{how}: {deaths} deaths, at most one more than its two attempts");
        let runs = ledger(&folder.join("ledger"));
        assert_eq!(runs.len(), 200, "{how}");
        for runs in runs.values() {
            assert!(runs.iter().any(|run| run.end.is_some()), "{how}: {runs:?}");
            assert!(runs.iter().all(|run| run.attempt == 1), "{how}: an innocent one was charged: {runs:?}");
        }
        assert_no_overlap(&runs);
    }
}

/// Fault 1: many processes on one file. Each job exactly once, and nobody hears of a locked database.
#[test]
fn eight_workers_and_eight_pushers_share_one_file() {
    let (folder, queue) = set_up("60");
    let workers: Vec<_> = (0..8).map(|_| worker(&folder, &[])).collect();
    for worker in &workers {
        worker.wait_for("event=started");
    }
    let file = folder.join("ledger");
    let pushers: Vec<_> = (0..8)
        .map(|pusher| {
            let payload = format!("{{\"file\":{file:?},\"number\":{pusher}}}");
            let mut command = craft(&folder, &["queue:push", "Ledger", &payload, "--count", "1"]);
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
    for pusher in pushers {
        pusher.join().unwrap();
    }
    wait_until("the end of all", || left(&queue) == 0);
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
    assert!(queue.failed().list(&Default::default()).unwrap().is_empty());
}

/// Fault 18: somebody keeps the write lock for longer than anybody waits for it.
#[test]
fn a_locked_file_is_waited_for_and_nothing_is_lost() {
    let (folder, queue) = set_up("1");
    let worker = worker(&folder, &[]);
    worker.wait_for("event=started");
    let locker = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    push(&queue, &folder, 0..20, ",\"millis\":100");
    wait_until("a run", || !ledger(&folder.join("ledger")).is_empty());
    locker.busy_timeout(Duration::from_secs(60)).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    worker.wait_for("event=disconnected");
    locker.execute_batch("COMMIT").unwrap();
    wait_until("the end of all", || left(&queue) == 0);
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    let runs = ledger(&folder.join("ledger"));
    assert_eq!(runs.len(), 20);
    assert_no_overlap(&runs);
}

/// A thread can't be killed: the others finish, the worker ends with 1, and the stuck one is counted.
#[test]
fn a_stuck_job_ends_the_worker_and_never_runs_twice_at_once() {
    let (folder, queue) = set_up("1");
    push(&queue, &folder, 0..1, &format!(",\"until\":{:?}", folder.join("never")));
    push(&queue, &folder, 1..10, ",\"millis\":20");
    let worker = worker(&folder, &["--timeout", "0.5", "--grace", "0.5"]);
    let told = worker.wait_for("event=warning");
    assert!(told.contains("is stuck"), "{told}");
    assert_eq!(worker.wait(), (Some(1), None));
    let runs = ledger(&folder.join("ledger"));
    assert_eq!(runs[&0].len(), 1);
    assert!((1..10).all(|number| runs[&number][0].end.is_some()), "{runs:?}");
    let database = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let row = database.query_row("SELECT attempts, suspect, last_error FROM jobs", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    });
    assert_eq!(row, Ok((1, 0, "timed out after 500ms".into())));
}

/// Fault 12: nobody reads what it says.
#[test]
fn a_worker_whose_output_nobody_reads_goes_on() {
    let (folder, queue) = set_up("60");
    push(&queue, &folder, 0..200, "");
    let mut command = test_jobs(&folder, &["queue:work", "--stop-when-empty", "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(ledger(&folder.join("ledger")).len(), 200);
}
