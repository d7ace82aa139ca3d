//! What no second try mends ends a worker, with its reason, once.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use amiquip::{AmqpValue, FieldTable, QueueDeclareOptions};

use super::foreign::with_channel;
use super::support::*;
use crate::programs::{Running, Said, craft, run, test_jobs};
use crate::servers::rabbitmq::RabbitMq;
use crate::support::Folder;

fn ends_once(said: &Said, reason: &str) {
    assert_eq!(said.status, 78, "{} {}", said.out, said.err);
    assert_eq!(said.err.matches(reason).count(), 1, "{}", said.err);
    assert!(said.err.contains("help: ") && !said.out.contains(reason), "{} {}", said.out, said.err);
}

#[test]
fn a_queue_that_others_declared_otherwise_ends_a_worker_with_status_78() {
    let (folder, url) = (Folder::new(), RabbitMq::shared().vhost());
    let table = |key: &str, value: AmqpValue| FieldTable::from([(key.to_owned(), value)]);
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let declared = |arguments| QueueDeclareOptions { arguments, ..durable.clone() };
    let cases = [
        ("x-message-ttl", declared(table("x-message-ttl", AmqpValue::LongInt(60_000)))),
        (
            "x-dead-letter-exchange",
            declared(table("x-dead-letter-exchange", AmqpValue::LongString("amq.fanout".into()))),
        ),
        ("auto_delete", QueueDeclareOptions { auto_delete: true, ..durable.clone() }),
        ("durable", QueueDeclareOptions { durable: false, ..durable.clone() }),
    ];
    for (name, options) in cases {
        with_channel(&at(&url), |channel| {
            channel.queue_declare(name, options).unwrap();
        });
        for more in [&[][..], &["--stop-when-empty"]] {
            let mut command =
                craft(&folder, &[&["queue:work", "--driver", "amqp", "--queue", name], more].concat());
            command.env("AMQP_URL", &url);
            ends_once(&run(command), "inequivalent arg");
        }
    }
}

#[test]
fn a_worker_of_a_queue_that_is_not_for_jobs_ends_with_status_78() {
    let (folder, url) = (Folder::new(), RabbitMq::shared().vhost());
    for queue in ["x.failed", "x.suspects", "craft-queue.starts", "amq.rabbitmq"] {
        let mut command = craft(&folder, &["queue:work", "--driver", "amqp", "--queue", queue]);
        command.env("AMQP_URL", &url);
        ends_once(&run(command), &format!("queue \"{queue}\""));
    }
}

/// A user of its own, with all rights until they are taken away.
fn user(url: &str, name: &str) -> String {
    let (place, vhost) = url.rsplit_once('/').unwrap();
    let (_, place) = place.rsplit_once('@').unwrap();
    RabbitMq::shared().rabbitmqctl(&["add_user", name, "secret"]);
    RabbitMq::shared().rabbitmqctl(&["set_permissions", "-p", vhost, name, ".*", ".*", ".*"]);
    format!("amqp://{name}:secret@{place}/{vhost}")
}

fn take_rights(url: &str, name: &str) {
    let (_, vhost) = url.rsplit_once('/').unwrap();
    RabbitMq::shared().rabbitmqctl(&["set_permissions", "-p", vhost, name, "^none$", "^none$", "^none$"]);
}

/// Waits until a worker has ended by itself, and says how.
fn ended(mut worker: Running, mut err: impl Read) -> Said {
    crate::support::wait_until("its end", || worker.has_ended());
    let out = worker.said().join("\n");
    let mut text = String::new();
    err.read_to_string(&mut text).unwrap();
    Said { status: worker.wait().0.unwrap_or(-1), out, err: text }
}

#[test]
fn rights_that_are_missing_end_a_worker_with_status_78_also_after_a_reconnect() {
    let (folder, url) = (Folder::new(), RabbitMq::shared().vhost());
    let theirs = user(&url, "restricted");
    let work = |more: &[&str]| {
        let mut command = test_jobs(&folder, &[&["queue:work", "--driver", "amqp"], more].concat());
        command.env("AMQP_URL", &theirs);
        command
    };
    let start = || {
        let (read, write) = std::io::pipe().unwrap();
        (Running::start_with(work(&[]), Stdio::from(write)), read)
    };
    let close = || {
        let (_, vhost) = url.rsplit_once('/').unwrap();
        RabbitMq::shared().rabbitmqctl(&["close_all_connections", "--vhost", vhost, "maintenance"]);
    };
    // Idle when it happens.
    let (worker, err) = start();
    worker.wait_for("event=started");
    crate::servers::wait_until("its queue", LIMIT, || {
        let (_, vhost) = url.rsplit_once('/').unwrap();
        RabbitMq::shared()
            .rabbitmqctl(&["list_queues", "-p", vhost, "name", "consumers"])
            .contains("default\t1")
    });
    take_rights(&url, "restricted");
    close();
    ends_once(&ended(worker, err), "ACCESS_REFUSED");

    for more in [&[][..], &["--stop-when-empty"]] {
        ends_once(&run(work(more)), "ACCESS_REFUSED");
    }
    RabbitMq::shared().rabbitmqctl(&["delete_user", "restricted"]);
}

/// A worker runs a job while what it needs is taken away; the job ends after that.
fn with_a_finished_job(url: &str, theirs: &str, take_away: impl Fn(), reason: &str) {
    let folder = Folder::new();
    let (file, go_on) = (folder.join("ledger"), folder.join("go-on"));
    let payload = serde_json::json!({ "file": file, "number": 1, "until": go_on }).to_string();
    let mut push = craft(&folder, &["queue:push", "Ledger", &payload, "--driver", "amqp"]);
    push.env("AMQP_URL", url);
    assert_eq!(run(push).status, 0);
    let mut command = test_jobs(&folder, &["queue:work", "--driver", "amqp"]);
    command.env("AMQP_URL", theirs);
    let (read, write) = std::io::pipe().unwrap();
    let mut worker = Running::start_with(command, Stdio::from(write));
    crate::support::wait_until("the job runs", || file.exists());
    take_away();
    worker.wait_for("event=disconnected");
    // Long enough for one that gave up to have ended.
    std::thread::sleep(Duration::from_secs(6));
    assert!(!worker.has_ended(), "it let its job down");
    std::fs::write(&go_on, "").unwrap();
    let said = ended(worker, read);
    assert_eq!(said.status, 78, "{} {}", said.out, said.err);
    assert_eq!(said.err.matches(reason).count(), 1, "{}", said.err);
    assert!(said.out.contains("the outcome of Ledger #"), "{}", said.out);
    assert!(said.out.contains("could not be written down; it runs again"), "{}", said.out);
    assert!(std::fs::read_to_string(&file).unwrap().contains("end 1 "));
}

/// The job is the broker's again as soon as the connection is lost: to wait for ever would help nobody.
#[test]
fn a_worker_that_holds_a_finished_job_ends_with_status_78_as_well() {
    let broker = RabbitMq::shared();
    let close = |url: &str| {
        let (_, vhost) = url.rsplit_once('/').unwrap();
        broker.rabbitmqctl(&["close_all_connections", "--vhost", vhost, "maintenance"]);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let url = broker.vhost();
            let theirs = user(&url, "robbed");
            let take_away = || {
                take_rights(&url, "robbed");
                close(&url);
            };
            with_a_finished_job(&url, &theirs, take_away, "ACCESS_REFUSED");
            broker.rabbitmqctl(&["delete_user", "robbed"]);
        });
        scope.spawn(|| {
            let url = broker.vhost();
            let take_away = || {
                with_channel(&at(&url), |channel| {
                    channel.queue_delete("default", Default::default()).unwrap();
                    let arguments =
                        FieldTable::from([("x-message-ttl".to_owned(), AmqpValue::LongInt(60_000))]);
                    let options = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
                    channel.queue_declare("default", options).unwrap();
                });
            };
            with_a_finished_job(&url, &url, take_away, "inequivalent arg");
        });
        scope.spawn(|| {
            let url = broker.vhost();
            let (_, vhost) = url.rsplit_once('/').unwrap();
            let take_away = || drop(broker.rabbitmqctl(&["delete_vhost", vhost]));
            with_a_finished_job(&url, &url, take_away, "(530)");
        });
    });
}
