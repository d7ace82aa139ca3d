//! The database driver keeps the contract on PostgreSQL, each check in a database of its own.

use craft_queue::conformance::{Storage, Subject};

use crate::foreign_writers::{POSTGRES, Sql};
use crate::servers::postgres::{self, Postgres};
use crate::support;

craft_queue::conformance_tests!(Subject::of(|| {
    let url = Postgres::shared().database();
    let database = support::installed(&support::config_on(&url));
    let run = move |sql: &str| drop(postgres::query(&url, sql).unwrap());
    let writer = Sql { run: Box::new(run), dialect: &POSTGRES };
    Storage::new(database.clone()).failed_jobs(database).foreign_writer(writer)
}));
