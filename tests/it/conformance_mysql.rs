//! The database driver keeps the contract on MariaDB, each check in a database of its own.

use craft_queue::conformance::{Storage, Subject};

use crate::foreign_writers::{MYSQL, Sql};
use crate::servers::mariadb::{self, MariaDb};
use crate::support;

craft_queue::conformance_tests!(Subject::of(|| {
    let url = MariaDb::shared().database();
    let database = support::installed(&support::config_on(&url));
    let run = move |sql: &str| drop(mariadb::query(&url, sql).unwrap());
    let writer = Sql { run: Box::new(run), dialect: &MYSQL };
    Storage::new(database.clone()).failed_jobs(database).foreign_writer(writer)
}));
