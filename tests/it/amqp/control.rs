//! Workers of the amqp driver are told through a database, where one is configured.

use std::process::Command;

use serde_json::Value;

use crate::programs::{Running, Said, craft, ledger, run, test_jobs};
use crate::servers::postgres::{self, Postgres};
use crate::servers::rabbitmq::RabbitMq;
use crate::support::{Folder, wait_until};

struct Site {
    folder: Folder,
    url: String,
}

impl Site {
    fn with(lines: &str) -> Self {
        let folder = Folder::new();
        std::fs::write(folder.join("queue.toml"), format!("default = \"amqp\"\n{lines}")).unwrap();
        Self { folder, url: RabbitMq::shared().vhost() }
    }

    fn told(&self, mut command: Command) -> Command {
        command.env("AMQP_URL", &self.url);
        command
    }

    fn say(&self, arguments: &[&str]) -> Said {
        run(self.told(craft(&self.folder, arguments)))
    }

    fn out(&self, arguments: &[&str]) -> String {
        let said = self.say(arguments);
        assert_eq!((said.status, &*said.err), (0, ""), "{arguments:?} printed {}", said.out);
        said.out
    }

    fn push(&self, queue: &str, first: u64, count: u64) {
        let file = self.folder.join("ledger");
        for number in first..first + count {
            let payload = format!("{{\"file\":{file:?},\"number\":{number},\"millis\":20}}");
            // By a program that knows the job.
            let pushed = run(
                self.told(test_jobs(&self.folder, &["queue:push", "Ledger", &payload, "--queue", queue]))
            );
            assert_eq!((pushed.status, &*pushed.err), (0, ""), "{}", pushed.out);
        }
    }

    fn worker(&self) -> Running {
        let arguments = ["queue:work", "--queue", "default,mail", "--workers", "2", "--poll", "0.05"];
        let worker = Running::start(self.told(test_jobs(&self.folder, &arguments)));
        worker.wait_for("event=started");
        worker
    }

    fn ended(&self, number: u64) -> bool {
        let runs = ledger(&self.folder.join("ledger"));
        runs.get(&number).is_some_and(|runs| runs.iter().any(|run| run.end.is_some()))
    }

    /// How many of the jobs below 1,000 have begun; once all of those have ended.
    fn begun(&self) -> u64 {
        let mut begun = 0;
        wait_until("the running jobs' end", || {
            let runs = ledger(&self.folder.join("ledger"));
            begun = runs.range(..1_000).count() as u64;
            runs.values().flatten().all(|run| run.end.is_some())
        });
        begun
    }

    fn status(&self, queue: &str) -> Value {
        let lines: Value = serde_json::from_str(&self.out(&["queue:status", queue, "--json"])).unwrap();
        lines[0].clone()
    }
}

#[test]
fn they_pause_resume_and_restart() {
    let database = Postgres::shared().database();
    let site = Site::with(&format!(
        "[database]\nconnection = \"server\"\n[amqp]\nconnection = \"server\"\n[connections.server]\nurl = {database:?}\n"
    ));
    site.out(&["queue:install"]);

    // Its database has no table of jobs, and so none beside it yet.
    let said = site.say(&["queue:pause", "default"]);
    let head = "error: connection \"server\" has no table \"jobs_signals\"\n  help: make it, then start the workers again:\n";
    let sql = said.err.strip_prefix(head).unwrap_or_else(|| panic!("{}", said.err));
    assert_eq!(site.status("default")["paused"], false);
    postgres::query(&database, sql).unwrap();

    site.push("default", 0, 60);
    let first = site.worker();
    wait_until("some jobs", || site.ended(3));
    assert_eq!(site.out(&["queue:pause", "default"]), "Queue \"default\" is paused.\n");
    assert_eq!(site.out(&["queue:pause", "default"]), "Queue \"default\" is paused already.\n");
    first.wait_for("event=paused queue=default");
    let so_far = site.begun();
    assert!(so_far < 60, "it was paused before its end");
    site.push("mail", 1_000, 2);
    wait_until("the other queue's end", || site.ended(1_000) && site.ended(1_001));
    assert_eq!(site.begun(), so_far, "it took more");

    // Where nothing is worked off, the broker has what it handed out ahead again.
    site.out(&["queue:pause", "mail"]);
    first.wait_for("event=paused queue=mail");
    let (_, vhost) = site.url.rsplit_once('/').unwrap();
    let left = format!("default\t{}\t0", 60 - so_far);
    wait_until("that nothing is held", || {
        let columns = ["list_queues", "-p", vhost, "name", "messages_ready", "messages_unacknowledged"];
        RabbitMq::shared().rabbitmqctl(&columns).lines().any(|line| line == left)
    });
    let status = site.status("default");
    assert_eq!((&status["waiting"], &status["paused"]), (&(60 - so_far).into(), &true.into()));

    site.out(&["queue:resume", "default", "mail"]);
    wait_until("the end of all", || (0..60).all(|number| site.ended(number)));
    site.out(&["queue:restart"]);
    first.wait_for("event=stopped ");
    assert_eq!(first.wait(), (Some(0), None));
    let second = site.worker();
    site.push("default", 60, 1);
    wait_until("a job of a worker that was started later", || site.ended(60));
    second.signal("TERM");
    assert_eq!(second.wait(), (Some(0), None));
    let runs = ledger(&site.folder.join("ledger"));
    assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "each ran once");
}

#[test]
fn without_a_database_the_commands_say_so() {
    let site = Site::with("[amqp]\nfailed_table = false\n");
    let why = "a broker keeps no control messages for its workers\n  help: name a connection in [amqp], \
               for a database that keeps it; or stop the workers by themselves, with systemctl\n";
    for (arguments, what) in [
        (&["queue:pause", "mail"][..], "cannot pause queue \"mail\" of driver \"amqp\""),
        (&["queue:resume", "mail"], "cannot resume queue \"mail\" of driver \"amqp\""),
        (&["queue:restart"], "cannot restart the workers of driver \"amqp\""),
    ] {
        let said = site.say(arguments);
        assert_eq!((said.status, said.err), (1, format!("error: {what}: {why}")));
    }
    site.out(&["queue:push", "Echo"]);
    assert_eq!(site.status("default")["paused"], false);
    assert!(site.out(&["queue:work", "--stop-when-empty"]).contains("event=stopped done=1 "));
}

/// A broker does not say how long a job has waited.
#[test]
fn a_wait_that_nobody_knows_is_no_wait_of_0() {
    let site = Site::with("");
    site.out(&["queue:push", "Echo", "--count", "2"]);
    assert!(site.out(&["queue:monitor", "default", "--max", "2"]).ends_with("oldest wait unknown      OK\n"));
    let unknown = site.say(&["queue:monitor", "default", "--max-wait", "1h"]);
    assert_eq!((unknown.status, &*unknown.err), (1, ""));
    assert!(
        unknown.out.ends_with("UNKNOWN: the driver cannot tell about --max-wait 1h\n"),
        "{}",
        unknown.out
    );
    let over = site.say(&["queue:monitor", "default", "--max", "1"]);
    assert!(over.status == 1 && over.out.ends_with("OVER --max 1\n"), "{}", over.out);
}
