//! A broker that is short of memory takes nothing from who publishes.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use craft_queue::{Config, Jobs, Queue};
use serde_json::json;

use super::support::*;
use crate::programs::{Running, craft};
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::wait_for;
use crate::support::Folder;

fn raise_alarm(broker: &RabbitMq) {
    broker.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    wait_for("the alarm", LIMIT, || match broker.rabbitmqctl(&["eval", "rabbit_alarm:get_alarms()."]) {
        alarms if alarms.contains("memory") => Ok(()),
        alarms => Err(alarms),
    });
}

fn end_alarm(broker: &RabbitMq) {
    broker.rabbitmqctl(&["set_vm_memory_high_watermark", "0.9"]);
}

/// Pushes end in the time that was configured, with advice that fits; a worker hears that it shall stop, tells nothing
/// that is not written down, and sends each copy once, however long the alarm lasts.
#[test]
fn an_alarm_holds_up_neither_a_push_nor_a_worker_that_is_to_stop() {
    let broker = RabbitMq::start(Default::default());
    let folder = Folder::new();
    let lines = format!(
        "default = \"amqp\"\n[amqp]\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"/\"\npublish_timeout = 1\n\
         grace = 2\npoll = 0.05\nattempts = 2\nbackoff = 0\n",
        broker.port()
    );
    std::fs::write(folder.join("queue.toml"), lines).unwrap();
    let queue = Queue::open(Config::load_from(folder.join("queue.toml")).unwrap(), Jobs::new()).unwrap();
    let push = |name: &str, value: &str| queue.options().push_json(name, value, 1).unwrap();
    push("Fail", "\"no\"");
    push("Echo", "1");
    raise_alarm(&broker);

    let start = Instant::now();
    let large = json!("x".repeat(1_000_000)).to_string();
    let error = (0..60).find_map(|_| queue.options().push_json("Echo", &large, 10).err()).unwrap();
    assert!(start.elapsed() < Duration::from_secs(12), "it took {:?} to give up", start.elapsed());
    assert!(error.is_outcome_unknown() && error.to_string().contains("memory"), "{error}");
    let help = error.help().unwrap();
    assert!(help.contains("rabbitmq-diagnostics alarms") && !help.contains("unique"), "{help}");

    let work = || Running::start_with(craft(&folder, &["queue:work"]), Stdio::null());
    let worker = work();
    worker.wait_for("event=done");
    worker.signal("TERM");
    let start = Instant::now();
    let end = worker.wait_for("event=stopped");
    assert!(end.contains("done=1 failed=0 retried=0 returned=0 lost=0"), "{end}");
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?} to stop", start.elapsed());
    worker.wait();

    // Everything that was held up by then is read.
    end_alarm(&broker);
    let worker = work();
    wait_for("the end of all that was pushed before", LIMIT, || {
        match broker
            .rabbitmqctl(&["list_queues", "name", "messages"])
            .lines()
            .any(|line| line == "default\t0")
        {
            true => Ok(()),
            false => Err("some wait".into()),
        }
    });
    push("Echo", "2");
    worker.wait_for("event=done");
    worker.signal("TERM");
    worker.wait();
}

#[test]
fn a_copy_that_an_alarm_holds_up_is_sent_once_and_its_job_goes_on_when_the_alarm_is_over() {
    let broker = RabbitMq::start(Default::default());
    let options = at(&broker.url());
    let mut driver = open(&options);
    let jobs: Vec<_> = (0..3).map(|n| message("orders", &n.to_string())).collect();
    driver.push(&jobs).unwrap();
    let mut jobs = take(&mut *driver, "orders", 3);
    raise_alarm(&broker);
    use craft_queue::driver::{Settled, Verdict};
    let done = jobs.pop().unwrap();
    let verdicts = |jobs: &[craft_queue::driver::Reserved]| -> Vec<Verdict> {
        jobs.iter().map(|_| again(Duration::ZERO, true)).collect()
    };
    let settled: Vec<_> =
        jobs.iter().zip(verdicts(&jobs)).map(|(job, verdict)| Settled { job, verdict }).collect();
    for _ in 0..5 {
        let settlement = driver.settle(&settled).unwrap();
        assert_eq!((settlement.pending.len(), settlement.lost.len()), (2, 0), "{settlement:?}");
        assert_eq!(driver.extend(&[&jobs[0], &jobs[1], &done], LEASE).unwrap(), []);
    }
    settle(&mut *driver, &done, Verdict::Done);
    end_alarm(&broker);
    wait_for("the answers", LIMIT, || {
        let settlement = driver.settle(&settled).unwrap();
        assert_eq!(settlement.lost, []);
        if settlement.pending.is_empty() { Ok(()) } else { Err(format!("{settlement:?}")) }
    });
    let again = take(&mut *driver, "orders", 2);
    assert!(again.iter().all(|job| job.attempt == 2 && !job.suspect), "{again:?}");
    again.iter().for_each(|job| settle(&mut *driver, job, Verdict::Done));
    drop(driver);
    let left = || broker.rabbitmqctl(&["list_queues", "name", "messages"]);
    wait_for("nothing more", LIMIT, || match left().lines().any(|line| line == "orders\t0") {
        true => Ok(()),
        false => Err(left()),
    });
}

/// A broker of its own, jobs that fail for so many times that are pushed to it, and then its alarm.
fn failing_jobs(attempts: u32, count: usize) -> (RabbitMq, Folder) {
    let broker = RabbitMq::start(Default::default());
    let folder = Folder::new();
    let lines = format!(
        "default = \"amqp\"\n[amqp]\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"/\"\npublish_timeout = 1\n\
         grace = 2\npoll = 0.05\nattempts = {attempts}\nbackoff = 0\n",
        broker.port()
    );
    std::fs::write(folder.join("queue.toml"), lines).unwrap();
    let queue = Queue::open(Config::load_from(folder.join("queue.toml")).unwrap(), Jobs::new()).unwrap();
    queue.options().push_json("Fail", "\"no\"", count).unwrap();
    raise_alarm(&broker);
    (broker, folder)
}

/// What `rabbitmqctl list_queues` says of each queue.
fn counts(broker: &RabbitMq, what: &str) -> BTreeMap<String, usize> {
    let lines = broker.rabbitmqctl(&["list_queues", "name", what]);
    let count =
        |line: &str| Some(line.split_once('\t')?).map(|(name, count)| (name.to_owned(), count.parse()));
    lines.lines().filter_map(count).filter_map(|(name, count)| Some((name, count.ok()?))).collect()
}

#[test]
fn a_worker_takes_no_more_than_it_can_bring_home_when_an_alarm_is_over() {
    let jobs = 8_000;
    let (broker, folder) = failing_jobs(2, jobs);
    let worker = Running::start_with(craft(&folder, &["queue:work"]), Stdio::null());
    let taken = || counts(&broker, "messages_unacknowledged")["default"];
    wait_for("a backlog", LIMIT, || match taken() {
        few @ 0..1_000 => Err(format!("{few} are taken")),
        _ => Ok(()),
    });
    // It stays like that.
    let mut before = 0;
    wait_for("an end of taking", LIMIT, || {
        std::thread::sleep(Duration::from_secs(2));
        let last = std::mem::replace(&mut before, taken());
        if last == before { Ok(()) } else { Err(format!("{last}, then {before}")) }
    });
    // The broker counts what each new subscription may take by itself, and the worker some more.
    assert!(before <= 5_000, "{before} jobs were taken");
    worker.signal("TERM");
    let start = Instant::now();
    let end = worker.wait_for("event=stopped");
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?} to stop", start.elapsed());
    assert!(end.contains("done=0 failed=0"), "{end}");
    worker.wait();
    end_alarm(&broker);
    wait_for("all jobs", LIMIT, || {
        let there = counts(&broker, "messages");
        let all = ["default", "default.suspects"].map(|name| there.get(name).copied().unwrap_or_default());
        if all.iter().sum::<usize>() >= jobs { Ok(()) } else { Err(format!("{there:?}")) }
    });
}

#[test]
fn a_record_that_an_alarm_holds_up_is_sent_once() {
    let (broker, folder) = failing_jobs(1, 3);
    let worker = Running::start_with(craft(&folder, &["queue:work"]), Stdio::null());
    worker.wait_for("cannot reach the failed jobs");
    // It tries again several times meanwhile.
    std::thread::sleep(Duration::from_secs(5));
    end_alarm(&broker);
    (0..3).for_each(|_| drop(worker.wait_for("event=dead")));
    worker.signal("TERM");
    worker.wait();
    let there = counts(&broker, "messages");
    assert_eq!((there["default"], there["default.failed"]), (0, 3), "{there:?}");
}
