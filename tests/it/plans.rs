//! The statements of the hot path use their indexes, whatever lies in the table.

use craft_queue::{Config, Jobs, Queue};

use crate::support::Folder;

/// What SQLite plans for a statement of `sql/sqlite`, line by line.
fn plan(file: &rusqlite::Connection, name: &str) -> Vec<String> {
    let path = format!("{}/sql/sqlite/{name}.sql", env!("CARGO_MANIFEST_DIR"));
    let sql = std::fs::read_to_string(path).unwrap();
    let mut statement = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let count = statement.parameter_count();
    let nulls = rusqlite::params_from_iter(vec![rusqlite::types::Null; count]);
    let rows = statement.query_map(nulls, |row| row.get::<_, String>(3)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn no_statement_of_the_hot_path_sorts_or_scans() {
    let folder = Folder::new();
    let path = folder.join("jobs.sqlite3");
    Queue::open(Config::sqlite(&path), Jobs::new()).unwrap().install().unwrap();
    let file = rusqlite::Connection::open(path).unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO jobs (name, payload, queue, priority, available_at)
        SELECT 'A', '{}', 'q' || (i % 3), i % 10, (i % 2) * 4102444800000 FROM n";
    file.execute_batch(fill).unwrap();
    for analyzed in [false, true] {
        if analyzed {
            file.execute_batch("ANALYZE").unwrap();
        }
        let expected = [
            ("first_due", "SEARCH jobs USING INDEX jobs_ready (queue=? AND priority<?)"),
            ("take", "SEARCH jobs USING INDEX jobs_ready (queue=? AND priority=? AND available_at<?)"),
            ("first_lease", "SEARCH jobs USING INDEX jobs_held (lease<?)"),
            ("take_suspects", "SEARCH jobs USING INDEX jobs_held (lease<?)"),
            ("due_ids", "SEARCH jobs USING INDEX jobs_ready (queue=? AND priority=? AND available_at<?)"),
            ("due_suspects", "SEARCH jobs USING INDEX jobs_held (lease<?)"),
            ("lock_one", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
            ("take_one", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
            ("find_odd", "SEARCH jobs USING INDEX jobs_ready (queue=? AND priority=? AND available_at>?)"),
            ("find_stray", "SEARCH jobs USING INDEX jobs_held (lease=?)"),
            ("find_pushed", "SEARCH jobs USING COVERING INDEX jobs_uuid (uuid=?)"),
            ("find_pushed", "SEARCH jobs USING COVERING INDEX jobs_unique_key (unique_key=?)"),
            ("done", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
            ("again", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
            ("give_back", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
            ("extend", "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ];
        for (name, wanted) in expected {
            let plan = plan(&file, name);
            assert!(plan.iter().any(|line| line == wanted), "{name}, analyzed {analyzed}: {plan:#?}");
            for line in &plan {
                // Of two rows at most.
                let sorts = line.contains("TEMP B-TREE") && name != "find_pushed";
                assert!(!sorts, "{name} sorts: {plan:#?}");
                let scans = line.starts_with("SCAN") && !line.contains("json_each");
                assert!(!scans, "{name} scans: {plan:#?}");
            }
        }
    }
}

#[test]
fn a_count_up_to_a_bound_looks_into_the_index_for_what_it_counts() {
    let folder = Folder::new();
    let path = folder.join("jobs.sqlite3");
    Queue::open(Config::sqlite(&path), Jobs::new()).unwrap().install().unwrap();
    let file = rusqlite::Connection::open(path).unwrap();
    let counted = plan(&file, "size_up_to");
    for wanted in ["available_at<?)", "available_at>?)", "priority=?)"] {
        let index = "INDEX jobs_ready (queue=? AND priority=";
        assert!(counted.iter().any(|line| line.contains(index) && line.ends_with(wanted)), "{counted:#?}");
    }
    assert!(counted.iter().any(|line| line.contains("INDEX jobs_held")), "{counted:#?}");
    let listed = plan(&file, "list_queues");
    assert!(listed.iter().any(|line| line.contains("INDEX jobs_ready (queue>?)")), "{listed:#?}");
}
