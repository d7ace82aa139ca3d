//! On servers, too, the statements of the hot path use their indexes, whatever lies in the table.

use std::collections::BTreeMap;
use std::time::Duration;

use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::{Diary, config_on, wait_until};

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
    // Of its own, and not durable: millions of rows are made.
    let fast = [
        "fsync = off",
        "wal_level = minimal",
        "max_wal_senders = 0",
        "max_wal_size = 8GB",
        "autovacuum = off",
    ];
    let options = fast.into_iter().fold(postgres::Options::default(), postgres::Options::setting);
    let server = Postgres::start(options.setting("shared_buffers = 512MB"));
    let url = server.database();
    install(config_on(&url));
    let run = |sql: &str| postgres::query(&url, sql).unwrap();
    // Indexes that no statement below looks into would only cost time.
    run("DROP INDEX jobs_uuid; DROP INDEX jobs_unique_key; DROP INDEX failed_jobs_uuid;
        INSERT INTO jobs (uuid, name, payload, queue, priority, available_at)
        SELECT lpad(to_hex(i), 32, '0')::uuid, 'A', '{}',
            CASE WHEN i <= 100000 THEN 'other' ELSE 'q' || i % 2 END, i % 10,
            now() + CASE WHEN i <= 110000 THEN interval '0' ELSE interval '10 years' END
        FROM generate_series(1, 1110000) i;
        UPDATE jobs SET token = -1, lease = now() + interval '1 minute' WHERE id > 1109000;
        INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at)
        SELECT lpad(i::text, 36, '0'), 'database', 'server', 'q1', 'A', '{}', 'why', 1, 'then', 'then'
        FROM generate_series(1, 1000000) i");
    let ids = "ARRAY[1,2,3]::bigint[]";
    let since = "ARRAY['-infinity','-infinity','-infinity']::timestamptz[]";
    let after = "ARRAY[0,0,0]::bigint[]";
    let none = "ARRAY[]::bigint[]";
    let statements: [(&str, Vec<&str>, &str); 15] = [
        ("first_due", [&LINES[..], &[none]].concat(), "using jobs_ready"),
        ("take", [&LINES[..], &["-7", "60000", "100", none]].concat(), "using jobs_ready"),
        ("due_ids", [&LINES[..], &["100", none]].concat(), "jobs_ready"),
        ("find_odd", [&LINES[..], &["100", none]].concat(), "jobs_ready"),
        ("first_lease", vec!["'[\"q1\"]'", "'[]'"], "using jobs_held"),
        ("take_suspects", vec!["ARRAY['q1']", "-7", "60000", "10", "true", none], "using jobs_held"),
        ("due_suspects", vec!["ARRAY['q1']", "10", none, "true"], "using jobs_held"),
        ("lock_one", vec!["5", "ARRAY['q1']", "'fresh'", "true"], "using jobs_pkey"),
        ("take_one", vec!["5", "-7", "60000", "'fresh'", "true"], "using jobs_pkey"),
        ("done", vec![ids, ids], "using jobs_pkey"),
        ("extend", vec![ids, ids, "60000"], "using jobs_pkey"),
        ("free_held", vec![ids, ids], "using jobs_pkey"),
        ("still_held", vec![ids, ids], "using jobs_pkey"),
        (
            "done_and_take",
            [&LINES[..], &["-7", "60000", "100", ids, ids, since, after, none]].concat(),
            "using jobs_ready",
        ),
        (
            "list_failed",
            vec!["5", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "50"],
            "using failed_jobs_pkey",
        ),
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
    let measure = |name: &str, values: &[&str]| {
        let statement = filled("postgres", name, values);
        run(&format!("BEGIN; EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}; ROLLBACK"))
    };
    let plan = measure("take", &statements[1].1);
    assert!(plan.contains("Update on jobs (actual rows=100"), "it takes what it looks for: {plan}");
    assert!(!plan.contains("Rows Removed"), "it looks at what it does not take: {plan}");
    // The first that the plan tells of: of its top node, all of them.
    let pages = |plan: &str| -> u32 {
        let (_, count) = plan.split_once("shared hit=").unwrap();
        count.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    let plan = measure("first_due", &statements[0].1);
    assert!(pages(&plan) < 50, "a few pages for each line: {plan}");

    // A count reads about as much as its bound, whatever waits: 100,000 are due, and 500,000 are delayed.
    let measure_as_set_up = |name: &str, values: &[&str]| {
        let statement = filled("postgres", name, values);
        run(&format!(
            "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
            EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}"
        ))
    };
    let sizes = measure_as_set_up("size_up_to", &["'[\"other\", \"q1\"]'", "1000"]);
    assert!(pages(&sizes) < 2_000, "{sizes}");
    let queues = measure_as_set_up("list_queues", &[]);
    assert!(pages(&queues) < 200, "a few pages for each queue, and the held ones: {queues}");
    let failed = measure_as_set_up("count_failed_up_to", &["1000"]);
    assert!(pages(&failed) < 200, "{failed}");

    // Nothing vacuums here: what is removed stays in the index.
    run("DELETE FROM jobs WHERE queue = 'other' AND priority = 9 AND id <= 90000");
    let line = ["ARRAY['other']", "ARRAY[9]", "-7", "60000", "100", none, none];
    let start = ["ARRAY['-infinity']::timestamptz[]", "ARRAY[0]::bigint[]", none];
    let from_the_start = measure("done_and_take", &[&line[..], &start].concat());
    let last = ["ARRAY(SELECT available_at FROM jobs WHERE id = 99999)", "ARRAY[89999]::bigint[]", none];
    let behind = measure("done_and_take", &[&line[..], &last].concat());
    assert!(behind.contains("CTE Scan on taken (actual rows=100"), "{behind}");
    let looking = |plan: &str| pages(plan.split_once("using jobs_ready").unwrap().1);
    assert!(looking(&behind) * 3 < looking(&from_the_start), "{behind} {from_the_start}");
}

/// Runs for a millisecond.
#[derive(Serialize, Deserialize)]
struct Short(String);

impl Queueable for Short {
    const NAME: &'static str = "Short";

    fn handle(&self, job: &Context) -> JobResult {
        std::thread::sleep(Duration::from_millis(1));
        job.state::<Diary>()?.note(self.0.clone());
        Ok(())
    }
}

/// It goes on where its last take ended, but not for long.
#[test]
fn a_busy_postgres_worker_also_takes_what_somebody_puts_in_front() {
    const JOBS: usize = 20_000;
    let url = Postgres::shared().database();
    let diary = Diary::default();
    let queue = Queue::open(config_on(&url), Jobs::new().state(diary.clone()).add::<Short>()).unwrap();
    queue.install().unwrap();
    queue.push_many((0..JOBS).map(|at| Short(at.to_string()))).unwrap();
    let worker = queue.worker().threads(2);
    let stopper = worker.stopper();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run());
        wait_until("a busy worker", || diary.lines().len() > 200);
        let front = "INSERT INTO jobs (name, payload, available_at)
            VALUES ('Short', '\"front\"', now() - interval '1 day')";
        postgres::query(&url, front).unwrap();
        diary.wait_for("front");
        stopper.stop();
        worker.join().unwrap().unwrap();
    });
    assert!(diary.lines().len() < JOBS, "it was not the last one");
}

#[test]
fn mariadb_neither_sorts_nor_scans_on_the_hot_path() {
    let log = if mariadb::is_mysql() { "--innodb-redo-log-capacity=1G" } else { "--innodb-log-file-size=1G" };
    let fast = ["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", log];
    let options = fast.into_iter().fold(mariadb::Options::default(), mariadb::Options::argument);
    let server = MariaDb::start(options.argument("--innodb-buffer-pool-size=768M"));
    let url = server.database();
    install(config_on(&url));
    let run = |sql: &str| mariadb::query(&url, sql).unwrap();
    let (jobs, failed_jobs) = (mariadb::numbers_up_to(1_110_000), mariadb::numbers_up_to(1_000_000));
    run(&format!("ALTER TABLE jobs DROP INDEX jobs_uuid, DROP INDEX jobs_unique_key;
        ALTER TABLE failed_jobs DROP INDEX failed_jobs_uuid;
        INSERT INTO jobs (uuid, name, payload, queue, priority, available_at, created_at)
        SELECT LPAD(HEX(seq), 36, '0'), 'A', '{{}}', IF(seq <= 100000, 'other', CONCAT('q', seq % 2)), seq % 10,
            UTC_TIMESTAMP(6) + INTERVAL IF(seq <= 110000, 0, 10) YEAR, ''
        FROM {jobs};
        UPDATE jobs SET token = -1, lease = UTC_TIMESTAMP(6) + INTERVAL 1 MINUTE WHERE id > 1109000;
        INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at)
        SELECT LPAD(seq, 36, '0'), 'database', 'server', 'q1', 'A', '{{}}', 'why', 1, 'then', 'then'
        FROM {failed_jobs}"));
    let statements: [(&str, Vec<&str>, &str); 9] = [
        ("next_priority", vec!["'q1'", "2", "10"], "jobs_ready"),
        ("first_due", vec!["'q1'", "2", "9", "''"], "jobs_ready"),
        ("take", vec!["'q1'", "2", "8", "'1000-01-01'", "''", "100"], "jobs_ready"),
        ("first_lease", vec!["'q1'", "2", "''"], "jobs_ready"),
        ("take_suspects", vec!["'q1'", "2", "0", "''", "10"], "jobs_ready"),
        ("done", vec!["1"], "PRIMARY"),
        ("extend", vec!["60000000", "1"], "PRIMARY"),
        ("free_held", vec!["1"], "PRIMARY"),
        ("still_held", vec!["1"], "PRIMARY"),
    ];
    // MySQL has a column of partitions in front of the access type, and another format by default.
    let (explain, access) = match mariadb::is_mysql() {
        true => ("EXPLAIN FORMAT=TRADITIONAL", 4),
        false => ("EXPLAIN", 3),
    };
    for analyzed in [false, true] {
        if analyzed {
            run("ANALYZE TABLE jobs");
        }
        for (name, values, index) in &statements {
            let statement = filled("mysql", name, values).replace("(0)", "(1, 2, 3)");
            let plan = run(&format!("{explain} {statement}"));
            let columns: Vec<_> = plan.lines().next().unwrap().split('\t').collect();
            assert!(["ref", "range"].contains(&columns[access]), "{name}, analyzed {analyzed}: {plan}");
            assert_eq!(columns[access + 2], *index, "{name}, analyzed {analyzed}: {plan}");
            assert!(!plan.contains("filesort") && !plan.contains("temporary"), "{name}: {plan}");
        }
    }
    let read = |name: &str, values: &[&str]| {
        let statement = filled("mysql", name, values);
        let read = run(&format!("FLUSH STATUS; {statement} SHOW SESSION STATUS LIKE 'Handler_read%'"));
        let counts = read.lines().filter_map(|line| line.strip_prefix("Handler_read_")?.split_once('\t'));
        counts.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>()
    };
    for (name, values, _) in &statements[..5] {
        // It looks for one, for 100, or for ten.
        let most = if *name == "take" { 250 } else { 30 };
        let count = read(name, values);
        assert!(count < most, "{name} reads about as many rows as it looks for, not {count}");
    }
    // Whatever waits: 100,000 are due, and 500,000 are delayed.
    for queue in [["'other'", "5"], ["'q1'", "2"]] {
        let values = [queue[0], queue[1], "1000"].repeat(3);
        let count = read("size_up_to", &values);
        assert!(count < 7_000, "each of three counts reads about as much as its bound, not {count}");
    }
    let count = read("list_queues", &["''", "1000"]);
    assert!(count < 4_500, "it reads about as much as its bound, and a table of its own, not {count}");
    let count = read("count_failed_up_to", &["1000"]);
    assert!(count < 4_500, "{count}");
    let count = read("list_failed", &["5", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "50"]);
    assert!(count < 100, "a page of the failed jobs is 50 rows, and not {count}");
}

/// Each push that meets its like looks for it: by the uuid and by the key, and not through all.
#[test]
fn what_was_pushed_before_is_found_by_two_looks_into_indexes() {
    let settings = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
        SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan;";
    let url = Postgres::shared().database();
    install(config_on(&url));
    let find = sql("postgres", "find_pushed");
    let explain = format!("{settings} PREPARE find AS {find} EXPLAIN EXECUTE find (gen_random_uuid(), 'k')");
    let plan = postgres::query(&url, &explain).unwrap();
    assert!(plan.contains("jobs_uuid") && plan.contains("jobs_unique_key"), "{plan}");
    assert!(!plan.contains("Seq Scan") && !plan.contains("Bitmap"), "{plan}");

    let url = MariaDb::shared().database();
    install(config_on(&url));
    mariadb::query(&url, "INSERT INTO jobs (name, payload, unique_key, uuid) VALUES ('A', '', 'k', 'u')")
        .unwrap();
    let find = filled("mysql", "find_pushed", &["'u'", "'k'"]);
    let plan = mariadb::query(&url, &format!("EXPLAIN FORMAT=TRADITIONAL {find}")).unwrap();
    assert!(plan.contains("jobs_uuid") && plan.contains("jobs_unique_key"), "{plan}");
    assert!(!plan.contains("\tALL\tjobs") && !plan.contains("\tindex\t"), "{plan}");
}
