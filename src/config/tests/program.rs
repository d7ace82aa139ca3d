//! Values that a program sets are checked as those of a file.

use std::time::Duration;

use super::*;

#[test]
fn a_program_can_set_nothing_that_a_file_could_not() {
    type Change = fn(&mut Config);
    let table: [(Change, &str); 8] = [
        (
            |config| config.database.settings.attempts = 0,
            "database.attempts: expected a whole number from 1 to 2147483647, found 0",
        ),
        (
            |config| config.memory.settings.workers = 0,
            "async.workers: expected a whole number from 1 to 10000, found 0",
        ),
        (
            |config| config.amqp.settings.poll = Duration::ZERO,
            "amqp.poll: expected seconds from 0.001 to 86400, found 0",
        ),
        (
            |config| config.database.settings.lease = Duration::from_millis(10),
            "database.lease: expected seconds from 1 to 86400, found 0.01",
        ),
        (
            |config| config.database.settings.poll = Duration::from_secs(61),
            "database.poll: expected at most the lease of 60 seconds, found 61",
        ),
        (
            |config| config.database.settings.failed_connection = Some("x".into()),
            "database.failed_connection: no connection is named \"x\"",
        ),
        (
            |config| config.database.table = "failed_jobs".into(),
            "database.failed_table: the table \"failed_jobs\" holds the jobs that wait",
        ),
        (
            |config| config.memory.settings.callback.clear(),
            "async.callback: expected a name of 1 to 255 bytes, found ",
        ),
    ];
    for (change, expected) in table {
        let mut config = Config::new();
        config.check().unwrap();
        change(&mut config);
        assert_eq!(config.check().unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_value_that_the_program_changed_is_not_blamed_on_the_file() {
    let mut config = parse("[database]\npoll = 5").unwrap();
    config.database.settings.poll = Duration::from_secs(99);
    let expected = "database.poll: expected at most the lease of 60 seconds, found 99";
    assert_eq!(config.check().unwrap_err().to_string(), expected);
}

#[test]
fn the_built_in_configuration_and_that_of_an_sqlite_file_are_right() {
    Config::new().check().unwrap();
    let config = Config::sqlite("shop.sqlite3");
    config.check().unwrap();
    assert_eq!(entry(&config, "connections.sqlite"), "shop.sqlite3 (the program)");
}
