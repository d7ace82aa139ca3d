//! The database driver keeps the contract on SQLite, each check in a file of its own.

use craft_queue::Config;
use craft_queue::conformance::Subject;
use craft_queue::driver::database::Database;

craft_queue::conformance_tests!(subject());

fn subject() -> Subject {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Subject::with_failed_jobs(move || {
        let path = folder.path().join(format!("{}.sqlite3", craft_queue::new_uuid()));
        let tables = rusqlite::Connection::open(&path).expect("a new file");
        for sql in [
            include_str!("../../sql/sqlite/create_jobs.sql"),
            include_str!("../../sql/sqlite/create_failed_jobs.sql"),
        ] {
            tables.execute_batch(sql).expect("tables can be made");
        }
        let database = Database::of_jobs(&Config::sqlite(path), "sqlite").expect("a known connection");
        (database.clone(), database)
    })
}
