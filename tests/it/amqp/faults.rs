//! What goes wrong.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
use craft_queue::driver::{Backend, Notifier, Settled, Suspects, Verdict};
use craft_queue::{Error, Result};

use super::support::*;
use crate::servers::proxy::{Proxy, Traffic};
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::{wait_for, wait_until};

fn refused(options: &AmqpOptions) -> Error {
    AmqpBackend::new(options.clone()).open(Notifier::silent()).err().expect("it can't be opened")
}

/// For a person: what, why, and what to do; not to be tried again; without the password.
fn is_for_a_person(error: &Error, word: &str) {
    assert!(!error.is_unavailable(), "{error:?}");
    assert!(error.help().is_some(), "{error:?}");
    let text = format!("{error:?}");
    assert!(text.contains(word) && !text.contains("s3cret"), "{text}");
}

fn rabbitmqctl(arguments: &[&str]) {
    RabbitMq::shared().rabbitmqctl(arguments);
}

#[test]
fn a_wrong_password_is_an_error_for_a_person() {
    is_for_a_person(&refused(&AmqpOptions { password: "s3cret".into(), ..fresh() }), "guest");
}

#[test]
fn a_missing_vhost_is_an_error_for_a_person() {
    is_for_a_person(&refused(&AmqpOptions { vhost: "nowhere".into(), ..fresh() }), "add_vhost nowhere");
}

#[test]
fn a_missing_permission_is_an_error_for_a_person() {
    let options = AmqpOptions { username: "reader".into(), password: "s3cret".into(), ..fresh() };
    rabbitmqctl(&["add_user", "reader", "s3cret"]);
    rabbitmqctl(&["set_permissions", "-p", &options.vhost, "reader", "", "", ".*"]);
    let error = open(&options).push(&[message("orders", "{}")]).unwrap_err();
    is_for_a_person(&error, "set_permissions");
}

#[test]
fn a_queue_with_other_arguments_is_an_error_for_a_person() {
    let options = fresh();
    open(&options).push(&[message("orders", "{}")]).unwrap();
    let other = AmqpOptions { max_priority: Some(5), ..options };
    is_for_a_person(&open(&other).push(&[message("orders", "{}")]).unwrap_err(), "max_priority");
    let error = open(&other).reserve(&want(&named("orders"), 1, Suspects::Ignore)).unwrap_err();
    is_for_a_person(&error, "max_priority");
}

#[test]
fn a_missing_exchange_is_an_error_for_a_person() {
    let options = AmqpOptions { exchange: "nowhere".into(), ..fresh() };
    is_for_a_person(&open(&options).push(&[message("orders", "{}")]).unwrap_err(), "nowhere");
}

#[test]
fn a_full_queue_is_an_error_for_a_person_and_the_driver_lives() {
    let options = fresh();
    let policy = r#"{"max-length": 3, "overflow": "reject-publish"}"#;
    rabbitmqctl(&["set_policy", "-p", &options.vhost, "full", "^orders$", policy]);
    let mut driver = open(&options);
    let jobs: Vec<_> = (0..20).map(|n| message("orders", &n.to_string())).collect();
    is_for_a_person(&driver.push(&jobs).unwrap_err(), "full");
    assert!(driver.size(&named("orders")).unwrap()[0].waiting > Some(0));
    driver.push(&[message("other", "{}")]).unwrap();
}

#[test]
fn nobody_there_is_unavailable() {
    let error = refused(&AmqpOptions { port: 1, ..at("amqp://guest:guest@127.0.0.1:1/%2f") });
    assert!(error.is_unavailable(), "{error:?}");
}

/// A broker that is too busy to look the user up: it greets, and says no more.
#[test]
fn a_login_that_takes_too_long_is_no_wrong_password() {
    use std::io::{Read, Write};
    let broker = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = broker.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut client, _) = broker.accept().unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
        let start = b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x05en_US";
        let mut frame = vec![1, 0, 0, 0, 0, 0, start.len() as u8];
        frame.extend_from_slice(start);
        frame.push(0xce);
        client.write_all(&frame).unwrap();
        // Until it gives up.
        let _ = client.read_to_end(&mut Vec::new());
    });
    let connect_timeout = Duration::from_millis(500);
    let options = AmqpOptions { connect_timeout, ..at(&format!("amqp://guest:guest@127.0.0.1:{port}/%2f")) };
    let error = refused(&options);
    assert!(error.is_unavailable(), "{error:?}");
    assert!(error.to_string().ends_with("did not log us in within 500ms"), "{error}");
}

/// Until it has an answer or an error that ends it.
fn until_lost<T>(what: &str, mut act: impl FnMut() -> Result<T>) {
    wait_for(what, LIMIT, || match act() {
        Err(error) if error.is_unavailable() => Ok(()),
        Err(error) => panic!("not an error of the connection: {error:?}"),
        Ok(_) => Err("it goes on as if nothing had happened".into()),
    });
}

#[test]
fn a_connection_that_the_operator_closes_is_unavailable_and_nothing_is_lost() {
    let options = fresh();
    let mut driver = open(&options);
    driver.push(&[message("orders", "a"), message("orders", "b")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    rabbitmqctl(&["close_all_connections", "--vhost", &options.vhost, "maintenance"]);
    until_lost("the driver notices", || driver.reserve(&want(&named("orders"), 1, Suspects::Ignore)));
    drop(driver);
    let mut driver = open(&options);
    let settlement = driver.settle(&[Settled { job: &job, verdict: Verdict::Done }]).unwrap();
    assert_eq!(settlement.lost, [job.receipt]);
    let queues = named("orders");
    let mut found = Vec::new();
    wait_until("both are there again", LIMIT, || {
        found.extend(driver.reserve(&want(&queues, 5, Suspects::Take(5))).unwrap().jobs);
        found.len() == 2
    });
}

#[test]
fn a_queue_that_is_deleted_under_the_consumer_is_declared_again_by_the_next_driver() {
    let options = fresh();
    let mut driver = open(&options);
    let queues = named("orders");
    driver.reserve(&want(&queues, 1, Suspects::Ignore)).unwrap();
    rabbitmqctl(&["delete_queue", "-p", &options.vhost, "orders"]);
    until_lost("the driver notices", || driver.reserve(&want(&queues, 1, Suspects::Ignore)));
    drop(driver);
    let mut driver = open(&options);
    driver.reserve(&want(&queues, 1, Suspects::Ignore)).unwrap();
    driver.push(&[message("orders", "a")]).unwrap();
    take(&mut *driver, "orders", 1);
}

#[test]
fn a_killed_broker_loses_no_job_also_none_that_is_delayed() {
    let mut broker = RabbitMq::start(Default::default());
    let options = at(&broker.url());
    let mut driver = open(&options);
    let jobs: Vec<_> = (0..500).map(|n| message("orders", &n.to_string())).collect();
    driver.push(&jobs).unwrap();
    let later: Vec<_> =
        (500..1_000).map(|n| delayed("orders", &n.to_string(), Duration::from_secs(2))).collect();
    driver.push(&later).unwrap();
    take(&mut *driver, "orders", 50);
    broker.kill();
    until_lost("the driver notices", || driver.push(&jobs[..1]));
    let start = Instant::now();
    drop(driver);
    assert!(start.elapsed() < Duration::from_secs(5), "a drop must not wait");
    assert!(refused(&options).is_unavailable());
    broker.start_again();
    let mut driver = open(&options);
    let queues = named("orders");
    let mut found = std::collections::HashSet::new();
    wait_for("all jobs are there again", LIMIT, || {
        for job in driver.reserve(&want(&queues, 100, Suspects::Take(100))).unwrap().jobs {
            found.insert(job.message.uuid.clone());
            settle(&mut *driver, &job, Verdict::Done);
        }
        if found.len() == 1_000 { Ok(()) } else { Err(format!("{} came", found.len())) }
    });
}

#[test]
fn under_a_memory_alarm_pushes_fail_in_time_and_consumers_go_on() {
    let broker = RabbitMq::start(Default::default());
    let options = AmqpOptions { publish_timeout: Duration::from_secs(2), ..at(&broker.url()) };
    let mut worker = open(&options);
    worker.push(&[message("orders", "a"), message("orders", "b")]).unwrap();
    let jobs = take(&mut *worker, "orders", 2);
    broker.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    let mut batcher = open(&options);
    wait_for("the alarm is on", LIMIT, || match batcher.push(&[message("orders", "c")]) {
        Ok(_) => Err("the broker still takes messages".into()),
        Err(error) => {
            assert!(error.is_unavailable() && error.to_string().contains("memory"), "{error:?}");
            Ok(())
        }
    });
    // More than the way to the broker holds, in messages that are not large by themselves.
    let mut batcher = open(&options);
    let start = Instant::now();
    let many: Vec<_> = (0..60).map(|_| message("orders", &"x".repeat(1_000_000))).collect();
    assert!(batcher.push(&many).unwrap_err().is_unavailable());
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?} to give up", start.elapsed());
    settle(&mut *worker, &jobs[0], Verdict::Done);
    assert_eq!(worker.extend(&[&jobs[1]], LEASE).unwrap(), []);
    let start = Instant::now();
    drop((worker, batcher));
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?} to end", start.elapsed());
    broker.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]);
    wait_until("the broker takes messages again", LIMIT, || {
        open(&options).push(&[message("after", "d")]).is_ok()
    });
}

#[test]
fn a_peer_that_stops_reading_is_given_up_in_time() {
    let direct = fresh();
    let proxy = Proxy::before(direct.port);
    let timeout = Duration::from_secs(1);
    let options = AmqpOptions {
        port: proxy.port(),
        publish_timeout: timeout,
        answer_timeout: timeout,
        connect_timeout: timeout,
        ..direct
    };
    let mut driver = open(&options);
    driver.push(&[message("orders", "a")]).unwrap();
    take(&mut *driver, "orders", 1);
    proxy.set(Traffic::Stall);
    let start = Instant::now();
    let large: Vec<_> = (0..8).map(|_| message("orders", &"x".repeat(4 << 20))).collect();
    assert!(driver.push(&large).unwrap_err().is_unavailable());
    assert!(driver.size(&named("orders")).unwrap_err().is_unavailable());
    drop(driver);
    assert!(refused(&options).is_unavailable());
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    proxy.set(Traffic::Pass);
    open(&options).push(&[message("orders", "b")]).unwrap();
}

/// A full window is under way when the connection breaks; pushed again, all is there.
#[test]
fn a_cut_amid_a_push_is_unavailable_and_pushing_again_is_safe() {
    let direct = fresh();
    let proxy = Proxy::before(direct.port);
    let options = AmqpOptions { port: proxy.port(), ..direct };
    let mut driver = open(&options);
    driver.push(&[message("orders", "first")]).unwrap();
    let jobs: Vec<_> = (0..2_000).map(|n| message("orders", &format!("{n} {}", "x".repeat(1_000)))).collect();
    proxy.cut_after(crate::servers::proxy::Direction::ToServer, 500_000);
    assert!(driver.push(&jobs).unwrap_err().is_unavailable());
    drop(driver);
    let mut driver = open(&options);
    driver.push(&jobs).unwrap();
    let waiting = driver.size(&named("orders")).unwrap()[0].waiting.unwrap();
    assert!(waiting > 2_000, "{waiting} wait");
}

#[test]
fn what_the_broker_has_confirmed_is_not_sent_again() {
    let direct = fresh();
    let proxy = Proxy::before(direct.port);
    let backend = AmqpBackend::new(AmqpOptions { port: proxy.port(), ..direct });
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&[message("orders", "first")]).unwrap();
    let jobs: Vec<_> = (0..5_000).map(|n| message("orders", &format!("{n} {}", "x".repeat(1_000)))).collect();
    proxy.cut_after(crate::servers::proxy::Direction::ToServer, 4_000_000);
    assert!(driver.push(&jobs).unwrap_err().is_unavailable());
    drop(driver);
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&jobs).unwrap();
    let waiting = driver.size(&named("orders")).unwrap()[0].waiting.unwrap();
    // Only of what was not answered, a window at most, nobody knows.
    assert!((5_001..=6_001).contains(&waiting), "{waiting} wait");
}

#[test]
fn a_neighbour_that_is_refused_doubles_nobody() {
    let options = fresh();
    let policy = r#"{"max-length": 3, "overflow": "reject-publish"}"#;
    rabbitmqctl(&["set_policy", "-p", &options.vhost, "full", "^full$", policy]);
    let backend = AmqpBackend::new(options);
    let mut driver = backend.open(Notifier::silent()).unwrap();
    let innocent: Vec<_> = (0..50).map(|n| message("orders", &n.to_string())).collect();
    let refused: Vec<_> = (0..50).map(|n| message("full", &n.to_string())).collect();
    let all: Vec<_> = innocent.iter().zip(&refused).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    driver.push(&all).unwrap_err();
    // As whoever gathers the pushes of many threads does it: each again alone, and on a new connection.
    let mut driver = backend.open(Notifier::silent()).unwrap();
    innocent.chunks(5).for_each(|five| drop(driver.push(five).unwrap()));
    assert_eq!(driver.size(&named("orders")).unwrap()[0].waiting, Some(50));
    // Another push of the same job is another one.
    driver.push(&innocent[..1]).unwrap();
    assert_eq!(driver.size(&named("orders")).unwrap()[0].waiting, Some(51));
}

#[test]
fn another_server_on_the_port_is_told_as_what_it_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .unwrap();
        // Until the other side has enough.
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    });
    let error = refused(&AmqpOptions { port, ..at("amqp://guest:guest@127.0.0.1:1/%2f") });
    is_for_a_person(&error, "does not speak AMQP: it says \"HTTP/1.1 400");
    server.join().unwrap();
}

/// In a process of its own, because it counts what the process has.
#[test]
fn reopening_leaks_no_thread_and_no_descriptor() {
    let alone = ["--ignored", "--exact", "amqp::faults::alone_it_is_reopened_two_hundred_times"];
    let output = Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by the one before, in a process of its own"]
fn alone_it_is_reopened_two_hundred_times() {
    let options = fresh();
    let backend = AmqpBackend::new(options);
    let queues = named("orders");
    let once = |n: usize| {
        let mut driver = backend.open(Notifier::silent()).unwrap();
        driver.push(&[message("orders", &n.to_string())]).unwrap();
        driver.reserve(&want(&queues, 1, Suspects::Look)).unwrap();
    };
    once(0);
    let before = (threads().len(), descriptors().len());
    (1..=200).for_each(once);
    // Threads of the last connection may take a moment to end.
    wait_for("as many as before are left", LIMIT, || {
        let (threads, descriptors) = (threads(), descriptors());
        match threads.len() <= before.0 && descriptors.len() <= before.1 {
            true => Ok(()),
            false => Err(format!("{before:?} before, now {threads:?}, {descriptors:?}")),
        }
    });
}

/// The names of the threads of this process.
fn threads() -> Vec<String> {
    entries("task").filter_map(|thread| fs::read_to_string(thread.join("comm")).ok()).collect()
}

/// What the descriptors of this process are.
fn descriptors() -> Vec<PathBuf> {
    entries("fd").filter_map(|descriptor| fs::read_link(descriptor).ok()).collect()
}

fn entries(what: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(format!("/proc/self/{what}")).unwrap().map(|entry| entry.unwrap().path())
}
