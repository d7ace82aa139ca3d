//! The database driver keeps the contract on SQLite, each check in a file of its own.

use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use craft_queue::Config;
use craft_queue::conformance::{Storage, Subject};
use craft_queue::driver::database::Database;
use craft_queue::driver::{Backend, Notifier};

use crate::foreign_writers::{SQLITE, Sql};

craft_queue::conformance_tests!(subject());

fn subject() -> Subject {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Subject::of(move || {
        let path = folder.path().join(format!("{}.sqlite3", craft_queue::new_uuid()));
        let database = new_file(path.clone());
        let run = move |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let writer = Sql { run: Box::new(run), dialect: &SQLITE };
        Storage::new(database.clone()).failed_jobs(database).foreign_writer(writer)
    })
}

fn new_file(path: PathBuf) -> Database {
    let tables = rusqlite::Connection::open(&path).expect("a new file");
    for sql in [
        include_str!("../../sql/sqlite/create_jobs.sql"),
        include_str!("../../sql/sqlite/create_signals.sql"),
        include_str!("../../sql/sqlite/create_failed_jobs.sql"),
    ] {
        tables.execute_batch(sql).expect("tables can be made");
    }
    Database::of_jobs(&Config::sqlite(path), "sqlite").expect("a known connection")
}

/// Each opener wants the file in WAL mode, and SQLite lets only one of them switch it.
#[test]
fn a_new_file_can_be_opened_by_many_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for round in 0..60 {
        let database = new_file(folder.path().join(format!("{round}.sqlite3")));
        let together = Barrier::new(8);
        let open = || {
            together.wait();
            Backend::open(&database, Notifier::silent()).map(drop)
        };
        let opened: Vec<_> = thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(|opener| opener.join().expect("no panic")).collect()
        });
        assert!(opened.iter().all(Result::is_ok), "round {round}: {opened:?}");
    }
}
