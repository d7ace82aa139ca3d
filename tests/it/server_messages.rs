//! What a server refuses is told in plain words, with what to do, and without a password.

use std::time::Duration;

use craft_queue::clients::{mysql, postgres as pg};
use craft_queue::failed::Filter;
use craft_queue::time::Zone;
use craft_queue::{Config, Error, Jobs, Queue, Retry};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Then, config_on, queue, work_off};

/// The error of the first use of a connection.
fn refused(config: Config) -> Error {
    let queue = Queue::open(config, Jobs::new()).unwrap();
    queue.size(None, &[]).unwrap_err()
}

fn check(url: &str, message: &str, help: &str) {
    let error = refused(config_on(url));
    assert_eq!(error.to_string(), message, "{url}");
    assert_eq!(error.help(), Some(help), "{url}");
}

#[test]
fn postgres_says_what_is_wrong() {
    let options = postgres::Options::default().access("host all guest 127.0.0.1/32 scram-sha-256");
    let server = Postgres::start(options);
    server.psql("CREATE USER guest PASSWORD 'right'; CREATE USER other");
    let port = server.port();
    let at = format!("cannot open connection \"server\": PostgreSQL at 127.0.0.1:{port}");
    check(
        &format!("postgres://guest:wrong@127.0.0.1:{port}/postgres"),
        &format!("{at} does not let \"guest\" in: password authentication failed for user \"guest\""),
        "check username and password of the connection, and the server's pg_hba.conf",
    );
    check(
        &format!("postgres://postgres@127.0.0.1:{port}/shop"),
        &format!("{at} has no database \"shop\""),
        "createdb shop",
    );
    check(
        &format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        "connection \"server\" has no table \"jobs\"",
        "craft queue:table && craft migrate      (or craft queue:install)",
    );
    queue(config_on(&server.url()));
    let denied = refused(config_on(&format!("postgres://other@127.0.0.1:{port}/postgres")));
    assert_eq!(
        denied.to_string(),
        "cannot use connection \"server\": PostgreSQL refuses: permission denied for table jobs"
    );
    server.psql("ALTER TABLE jobs DROP COLUMN options");
    let old = refused(config_on(&server.url()));
    assert_eq!(
        old.to_string(),
        "table \"jobs\" of connection \"server\" does not fit this version: column \"options\" does not exist"
    );
    drop(server);
    let away = refused(config_on(&format!("postgres://guest:secret@127.0.0.1:{port}/postgres")));
    assert!(away.is_unavailable() && !away.to_string().contains("secret"), "{away:?}");
}

#[test]
fn mariadb_says_what_is_wrong() {
    let server = MariaDb::start(mariadb::Options::default());
    server.sql(
        "CREATE USER guest IDENTIFIED BY 'right'; CREATE DATABASE shop; CREATE USER other;
        GRANT CREATE ON shop.* TO other",
    );
    let port = server.port();
    let at = format!("cannot open connection \"server\": MySQL at 127.0.0.1:{port}");
    check(
        &format!("mysql://guest:wrong@127.0.0.1:{port}/shop"),
        &format!("{at} does not let \"guest\" in"),
        "check username and password of the connection",
    );
    check(
        &format!("mysql://guest:right@127.0.0.1:{port}/shop"),
        &format!("{at} does not let \"guest\" use \"shop\""),
        "GRANT ALL ON shop.* TO 'guest'@'<host>'",
    );
    check(
        &format!("mysql://root@127.0.0.1:{port}/none"),
        &format!("{at} has no database \"none\""),
        "CREATE DATABASE none",
    );
    let shop = format!("mysql://root@127.0.0.1:{port}/shop");
    check(
        &shop,
        "connection \"server\" has no table \"jobs\"",
        "craft queue:table && craft migrate      (or craft queue:install)",
    );
    queue(config_on(&shop));
    let denied = refused(config_on(&format!("mysql://other@127.0.0.1:{port}/shop")));
    assert!(
        denied.to_string().starts_with(
            "cannot use connection \"server\": MySQL refuses: SELECT command denied to user 'other'"
        ),
        "{denied}"
    );
    server.sql("ALTER TABLE shop.jobs DROP COLUMN options");
    let old = refused(config_on(&shop));
    let expected =
        "table \"jobs\" of connection \"server\" does not fit this version: Unknown column 'options' in ";
    assert!(old.to_string().starts_with(expected), "{old}");
    drop(server);
    let away = refused(config_on(&format!("mysql://guest:secret@127.0.0.1:{port}/shop")));
    assert!(away.is_unavailable() && !away.to_string().contains("secret"), "{away:?}");
}

#[test]
fn rows_that_plain_sql_pushed_are_run() {
    let row = r#"INSERT INTO jobs (name, payload) VALUES ('Act', '{"name": "plain", "then": "Succeed"}')"#;
    for url in [Postgres::shared().database(), MariaDb::shared().database()] {
        let (queue, diary) = queue(config_on(&url));
        match url.starts_with("postgres") {
            true => postgres::query(&url, row),
            false => mariadb::query(&url, row),
        }
        .unwrap();
        work_off(&queue);
        assert_eq!(diary.lines(), ["plain 1"], "{url}");
    }
}

#[test]
fn a_job_exists_exactly_when_the_transaction_of_its_push_commits() {
    let job = |name: &str| Act::new(name, Then::Succeed);

    let url = Postgres::shared().database();
    let (queue_there, diary) = queue(config_on(&url));
    let mut client = pg::Client::connect(&url, pg::NoTls).unwrap();
    let mut transaction = client.transaction().unwrap();
    queue_there.push_in(&mut transaction, job("undone")).unwrap();
    transaction.rollback().unwrap();
    let mut transaction = client.transaction().unwrap();
    queue_there.push_in(&mut transaction, job("kept")).unwrap();
    work_off(&queue_there);
    assert_eq!(diary.lines(), [""; 0], "it is not committed yet");
    transaction.commit().unwrap();
    work_off(&queue_there);
    assert_eq!(diary.lines(), ["kept 1"]);

    let url = MariaDb::shared().database();
    let (queue_there, diary) = queue(config_on(&url));
    let mut client = mysql::Conn::new(mysql::Opts::from_url(&url).unwrap()).unwrap();
    let begin = mysql::TxOpts::default;
    let mut transaction = client.start_transaction(begin()).unwrap();
    queue_there.push_in(&mut transaction, job("undone")).unwrap();
    transaction.rollback().unwrap();
    let mut transaction = client.start_transaction(begin()).unwrap();
    queue_there.push_in(&mut transaction, job("kept")).unwrap();
    work_off(&queue_there);
    assert_eq!(diary.lines(), [""; 0], "it is not committed yet");
    transaction.commit().unwrap();
    work_off(&queue_there);
    assert_eq!(diary.lines(), ["kept 1"]);

    let mut wrong = pg::Client::connect(&Postgres::shared().database(), pg::NoTls).unwrap();
    let error = queue_there.push_in(&mut wrong.transaction().unwrap(), job("lost")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot push within a postgres transaction: connection \"server\" is mysql"),
        "{error}"
    );
}

#[test]
fn the_largest_payload_and_text_of_four_bytes_come_through() {
    for url in [Postgres::shared().database(), MariaDb::shared().database()] {
        let (queue, diary) = queue(config_on(&url));
        // The rest of the row shares a packet of MariaDB with it.
        let text = "🦀".repeat((16 * 1024 - 1) * 1024 / 4);
        queue.push(Act::new(&text, Then::Succeed)).unwrap();
        work_off(&queue);
        let lines = diary.lines();
        assert_eq!(lines.len(), 1, "{url}");
        assert!(lines[0].starts_with("🦀") && lines[0].len() > 16_000_000, "{url}");
    }
}

#[test]
fn the_tables_are_made_once_by_many() {
    for url in [Postgres::shared().database(), MariaDb::shared().database()] {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| queue(config_on(&url)));
            }
        });
    }
}

/// The client of PostgreSQL runs a runtime of its own, and one inside another panics.
#[test]
fn a_queue_works_inside_an_async_program() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for url in [Postgres::shared().database(), MariaDb::shared().database()] {
        runtime.block_on(async {
            let (queue, diary) = queue(config_on(&url));
            queue.push(Act::new("inside", Then::Succeed)).unwrap();
            work_off(&queue);
            assert_eq!(diary.lines(), ["inside 1"]);
        });
    }
}

/// The longest payload that is taken at all, or one that is just too long for the server, whose packets hold the
/// rest of the row, too.
#[test]
fn a_payload_at_the_limit_of_a_packet_is_pushed_or_refused_at_once() {
    let large = MariaDb::start(mariadb::Options::default().argument("--max-allowed-packet=64M"));
    let usual = MariaDb::start(mariadb::Options::default().argument("--max-allowed-packet=16M"));
    for (server, fits) in [(&large, true), (&usual, false)] {
        let (queue, _) = queue(config_on(&server.database()));
        for length in [16_777_209, 16_777_216] {
            let payload = format!("\"{}\"", "a".repeat(length - 2));
            match queue.options().push_json("Act", &payload, 1) {
                Ok(_) => assert!(fits, "{length}"),
                Err(error) => {
                    assert!(!fits && error.is_invalid(), "{length}: {error:?}");
                    let limit = format!(
                        "the payload of Act has {length} bytes, and the server takes 16777216 with the rest of the \
                         row (max_allowed_packet)"
                    );
                    assert!(error.to_string().ends_with(&limit), "{error}");
                }
            }
        }
        let waiting = queue.size(None, &["default".into()]).unwrap()[0].waiting;
        assert_eq!(waiting, Some(if fits { 2 } else { 0 }));
    }
}

/// Settings that protect people who type SQL, and a time zone as far east as any.
#[test]
fn mariadb_that_protects_typists_serves_all_the_same() {
    let server = MariaDb::start(mariadb::Options::default());
    server.sql(
        "SET GLOBAL sql_safe_updates = 1; SET GLOBAL sql_select_limit = 1; SET GLOBAL max_join_size = 1",
    );
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "UTC", "Asia/Kathmandu", "America/St_Johns"] {
        let mut config = config_on(&server.database());
        config.database.settings.tz = Zone::named(zone).unwrap();
        let (queue, diary) = queue(config);
        for name in ["one", "two", "three"] {
            queue.push(Act::new(name, Then::FailNow)).unwrap();
        }
        assert_eq!(work_off(&queue).failed, 3, "{zone}");
        let hour = Duration::from_secs(3_600);
        let found = |filter: Filter<'_>| queue.failed().list(&filter).unwrap().len();
        assert_eq!(found(Filter { since: Some(hour), ..Filter::default() }), 3, "{zone}");
        assert_eq!(found(Filter { since: Some(Duration::ZERO), ..Filter::default() }), 0, "{zone}");
        assert_eq!(found(Filter { before: Some(hour), ..Filter::default() }), 0, "{zone}");
        assert_eq!(found(Filter { before: Some(Duration::ZERO), ..Filter::default() }), 3, "{zone}");
        let failed = queue.failed();
        failed.retry(&Retry::default(), |_| {}).unwrap();
        assert_eq!(failed.list(&Filter::default()).unwrap().len(), 0, "{zone}");
        assert_eq!(work_off(&queue).failed, 3, "{zone}");
        assert_eq!(failed.prune(Duration::ZERO).unwrap(), 3, "{zone}");
        assert_eq!(diary.lines().len(), 6, "{zone}");
    }
}
