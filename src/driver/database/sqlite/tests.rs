//! A file that is planned for once, is full, or may not be written.

use std::time::Instant;

use rusqlite::StatementStatus;

use super::super::statements::Dialect;
use super::*;

/// A new file with our tables.
fn open_new(name: &str) -> (PathBuf, Sqlite) {
    let folder = std::env::temp_dir().join(format!("craft-sqlite-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("jobs.sqlite3");
    let file = File::at(&path);
    let connection = connect(&path, Open::Migrate, Durability::Full, Duration::from_secs(1)).unwrap();
    let statements = Arc::new(Statements::new(Dialect::Sqlite, "jobs", "failed_jobs"));
    let (durability, now) = (Durability::Full, Durability::Full);
    let (file, watch, passed_over) = (file.opened(&connection), None, NONE.to_owned());
    let mut sqlite = Sqlite { connection, path, file, statements, durability, now, watch, passed_over };
    let tables = sqlite.statements.get("create_jobs").to_owned();
    sqlite.run_script(&tables).unwrap();
    (folder, sqlite)
}

#[test]
fn a_full_commit_stays_full_after_a_take() {
    let (folder, mut sqlite) = open_new("durability");
    for (survives, level) in
        [(Survives::PowerCut, 2), (Survives::Crash, 1), (Survives::PowerCut, 2), (Survives::Crash, 1)]
    {
        sqlite.begin(survives).unwrap();
        let read = sqlite.connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0));
        assert_eq!(read, Ok(level), "{survives:?}");
        sqlite.commit().unwrap();
    }
    drop(sqlite);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_take_is_planned_once() {
    let (folder, mut sqlite) = open_new("planned");
    sqlite.push(&[message(), message()], "now").unwrap();
    let queues = ["default".to_owned()];
    for token in [-1, -2] {
        let take = Take {
            queues: &queues,
            token,
            lease: Duration::from_secs(60),
            held_until: Instant::now(),
            charged: true,
        };
        assert_eq!(sqlite.take(&take, 1).unwrap().len(), 1);
    }
    let take = sqlite.prepare("take").unwrap();
    assert_eq!((take.get_status(StatementStatus::Run), take.get_status(StatementStatus::RePrepare)), (2, 0));
    drop(take);
    drop(sqlite);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_full_disk_takes_no_part_of_a_push_and_a_file_that_is_read_only_none() {
    let (folder, mut sqlite) = open_new("full");
    let messages: Vec<_> = (0..50).map(|_| message()).collect();
    let set = |sqlite: &Sqlite, pragma: &str| sqlite.connection.execute_batch(pragma).unwrap();
    let count = |sqlite: &Sqlite| {
        sqlite.connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0))
    };
    // The smallest limit is the size that the file has.
    set(&sqlite, "PRAGMA max_page_count = 1");
    let full = sqlite.push(&messages, "now").unwrap_err();
    assert!(full.is_unavailable(), "{full:?}");
    assert!(full.to_string().ends_with("jobs.sqlite3 is full"), "{full}");
    assert_eq!(full.help(), Some("make room; nothing is lost, and it works on by itself then"));
    assert_eq!(count(&sqlite), Ok(0), "all or none");
    set(&sqlite, "PRAGMA max_page_count = 1000000");
    sqlite.push(&messages, "now").unwrap();
    assert_eq!(count(&sqlite), Ok(50));

    set(&sqlite, "PRAGMA query_only = ON");
    let read_only = sqlite.push(&[message()], "now").unwrap_err();
    assert!(!read_only.is_unavailable(), "{read_only:?}");
    assert!(read_only.to_string().ends_with("jobs.sqlite3 can't be written"), "{read_only}");
    assert_eq!(count(&sqlite), Ok(50));
    drop(sqlite);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_refusal_is_one_sentence_without_the_script() {
    let (folder, mut sqlite) = open_new("refusal");
    let file = sqlite.path.display().to_string();
    let error =
        sqlite.run_script("CREATE TABLE a (b);\n-- Then this.\nCREATE TABEL c (d); CREATE TABLE e (f)");
    assert_eq!(
        error.unwrap_err().to_string(),
        format!(
            "in the statement `CREATE TABEL c (d)`: SQLite refused a statement on {file}: near \"TABEL\": syntax error"
        )
    );
    let missing = sqlite.run_script("SELECT 1 FROM no_such").unwrap_err();
    assert!(missing.is_schema() && missing.to_string().ends_with(": no such table: no_such"), "{missing}");
    drop(sqlite);
    std::fs::remove_dir_all(folder).unwrap();
}

fn message() -> Message {
    Message::new("default", "A", &[b'1'; 1_000])
}
