//! Messages of others, as strange as they may be.

use std::collections::HashSet;
use std::time::Duration;

use amiquip::{AmqpProperties, AmqpValue, FieldTable, Publish, QueueDeclareOptions};
use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
use craft_queue::driver::{Backend, Notifier, Suspects, Verdict};

use super::foreign::with_channel;
use super::support::*;
use crate::servers::rabbitmq::{self, RabbitMq};
use crate::servers::{wait_for, wait_until};

/// Publishes to a durable queue without arguments.
fn publish(
    options: &AmqpOptions,
    queue: &str,
    messages: impl IntoIterator<Item = (AmqpProperties, Vec<u8>)>,
) {
    with_channel(options, |channel| {
        channel.queue_declare(queue, QueueDeclareOptions { durable: true, ..Default::default() }).unwrap();
        for (properties, body) in messages {
            channel.basic_publish("", Publish::with_properties(&body, queue, properties)).unwrap();
        }
    });
}

fn job(id: &str) -> AmqpProperties {
    AmqpProperties::default().with_type_("Job".into()).with_message_id(id.into())
}

/// What the broker has in its queues of jobs, whoever holds it.
fn left(options: &AmqpOptions) -> Vec<String> {
    let lines = RabbitMq::shared().rabbitmqctl(&["list_queues", "-p", &options.vhost, "name", "messages"]);
    let of_jobs = |line: &&str| !line.starts_with("craft-queue.") && !line.ends_with("\t0");
    lines.lines().skip(1).filter(of_jobs).map(str::to_owned).collect()
}

#[test]
fn messages_that_share_an_id_are_different_jobs() {
    let options = fresh();
    publish(&options, "orders", (0..20).map(|n| (job(&format!("id-{}", n / 2)), n.to_string().into_bytes())));
    let mut driver = open(&options);
    let jobs = take(&mut *driver, "orders", 20);
    assert_eq!(payloads(&jobs).into_iter().collect::<HashSet<_>>().len(), 20);
    assert_eq!(jobs.iter().map(|job| &job.message.uuid).collect::<HashSet<_>>().len(), 20);
    for job in &jobs {
        settle(&mut *driver, job, again(Duration::ZERO, true));
    }
    let again = take(&mut *driver, "orders", 20);
    assert_eq!(payloads(&again).into_iter().collect::<HashSet<_>>().len(), 20);
    assert!(again.iter().all(|job| job.attempt == 2));
    for job in &again {
        settle(&mut *driver, job, Verdict::Done);
    }
    drop(driver);
    wait_until("nothing is left", LIMIT, || left(&options).is_empty());
}

#[test]
fn two_copies_of_a_message_are_both_settled() {
    let options = fresh();
    publish(&options, "orders", (0..2).map(|_| (job("same"), b"{}".to_vec())));
    let mut driver = open(&options);
    for job in take(&mut *driver, "orders", 2) {
        settle(&mut *driver, &job, Verdict::Done);
    }
    // Not given back by the end of the connection, but acknowledged on it.
    wait_until("nothing is left", LIMIT, || left(&options).is_empty());
}

#[test]
fn a_copy_does_not_go_where_the_first_publish_was_copied_to() {
    let options = fresh();
    publish(&options, "audit", []);
    let cc = AmqpValue::FieldArray(vec![AmqpValue::LongString("audit".into())]);
    let headers: FieldTable = [("CC".to_owned(), cc)].into();
    publish(&options, "orders", [(job("a").with_headers(headers), b"{}".to_vec())]);
    let mut driver = open(&options);
    for _ in 0..3 {
        let job = take(&mut *driver, "orders", 1).remove(0);
        settle(&mut *driver, &job, again(Duration::ZERO, true));
    }
    take(&mut *driver, "orders", 1);
    assert_eq!(driver.size(&named("audit")).unwrap()[0].waiting, Some(1));
}

/// As a program in C may send it: the broker itself takes any bytes.
#[test]
fn of_properties_that_are_no_text_only_those_suffer() {
    let options = fresh();
    publish(&options, "orders", []);
    let vhost = &options.vhost;
    // RabbitMQ 4 has another way in.
    let publish = format!(
        "X = rabbit_misc:r(<<\"{vhost}\">>, exchange, <<>>), \
         H = [{{<<\"bad\">>, longstr, <<255>>}}, {{<<\"craft-queue-error\">>, longstr, <<\"kept\">>}}], \
         U = undefined, \
         P = {{'P_basic', U, U, H, U, U, <<255,254>>, U, U, <<\"theirs\">>, U, <<\"Job\">>, U, U, U}}, \
         case erlang:function_exported(rabbit_basic, publish, 4) of \
           true -> rabbit_basic:publish(X, <<\"orders\">>, P, <<\"{{}}\">>); \
           false -> \
             C = rabbit_basic:build_content(P, <<\"{{}}\">>), \
             {{ok, M}} = mc_amqpl:message(X, <<\"orders\">>, C), \
             ok = rabbit_queue_type:publish_at_most_once(X, M) \
         end."
    );
    RabbitMq::shared().rabbitmqctl(&["eval", &publish]);
    let mut driver = open(&options);
    for attempt in 1..=2 {
        let job = take(&mut *driver, "orders", 1).remove(0);
        assert_eq!((&*job.message.name, &*job.message.uuid, job.attempt), ("Job", "theirs", attempt));
        let error = if attempt == 1 { "kept" } else { "no luck" };
        assert_eq!(job.last_error.as_deref(), Some(error), "a header behind one that is no text");
        settle(&mut *driver, &job, again(Duration::ZERO, true));
    }
}

#[test]
fn headers_that_nearly_fill_a_frame_and_a_long_error_stop_nobody() {
    let broker = RabbitMq::start(rabbitmq::Options::default().setting("frame_max = 8192"));
    let options = at(&broker.vhost());
    let headers: FieldTable = [("theirs".to_owned(), AmqpValue::LongString("x".repeat(8_050)))].into();
    publish(
        &options,
        "orders",
        [(job("full").with_headers(headers), b"full".to_vec()), (job("b"), b"b".to_vec())],
    );
    let mut driver = open(&options);
    let error = format!("first {}", "e".repeat(9_000));
    for job in take(&mut *driver, "orders", 2) {
        settle(
            &mut *driver,
            &job,
            Verdict::Again { after: Duration::ZERO, counted: true, error: error.clone() },
        );
    }
    for job in take(&mut *driver, "orders", 2) {
        assert_eq!(job.attempt, 2);
        let kept = job.last_error.unwrap();
        assert!(error.starts_with(&kept) && kept.len() > 7_000, "{}", kept.len());
    }
    // Of a worker that goes away with it a copy is made, too.
    drop(driver);
    let mut driver = open(&options);
    assert_eq!(take_suspect(&mut *driver, "orders").attempt, 2);
    // What a push asks for is refused before it is sent, and the connection lives.
    let mut large = message("orders", "c");
    large.overrides = Some("o".repeat(9_000).into());
    assert!(driver.push(&[large]).unwrap_err().is_invalid());
    driver.push(&[message("orders", "d")]).unwrap();
}

#[test]
fn a_delay_beyond_the_ladder_is_refused_in_a_push_and_shortened_for_what_is_held() {
    let mut driver = open(&fresh());
    let error = driver.push(&[delayed("orders", "a", Duration::MAX)]).unwrap_err();
    assert!(error.is_unsupported() && error.help().is_some(), "{error:?}");
    driver.push(&[message("orders", "a"), message("orders", "b")]).unwrap();
    let jobs = take(&mut *driver, "orders", 2);
    settle(&mut *driver, &jobs[0], again(Duration::MAX, true));
    settle(&mut *driver, &jobs[1], Verdict::Done);
    driver.push(&[message("orders", "c")]).unwrap();
    assert_eq!(payloads(&take(&mut *driver, "orders", 1)), ["c"]);
}

#[test]
fn the_queues_beside_a_queue_take_no_jobs() {
    let mut driver = open(&fresh());
    for name in ["orders.failed", "orders.suspects", "craft-queue.starts", "amq.orders"] {
        let error = driver.push(&[message(name, "{}")]).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains(name), "{error:?}");
        let error = driver.reserve(&want(&named(name), 1, Suspects::Ignore)).unwrap_err();
        assert!(error.is_config(), "a worker of it ends with status 78: {error:?}");
    }
    driver.push(&[message("failed", "{}")]).unwrap();
}

/// Nobody died: one process held it all the time, and lost its connections.
#[test]
fn lost_connections_charge_nobody_and_make_no_suspects() {
    let options = fresh();
    let backend = AmqpBackend::new(options.clone());
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&(0..20).map(|n| message("orders", &n.to_string())).collect::<Vec<_>>()).unwrap();
    for _ in 0..3 {
        let jobs = take(&mut *driver, "orders", 5);
        assert!(jobs.iter().all(|job| (job.attempt, job.suspect) == (1, false)), "{jobs:?}");
        RabbitMq::shared().rabbitmqctl(&["close_all_connections", "--vhost", &options.vhost, "maintenance"]);
        wait_for("the driver notices", LIMIT, || {
            match driver.extend(&jobs.iter().collect::<Vec<_>>(), LEASE) {
                Err(error) if error.is_unavailable() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        drop(driver);
        driver = backend.open(Notifier::silent()).unwrap();
        // Their runs have ended, and nobody could be told.
        for job in &jobs {
            let settled = craft_queue::driver::Settled { job, verdict: Verdict::Done };
            assert_eq!(driver.settle(&[settled]).unwrap().lost, [job.receipt]);
        }
    }
    assert_eq!(take(&mut *driver, "orders", 20).len(), 20);
    assert!(!driver.reserve(&want(&named("orders"), 0, Suspects::Look)).unwrap().suspects_due);
}
