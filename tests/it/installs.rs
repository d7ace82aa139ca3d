//! Tables as they come about: over those of version 0.1.0, beside another program's, by several ways at once.

use craft_queue::{Config, Queue};

use crate::process_site::{Place, of_first_version as old_file, on_every_database};
use crate::programs::{craft, json, out, run, say};
use crate::support::Folder;

on_every_database!(
    what_the_first_version_made_is_taken_over,
    another_programs_table_of_migrations_is_left_alone,
    two_programs_share_a_database_with_tables_of_their_own,
    the_library_and_the_command_install_over_each_other,
    what_was_removed_by_hand_is_made_again,
    a_migration_may_take_as_long_as_it_needs_and_others_wait,
    tables_may_be_called_as_words_of_the_language,
);

const STAMP: &str = "2026_01_31_120000";

fn write(folder: &Folder, name: &str, sql: &str) {
    let migrations = folder.join("databases/migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join(name), sql).unwrap();
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

fn what_the_first_version_made_is_taken_over(place: Place) {
    let folder = place.folder("poll = 0.02", "");
    let (jobs, failed) = (old_file(place.dialect(), "jobs"), old_file(place.dialect(), "failed_jobs"));
    write(&folder, &format!("{STAMP}_create_queue_jobs_table.sql"), &jobs);
    write(
        &folder,
        &format!("{STAMP}_create_queue_jobs_table.down.sql"),
        "DROP TABLE jobs_signals;\nDROP TABLE jobs;\n",
    );
    write(&folder, &format!("{STAMP}_create_failed_jobs_table.sql"), &failed);
    write(&folder, &format!("{STAMP}_create_failed_jobs_table.down.sql"), "DROP TABLE failed_jobs;\n");
    write(&folder, "9999_orders.sql", "CREATE TABLE orders (id INTEGER);\n");
    write(&folder, "9999_orders.down.sql", "DROP TABLE orders;\n");
    let noted = |name: &str, batch: u8| {
        format!(
            "INSERT INTO migrations (name, batch, applied_at) VALUES ('{name}', {batch}, '2026-01-31T12:00:00.000+00:00');\n"
        )
    };
    let old = [
        jobs,
        failed,
        "CREATE TABLE orders (id INTEGER);\n".into(),
        "CREATE TABLE migrations (name VARCHAR(255) NOT NULL PRIMARY KEY, batch BIGINT NOT NULL, applied_at VARCHAR(40) NOT NULL);\n".into(),
        noted(&format!("{STAMP}_create_failed_jobs_table"), 1),
        noted(&format!("{STAMP}_create_queue_jobs_table"), 1),
        noted("9999_orders", 2),
        "INSERT INTO jobs (name, payload) VALUES ('Echo', '\"one\"');\nINSERT INTO jobs (name, payload, attempts) VALUES ('Echo', '\"two\"', 1);\n".into(),
        "INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at) \
         VALUES ('019af000-0000-7000-a000-000000000000', 'database', 'sqlite', 'default', 'Echo', '\"three\"', 'why', 3, '2026-01-31T12:00:00.000+00:00', '2026-01-31T12:00:00.000+00:00');\n".into(),
    ];
    place.script(&folder, &old.concat());

    assert_eq!(out(&folder, &["migrate", "--dry-run"]), "Would upgrade table \"jobs\"\n");
    assert_eq!(out(&folder, &["migrate"]), "Upgraded table \"jobs\"\n");
    assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
    assert_eq!(count(&out(&folder, &["migrate:status"]), "  applied   "), 3);
    let installed = out(&folder, &["queue:install"]);
    // The SQL that brings the table of that file to today's, for a database which is made anew.
    let wrote = (count(&installed, "exists already"), count(&installed, "Wrote"), count(&installed, "Noted"));
    assert_eq!(wrote, (1, 2, 1), "{installed}");
    assert_eq!(count(&out(&folder, &["queue:retry"]), "Added 1 failed job(s)"), 1);
    let worked = out(&folder, &["queue:work", "--stop-when-empty"]);
    assert_eq!(count(&worked, "event=done"), 3, "{worked}");
    assert_eq!(count(&out(&folder, &["migrate:rollback", "--force"]), "_to_version_2\n"), 1);
    assert_eq!(out(&folder, &["migrate:rollback", "--force"]), "Rolled back 9999_orders\n");
    assert_eq!(count(&out(&folder, &["migrate:rollback", "--force"]), "Rolled back "), 2);
    // What was taken over is not taken over twice.
    assert_eq!(count(&out(&folder, &["migrate"]), "Applied "), 4);
}

fn another_programs_table_of_migrations_is_left_alone(place: Place) {
    let tables = [
        "CREATE TABLE migrations (id INTEGER, migration VARCHAR(255), batch INTEGER);\n\
         INSERT INTO migrations VALUES (1, '2014_10_12_000000_create_users_table', 1);\n",
        "CREATE TABLE migrations (name VARCHAR(255), batch INTEGER, applied_at VARCHAR(40));\n\
         INSERT INTO migrations VALUES ('1_users', 1, 'today');\n",
    ];
    let folder = place.folder("", "");
    for table in tables {
        place.script(&folder, table);
        let before = place.script(&folder, "SELECT * FROM migrations");
        assert_eq!(count(&out(&folder, &["queue:install"]), "Applied "), 2);
        assert_eq!(out(&folder, &["queue:push", "Echo"]), "1\n");
        assert_eq!(place.script(&folder, "SELECT * FROM migrations"), before);
        assert_eq!(place.script(&folder, "SELECT count(*) FROM craft_migrations"), "2");
        out(&folder, &["migrate:rollback", "--force"]);
        place.script(&folder, "DROP TABLE migrations;\nDROP TABLE craft_migrations;\n");
    }
}

/// Both within one second, most of the time; and then four more at once, with the tables of the first.
fn two_programs_share_a_database_with_tables_of_their_own(place: Place) {
    let shop = place.folder("table = \"shop_jobs\"\nfailed_table = \"shop_failed\"", "");
    let mail = place.folder("table = \"mail_jobs\"\nfailed_table = \"shop_jobs_failed\"", "");
    let more: Vec<_> =
        (0..4).map(|_| place.folder("table = \"shop_jobs\"\nfailed_table = \"shop_failed\"", "")).collect();
    if let Place::Sqlite = place {
        for other in more.iter().chain([&mail]) {
            std::os::unix::fs::symlink(shop.join("jobs.sqlite3"), other.join("jobs.sqlite3")).unwrap();
        }
    }
    for folder in [&shop, &mail] {
        let installed = out(folder, &["queue:install"]);
        assert_eq!(count(&installed, "Applied 2"), 2, "{installed}");
        assert_eq!(out(folder, &["queue:push", "Echo"]), "1\n");
        assert_eq!(out(folder, &["queue:failed-list"]), "No failed jobs found.\n");
    }
    std::thread::scope(|scope| {
        for folder in &more {
            scope.spawn(|| {
                let installed = out(folder, &["queue:install"]);
                // In the same second their files have the names of the first one's, and are applied.
                assert_eq!(count(&installed, "Applied"), 0, "{installed}");
            });
        }
    });
    assert_eq!(out(&shop, &["queue:push", "Echo"]), "2\n");
}

fn the_library_and_the_command_install_over_each_other(place: Place) {
    let folder = place.folder("", "");
    let open = || {
        let config = Config::load_from(folder.join("queue.toml")).unwrap();
        Queue::open(config, Default::default()).unwrap()
    };
    if let Place::Sqlite = place {
        // The library works where this test does, the command in its folder.
        std::fs::write(
            folder.join("queue.toml"),
            format!(
                "[connections.sqlite]\ndriver = \"sqlite\"\ndatabase = {:?}\n",
                folder.join("jobs.sqlite3")
            ),
        )
        .unwrap();
    }
    open().install().unwrap();
    assert_eq!(out(&folder, &["queue:push", "Echo"]), "1\n");
    let installed = out(&folder, &["queue:install"]);
    assert_eq!(count(&installed, "Noted 2"), 2, "{installed}");
    assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
    open().install().unwrap();
    assert_eq!(out(&folder, &["queue:push", "Echo"]), "2\n");

    // A table of the name that is another program's is no table of ours.
    out(&folder, &["migrate:rollback", "--force"]);
    place.script(&folder, "CREATE TABLE jobs (id INTEGER, title VARCHAR(255));\n");
    let refused = say(&folder, &["migrate"]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains("_create_queue_jobs_table.sql: table \"jobs\" of connection"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("does not fit this version"), "{}", refused.err);
}

fn what_was_removed_by_hand_is_made_again(place: Place) {
    let folder = place.folder("", "");
    out(&folder, &["queue:install"]);
    place.script(&folder, "DROP TABLE jobs;\nDROP TABLE jobs_signals;\n");
    // The help of this error, word for word.
    let missing = say(&folder, &["queue:push", "Echo"]);
    assert!(missing.err.contains("help: craft queue:table && craft migrate "), "{}", missing.err);
    assert_eq!(count(&out(&folder, &["migrate:status"]), "  gone      "), 1);
    assert_eq!(count(&out(&folder, &["migrate", "--dry-run"]), "table again: its tables are gone\n"), 1);
    assert_eq!(count(&out(&folder, &["queue:table"]), "exists already"), 1);
    assert_eq!(count(&out(&folder, &["migrate"]), "table again: its tables were gone\n"), 1);
    assert_eq!(out(&folder, &["queue:push", "Echo"]), "1\n");

    place.script(&folder, "DROP TABLE jobs_signals;\nDROP TABLE failed_jobs;\n");
    assert_eq!(count(&out(&folder, &["queue:install"]), "again: its tables were gone\n"), 2);
    assert_eq!(out(&folder, &["queue:pause", "default"]), "Queue \"default\" is paused.\n");
    assert_eq!(out(&folder, &["queue:failed-list"]), "No failed jobs found.\n");
    assert_eq!(out(&folder, &["queue:push", "Echo"]), "2\n", "what was there is there");
    assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
}

/// With this lease a statement of a worker may take a quarter of a second.
fn a_migration_may_take_as_long_as_it_needs_and_others_wait(place: Place) {
    let folder = place.folder("lease = 1\npoll = 0.1", "");
    out(&folder, &["queue:install"]);
    let slow = match place {
        Place::Sqlite => {
            "CREATE TABLE slow AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) AS i FROM n;\n"
        }
        Place::Postgres(_) => "CREATE TABLE slow (i INTEGER);\nINSERT INTO slow SELECT 1 FROM pg_sleep(3);\n",
        Place::MariaDb(_) => "CREATE TABLE slow (i INTEGER);\nINSERT INTO slow SELECT SLEEP(3);\n",
    };
    write(&folder, "9999_slow.sql", slow);
    let applied: usize = std::thread::scope(|scope| {
        let migrate = || {
            let said = run(craft(&folder, &["migrate"]));
            assert_eq!((said.status, &*said.err), (0, ""), "{}", said.out);
            count(&said.out, "Applied 9999_slow")
        };
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(migrate)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(applied, 1);
}

fn tables_may_be_called_as_words_of_the_language(place: Place) {
    let long = "t".repeat(52);
    for (jobs, failed) in [("order", "group"), ("Jobs", "Failed"), ("select", "user"), (&*long, "table")] {
        let folder = place.folder(
            &format!("poll = 0.02\nattempts = 1\ntable = \"{jobs}\"\nfailed_table = \"{failed}\""),
            "",
        );
        let installed = out(&folder, &["queue:install"]);
        assert_eq!(count(&installed, "Applied 2"), 2, "{installed}");
        let checked = out(&folder, &["config:check"]);
        assert_eq!(count(&checked, "  ok  "), 4, "{checked}");
        assert_eq!(out(&folder, &["queue:push", "Fail", "\"no\"", "--count", "2"]), "1\n2\n");
        let worked = out(&folder, &["queue:work", "--stop-when-empty"]);
        assert_eq!(count(&worked, "event=dead"), 2, "{worked}");
        assert_eq!(count(&out(&folder, &["queue:retry", "1"]), "Added 1 failed"), 1);
        out(&folder, &["queue:forget", "2"]);
        out(&folder, &["queue:pause", "default"]);
        out(&folder, &["queue:resume", "default"]);
        assert_eq!(count(&out(&folder, &["queue:status", "--json"]), "\"waiting\":1"), 1);
        assert_eq!(out(&folder, &["queue:clear", "--force"]), "Removed 1 job(s) from queue \"default\".\n");
        // A rollback knows its table by its name.
        out(&folder, &["queue:push", "Echo"]);
        let asked = say(&folder, &["migrate:rollback"]).err;
        assert!(asked.contains("1 job(s) that wait or run are lost"), "{asked}");
        assert_eq!(count(&out(&folder, &["migrate:rollback", "--force"]), "Rolled back"), 2);
    }
}

/// A configuration that moves from one database to another, with all files of before.
#[test]
fn files_for_another_database_are_skipped() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    write(&folder, &format!("{STAMP}_create_queue_jobs_table.sql"), &old_file("sqlite", "jobs"));
    write(&folder, &format!("{STAMP}_create_failed_jobs_table.sql"), &old_file("sqlite", "failed_jobs"));
    write(&folder, "9998_by_hand.sql", "-- craft-queue: sqlite\nCREATE TABLE n (a AUTOINCREMENT);\n");
    write(&folder, "9999_orders.sql", "CREATE TABLE orders (id INTEGER);\n");
    for place in [Place::postgres(), Place::mariadb()] {
        let (Place::Postgres(url) | Place::MariaDb(url)) = &place else { unreachable!() };
        std::fs::write(folder.join("queue.toml"), format!("[connections.server]\nurl = \"{url}\"\n"))
            .unwrap();
        let migrated = out(&folder, &["migrate"]);
        assert_eq!(
            (count(&migrated, "Applied "), count(&migrated, "Applied 9999_orders")),
            (1, 1),
            "{migrated}"
        );
        assert!(migrated.contains("Skipped 9998_by_hand: it is for sqlite\n"), "{migrated}");
        let installed = out(&folder, &["queue:install"]);
        assert_eq!((count(&installed, "Wrote "), count(&installed, "Applied ")), (4, 2), "{installed}");
        assert_eq!(out(&folder, &["queue:push", "Echo"]), "1\n");
        let status = out(&folder, &["migrate:status"]);
        assert_eq!(count(&status, "  applied   "), 3, "{status}");
    }
    std::fs::remove_file(folder.join("queue.toml")).unwrap();
    std::fs::remove_file(folder.join("databases/migrations/9998_by_hand.sql")).unwrap();
    let migrated = out(&folder, &["migrate"]);
    assert_eq!((count(&migrated, "Noted "), count(&migrated, "Skipped ")), (2, 4), "{migrated}");
    write(&folder, "9998_by_hand.sql", "-- craft-queue: oracle\n");
    let refused = say(&folder, &["migrate"]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains("9998_by_hand.sql: cannot tell what \"-- craft-queue: oracle\" is for"),
        "{}",
        refused.err
    );
}

/// The failed jobs on a connection of their own, of the same kind or of another.
#[test]
fn each_table_is_made_where_it_belongs() {
    let server = |place: Place| match place {
        Place::Postgres(url) | Place::MariaDb(url) => format!("url = \"{url}\""),
        Place::Sqlite => "url = \"sqlite:dead.sqlite3\"".to_owned(),
    };
    for (here, there) in [
        (Place::Sqlite, Place::postgres()),
        (Place::Sqlite, Place::Sqlite),
        (Place::postgres(), Place::mariadb()),
        (Place::mariadb(), Place::mariadb()),
    ] {
        let settings = "poll = 0.02\nattempts = 1\nconnection = \"jobs\"\nfailed_connection = \"dead\"\n";
        let text = format!(
            "[database]\n{settings}[connections.jobs]\n{}\n[connections.dead]\n{}\n",
            server(here).replace("dead", "jobs"),
            server(there)
        );
        let folder = Folder::new();
        std::fs::write(folder.join("queue.toml"), text).unwrap();
        let installed = out(&folder, &["queue:install"]);
        assert_eq!((count(&installed, "Applied "), count(&installed, "Skipped")), (2, 0), "{installed}");
        assert_eq!(count(&out(&folder, &["config:check"]), "  no  "), 0);
        out(&folder, &["queue:push", "Fail", "\"no\""]);
        out(&folder, &["queue:work", "--stop-when-empty"]);
        assert_eq!(json(&folder, &["queue:failed-list", "--json"]).as_array().unwrap().len(), 1);
        assert_eq!(count(&out(&folder, &["migrate:status"]), "  applied   "), 2);
        assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
        assert_eq!(
            count(
                &out(&folder, &["migrate:rollback", "--force", "--connection", "dead"]),
                "failed_jobs_table"
            ),
            1
        );
        assert_eq!(count(&out(&folder, &["migrate"]), "Applied "), 1);
    }
}
