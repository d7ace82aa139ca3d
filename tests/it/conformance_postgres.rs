//! The database driver keeps the contract on PostgreSQL, each check in a database of its own.

use craft_queue::conformance::Subject;

use crate::support;

craft_queue::conformance_tests!(Subject::with_failed_jobs(|| {
    let database = support::postgres();
    (database.clone(), database)
}));
