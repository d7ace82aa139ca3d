//! `queue:push` with every option, and what it says of names and payloads; long work is told in short.

use serde_json::{Value, json};

use crate::programs::{craft, json, out, say, test_jobs};
use crate::support::{Folder, on_each_database};
use crate::terminal::run_at_a_terminal;

fn installed() -> Folder {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    folder
}

#[test]
fn a_push_has_every_option() {
    for (folder, _) in on_each_database() {
        out(&folder, &["queue:install"]);
        let pushed = [
            "queue:push",
            "Fail",
            "\"why\"",
            "--queue",
            "mail",
            "--delay",
            "1h",
            "--unique",
            "fail-1",
            "--priority",
            "7",
            "--attempts",
            "2",
            "--backoff",
            "0.5,10",
            "--timeout",
            "1m",
        ];
        assert_eq!(json(&folder, &[&pushed[..], &["--json"]].concat()), json!({"id": 1}));
        let shown = json(&folder, &["queue:show", "1", "--json"]);
        assert_eq!((&shown["queue"], &shown["state"]), (&json!("mail"), &json!("delayed")));
        assert_eq!((&shown["priority"], &shown["unique_key"]), (&json!(7), &json!("fail-1")));
        let options: Value = serde_json::from_str(shown["options"].as_str().unwrap()).unwrap();
        assert_eq!((&options["attempts"], &options["timeout"]), (&json!(2), &json!(60.0)));
        assert_eq!(options["backoff"], json!([0.5, 10.0]));

        let again = say(&folder, &pushed);
        assert_eq!(
            (again.status, &*again.out, &*again.err),
            (0, "1\n", "Nothing was added: job #1 with the same key waits or runs.\n")
        );
        assert_eq!(json(&folder, &[&pushed[..], &["--json"]].concat()), json!({"id": 1, "duplicate": true}));

        let newest = [&pushed[..], &["--replace"]].concat();
        let replaced = say(&folder, &newest);
        assert_eq!(
            (replaced.status, &*replaced.out, &*replaced.err),
            (0, "1\n", "Job #1 waited with the same key, and is now this one.\n")
        );
        assert_eq!(json(&folder, &[&newest[..], &["--json"]].concat()), json!({"id": 1, "replaced": true}));
        let many = say(&folder, &[&newest[..], &["--count", "200"]].concat());
        assert_eq!(
            (&*many.out, &*many.err),
            ("Pushed 0 jobs\n", "200 took the place of a job that waited with the same key.\n")
        );
    }
}

#[test]
fn options_that_cannot_be_are_refused_with_their_name() {
    let folder = installed();
    for (option, value, said) in [
        ("--priority", "10", "error: priority 10 is over 9\n"),
        ("--priority", "-1", "error: --priority: \"-1\" is not a whole number from 0\n"),
        ("--attempts", "0", "error: --attempts: \"0\" is not a whole number from 1\n"),
        ("--count", "0", "error: --count: \"0\" is not a whole number from 1\n"),
        ("--delay", "-5", "error: --delay: \"-5\" is negative, and not a span of time\n"),
        (
            "--delay",
            "36601 days",
            "error: --delay: \"36601 days\" is too long a span of time: the limit is 36600 days (100 years)\n",
        ),
        ("--timeout", "0", "error: timeout must be more than 0 seconds, and at most 36600 days\n"),
        ("--backoff", "soon", "error: --backoff: "),
        ("--unique", "", "error: the unique key is empty\n"),
    ] {
        let refused = say(&folder, &["queue:push", "Echo", "1", option, value]);
        assert!(refused.status == 2 && refused.err.starts_with(said), "{option} {value}: {}", refused.err);
    }
    assert_eq!(out(&folder, &["queue:list"]), "No jobs found.\n");
}

#[test]
fn an_unknown_name_is_pushed_with_a_warning_and_a_payload_of_another_shape_is_refused() {
    let folder = installed();
    let slip = say(&folder, &["queue:push", "Ecko", "1"]);
    let warning = "warning: this program knows no job named \"Ecko\": did you mean Echo?\n";
    assert_eq!((slip.status, &*slip.out, &*slip.err), (0, "1\n", warning));
    let other = say(&folder, &["queue:push", "SendNewsletter", "1"]);
    let warning = "warning: this program knows no job named \"SendNewsletter\": a worker of another program has to run it\n";
    assert_eq!((other.status, &*other.err), (0, warning));
    assert_eq!(out(&folder, &["-q", "queue:push", "SendNewsletter", "1"]), "3\n");

    let push = |arguments: &[&str]| crate::programs::run(test_jobs(&folder, arguments));
    let misfit = push(&["queue:push", "Ledger", "{\"numbre\": 1}"]);
    assert_eq!((misfit.status, &*misfit.out), (2, ""));
    assert!(
        misfit.err.starts_with("error: cannot push Ledger: the payload is not a Ledger: missing field `"),
        "{}",
        misfit.err
    );
    assert!(
        misfit.err.ends_with("\n  help: add --force to push it as it is, for a worker of another version\n"),
        "{}",
        misfit.err
    );
    assert_eq!(push(&["queue:push", "Ledger", "{\"numbre\": 1}", "--force"]).out, "4\n");
    let broken = push(&["queue:push", "Ledger", "{\"number\": 1"]);
    assert!(broken.err.starts_with("error: cannot push Ledger: the payload is not JSON: "), "{}", broken.err);
}

#[test]
fn many_jobs_are_told_in_short() {
    let folder = installed();
    assert_eq!(out(&folder, &["queue:push", "Fail", "--count", "100"]).lines().count(), 100);
    assert_eq!(out(&folder, &["queue:push", "Fail", "--count", "5000"]), "Pushed 5000 jobs: #101 to #5100\n");
    assert_eq!(out(&folder, &["-v", "queue:push", "Fail", "--count", "200"]).lines().count(), 200);
    let ids = json(&folder, &["queue:push", "Fail", "--count", "200", "--json"]);
    assert_eq!((ids[0]["id"].clone(), ids.as_array().unwrap().len()), (json!(5301), 200));
    let keyed = say(&folder, &["queue:push", "Fail", "--count", "200", "--unique", "k"]);
    assert_eq!(
        (&*keyed.out, &*keyed.err),
        ("Pushed 1 job\n", "199 were not added: a job with the same key waits or runs.\n")
    );

    // A retry of many, of one name or of all.
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    file.execute_batch("
        DELETE FROM jobs;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at)
        SELECT i, 'database', '', 'default', CASE i % 3 WHEN 0 THEN 'Echo' ELSE 'Fail' END, '1', 'why', 1, '', '' FROM n")
        .unwrap();
    let dry = out(&folder, &["queue:retry", "--job", "Echo", "--dry-run"]);
    assert!(dry.ends_with("Would add 100 failed job(s) back to the queue\n  default: 100\n"), "{dry}");
    assert!(dry.lines().take(100).all(|line| line.ends_with(" Echo onto default")), "{dry}");
    let retried = out(&folder, &["queue:retry", "--job", "Fail"]);
    assert_eq!(retried.lines().count(), 103, "{retried}");
    let end = "  … and 100 more; -v lists each\nAdded 200 failed job(s) back to the queue\n  default: 200\n";
    assert!(retried.ends_with(end), "{retried}");
    assert_eq!(out(&folder, &["queue:flush", "--job", "Fail", "--force"]), "Removed 0 failed job(s).\n");
    assert_eq!(
        out(&folder, &["queue:flush", "--job", "Echo", "--queue", "default", "--force"]),
        "Removed 100 failed job(s).\n"
    );
}

#[test]
fn at_a_terminal_a_line_says_how_far_it_is_and_is_gone_at_the_end() {
    let folder = installed();
    let pushed = run_at_a_terminal(craft(&folder, &["queue:push", "Echo", "1", "--count", "5000"]));
    let drawn = "\r\x1b[K  Pushing Echo  [........................]  0 of 5000";
    assert!(pushed.out.starts_with(drawn), "{:?}", pushed.out);
    assert!(pushed.out.ends_with("\r\x1b[KPushed 5000 jobs: #1 to #5000\n"), "{:?}", pushed.out);
    let cleared = run_at_a_terminal(craft(&folder, &["queue:clear", "--force"]));
    let expected = "\r\x1b[K  Removing the jobs of queue \"default\" …\r\x1b[KRemoved 5000 job(s) from queue \"default\".\n";
    assert_eq!(cleared.out, expected);
    let quiet = run_at_a_terminal(craft(&folder, &["-q", "queue:push", "Echo", "1", "--count", "5000"]));
    assert_eq!(quiet.out, "Pushed 5000 jobs: #5001 to #10000\n");
}

#[test]
fn the_newest_may_take_the_place_of_the_one_that_waits() {
    let folder = installed();
    let push = |payload: &str, more: &[&str]| {
        let mut arguments = vec!["queue:push", "Echo", payload];
        arguments.extend(more);
        say(&folder, &arguments)
    };
    assert_eq!(push("1", &["--unique-until-start", "k"]).out, "1\n");
    assert_eq!(push("2", &["--unique-until-start", "k", "--replace"]).out, "1\n");
    let worked = say(&folder, &["queue:work", "--stop-when-empty"]);
    assert!(worked.out.contains("\n2\n") || worked.out.starts_with("2\n"), "{}", worked.out);
    let keyless = push("3", &["--replace"]);
    let said = "error: --replace needs a unique key: that of the job to replace\n  help: add --unique KEY, or --unique-until-start KEY\n";
    assert_eq!((keyless.status, &*keyless.err), (2, said));
    assert_eq!(push("4", &["--unique", "k", "--unique-until-start", "k"]).status, 2);
}
