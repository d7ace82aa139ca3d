//! On servers, too, the statements of the hot path use their indexes, whatever lies in the table.

use std::collections::BTreeMap;

use craft_queue::{Config, Jobs, Queue};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::config_on;

fn sql(dialect: &str, name: &str) -> String {
    let path = format!("{}/sql/{dialect}/{name}.sql", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n")
}

fn install(config: Config) {
    Queue::open(config, Jobs::new()).unwrap().install().unwrap();
}

/// What is put in for `$1` and so on.
fn filled(dialect: &str, name: &str, values: &[&str]) -> String {
    let sql = sql(dialect, name);
    let numbered: BTreeMap<_, _> = values.iter().enumerate().map(|(at, value)| (at + 1, value)).collect();
    match dialect {
        "postgres" => {
            numbered.iter().rev().fold(sql, |sql, (at, value)| sql.replace(&format!("${at}"), value))
        }
        _ => values.iter().fold(sql, |sql, value| sql.replacen('?', value, 1)),
    }
}

const LINES: [&str; 2] = ["ARRAY['q1','q1','q0']", "ARRAY[9,0,5]"];

#[test]
fn postgres_neither_sorts_nor_scans_on_the_hot_path() {
    let url = Postgres::shared().database();
    install(config_on(&url));
    let run = |sql: &str| postgres::query(&url, sql).unwrap();
    run("INSERT INTO jobs (name, payload, queue, priority, available_at)
        SELECT 'A', '{}', 'q' || i % 3, i % 10, now() + (i % 2) * interval '10 years' FROM generate_series(1, 20000) i;
        UPDATE jobs SET token = 1, lease = now() + interval '1 minute' WHERE id <= 500");
    let ids = "ARRAY[1,2,3]::bigint[]";
    let statements: [(&str, Vec<&str>, &str); 6] = [
        ("first_due", LINES.to_vec(), "using jobs_ready"),
        ("take", [&LINES[..], &["7", "60000", "100"]].concat(), "using jobs_ready"),
        ("first_lease", vec!["'[\"q1\"]'"], "using jobs_held"),
        ("take_suspects", vec!["ARRAY['q1']", "7", "60000", "10"], "using jobs_held"),
        ("done", vec![ids, ids], "using jobs_pkey"),
        ("done_and_take", [&LINES[..], &["7", "60000", "100", ids, ids]].concat(), "using jobs_ready"),
    ];
    for analyzed in [false, true] {
        if analyzed {
            run("ANALYZE jobs");
        }
        for (name, values, index) in &statements {
            let statement = filled("postgres", name, values);
            let settings = "SET enable_seqscan = off; SET enable_hashjoin = off;
                SET enable_mergejoin = off; SET enable_bitmapscan = off; SET jit = off;";
            let plan = run(&format!("{settings} EXPLAIN (COSTS OFF) {statement}"));
            assert!(plan.contains(index), "{name}, analyzed {analyzed}: {plan}");
            for bad in ["Sort", "Seq Scan on jobs", "Bitmap", "Hash Join"] {
                assert!(!plan.contains(bad), "{name}, analyzed {analyzed}, has a {bad}: {plan}");
            }
        }
    }
    let statement = filled("postgres", "take", &statements[1].1);
    let plan = run(&format!("BEGIN; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}; ROLLBACK"));
    assert!(plan.contains("Update on jobs (actual rows=100"), "it takes what it looks for: {plan}");
}

#[test]
fn mariadb_neither_sorts_nor_scans_on_the_hot_path() {
    let url = MariaDb::shared().database();
    install(config_on(&url));
    let run = |sql: &str| mariadb::query(&url, sql).unwrap();
    run("INSERT INTO jobs (name, payload, queue, priority, available_at)
        SELECT 'A', '{}', CONCAT('q', seq % 3), seq % 10, UTC_TIMESTAMP(6) + INTERVAL (seq % 2) * 10 YEAR
        FROM seq_1_to_20000;
        UPDATE jobs SET token = 1, lease = UTC_TIMESTAMP(6) + INTERVAL 1 MINUTE WHERE id <= 500");
    let statements: [(&str, Vec<&str>, &str); 6] = [
        ("next_priority", vec!["'q1'", "2", "10"], "jobs_ready"),
        ("first_due", vec!["'q1'", "2", "9"], "jobs_ready"),
        ("take", vec!["'q1'", "2", "8", "'1000-01-01'", "100"], "jobs_ready"),
        ("first_lease", vec!["'q1'", "2"], "jobs_ready"),
        ("take_suspects", vec!["'q1'", "2", "10"], "jobs_ready"),
        ("done", vec!["1"], "PRIMARY"),
    ];
    for analyzed in [false, true] {
        if analyzed {
            run("ANALYZE TABLE jobs");
        }
        for (name, values, index) in &statements {
            let statement = filled("mysql", name, values).replace("(0)", "(1, 2, 3)");
            let plan = run(&format!("EXPLAIN {statement}"));
            let columns: Vec<_> = plan.lines().next().unwrap().split('\t').collect();
            assert!(["ref", "range"].contains(&columns[3]), "{name}, analyzed {analyzed}: {plan}");
            assert_eq!(columns[5], *index, "{name}, analyzed {analyzed}: {plan}");
            assert!(!plan.contains("filesort") && !plan.contains("temporary"), "{name}: {plan}");
        }
    }
    let take = filled("mysql", "take", &statements[2].1);
    let read = run(&format!("FLUSH STATUS; {take} SHOW SESSION STATUS LIKE 'Handler_read%'"));
    let read: u64 = read
        .lines()
        .filter_map(|line| line.strip_prefix("Handler_read_")?.split_once('\t')?.1.parse::<u64>().ok())
        .sum();
    assert!(read < 250, "it reads about as many rows as it looks for, not {read}");
}
