//! What becomes of jobs in an SQLite file whose disk fails, and of the file when a worker is killed while it
//! moves the log into it.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process_site::{Place, Site};
use crate::programs::{Running, assert_no_overlap, example, ledger};
use crate::support::{PATIENCE, wait_until};

/// The system does not let the log grow, for this worker alone. What it ran before that it keeps in mind
/// until it can write it down.
#[test]
fn a_worker_that_cannot_write_goes_on_when_it_can_again() {
    let site = Site::with_lease(Place::Sqlite, "60");
    // So much that the worker may not write all of it.
    let filler = format!(",\"filler\":\"{}\"", "x".repeat(4_000));
    site.push_ledgers(0..200, &filler);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -S -f 100; exec \"$0\" queue:work --workers 4"]);
    command.arg(example("test_jobs")).current_dir(site.folder.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let worker = Running::start_with(command, Stdio::null());
    let told = worker.wait_for("event=disconnected");
    assert!(told.contains("reading or writing") && told.contains("failed"), "{told}");
    assert!(site.left() > 150, "it wrote down more than it could");
    let room = ["--pid", &worker.id().to_string(), "--fsize=unlimited:"];
    assert!(Command::new("prlimit").args(room).status().unwrap().success(), "cannot lift the limit");
    wait_until("the end of all", || site.left() == 0);
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    let runs = ledger(&site.file("ledger"));
    assert_eq!((runs.len(), site.ended()), (200, 200));
    assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "{runs:?}");
    assert_eq!(site.sql("PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn a_worker_that_is_killed_amid_a_checkpoint_leaves_the_file_intact() {
    let site = Site::with_lease(Place::Sqlite, "1");
    // Large rows: the log is full, and moved into the file, every few dozen jobs.
    let filler = format!(",\"filler\":\"{}\"", "x".repeat(40_000));
    site.push_ledgers(0..1_000, &filler);
    for _ in 0..5 {
        let worker = site.worker(&[]);
        let id = worker.id().to_string();
        // Whoever moves the log locks the 122nd byte of the shared memory, for itself alone.
        let is_moving = || {
            let locks = std::fs::read_to_string("/proc/locks").unwrap();
            locks.lines().any(|lock| {
                let words: Vec<&str> = lock.split_whitespace().collect();
                words[3] == "WRITE" && words[4] == id && words.ends_with(&["121", "121"])
            })
        };
        let began = Instant::now();
        // Without a nap: it takes milliseconds.
        while !is_moving() {
            assert!(began.elapsed() < PATIENCE, "it never moved the log");
        }
        worker.kill();
        assert_eq!(site.sql("PRAGMA integrity_check"), ["ok"]);
    }
    let last = site.worker(&[]);
    wait_until("the end of all", || site.left() == 0);
    last.signal("TERM");
    assert_eq!(last.wait().0, Some(0));
    let runs = ledger(&site.file("ledger"));
    assert_eq!((runs.len(), site.ended()), (1_000, 1_000), "a job was lost");
    assert_no_overlap(&runs);
    assert!(site.failed().is_empty());
    assert_eq!(site.sql("PRAGMA integrity_check"), ["ok"]);
}
