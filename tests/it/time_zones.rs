//! `tz` rules what people see, and never when a job runs.

use std::time::Duration;

use craft_queue::failed::Filter;
use craft_queue::time::{Timestamp, Zone};

use crate::support::{Act, Folder, Then, config, queue, work_off};

#[test]
fn times_are_saved_and_shown_in_the_zone_and_jobs_run_all_the_same() {
    for name in ["UTC", "America/New_York", "Asia/Tokyo", "Asia/Kathmandu"] {
        let folder = Folder::new();
        let mut config = config(&folder);
        let zone = Zone::named(name).unwrap();
        config.database.settings.tz = zone.clone();
        let (queue, diary) = queue(config);
        let before = Timestamp::now();
        queue.push(Act::new("now", Then::FailNow)).unwrap();
        queue.options().delay("1h").push(Act::new("later", Then::Succeed)).unwrap();
        let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
        let created: String =
            file.query_row("SELECT created_at FROM jobs LIMIT 1", [], |row| row.get(0)).unwrap();
        work_off(&queue);
        // Masonite wrote GMT and compared with local time: hours early or late.
        assert_eq!(diary.lines(), ["now 1"], "{name}");
        let offset = zone.format(before)[23..].to_owned();
        assert!(created.ends_with(&offset), "{name}: {created}");
        assert!(Timestamp::parse(&created).unwrap() >= before);
        let failed = &queue.failed().list(&Filter::default()).unwrap()[0];
        assert!(failed.failed_at.ends_with(&offset), "{name}: {}", failed.failed_at);
        let since = Filter { since: Some(Duration::from_secs(3_600)), ..Filter::default() };
        assert_eq!(queue.failed().list(&since).unwrap().len(), 1, "{name}");
        let before = Filter { before: Some(Duration::from_secs(3_600)), ..Filter::default() };
        assert_eq!(queue.failed().list(&before).unwrap().len(), 0, "{name}");
    }
}

/// The hour that America/New_York skips, and the one that it has twice: due times are instants, so an
/// hour's delay is an hour.
#[test]
fn delays_are_right_across_both_clock_changes() {
    let zone = Zone::named("America/New_York").unwrap();
    let hour = Duration::from_secs(3_600);
    // 2026-03-08 02:00 EST becomes 03:00 EDT.
    let spring = Timestamp::parse("2026-03-08T06:30:00Z").unwrap();
    assert_eq!(zone.format(spring), "2026-03-08T01:30:00.000-05:00");
    assert_eq!(zone.format(spring.plus(hour)), "2026-03-08T03:30:00.000-04:00");
    // 2026-11-01 02:00 EDT becomes 01:00 EST.
    let autumn = Timestamp::parse("2026-11-01T05:30:00Z").unwrap();
    assert_eq!(zone.format(autumn), "2026-11-01T01:30:00.000-04:00");
    assert_eq!(zone.format(autumn.plus(hour)), "2026-11-01T01:30:00.000-05:00");
    for at in [spring, spring.plus(hour), autumn, autumn.plus(hour)] {
        assert_eq!(Timestamp::parse(&zone.format(at)), Some(at), "the offset keeps it unambiguous");
    }
}

/// A table whose rows were written on both sides of a change still gives them in the order of time.
#[test]
fn order_follows_the_instant_and_not_the_local_text() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.database.settings.tz = Zone::named("America/New_York").unwrap();
    let (queue, diary) = queue(config);
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    // As text the second is before the first: 01:59-04:00 is earlier than 01:10-05:00.
    let rows = [("first", "2025-11-02T01:59:00.000-04:00"), ("second", "2025-11-02T01:10:00.000-05:00")];
    for (name, created) in rows {
        let due = Timestamp::parse(created).unwrap().as_millis();
        let payload = format!(r#"{{"name":"{name}","then":"Succeed"}}"#);
        let insert = "INSERT INTO jobs (name, payload, created_at, available_at) VALUES ('Act', ?1, ?2, ?3)";
        file.execute(insert, rusqlite::params![payload, created, due]).unwrap();
    }
    work_off(&queue);
    assert_eq!(diary.lines(), ["first 1", "second 1"]);
}
