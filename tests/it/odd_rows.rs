//! Rows are invited from every language, so that any column may hold anything its database takes: such a row
//! fails by itself with the reason, or is read in a sane way, and its neighbours run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use craft_queue::{Config, Context, Event, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Diary, Folder, Then, config, config_on, queue, shells, work_off};

/// Columns and their values, and what becomes of the job: it runs, or it fails for a reason with this in it.
type Odd<'a> = (&'a str, &'a str, Option<&'a str>);

const RUNS: Option<&str> = None;

fn insert(columns: &str, values: &str, says: &str) -> String {
    let has = |column: &str| columns.split(", ").any(|other| other == column);
    let mut all = vec![columns.to_owned()];
    let mut of_all = vec![values.to_owned()];
    for (column, value) in
        [("name", "'Act'".to_owned()), ("payload", format!("'{{\"name\":\"{says}\",\"then\":\"Succeed\"}}'"))]
    {
        if !has(column) {
            all.push(column.to_owned());
            of_all.push(value);
        }
    }
    format!("INSERT INTO jobs ({}) VALUES ({})", all.join(", "), of_all.join(", "))
}

/// All of them at once, among neighbours.
fn all_fare_as_expected(config: Config, rows: &[Odd<'_>], run: &dyn Fn(&str)) {
    let (queue, diary) = queue(config);
    let neighbour = |at: usize| run(&insert("queue", "'default'", &format!("neighbour{at}")));
    neighbour(0);
    for (at, (columns, values, _)) in rows.iter().enumerate() {
        run(&insert(columns, values, &format!("odd{at}")));
        neighbour(at + 1);
    }
    check(&queue, &diary, rows, rows.len() + 1);
}

fn check(queue: &Queue, diary: &Diary, rows: &[Odd<'_>], neighbours: usize) {
    let (losses, buried) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (lost, dead) = (losses.clone(), buried.clone());
    let worker = queue.worker().stop_when_empty().listener(move |event| match event {
        Event::Disconnected { error, .. } => panic!("{error}"),
        Event::Warning(_) => drop(lost.fetch_add(1, Ordering::SeqCst)),
        Event::Buried { .. } => drop(dead.fetch_add(1, Ordering::SeqCst)),
        _ => {}
    });
    let report = worker.run().unwrap();
    let failed = queue.failed().list(&Default::default()).unwrap();
    let reasons: Vec<_> = failed.iter().map(|job| job.exception.as_str()).collect();
    for at in 0..neighbours {
        let line = format!("neighbour{at} 1");
        assert!(diary.lines().contains(&line), "{line} is missing, {reasons:?}");
    }
    for (at, (columns, values, fate)) in rows.iter().enumerate() {
        let ran = diary.lines().iter().any(|line| line.starts_with(&format!("odd{at} ")));
        assert_eq!(ran, fate.is_none(), "({columns}) = ({values}) runs, {reasons:?}");
        if let Some(reason) = fate {
            let told = reasons.iter().any(|told| told.contains(reason));
            assert!(told, "({columns}) = ({values}) fails because of {reason}, {reasons:?}");
        }
    }
    let fails = rows.iter().filter(|(_, _, fate)| fate.is_some()).count();
    assert_eq!((report.failed, failed.len(), buried.load(Ordering::SeqCst)), (fails as u64, fails, fails));
    assert_eq!(report.done as usize, rows.len() - fails + neighbours);
    assert_eq!(losses.load(Ordering::SeqCst), 0, "no connection was lost, and nobody was warned");
    assert!(queue.size(None, &[]).unwrap().is_empty());
}

const SQLITE: &[Odd<'_>] = &[
    ("available_at", "1764000000000.25", RUNS),
    ("available_at", "datetime('now')", RUNS),
    ("available_at", "datetime('now', '-1 day')", RUNS),
    ("available_at", "'2025-11-28T10:00:00Z'", RUNS),
    ("available_at", "date('now')", RUNS),
    ("available_at", "-9223372036854775807 - 1", RUNS),
    ("available_at", "-1.5e300", RUNS),
    ("available_at", "'soon'", Some("available_at is the text \"soon\"")),
    ("available_at", "''", Some("available_at is the text \"\"")),
    ("available_at", "x'00ff'", Some("available_at is bytes x'00ff'")),
    ("available_at", "1e300", Some("available_at is 1e300")),
    ("available_at", "9e999", Some("available_at is inf")),
    ("available_at", "9223372036854775807", Some("available_at is 9223372036854775807")),
    ("available_at", "datetime('9999-06-01')", Some("available_at is 2533")),
    ("priority", "1.5", Some("priority is 1.5")),
    ("attempts", "'many'", Some("attempts is the text \"many\"")),
    ("attempts", "1.5", Some("attempts is 1.5")),
    ("attempts", "x'01'", Some("attempts is bytes x'01'")),
    ("attempts", "-2", Some("attempts is -1")),
    ("attempts", "9223372036854775807", Some("attempts used up (4294967295 of 3)")),
    ("suspect", "'x'", Some("suspect is the text \"x\"")),
    ("suspect", "2.5", Some("suspect is 2.5")),
    ("unknown_since", "'x'", RUNS),
    ("unknown_since", "1.5", RUNS),
    ("unknown_since", "x'00'", RUNS),
    ("uuid", "x'00ff'", RUNS),
    ("uuid", "x'00fe'", RUNS),
    ("uuid", "CAST(x'ff' AS TEXT)", RUNS),
    ("uuid", "CAST(x'fe' AS TEXT)", RUNS),
    ("uuid", "7", RUNS),
    ("name", "CAST(x'ff' AS TEXT)", Some("name is bytes x'ff'")),
    ("name", "CAST('Act' AS BLOB)", RUNS),
    ("queue", "CAST('default' AS BLOB)", Some("queue is bytes x'64656661756c74'")),
    ("payload", "x'ff'", Some("payload")),
    ("payload", "7", Some("payload")),
    ("last_error", "x'ff'", RUNS),
    ("unique_key", "x'ff'", Some("unique_key is bytes x'ff'")),
    ("unique_key", "7", RUNS),
    ("options", "'{bad'", Some("its options can't be read: {bad")),
    ("options", "'{\"attempts\":0}'", Some("its options can't be read: attempts must be at least 1")),
    ("options", "x'fe'", Some("options is bytes x'fe'")),
    ("options", "''", RUNS),
    ("token", "-1", Some("a lease that is NULL")),
    ("token, lease", "-2, 'soon'", Some("a lease that is NULL")),
    ("token, lease", "-1.5, 1e300", Some("a lease that is NULL")),
    ("reserved_at, ran_at, created_at", "'x', x'ff', x'ff'", RUNS),
    ("id", "-5", RUNS),
];

#[test]
fn a_row_of_sqlite_that_is_odd_fails_alone() {
    let folder = Folder::new();
    let file = folder.join("jobs.sqlite3");
    all_fare_as_expected(config(&folder), SQLITE, &|sql| {
        rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    });
}

/// Nothing else wakes or moves the queue.
#[test]
fn a_row_of_sqlite_that_is_odd_is_found_also_where_it_is_the_only_one() {
    for row in SQLITE {
        let folder = Folder::new();
        let (queue, diary) = queue(config(&folder));
        let sql = insert(row.0, row.1, "odd0");
        rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap().execute_batch(&sql).unwrap();
        check(&queue, &diary, std::slice::from_ref(row), 0);
    }
}

/// What is to run later does not hide it, and a date in words is waited for.
#[test]
fn a_date_of_sqlite_in_words_is_an_instant() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    for (at, due) in
        ["datetime('now', '+1 hour')", "strftime('%s000', 'now') + 3600000", "'never'", "datetime()"]
            .into_iter()
            .enumerate()
    {
        file.execute_batch(&insert("available_at", due, &format!("job{at}"))).unwrap();
    }
    let report = queue.worker().stop_when_empty().run().unwrap();
    assert_eq!((report.done, report.failed), (1, 1));
    assert_eq!(diary.lines(), ["job3 1"]);
    let size = &queue.size(None, &[]).unwrap()[0];
    assert_eq!((size.waiting, size.delayed, size.running), (Some(0), Some(2), Some(0)));
    let due_in = "SELECT available_at / 1000 - strftime('%s', 'now') FROM jobs WHERE payload LIKE '%job0%'";
    let due_in: i64 = file.query_row(due_in, [], |row| row.get(0)).unwrap();
    assert!((3_000..=3_600).contains(&due_in), "in an hour, and not in {due_in} s");
}

#[test]
fn a_row_of_postgres_that_is_odd_fails_alone() {
    let rows: &[Odd<'_>] = &[
        ("available_at", "'infinity'", Some("available_at is infinity")),
        ("available_at", "'-infinity'", RUNS),
        ("available_at", "'4713-01-01 BC'", RUNS),
        ("available_at", "'9999-12-31'", Some("available_at is infinity or in the year 9999")),
        ("available_at", "'294276-12-31'", Some("available_at is infinity or in the year 9999")),
        ("attempts", "2147483647", Some("attempts used up (2147483647 of 3)")),
        ("attempts", "-2147483648", Some("attempts is -2147483647")),
        ("unknown_since", "'infinity'", RUNS),
        ("unknown_since", "'-infinity'", RUNS),
        ("unknown_since", "'4713-01-01 BC'", RUNS),
        ("token", "-1", Some("a lease that is NULL")),
        ("token, lease", "-2, 'infinity'", Some("a lease that is NULL")),
        ("suspect", "true", RUNS),
        ("options", "'[5]'", Some("its options can't be read: [5]")),
        ("payload", "'{'", Some("payload")),
        ("reserved_at, ran_at, created_at", "'infinity', '-infinity', ''", RUNS),
        ("id", "-5", RUNS),
    ];
    let url = Postgres::shared().database();
    all_fare_as_expected(config_on(&url), rows, &|sql| drop(postgres::query(&url, sql).unwrap()));
}

/// Somebody has dropped the check of the priority: no line of a take has such a one.
#[test]
fn a_row_of_postgres_with_a_priority_beyond_ours_fails_alone() {
    let rows: &[Odd<'_>] = &[
        ("priority", "12", Some("priority is 12")),
        ("priority", "-7", Some("priority is -7")),
        ("priority", "32767", Some("priority is 32767")),
        ("priority", "-32768", Some("priority is -32768")),
        ("priority, available_at", "-1, 'infinity'", Some("available_at is infinity")),
    ];
    let url = Postgres::shared().database();
    let run = |sql: &str| drop(postgres::query(&url, sql).unwrap());
    let drop_check = "ALTER TABLE IF EXISTS jobs DROP CONSTRAINT IF EXISTS jobs_priority_check";
    all_fare_as_expected(config_on(&url), rows, &|sql| run(&format!("{drop_check}; {sql}")));
    let (queue, _) = queue(config_on(&url));
    run(&insert("priority, available_at", "12, now() + interval '1 hour'", "later"));
    assert_eq!((work_off(&queue).failed, queue.size(None, &[]).unwrap()[0].delayed), (0, Some(1)));
}

/// In `SQL_ASCII` the server takes any bytes and converts nothing; in `WIN1252` there are bytes that it
/// takes and can't convert.
#[test]
fn a_row_of_postgres_in_another_encoding_fails_alone() {
    let server = Postgres::shared();
    for (encoding, byte) in [("SQL_ASCII", "\\xe9"), ("WIN1252", "\\x81")] {
        let name = format!("odd_{}", encoding.to_lowercase());
        server.psql(&format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        ));
        let url = format!("{}/{name}", server.url().rsplit_once('/').unwrap().0);
        let byte = format!("E'{byte}'");
        let rows = [
            ("payload", &*byte, Some("cannot be read: payload: ")),
            ("name", &*byte, Some("cannot be read: name")),
            ("unique_key", &*byte, Some("cannot be read: unique_key: ")),
            ("options", &*byte, Some("cannot be read: options: ")),
            ("last_error", &*byte, Some("cannot be read: last_error: ")),
        ];
        let run = |sql: &str| {
            drop(postgres::query(&url, &format!("SET client_encoding = '{encoding}'; {sql}")).unwrap());
        };
        all_fare_as_expected(config_on(&url), &rows, &run);
    }
}

#[test]
fn a_row_of_mariadb_that_is_odd_fails_alone() {
    let rows: &[Odd<'_>] = &[
        ("available_at", "'0000-00-00'", Some("available_at is '0000-00-00")),
        ("available_at", "'2026-00-00'", Some("available_at is '2026-00-00")),
        ("available_at", "'9999-12-31 23:59:59'", Some("available_at is '9999-12-31")),
        ("available_at", "'0001-01-01'", RUNS),
        ("unique_key", "UNHEX(SHA1('abc'))", Some("unique_key is bytes x'a9993e36")),
        ("attempts", "2147483647", Some("attempts used up (2147483647 of 3)")),
        ("attempts", "-2", Some("attempts is -1")),
        ("suspect", "b'101'", RUNS),
        ("suspect", "-1", RUNS),
        ("unknown_since", "'0000-00-00'", RUNS),
        ("unknown_since", "'9999-12-31'", RUNS),
        ("token, lease", "-1, '9999-12-31'", Some("a lease that is NULL")),
        ("uuid", "''", RUNS),
        ("options", "'{\"timeout\":-1}'", Some("its options can't be read: timeout")),
        ("reserved_at, ran_at, created_at", "'0000-00-00', '9999-12-31', ''", RUNS),
        ("id", "-5", RUNS),
    ];
    // MySQL checks its constraints always.
    let beyond: &[Odd<'_>] = &[
        ("priority", "12", Some("priority is 12")),
        ("priority", "-7", Some("priority is -7")),
        ("priority", "127", Some("priority is 127")),
        ("priority", "-128", Some("priority is -128")),
        ("priority, available_at", "-7, '9999-12-31'", Some("available_at is '9999-12-31")),
    ];
    let (rows, lenient) = match mariadb::is_mysql() {
        true => (rows.to_vec(), "SET sql_mode = ''"),
        false => ([rows, beyond].concat(), "SET sql_mode = '', check_constraint_checks = 0"),
    };
    let url = MariaDb::shared().database();
    all_fare_as_expected(config_on(&url), &rows, &|sql| {
        drop(mariadb::query(&url, &format!("{lenient}; {sql}")).unwrap());
    });
}

/// The smallest number less the time of now is no whole number any more.
#[test]
fn a_hold_of_sqlite_that_ended_ages_ago_keeps_no_other_suspect_waiting() {
    for lease in ["-9223372036854775807 - 1", "-1e300", "-0.5"] {
        let folder = Folder::new();
        let mut config = config(&folder);
        config.database.settings.lease = Duration::from_secs(1);
        let (queue, diary) = queue(config);
        let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
        file.execute_batch(&insert("token, lease", &format!("-1, {lease}"), "odd")).unwrap();
        file.execute_batch(&insert("token, lease", "-2, 5", "neighbour")).unwrap();
        assert_eq!(work_off(&queue).done, 2, "{lease}");
        assert_eq!(diary.lines(), ["odd 1", "neighbour 1"], "{lease}");
    }
}

/// Runs until the job has run that has its id by now.
#[derive(Serialize, Deserialize)]
struct First;

impl Queueable for First {
    const NAME: &'static str = "First";

    fn handle(&self, job: &Context) -> JobResult {
        let diary = job.state::<Diary>()?;
        diary.note("first");
        diary.wait_for("second 1");
        Ok(())
    }
}

/// Somebody empties the table while a job runs: the next one begins with its id again, and is another job.
#[test]
fn a_job_that_has_the_id_of_one_that_runs_is_not_taken_for_it() {
    let empties = [
        "DELETE FROM jobs; DELETE FROM sqlite_sequence",
        "TRUNCATE TABLE jobs RESTART IDENTITY",
        "TRUNCATE TABLE jobs",
    ];
    for ((_folder, config, shell), empty) in shells().into_iter().zip(empties) {
        let diary = Diary::default();
        let jobs = Jobs::new().state(diary.clone()).add::<First>().add::<Act>();
        let queue = Queue::open(config, jobs).unwrap();
        queue.install().unwrap();
        let first = queue.push(First).unwrap();
        let report = std::thread::scope(|scope| {
            let worker = queue.worker().threads(2).stop_when_empty();
            let worker = scope.spawn(|| worker.run().unwrap());
            diary.wait_for("first");
            shell(empty);
            let second = queue.push(Act::new("second", Then::Succeed)).unwrap();
            assert_eq!(first.id(), second.id(), "{empty}");
            worker.join().unwrap()
        });
        assert_eq!((report.done, report.lost), (1, 1), "{empty}");
    }
}
