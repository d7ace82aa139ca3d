//! `queue:list`, `queue:show` and `queue:cancel`, and counts that stop at a bound.

use serde_json::{Value, json};

use crate::programs::{Running, craft, json, out, say};
use crate::support::{Folder, on_each_database, wait_until};

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect()
}

#[test]
fn jobs_are_listed_shown_and_cancelled_while_nobody_holds_them() {
    for (folder, _) in on_each_database() {
        let file = folder.join("queue.toml");
        let mut config = std::fs::read_to_string(&file).unwrap();
        config.push_str("[jobs.Slow]\ncommand = [\"sleep\", \"100\"]\n");
        std::fs::write(file, config).unwrap();
        out(&folder, &["queue:install"]);
        out(&folder, &["queue:push", "Slow"]);
        let worker = Running::start(craft(&folder, &["queue:work", "--json"]));
        let listed = |arguments: &[&str]| json(&folder, &[&["queue:list", "--json"], arguments].concat());
        wait_until("a running job", || ids(&listed(&["--state", "running"])) == [1]);
        out(&folder, &["queue:pause", "default"]);
        worker.wait_for("\"event\":\"paused\"");
        out(&folder, &["queue:push", "Echo", r#"{"order_id": 1}"#]);
        out(&folder, &["queue:push", "Echo", "2", "--delay", "1h", "--queue", "mail"]);
        out(&folder, &["queue:push", "Fail", "--count", "3"]);

        assert_eq!(ids(&listed(&[])), [1, 2, 3, 4, 5, 6]);
        assert_eq!(ids(&listed(&["--queue", "mail"])), [3]);
        assert_eq!(ids(&listed(&["--job", "Fail", "--limit", "2"])), [4, 5]);
        assert_eq!(ids(&listed(&["--job", "Fail", "--limit", "2", "--after", "5"])), [6]);
        assert_eq!(ids(&listed(&["--state", "delayed"])), [3]);
        assert_eq!(ids(&listed(&["--state", "waiting"])), [2, 4, 5, 6]);
        let all = listed(&[]);
        let keys: Vec<_> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "age_s",
            "attempts",
            "created_at",
            "due_at",
            "due_in_ms",
            "hold_ends_in_ms",
            "id",
            "job",
            "priority",
            "queue",
            "state",
            "suspect",
            "unknown_for_ms",
            "uuid",
        ];
        assert_eq!(keys, expected);
        assert_eq!((&all[0]["attempts"], &all[0]["state"]), (&json!(1), &json!("running")));
        assert!(all[2]["due_in_ms"].as_i64().unwrap() > 3_000_000, "{all}");
        assert!(all[1]["age_s"].as_f64().unwrap() < 100.0, "{all}");

        let lines = out(&folder, &["queue:list", "--state", "delayed"]);
        assert!(lines.contains("#3       delayed "), "{lines}");
        assert!(lines.contains(" in 59m ") && lines.contains(" Echo on mail\n"), "{lines}");
        let shown = out(&folder, &["queue:show", "2"]);
        assert!(shown.contains("  payload     {\"order_id\": 1}\n"), "{shown}");
        let uuid = all[1]["uuid"].as_str().unwrap();
        assert_eq!(json(&folder, &["queue:show", uuid, "--json"])["payload"], "{\"order_id\": 1}");
        let gone = say(&folder, &["queue:show", "77"]);
        assert_eq!(
            (gone.status, gone.err.lines().next()),
            (1, Some("error: no job #77 waits, runs or has failed"))
        );

        let third = all[2]["uuid"].as_str().unwrap();
        let cancelled = say(&folder, &["queue:cancel", "1", "2", third, "77", "none"]);
        assert_eq!(cancelled.status, 1);
        assert_eq!(cancelled.out, format!("Cancelled job #2.\nCancelled job #{third}.\n"));
        assert_eq!(
            cancelled.err,
            "error: job #1 stays: a worker holds it\nerror: no job #77 waits or runs\nerror: no job #none waits or runs\n  help: craft queue:list lists those that do\n"
        );
        assert_eq!(out(&folder, &["queue:cancel", "#4"]), "Cancelled job #4.\n");
        assert_eq!(
            json(&folder, &["queue:cancel", "5", "--json"]),
            json!([{"id": 5, "cancelled": "removed"}])
        );
        assert_eq!(ids(&listed(&[])), [1, 6]);
    }
}

#[test]
fn a_job_is_shown_wherever_it_is_by_its_id_or_its_uuid() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        for queue in ["default", "later"] {
            out(&folder, &["queue:push", "Fail", "\"no paper\"", "--queue", queue]);
        }
        let uuids: Vec<String> = json(&folder, &["queue:list", "--json"])
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["uuid"].as_str().unwrap().to_owned())
            .collect();
        out(&folder, &["queue:work", "--attempts", "1", "--stop-when-empty"]);
        for id in [&*uuids[0], &uuids[0].to_uppercase()] {
            let shown = out(&folder, &["queue:show", id]);
            assert!(shown.starts_with("  Failed job #1\n"), "{shown}");
            assert!(shown.contains("  exception\n    no paper\n"), "{shown}");
        }
        let failed = json(&folder, &["queue:show", &uuids[0], "--json"]);
        assert_eq!((&failed["id"], &failed["exception"]), (&json!(1), &json!("no paper")), "{failed}");
        assert!(out(&folder, &["queue:show", &uuids[1]]).starts_with("  Job #2\n"));
        // The failed job has an id of its own; of the waiting ones none has this one.
        assert!(out(&folder, &["queue:show", "1"]).starts_with("  Failed job #1\n"));
        assert!(out(&folder, &["queue:show", "2"]).starts_with("  Job #2\n"));
        assert_eq!(out(&folder, &["queue:failed-list", &uuids[0]]), out(&folder, &["queue:show", &uuids[0]]));
        let retried = out(&folder, &["queue:retry", &uuids[0]]);
        assert!(retried.starts_with("  #1 Fail onto default, now job #3"), "{retried}");
        assert_eq!(say(&folder, &["queue:forget", &uuids[0]]).status, 1, "it is no failed job any more");
        out(&folder, &["queue:work", "--attempts", "1", "--stop-when-empty"]);
        assert_eq!(out(&folder, &["queue:forget", &uuids[0]]), format!("Forgot failed job #{}.\n", uuids[0]));
    }
}

#[test]
fn a_job_that_waits_for_a_worker_that_knows_its_name_says_so() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        assert_eq!(say(&folder, &["queue:push", "Nobody"]).status, 0);
        assert!(!out(&folder, &["queue:show", "1"]).contains("knows this name"));
        assert_eq!(json(&folder, &["queue:show", "1", "--json"])["unknown_for_ms"], Value::Null);
        assert_eq!(say(&folder, &["queue:work", "--stop-when-empty"]).status, 0);
        let shown = out(&folder, &["queue:show", "1"]);
        assert!(
            shown.contains("  unknown     no worker that took it knows this name, first seen 20"),
            "{shown}"
        );
        assert!(shown.contains(" ago; it fails after 1h\n"), "{shown}");
        let listed = out(&folder, &["queue:list"]);
        assert!(listed.contains(" Nobody on default, a name unknown for "), "{listed}");
        let unknown_for = json(&folder, &["queue:list", "--json"])[0]["unknown_for_ms"].as_i64().unwrap();
        assert!((0..60_000).contains(&unknown_for), "{unknown_for}");
    }
}

#[test]
fn a_list_says_when_there_may_be_more() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    assert_eq!(out(&folder, &["queue:list"]), "No jobs found.\n");
    out(&folder, &["queue:push", "Echo", "1", "--count", "60"]);
    let listed = say(&folder, &["queue:list"]);
    assert_eq!(listed.out.lines().count(), 51);
    assert_eq!(listed.err, "There may be more: add --after 50, or --limit 0 for all.\n");
    assert_eq!(out(&folder, &["queue:list", "--after", "50"]).lines().count(), 11);
    assert_eq!(ids(&json(&folder, &["queue:list", "--limit", "0", "--json"])).len(), 60);
    let wrong = say(&folder, &["queue:list", "--state", "done"]);
    assert_eq!(
        (wrong.status, &*wrong.err),
        (2, "error: --state: \"done\" is no state of a job\n  help: it is waiting, delayed or running\n")
    );
}

#[test]
fn a_program_looks_at_its_own_jobs_in_memory() {
    use craft_queue::driver::{Cancelled, JobFilter};
    use craft_queue::{Config, Jobs, Queue};
    let queue = Queue::open(Config::default(), Jobs::new()).unwrap();
    let push = || queue.options().driver("async").delay("1 hour");
    push().push_json("A", "1", 2).unwrap();
    let jobs = queue.jobs(Some("async"), &JobFilter::default()).unwrap();
    assert_eq!(jobs.len(), 2);
    assert_eq!(queue.job(Some("async"), &jobs[0].id).unwrap().unwrap().payload, "1");
    assert_eq!(queue.cancel(Some("async"), &[jobs[0].id.clone()]).unwrap(), [Cancelled::Removed]);
    assert_eq!(queue.jobs(Some("async"), &JobFilter::default()).unwrap().len(), 1);
}

#[test]
fn a_long_queue_is_counted_up_to_a_bound_unless_all_of_it_is_asked_for() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)";
    file.execute_batch(&format!(
        "{many} INSERT INTO jobs (name, payload, priority) SELECT 'A', '1', i % 10 FROM n;
        {many} INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at)
            SELECT i, 'database', '', 'default', 'A', '1', 'why', 1, '', '' FROM n;
        INSERT INTO jobs (name, payload, queue) VALUES ('A', '1', 'short');"
    ))
    .unwrap();
    let told = json(&folder, &["queue:status", "--json"]);
    assert_eq!((&told[0]["waiting"], &told[0]["capped"]), (&json!(10_000), &json!(["waiting", "failed"])));
    assert_eq!((&told[1]["waiting"], &told[1]["capped"]), (&json!(1), &json!(["failed"])));
    let table = out(&folder, &["queue:status"]);
    assert!(table.contains("  default                     10000+         0         0    10000+ "), "{table}");
    let exact = json(&folder, &["queue:status", "default", "--exact", "--json"]);
    assert_eq!((&exact[0]["waiting"], &exact[0]["failed"]), (&json!(12_000), &json!(12_000)));
    assert_eq!(exact[0].get("capped"), None);
    // A limit beyond the bound is still checked.
    assert_eq!(say(&folder, &["queue:monitor", "default", "--max", "11999"]).status, 1);
    assert_eq!(say(&folder, &["queue:monitor", "default", "--max", "12000"]).status, 0);
    let over = out_of_monitor(&folder);
    assert!(over.contains("10000+ waiting") && over.contains("OVER --max 5"), "{over}");
}

fn out_of_monitor(folder: &Folder) -> String {
    say(folder, &["queue:monitor", "default", "--max", "5"]).out
}

#[test]
fn failed_jobs_are_listed_page_by_page() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    assert_eq!(out(&folder, &["queue:failed-list", "--json"]), "[]\n");
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    let failed = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at)
        SELECT i, 'database', '', 'default', 'A', '1', 'why', 1, '', '' FROM n;";
    file.execute_batch(failed).unwrap();
    for (arguments, count) in
        [(&[][..], 300), (&["--limit", "0"], 300), (&["--limit", "250"], 250), (&["--limit", "7"], 7)]
    {
        let command = [&["queue:failed-list"], arguments].concat();
        let listed = ids(&json(&folder, &[&command[..], &["--json"]].concat()));
        assert_eq!(listed, (1..=count).collect::<Vec<i64>>(), "{arguments:?}");
        assert_eq!(
            out(&folder, &command).lines().filter(|line| line.starts_with("  #")).count() as i64,
            count
        );
    }
}

/// A list of none would be a wrong answer.
#[test]
fn what_waits_in_another_programs_memory_is_not_said_to_be_none() {
    let folder = Folder::new();
    for (command, what) in [
        (&["queue:list"][..], "list the jobs"),
        (&["queue:show", "1"], "show a job"),
        (&["queue:cancel", "1"], "cancel a job"),
    ] {
        let said = say(&folder, &[command, &["--driver", "async"]].concat());
        let error =
            format!("error: cannot {what} of driver \"async\": its jobs wait in the memory of the program");
        assert!(said.status == 1 && said.err.starts_with(&error), "{}", said.err);
    }
}

#[test]
fn a_server_that_is_away_is_told_without_the_words_of_its_client() {
    let folder = Folder::new();
    let mut command = craft(&folder, &["queue:list"]);
    command.env("DATABASE_URL", "mysql://u:secret@127.0.0.1:1/shop");
    let said = crate::programs::run(command);
    assert!(said.err.contains("MySQL at 127.0.0.1:1 can't be reached: Connection refused"), "{}", said.err);
    assert!(!said.err.contains("DriverError"), "{}", said.err);
}
