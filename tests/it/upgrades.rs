//! Tables of version 0.1.0 become today's, with all that is in them, whatever is killed meanwhile and whoever still works
//! with the old version.

use std::process::Stdio;
use std::time::Duration;

use crate::process_site::{Place, of_first_version, on_every_database};
use crate::programs::{Running, craft, out, say};
use crate::support::{Folder, wait_until};

on_every_database!(
    an_old_table_is_refused_until_it_is_upgraded_and_keeps_its_jobs,
    a_worker_of_the_old_version_settles_what_it_holds_and_takes_nothing_more,
    an_upgrade_that_is_killed_is_done_again,
    the_upgrade_is_a_file_for_those_who_ask_for_it,
    a_newer_table_is_refused,
    a_row_that_breaks_a_rule_does_not_stop_an_upgrade,
    pushes_go_on_while_an_upgrade_waits_for_a_reader,
);

/// What workers look at.
const ROWS: &str = "SELECT id, uuid, name, queue, payload, attempts, priority, available_at, reserved_at, ran_at, created_at, \
    token, lease, suspect, last_error, unique_key, options FROM jobs ORDER BY id";

const STAMP: &str = "2026_01_31_120000";

fn old(place: &Place, more: &str) -> Folder {
    let folder = place.folder("poll = 0.02", "");
    let what = ["jobs", "failed_jobs", "rows"].map(|what| of_first_version(place.dialect(), what));
    place.script(&folder, &format!("{}{more}", what.concat()));
    folder
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

fn an_old_table_is_refused_until_it_is_upgraded_and_keeps_its_jobs(place: Place) {
    let folder = old(&place, "");
    let before = place.script(&folder, ROWS);
    for command in [&["queue:work"][..], &["queue:push", "Echo"], &["queue:status"]] {
        let refused = say(&folder, command);
        assert_eq!(refused.status, 78, "{command:?}: {}", refused.err);
        let wanted = "table \"jobs\" of connection";
        assert!(refused.err.contains(wanted), "{}", refused.err);
        let wanted =
            "has version 1, and this program works with version 2\n  help: craft migrate upgrades it";
        assert!(refused.err.contains(wanted), "{}", refused.err);
    }
    assert_eq!(place.script(&folder, ROWS), before);
    assert_eq!(out(&folder, &["migrate", "--dry-run", "--directory", "."]), "Would upgrade table \"jobs\"\n");
    assert_eq!(out(&folder, &["migrate", "--directory", "."]), "Upgraded table \"jobs\"\n");
    assert_eq!(place.script(&folder, ROWS), before);
    assert_eq!(out(&folder, &["migrate", "--directory", "."]), "Nothing to migrate.\n");

    assert_eq!(count(&out(&folder, &["config:check"]), "  ok  "), 4);
    let again = say(&folder, &["queue:push", "Echo", "--unique", "order-5"]);
    assert_eq!((again.status, &*again.out), (0, "5\n"), "{}", again.err);
    assert_eq!(count(&out(&folder, &["queue:retry"]), "Added 1 failed job(s)"), 1);
    let worked = out(&folder, &["queue:work", "--stop-when-empty"]);
    assert_eq!(count(&worked, "event=done"), 6, "{worked}");
    assert_eq!(place.script(&folder, "SELECT id FROM jobs ORDER BY id"), "2\n3\n8");
}

fn a_worker_of_the_old_version_settles_what_it_holds_and_takes_nothing_more(place: Place) {
    let folder = old(&place, "");
    out(&folder, &["migrate", "--directory", "."]);
    let sql = |sql: &str| place.try_script(&folder, sql);
    let takes = |id: u8| {
        let refused = sql(&format!("UPDATE jobs SET token = 4714, lease = available_at WHERE id = {id};\n"));
        let refused = refused.expect_err("an old worker's take");
        assert!(refused.contains("jobs_version_2"), "{refused}");
    };
    // What waits, and what another one held.
    takes(1);
    takes(4);
    sql("UPDATE jobs SET lease = lease, attempts = attempts WHERE id = 3 AND token = 4711;\n").unwrap();
    sql("DELETE FROM jobs WHERE id = 3 AND token = 4711;\n").unwrap();
    let again =
        "UPDATE jobs SET token = NULL, lease = NULL, reserved_at = NULL WHERE id = 8 AND token = 4713;\n";
    sql(again).unwrap();
    takes(8);
    sql("INSERT INTO jobs (name, payload) VALUES ('Echo', '1');\n").unwrap();
    let worked = out(&folder, &["queue:work", "--stop-when-empty"]);
    assert_eq!(count(&worked, "event=done"), 7, "{worked}");
    assert_eq!(place.script(&folder, "SELECT id FROM jobs"), "2");
}

/// Later each time, until one is quicker.
fn an_upgrade_that_is_killed_is_done_again(place: Place) {
    let mut more = String::from("INSERT INTO jobs (name, payload) VALUES ('Echo', '0')");
    (1..1_000).for_each(|number| more += &format!(", ('Echo', '{number}')"));
    let more = format!("{more};\n").repeat(20);
    let folder = old(&place, &more);
    let before = place.script(&folder, ROWS);
    let mut killed = 0;
    for delay in (0..).step_by(5) {
        let mut migrate = craft(&folder, &["migrate", "--directory", "."]);
        let mut migrate = migrate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let is_over = migrate.try_wait().unwrap().is_some();
        migrate.kill().unwrap();
        if is_over || migrate.wait().unwrap().success() {
            break;
        }
        killed += 1;
        assert_eq!(count(&place.script(&folder, "SELECT count(*) FROM jobs"), "20008"), 1);
    }
    assert!(killed > 0);
    out(&folder, &["migrate", "--directory", "."]);
    assert_eq!(place.script(&folder, ROWS), before);
    assert_eq!(
        place.script(&folder, "SELECT id, held_before FROM jobs WHERE held_before IS NOT NULL ORDER BY id"),
        "3\t4711\n4\t4712\n8\t4713"
    );
    assert_eq!(out(&folder, &["migrate", "--directory", "."]), "Nothing to migrate.\n");
}

fn the_upgrade_is_a_file_for_those_who_ask_for_it(place: Place) {
    let folder = old(&place, "");
    let migrations = folder.join("databases/migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    let file = format!("{STAMP}_create_queue_jobs_table.sql");
    std::fs::write(migrations.join(&file), of_first_version(place.dialect(), "jobs")).unwrap();
    let wrote = out(&folder, &["queue:table"]);
    assert_eq!(count(&wrote, "_upgrade_queue_jobs_table_to_version_2."), 2, "{wrote}");
    let again = out(&folder, &["queue:table"]);
    assert!(again.ends_with("_create_queue_jobs_table.sql exists already.\n"), "{again}");

    let before = place.script(&folder, ROWS);
    let migrated = out(&folder, &["migrate"]);
    assert_eq!(
        (count(&migrated, "Noted "), count(&migrated, "_upgrade_queue_jobs_table_to_version_2\n")),
        (1, 1),
        "{migrated}"
    );
    assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
    assert_eq!(place.script(&folder, ROWS), before);
    // Back, and once more.
    place.script(&folder, "UPDATE craft_migrations SET batch = 0 WHERE name LIKE '%create_queue%';\n");
    assert_eq!(count(&out(&folder, &["migrate:rollback", "--force"]), "Rolled back"), 1);
    assert_eq!(say(&folder, &["queue:status"]).status, 78);
    assert_eq!(count(&out(&folder, &["migrate"]), "Applied"), 1);
    assert_eq!(place.script(&folder, ROWS), before);

    // A database that is made anew by both.
    place.script(&folder, "DROP TABLE jobs;\nDROP TABLE jobs_signals;\nDROP TABLE craft_migrations;\n");
    assert_eq!(count(&out(&folder, &["migrate"]), "Applied"), 2);
    assert_eq!(out(&folder, &["queue:push", "Echo"]), "1\n");
}

fn a_newer_table_is_refused(place: Place) {
    let folder = place.folder("", "");
    out(&folder, &["queue:install"]);
    place.script(
        &folder,
        match place {
            Place::Sqlite => "ALTER TABLE jobs ADD COLUMN more TEXT CONSTRAINT jobs_version_3 CHECK (1);\n",
            _ => "ALTER TABLE jobs ADD CONSTRAINT jobs_version_3 CHECK (name <> '');\n",
        },
    );
    for command in [&["queue:work"][..], &["queue:push", "Echo"]] {
        let refused = say(&folder, command);
        assert_eq!(refused.status, 78);
        assert!(
            refused.err.contains("has version 3, and this program works with version 2"),
            "{}",
            refused.err
        );
    }
    assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
}

fn a_row_that_breaks_a_rule_does_not_stop_an_upgrade(place: Place) {
    let row = "INSERT INTO jobs (name, payload, priority) VALUES ('Echo', '1', 12);";
    let lenient = match place {
        Place::Sqlite => format!("PRAGMA ignore_check_constraints = ON; {row}"),
        Place::MariaDb(_) => format!("SET check_constraint_checks = 0; {row}"),
        // It has no session that checks nothing; a trigger of somebody else's that waits is as much in the way.
        Place::Postgres(_) => {
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER note AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION note();"
                .into()
        }
    };
    let folder = old(&place, &lenient);
    let before = place.script(&folder, ROWS);
    assert_eq!(out(&folder, &["migrate", "--directory", "."]), "Upgraded table \"jobs\"\n");
    assert_eq!(place.script(&folder, ROWS), before);
}

fn pushes_go_on_while_an_upgrade_waits_for_a_reader(place: Place) {
    let (reads, waiting) = match place {
        // Readers are in nobody's way there.
        Place::Sqlite => return,
        Place::Postgres(_) => (
            "BEGIN; SELECT count(*) FROM jobs; SELECT pg_sleep(10); COMMIT;",
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ),
        Place::MariaDb(_) => (
            "BEGIN; SELECT COUNT(*) FROM jobs; SELECT SLEEP(10); COMMIT;",
            "SELECT COUNT(*) FROM information_schema.processlist
                WHERE db = DATABASE() AND state LIKE 'Waiting for table metadata lock%'",
        ),
    };
    let folder = old(&place, "");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| place.script(&folder, reads));
        wait_until("the reader", || place.script(&folder, "SELECT 1") == "1" && !reader.is_finished());
        let upgrade = Running::start(craft(&folder, &["migrate", "--directory", "."]));
        wait_until("an upgrade that waits", || place.script(&folder, waiting) == "1");
        place.script(&folder, "INSERT INTO jobs (name, payload) VALUES ('Echo', '1')");
        assert!(!reader.is_finished(), "the push waited for the reader, behind the upgrade");
        reader.join().unwrap();
        assert_eq!(upgrade.wait(), (Some(0), None));
    });
    assert_eq!(out(&folder, &["config:check"]).matches("  ok  ").count(), 4);
}
