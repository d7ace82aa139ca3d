//! The command line with `amqp` as its driver, in an empty folder.

use std::process::Command;

use serde_json::{Value, json};

use crate::programs::{Said, craft, run};
use crate::servers::rabbitmq::RabbitMq;
use crate::support::Folder;

/// A folder, and a vhost that its commands are told of by the environment.
struct Site {
    folder: Folder,
    url: String,
}

impl Site {
    fn new() -> Self {
        Self { folder: Folder::new(), url: RabbitMq::shared().vhost() }
    }

    /// With a queue.toml of these lines, below `default = "amqp"`.
    fn with(lines: &str) -> Self {
        let site = Self::new();
        std::fs::write(site.folder.join("queue.toml"), format!("default = \"amqp\"\n{lines}")).unwrap();
        site
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = craft(&self.folder, arguments);
        command.env("AMQP_URL", &self.url);
        command
    }

    fn say(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// Runs a command that must succeed, and gives what it printed.
    fn out(&self, arguments: &[&str]) -> String {
        let said = self.say(arguments);
        assert_eq!((said.status, &*said.err), (0, ""), "{arguments:?} printed {}", said.out);
        said.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.out(arguments)).unwrap()
    }
}

#[test]
fn the_chapter_with_a_broker_and_no_database() {
    let site = Site::with("");
    let pushed = site.out(&["queue:push", "Echo", r#"{"order_id": 1}"#]);
    assert_eq!(pushed.trim().len(), 36, "a uuid: {pushed}");
    site.out(&["queue:push", "Fail", "\"smtp: refused\"", "--queue", "invoices"]);
    let lines = site.json(&["queue:status", "--json"]);
    let expected = json!([{"queue": "default", "waiting": 1, "delayed": null, "running": null, "failed": 0,
        "oldest_wait_s": null, "paused": false}]);
    assert_eq!(lines, expected, "it knows the queue that is configured");
    assert_eq!(site.json(&["queue:status", "invoices", "--json"])[0]["waiting"], 1);

    let work = [
        "queue:work",
        "--queue",
        "invoices,default",
        "--attempts",
        "2",
        "--backoff",
        "0.01",
        "--stop-when-empty",
    ];
    let worked = site.out(&work);
    assert!(worked.contains("{\"order_id\":1}\n"), "{worked}");
    assert!(worked.contains("event=stopped done=1 failed=1 retried=1 returned=0 lost=0"), "{worked}");
    assert!(!site.folder.join("database.sqlite3").exists(), "nobody asked for a database");

    // It lies in invoices.failed, and is found without naming that.
    let (_, vhost) = site.url.rsplit_once('/').unwrap();
    let queues = RabbitMq::shared().rabbitmqctl(&["list_queues", "-p", vhost, "name", "messages"]);
    assert!(queues.lines().any(|line| line == "invoices.failed\t1"), "{queues}");
    let failed = site.json(&["queue:failed-list", "--json"]);
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!((&failed[0]["queue"], &failed[0]["attempts"]), (&json!("invoices"), &json!(2)));
    assert_eq!((&failed[0]["driver"], &failed[0]["exception"]), (&json!("amqp"), &json!("smtp: refused")));
    let lines = site.json(&["queue:status", "--json"]);
    assert_eq!((&lines[1]["queue"], &lines[1]["waiting"]), (&json!("invoices"), &json!(0)));
    assert_eq!(lines[1]["failed"], 1, "{lines}");
    let id = failed[0]["id"].as_str().unwrap();
    let one = site.out(&["queue:failed-list", id]);
    assert!(one.contains("payload     \"smtp: refused\""), "{one}");

    let retried = site.out(&["queue:retry"]);
    assert!(retried.contains(&format!("  #{id} Fail onto invoices, now job #{id}\n")), "{retried}");
    assert!(retried.ends_with("Added 1 failed job(s) back to the queue\n  invoices: 1\n"), "{retried}");
    assert_eq!(site.out(&["queue:failed-list"]), "No failed jobs found.\n");
    let worked = site.out(&work);
    assert!(worked.contains("attempt=2 attempts=2"), "retried, it has all its attempts again: {worked}");
    assert!(worked.contains("event=stopped done=0 failed=1 retried=1"), "{worked}");

    assert_eq!(site.out(&["queue:forget", id]), format!("Forgot failed job #{id}.\n"));
    let unknown = site.say(&["queue:forget", id]);
    assert_eq!(
        (unknown.status, &*unknown.err),
        (1, &*format!("error: there is no failed job #{id}\n  help: craft queue:failed-list lists them\n"))
    );
}

#[test]
fn failed_jobs_are_pruned_and_flushed() {
    let site = Site::with("");
    for queue in ["default", "mail"] {
        site.out(&["queue:push", "Fail", "\"no\"", "--queue", queue, "--count", "2"]);
    }
    site.out(&["queue:work", "--queue", "default,mail", "--attempts", "1", "--stop-when-empty"]);
    assert_eq!(site.out(&["queue:prune-failed", "--force"]), "Removed 0 failed job(s).\n");
    assert_eq!(site.out(&["queue:flush", "--force"]), "Removed 4 failed job(s).\n");
    assert_eq!(site.out(&["queue:failed-list"]), "No failed jobs found.\n");
}

#[test]
fn what_is_cleared_is_said_and_what_cannot_be() {
    let site = Site::with("");
    site.out(&["queue:push", "Echo", "1", "--count", "3"]);
    site.out(&["queue:push", "Echo", "1", "--delay", "1h"]);
    let cleared = site.say(&["queue:clear", "--force"]);
    assert_eq!((cleared.status, &*cleared.out), (0, "Removed 3 job(s) from queue \"default\".\n"));
    assert!(cleared.err.starts_with("Delayed jobs and retries stay"), "{}", cleared.err);
    let table = site.out(&["queue:status"]);
    assert!(table.contains("A \"-\" is a number that this back end does not have."), "{table}");
}

/// `--driver` and `CRAFT_DRIVER` do what `default` does.
#[test]
fn the_driver_is_chosen_by_flag_or_by_environment() {
    let site = Site::new();
    site.out(&["queue:push", "Echo", "1", "--driver", "amqp"]);
    let mut command = site.command(&["queue:work", "--stop-when-empty"]);
    command.env("CRAFT_DRIVER", "amqp");
    let worked = run(command);
    assert!(worked.out.contains("event=stopped done=1 "), "{} {}", worked.out, worked.err);
    assert!(worked.out.contains("event=started driver=amqp"), "{}", worked.out);
}

/// A worker that is to end when nothing waits does not end while the broker has more, or while a retry is
/// on its way down the ladder.
#[test]
fn a_worker_ends_when_nothing_waits_and_not_before() {
    let site = Site::with("");
    site.out(&["queue:push", "Echo", "1", "--count", "3000"]);
    site.out(&["queue:push", "Fail", "\"again\"", "--count", "5"]);
    let worked = site.out(&["queue:work", "--stop-when-empty", "--backoff", "0.3", "--attempts", "3"]);
    assert!(worked.contains("event=stopped done=3000 failed=5 retried=10 returned=0 lost=0"), "{worked}");
    let once = ["queue:push", "Echo", "1", "--count", "2"];
    site.out(&once);
    let worked = site.out(&["queue:work", "--once"]);
    assert!(worked.contains("event=stopped done=1 "), "{worked}");
    assert_eq!(site.json(&["queue:status", "--json"])[0]["waiting"], 1);
}

#[test]
fn failed_jobs_go_to_the_database_that_has_a_table_for_them() {
    let site = Site::with("");
    let table = site.say(&["queue:table"]);
    assert_eq!(table.status, 78);
    assert!(table.err.contains("they wait in RabbitMQ\n  help: craft queue:failed"), "{}", table.err);
    let made = site.out(&["queue:install"]);
    let wrote = |ending: &str| {
        made.lines().filter(|line| line.starts_with("Wrote ") && line.ends_with(ending)).count()
    };
    assert_eq!(wrote("_create_failed_jobs_table.sql"), 1, "{made}");
    assert_eq!(wrote("_jobs_table.sql"), 1, "only the table of the failed ones: {made}");
    assert_eq!(made.matches("Applied ").count(), 1, "{made}");

    site.out(&["queue:push", "Fail", "\"no\"", "--queue", "invoices"]);
    site.out(&["queue:work", "--queue", "invoices", "--attempts", "1", "--stop-when-empty"]);
    let failed = site.json(&["queue:failed-list", "--json"]);
    assert_eq!((&failed[0]["id"], &failed[0]["driver"]), (&json!(1), &json!("amqp")), "{failed}");
    let retried = site.out(&["queue:retry", "1", "--queue", "slow"]);
    assert!(retried.starts_with("  #1 Fail onto slow, now job #"), "{retried}");
    let worked = site.out(&["queue:work", "--queue", "slow", "--attempts", "1", "--stop-when-empty"]);
    assert!(worked.contains("event=stopped done=0 failed=1"), "{worked}");
    assert_eq!(site.out(&["queue:flush", "--force"]), "Removed 1 failed job(s).\n");
}

#[test]
fn a_connection_that_is_named_for_failed_jobs_has_to_have_them() {
    let lines = "[amqp]\nconnection = \"dead\"\nfailed_table = \"dead_letters\"\n\
        [connections.dead]\nurl = \"sqlite:dead.sqlite3\"\n";
    let site = Site::with(lines);
    let missing = site.say(&["queue:work", "--stop-when-empty"]);
    assert_eq!(missing.status, 1);
    assert!(missing.err.contains("connection \"dead\" has no table \"dead_letters\""), "{}", missing.err);
    site.out(&["queue:install"]);
    site.out(&["queue:push", "Fail", "\"no\""]);
    site.out(&["queue:work", "--attempts", "1", "--stop-when-empty"]);
    assert_eq!(site.json(&["queue:failed-list", "--json"])[0]["id"], 1);
    let file = rusqlite::Connection::open(site.folder.join("dead.sqlite3")).unwrap();
    let count: i64 = file.query_row("SELECT count(*) FROM dead_letters", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    assert!(!site.folder.join("database.sqlite3").exists());
}

#[test]
fn failed_jobs_that_nobody_wants_are_gone() {
    let site = Site::with("[amqp]\nfailed_table = false\n");
    site.out(&["queue:push", "Fail", "\"no\""]);
    let worked = site.out(&["queue:work", "--attempts", "1", "--stop-when-empty"]);
    assert!(worked.contains("failed=1 "), "{worked}");
    let none = site.say(&["queue:failed-list"]);
    assert!(none.err.contains("driver \"amqp\" keeps no failed jobs"), "{}", none.err);
}

#[test]
fn the_configuration_is_tried_out() {
    let site = Site::with("");
    let checked = site.out(&["config:check"]);
    assert!(checked.contains("ok  driver amqp (rabbitmq guest@127.0.0.1:"), "{checked}");
    assert!(checked.contains("ok  failed jobs"), "{checked}");
    assert!(!checked.contains("guest:guest"), "a password: {checked}");
    let (place, _) = site.url.rsplit_once('/').unwrap();
    let mut command = craft(&site.folder, &["config:check"]);
    command.env("AMQP_URL", format!("{place}/nowhere"));
    let checked = run(command);
    assert_eq!(checked.status, 1);
    assert!(checked.out.contains("no  driver amqp"), "{}", checked.out);
    assert!(checked.err.contains("help: create it: rabbitmqctl add_vhost nowhere"), "{}", checked.err);
}

#[test]
fn no_log_line_has_the_password() {
    let site = Site::with("");
    let worked = site.say(&["queue:work", "--stop-when-empty", "-vv"]);
    assert!(worked.status == 0 && worked.out.contains("event=polled"), "{} {}", worked.out, worked.err);
    assert!(!worked.err.contains("guest"), "{}", worked.err);
}

#[test]
fn what_a_broker_cannot_do_is_said_with_what_to_do_instead() {
    let site = Site::with("[amqp]\nconnection_options = \"speed=9\"\n");
    let wrong = site.say(&["queue:status"]);
    assert_eq!(wrong.status, 78);
    assert!(
        wrong.err.contains("\"speed=9\" is not understood\n  help: known are heartbeat"),
        "{}",
        wrong.err
    );
    let site = Site::with("[amqp]\nack_timeout = 30\ntimeout = 60\n");
    let worked = site.out(&["queue:work", "--stop-when-empty"]);
    assert!(worked.contains("event=warning"), "{worked}");
    assert!(
        worked.contains("Echo, Fail may run for as long as ack_timeout or longer, which is 30s"),
        "{worked}"
    );
}

#[test]
fn a_broker_shows_no_single_jobs_and_the_reason_is_told() {
    let site = Site::with("");
    for (command, what) in [
        (&["queue:list"][..], "list the jobs"),
        (&["queue:show", "1"], "show a job"),
        (&["queue:cancel", "1"], "cancel a job"),
    ] {
        let said = site.say(command);
        let reason = "a broker shows a message only to a consumer that takes it";
        let error = format!(
            "error: cannot {what} of driver \"amqp\": {reason}\n  help: craft queue:status counts them"
        );
        assert!(said.status == 1 && said.err.starts_with(&error), "{}", said.err);
    }
}
