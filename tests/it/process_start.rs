//! Programs that can have children, and those that can't.

use craft_queue::{Config, Jobs, Mode, Queue};

use crate::process_site::{Site, children_of};
use crate::programs::{Running, run, test_jobs};
use crate::support::{Act, Diary, Folder, Then, wait_until};

/// The program of these tests has a main that never calls `serve_if_child`.
#[test]
fn a_program_that_cannot_be_a_child_is_told_so_before_anything_is_started() {
    let mut config = Config::new();
    config.default = "async".into();
    config.memory.settings.mode = Mode::Multiprocess;
    let jobs = Jobs::new().state(Diary::default()).add::<Act>();
    let queue = Queue::open(config, jobs).unwrap();
    let error = queue.push(Act::new("never", Then::Succeed)).unwrap_err();
    assert!(error.is_config(), "{error:?}");
    assert!(error.to_string().contains("main did not call Jobs::serve_if_child"), "{error}");
    let error = queue.worker().driver("database").mode(Mode::Multiprocess).run().unwrap_err();
    assert!(error.is_config(), "{error:?}");
    let exe = std::env::current_exe().unwrap();
    let same = |id: &u32| std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|other| other == exe);
    assert!(!children_of(std::process::id()).iter().any(same));
}

#[test]
fn a_program_that_dies_at_its_start_is_an_error_and_no_loop() {
    let site = Site::of_processes("");
    site.push_innocent(1);
    // Enough to be started, and too little to live.
    let said = site.work_off(&["--child-memory", "16"]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(
        said.err.contains("child processes of this program end before they can take a job"),
        "{}",
        said.err
    );
    let sizes = site.queue.size(None, &["default".into()]).unwrap();
    assert_eq!((sizes[0].waiting, sizes[0].running), (Some(1), Some(0)), "the job still waits");
}

#[test]
fn children_that_begin_to_die_at_their_start_end_the_worker_and_lose_no_job() {
    let site = Site::of_processes("workers = 2");
    let gate = site.file("gate");
    let ledger = site.file("ledger");
    site.push("Ledger", &format!("{{\"file\":{ledger:?},\"number\":1,\"until\":{gate:?}}}"));
    let worker = Running::start(test_jobs(&site.folder, &["queue:work"]));
    wait_until("the first job", || ledger.exists());
    std::fs::write(site.file("no-children"), "").unwrap();
    // The second child is to be started only now.
    site.push_innocent(2);
    assert_eq!(worker.wait(), (Some(1), None));
    let database = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    let rows = "SELECT count(*), max(attempts), count(token) FROM jobs";
    let row = database.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(row, Ok((2, 0, 0)), "both wait, unattempted and held by nobody");
}

#[test]
fn an_async_driver_whose_children_start_no_more_says_so_with_every_push() {
    let said = run(test_jobs(&Folder::new(), &["pool:ends"]));
    assert_eq!(said.status, 0, "{}", said.err);
    let lines: Vec<_> = said.out.lines().collect();
    assert!(
        lines[0].contains("the worker of the async driver has ended: child processes of this program"),
        "{lines:?}"
    );
    assert_eq!(lines[1..], ["true", "true"]);
}

#[test]
fn the_mark_of_a_child_is_of_no_use_to_people() {
    let said = run(test_jobs(&Folder::new(), &["--craft-queue-child", "0", "1"]));
    assert_eq!(said.status, 1);
    assert!(said.err.contains("--craft-queue-child is how a worker starts its children"), "{}", said.err);
}

#[test]
fn the_async_driver_runs_its_jobs_in_children_and_outlives_their_deaths() {
    let said = run(test_jobs(&Folder::new(), &["pool:deaths"]));
    assert_eq!(said.status, 0, "{}", said.err);
    let expected = "450 done, 50 failed, 0 left, zombies 0: [\"2 killed by SIGABRT (6)\"]\n";
    assert_eq!(said.out, expected);
}
