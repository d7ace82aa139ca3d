//! The binary in an empty folder, walked through the chapter; what it says is checked to the letter.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::programs::{craft, json, out, run, said, say, test_jobs};
use crate::support::Folder;

fn installed() -> Folder {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    folder
}

#[test]
fn the_whole_chapter() {
    let folder = Folder::new();
    // Create the tables.
    let wrote = out(&folder, &["queue:table"]);
    assert!(wrote.starts_with("Wrote databases/migrations/2"), "{wrote}");
    assert!(wrote.trim_end().ends_with("_create_queue_jobs_table.sql"), "{wrote}");
    assert!(out(&folder, &["queue:table"]).ends_with("_create_queue_jobs_table.sql exists already.\n"));
    let failed = out(&folder, &["queue:failed"]);
    assert!(
        failed.contains("_create_failed_jobs_table.sql\n") && failed.contains("queue:failed-list"),
        "{failed}"
    );
    let pending = out(&folder, &["migrate", "--dry-run"]);
    assert_eq!(pending.lines().filter(|line| line.starts_with("Would apply 2")).count(), 2, "{pending}");
    assert_eq!(out(&folder, &["migrate"]).matches("Applied 2").count(), 2);
    assert_eq!(out(&folder, &["migrate"]), "Nothing to migrate.\n");
    assert_eq!(out(&folder, &["migrate:status"]).matches("applied").count(), 2);

    // Create a job.
    let job = out(&folder, &["job", "CreateInvoice"]);
    assert!(
        job.contains("Wrote src/jobs/create_invoice.rs") && job.contains("Registered CreateInvoice"),
        "{job}"
    );
    let again = say(&folder, &["job", "CreateInvoice"]);
    assert_eq!(
        (again.status, &*again.err),
        (1, "error: src/jobs/create_invoice.rs exists already\n  help: add --force to write over it\n")
    );
    out(&folder, &["job", "CreateInvoice", "--force"]);

    // Queue jobs.
    assert_eq!(out(&folder, &["queue:push", "Echo", r#"{"order_id": 1}"#]), "1\n");
    assert_eq!(
        out(&folder, &["queue", "push", "Fail", "\"smtp: connection refused\"", "--queue", "invoices"]),
        "2\n"
    );
    let lines = json(&folder, &["queue:status", "--json"]);
    let keys: Vec<_> = lines[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["delayed", "failed", "oldest_wait_s", "paused", "queue", "running", "waiting"],
        "{lines}"
    );
    assert_eq!((&lines[0]["queue"], &lines[0]["waiting"]), (&json!("default"), &json!(1)));
    assert_eq!((&lines[1]["queue"], &lines[1]["waiting"]), (&json!("invoices"), &json!(1)));

    // A worker.
    let worked = out(
        &folder,
        &[
            "queue:work",
            "--driver",
            "database",
            "--connection",
            "sqlite",
            "--queue",
            "invoices,default",
            "--poll",
            "0.1",
            "--attempts",
            "2",
            "--backoff",
            "0.01",
            "--stop-when-empty",
        ],
    );
    assert!(worked.contains("{\"order_id\":1}\n"), "{worked}");
    assert!(worked.contains("event=done id=1 "), "{worked}");
    assert!(worked.contains("error=\"smtp: connection refused\" will_retry=true retry_at="), "{worked}");
    assert!(worked.contains("event=stopped done=1 failed=1 retried=1 returned=0 lost=0"), "{worked}");

    // Failed jobs.
    let failed = json(&folder, &["queue:failed-list", "--json"]);
    let keys: Vec<_> = failed[0].as_object().unwrap().keys().cloned().collect();
    let mut expected = [
        "id",
        "uuid",
        "driver",
        "connection",
        "queue",
        "job",
        "attempts",
        "exception",
        "payload",
        "failed_at",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((&failed[0]["id"], &failed[0]["attempts"]), (&json!(1), &json!(2)));
    let one = out(&folder, &["queue:failed-list", "1"]);
    assert!(one.contains("payload     \"smtp: connection refused\""), "{one}");
    assert!(out(&folder, &["queue:retry", "--dry-run"]).contains("Would add 1 failed job(s)"));
    let retried = out(&folder, &["queue:retry", "--queue", "slow"]);
    assert_eq!(
        retried,
        "  #1 Fail onto slow, now job #3\nAdded 1 failed job(s) back to the queue\n  slow: 1\n"
    );
    assert_eq!(out(&folder, &["queue:retry"]), "No failed jobs found.\n");
    assert_eq!(out(&folder, &["queue:failed-list"]), "No failed jobs found.\n");
}

#[test]
fn ids_of_pushes_are_json_when_asked_for() {
    let folder = installed();
    assert_eq!(out(&folder, &["queue:push", "Echo", "1", "--json"]), "{\"id\":1}\n");
    assert_eq!(
        json(&folder, &["queue:push", "Echo", "1", "--count", "2", "--json"]),
        json!([{"id": 2}, {"id": 3}])
    );
    std::fs::write(folder.join("payload.json"), "{\"a\": [1, 2]}").unwrap();
    assert_eq!(out(&folder, &["queue:push", "Echo", "@payload.json", "--delay", "30s"]), "4\n");
    let mut child = craft(&folder, &["queue:push", "Echo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\"from stdin\"").unwrap();
    assert_eq!(said(child.wait_with_output().unwrap()).out, "5\n");
    let bad = say(&folder, &["queue:push", "Echo", "{not json"]);
    assert_eq!(bad.status, 2);
    assert!(bad.err.starts_with("error: cannot push Echo: the payload is not JSON: "), "{}", bad.err);
    let missing = say(&folder, &["queue:push", "Echo", "@nowhere.json"]);
    assert!(missing.err.starts_with("error: cannot read the payload from nowhere.json: "), "{}", missing.err);
}

/// Events of a worker have the keys of the specification, in its order.
#[test]
fn a_worker_tells_events_as_json() {
    let folder = installed();
    out(&folder, &["queue:push", "Fail", "\"no\""]);
    let told = out(&folder, &["queue:work", "--once", "--json", "--attempts", "1"]);
    let dead =
        told.lines().find(|line| line.contains("\"event\":\"dead\"")).unwrap_or_else(|| panic!("{told}"));
    let keys = [
        "ts",
        "event",
        "id",
        "uuid",
        "job",
        "queue",
        "driver",
        "connection",
        "attempt",
        "attempts",
        "duration_ms",
        "error",
        "will_retry",
        "retry_at",
    ];
    let places: Vec<_> = keys.iter().map(|key| dead.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{dead}");
    for line in told.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_do_next() {
    let folder = Folder::new();
    let cases: [(&[&str], i32, &str); 10] = [
        (
            &["queue:work"],
            1,
            "error: connection \"sqlite\" has no table \"jobs\"\n  help: craft queue:table && craft migrate      (or craft queue:install)\n",
        ),
        (
            &["queue:push", "Echo"],
            1,
            "error: connection \"sqlite\" has no table \"jobs\"\n  help: craft queue:table && craft migrate      (or craft queue:install)\n",
        ),
        (
            &["queue:wrok"],
            2,
            "error: unrecognized subcommand 'queue:wrok'\n  tip: a similar subcommand exists: 'queue:work'\n",
        ),
        (
            &["queue:work", "--driver", "redis"],
            2,
            "error: --driver: no driver is named \"redis\"\n  help: this program has: amqp, async, database\n",
        ),
        (
            &["queue:work", "--driver", "mysql"],
            2,
            "error: --driver: no driver is named \"mysql\"\n  help: databases have the driver \"database\": the connection says which one, --connection NAME or connection = \"NAME\" under [database]\n",
        ),
        (
            &["queue:work", "--driver", "async"],
            1,
            "error: cannot work for driver \"async\": its jobs wait in the memory of the program that pushes them, which runs them by itself\n  help: for workers of their own use --driver database\n",
        ),
        (
            &["queue:work", "--max-jobs", "none"],
            2,
            "error: --max-jobs: \"none\" is not a whole number from 1\n",
        ),
        (
            &["queue:clear"],
            1,
            "error: Remove all waiting jobs of queue \"default\"? There is no terminal to answer on\n  help: add --force to do it without a question\n",
        ),
        (
            &["job", "create-invoice"],
            2,
            "error: \"create-invoice\" is no name for a job\n  help: write it as a Rust type: CreateInvoice\n",
        ),
        (
            &["migrate", "--directory", "nowhere"],
            1,
            "error: cannot read nowhere: No such file or directory (os error 2)\n  help: craft queue:table makes the folder and the first file\n",
        ),
    ];
    for (arguments, status, text) in cases {
        let said = say(&folder, arguments);
        assert_eq!((said.status, &*said.err, &*said.out), (status, text, ""), "{arguments:?}");
    }
    assert!(!folder.join("database.sqlite3").exists(), "none of them made a file");
    let unknown = say(&folder, &["queue:work", "--frob"]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.starts_with("error: unexpected argument '--frob' found\n"), "{}", unknown.err);
}

#[test]
fn a_bad_configuration_is_shown_with_its_line_and_nothing_is_started() {
    let folder = Folder::new();
    std::fs::write(folder.join("queue.toml"), "default = \"database\"\n\n[database]\ntabel = \"jobs\"\n")
        .unwrap();
    for command in ["config:check", "queue:work", "queue:status"] {
        let said = say(&folder, &[command]);
        assert_eq!((said.status, &*said.out), (78, ""), "{command}");
        let head = "database.tabel: unknown field, expected one of connection, table, failed_table, attempts, poll, tz";
        assert!(said.err.starts_with(head), "{}", said.err);
        assert!(
            said.err.contains("\n  --> queue.toml:4:1\n  4 | tabel = \"jobs\"\n    | ^^^^^\n"),
            "{}",
            said.err
        );
    }
    let missing = say(&folder, &["queue:status", "--config", "other.toml"]);
    assert_eq!(missing.status, 78);
    assert!(missing.err.contains("other.toml"), "{}", missing.err);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = Folder::new();
    std::fs::write(folder.join("queue.toml"), "[database]\npoll = 5\nattempts = 7\n").unwrap();
    let value = |arguments: &[&str], environment: Option<&str>| {
        let mut command = craft(&folder, arguments);
        if let Some(attempts) = environment {
            command.env("CRAFT_ATTEMPTS", attempts);
        }
        let said = run(command);
        let line = said.out.lines().find(|line| line.contains("database.attempts")).unwrap().to_owned();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(value(&["config:check"], None), ["7", "queue.toml:3"]);
    assert_eq!(value(&["config:check"], Some("9")), ["9", "CRAFT_ATTEMPTS"]);
}

#[test]
fn failed_jobs_are_forgotten_pruned_and_flushed() {
    let folder = installed();
    for reason in ["\"a\"", "\"b\"", "\"c\"", "\"d\""] {
        out(&folder, &["queue:push", "Fail", reason]);
    }
    out(&folder, &["queue:work", "--stop-when-empty", "--attempts", "1"]);
    assert_eq!(out(&folder, &["queue:forget", "1"]), "Forgot failed job #1.\n");
    let unknown = say(&folder, &["queue:forget", "1", "2"]);
    assert_eq!(
        (unknown.status, &*unknown.err, &*unknown.out),
        (
            1,
            "error: there is no failed job #1\n  help: craft queue:failed-list lists them\n",
            "Forgot failed job #2.\n"
        )
    );
    assert_eq!(
        out(&folder, &["queue:prune-failed", "--hours", "1", "--force"]),
        "Removed 0 failed job(s).\n"
    );
    assert_eq!(say(&folder, &["queue:flush"]).status, 1, "nobody was asked");
    assert_eq!(out(&folder, &["queue:flush", "--force"]), "Removed 2 failed job(s).\n");
    let unknown = say(&folder, &["queue:retry", "77"]);
    assert_eq!(
        (unknown.status, &*unknown.err),
        (1, "error: there is no failed job #77\n  help: craft queue:failed-list lists them\n")
    );
}

#[test]
fn a_worker_ends_at_its_bounds() {
    let folder = installed();
    out(&folder, &["queue:push", "Echo", "1", "--count", "5"]);
    assert!(out(&folder, &["queue:work", "--once"]).contains("event=stopped done=1 "));
    assert!(
        out(&folder, &["queue:work", "--max-jobs", "3", "--workers", "2"]).contains("event=stopped done=3 ")
    );
    assert!(out(&folder, &["queue:work", "--max-time", "0.2"]).contains("event=stopped done=1 "));
    assert!(
        out(&folder, &["queue:work", "--once"]).contains("event=stopped done=0 "),
        "none waits: it does not"
    );
    let large = say(&folder, &["queue:work", "--memory", "1"]);
    assert_eq!(large.status, 12, "{}", large.err);
}

#[test]
fn the_process_id_is_written_while_it_works() {
    let folder = installed();
    out(&folder, &["queue:push", "Echo", "1"]);
    out(&folder, &["queue:work", "--once", "--pid-file", "worker.pid"]);
    assert!(!folder.join("worker.pid").exists(), "it is gone with the worker");
    let said = say(&folder, &["queue:work", "--pid-file", "no/such/folder/pid"]);
    assert_eq!(said.status, 1);
    assert!(
        said.err.starts_with("error: cannot write the process id to no/such/folder/pid: "),
        "{}",
        said.err
    );
}

#[test]
fn a_program_of_ones_own_has_its_own_jobs() {
    let folder = Folder::new();
    let said = run(test_jobs(&folder, &["job:list"]));
    assert_eq!((said.status, &*said.out), (0, "  Die\n  Ledger\n  Nothing\n  Odd\n"));
    assert_eq!(out(&folder, &["job:list"]), "  Echo\n  Fail\n");
}

#[test]
fn the_bench_measures_and_leaves_nothing_behind() {
    let folder = installed();
    let figures = out_of_bench(&folder);
    let workloads: Vec<_> =
        figures.iter().map(|figure| figure["workload"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        workloads,
        ["pickup", "push", "push", "push_many", "drain", "drain", "drain_deep", "drain_future"]
    );
    for figure in &figures {
        assert_eq!((&figure["lost"], &figure["doubled"]), (&json!(0), &json!(0)), "{figure}");
    }
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    let tables = "SELECT count(*) FROM sqlite_master WHERE name LIKE 'craft_bench%'";
    assert_eq!(file.query_row(tables, [], |row| row.get::<_, i64>(0)), Ok(0));
    // A table of that name that is there already is somebody's.
    file.execute_batch("CREATE TABLE craft_bench_jobs (theirs INTEGER)").unwrap();
    let refused = say(&folder, &["queue:bench"]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains("error: cannot bench: there is a table \"craft_bench_jobs\" already"),
        "{}",
        refused.err
    );
}

fn out_of_bench(folder: &Folder) -> Vec<Value> {
    let said = say(folder, &["queue:bench", "--jobs", "300", "--backlog", "500", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn help_is_short_with_h_and_has_examples_with_help() {
    let folder = Folder::new();
    assert!(!out(&folder, &["queue:work", "-h"]).contains("Examples:"));
    assert!(out(&folder, &["queue:work", "--help"]).contains("Examples:\n  craft queue:work"));
    assert_eq!(out(&folder, &["-V"]), format!("craft {}\n", env!("CARGO_PKG_VERSION")));
    let overview = out(&folder, &[]);
    for name in ["queue:work", "queue:table", "queue:failed", "queue:retry", "migrate", "job "] {
        assert!(overview.contains(&format!("\n  {name}")), "{overview}");
    }
}

/// In threads and in processes; so does `queue:push` where its job runs at once.
#[test]
fn what_jobs_print_is_no_part_of_the_json() {
    let folder = installed();
    for mode in ["threading", "multiprocess"] {
        out(&folder, &["queue:push", "Echo", "\"as said by a job\""]);
        let worked = say(&folder, &["queue:work", "--once", "--json", "--mode", mode]);
        for line in worked.out.lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
        assert!(worked.out.contains("\"event\":\"done\""), "{}", worked.out);
        assert_eq!(worked.err, "\"as said by a job\"\n", "{mode}");
    }
    std::fs::write(folder.join("queue.toml"), "[async]\nblocking = true\n").unwrap();
    let pushed = say(&folder, &["queue:push", "Echo", "7", "--driver", "async", "--json"]);
    assert_eq!(pushed.err, "7\n");
    serde_json::from_str::<Value>(&pushed.out).unwrap();
}
