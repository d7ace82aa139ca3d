//! `migrate`, `migrate:status` and `migrate:rollback` on each database.

use crate::programs::{craft, out, run, say};
use crate::support::{Folder, on_each_database};

fn installed() -> Folder {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    folder
}

fn write(folder: &Folder, name: &str, sql: &str) {
    std::fs::write(folder.join("databases/migrations").join(name), sql).unwrap();
}

fn applied(folder: &Folder) -> usize {
    out(folder, &["migrate:status"]).matches("  applied   ").count()
}

#[test]
fn a_migration_that_fails_names_its_file_and_statement_and_leaves_nothing() {
    let folder = installed();
    let bad = "CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n";
    std::fs::write(folder.join("databases/migrations/9999_bad.sql"), bad).unwrap();
    let said = say(&folder, &["migrate"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("cannot apply databases/migrations/9999_bad.sql"), "{}", said.err);
    assert!(said.err.contains("in the statement `INSERT INTO nowhere VALUES (1)`"), "{}", said.err);
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    assert!(file.prepare("SELECT * FROM half").is_err(), "the first half was rolled back");
}

#[test]
fn two_migrations_at_once_apply_each_file_once() {
    let folder = Folder::new();
    out(&folder, &["queue:table"]);
    out(&folder, &["queue:failed"]);
    let applied: usize = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..6).map(|_| scope.spawn(|| out(&folder, &["migrate"]).matches("Applied").count())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(applied, 2);
}

#[test]
fn a_rollback_undoes_what_the_last_migrate_applied_the_last_one_first() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:table"]);
        out(&folder, &["queue:failed"]);
        assert_eq!(out(&folder, &["migrate"]).matches("Applied 2").count(), 2);
        write(&folder, "8888_shelves.sql", "CREATE TABLE shelves (id INTEGER PRIMARY KEY);\n");
        write(&folder, "8888_shelves.down.sql", "DROP TABLE shelves;\n");
        let books =
            "CREATE TABLE books (shelf INTEGER REFERENCES shelves (id));\nCREATE TABLE more (id INTEGER);\n";
        write(&folder, "9999_books.sql", books);
        write(&folder, "9999_books.down.sql", "DROP TABLE more;\nDROP TABLE books;\n");
        assert_eq!(out(&folder, &["migrate"]), "Applied 8888_shelves\nApplied 9999_books\n");
        assert_eq!(applied(&folder), 4);

        let dry = out(&folder, &["migrate:rollback", "--dry-run"]);
        assert_eq!(dry, "Would roll back 9999_books\nWould roll back 8888_shelves\n");
        assert_eq!(applied(&folder), 4);
        let refused = say(&folder, &["migrate:rollback"]);
        assert_eq!(
            (refused.status, &*refused.out, &*refused.err),
            (
                1,
                "",
                "error: Roll back 9999_books, 8888_shelves? There is no terminal to answer on\n  help: add --force to do it without a question\n"
            )
        );
        let told = out(&folder, &["migrate:rollback", "--force"]);
        assert_eq!(told, "Rolled back 9999_books\nRolled back 8888_shelves\n");
        assert_eq!(applied(&folder), 2);
        // What was undone is pending, and is a batch of its own when it is applied again.
        assert_eq!(out(&folder, &["migrate"]), "Applied 8888_shelves\nApplied 9999_books\n");
        out(&folder, &["migrate:rollback", "--force"]);
        let told = out(&folder, &["migrate:rollback", "--force"]);
        let undone: Vec<_> = told.lines().collect();
        assert!(undone.len() == 2 && undone.is_sorted_by(|a, b| a > b), "the last one first: {told}");
        assert_eq!(out(&folder, &["migrate:rollback", "--force"]), "Nothing to roll back.\n");
        assert!(say(&folder, &["queue:status"]).err.contains("has no table \"jobs\""));
        assert_eq!(out(&folder, &["migrate"]).matches("Applied").count(), 4);
        assert_eq!(out(&folder, &["queue:push", "Echo"]), "1\n");
        assert_eq!(out(&folder, &["queue:pause", "default"]), "Queue \"default\" is paused.\n");
    }
}

#[test]
fn who_rolls_back_the_table_of_jobs_is_told_how_many_are_lost() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        out(&folder, &["queue:push", "Echo", "--count", "3"]);
        let refused = say(&folder, &["migrate:rollback"]);
        assert!(
            refused.err.contains("? 3 job(s) that wait or run are lost. There is no terminal"),
            "{}",
            refused.err
        );
        assert_eq!(out(&folder, &["queue:status", "--json"]).matches("\"waiting\":3").count(), 1);
        assert_eq!(out(&folder, &["migrate:rollback", "--force"]).lines().count(), 2);
    }
}

#[test]
fn a_batch_that_cannot_be_undone_is_left_as_it_is() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        write(&folder, "8888_shelves.sql", "CREATE TABLE shelves (id INTEGER);\n");
        write(&folder, "9999_books.sql", "CREATE TABLE books (id INTEGER);\n");
        write(&folder, "9999_books.down.sql", "DROP TABLE books;\n");
        out(&folder, &["migrate"]);
        for more in ["--dry-run", "--force"] {
            let refused = say(&folder, &["migrate:rollback", more]);
            assert_eq!(
                (refused.status, &*refused.out, &*refused.err),
                (
                    1,
                    "",
                    "error: cannot roll back 8888_shelves: cannot read databases/migrations/8888_shelves.down.sql: No such file or directory (os error 2)\n  help: write the SQL there that undoes it; nothing was changed\n"
                )
            );
        }
        write(&folder, "8888_shelves.down.sql", "DROP TABLE shelfs;\n");
        let failed = say(&folder, &["migrate:rollback", "--force"]);
        assert_eq!((failed.status, &*failed.out), (1, "Rolled back 9999_books\n"));
        assert!(failed.err.starts_with("error: cannot roll back 8888_shelves: "), "{}", failed.err);
        assert!(failed.err.contains("shelfs"), "{}", failed.err);
        write(&folder, "8888_shelves.down.sql", "DROP TABLE shelves;\n");
        assert_eq!(out(&folder, &["migrate:rollback", "--force"]), "Rolled back 8888_shelves\n");
    }
}

#[test]
fn of_two_rollbacks_at_once_each_migration_is_undone_once() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        let undone: usize = std::thread::scope(|scope| {
            let roll_back = || {
                let said = run(craft(&folder, &["migrate:rollback", "--force"]));
                assert_eq!((said.status, &*said.err), (0, ""), "{}", said.out);
                said.out.matches("Rolled back").count()
            };
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(roll_back)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).sum()
        });
        assert_eq!(undone, 2);
    }
}
