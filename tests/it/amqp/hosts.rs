//! A broker with several hosts: whichever answers.

use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
use craft_queue::driver::{Backend, Notifier, Verdict};

use super::support::*;
use crate::servers::port::Port;
use crate::servers::proxy::Proxy;
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::wait_until;

/// The same as `options`, at other ports.
fn at_ports(options: &AmqpOptions, ports: &[u16]) -> AmqpOptions {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    AmqpOptions { host: hosts.join(","), ..options.clone() }
}

#[test]
fn the_next_host_is_asked_where_one_does_not_answer() {
    let direct = fresh();
    let (nobody, other) = (Port::claim(), Port::claim());
    let (dead, nowhere) = (nobody.number(), other.number());
    let backend = AmqpBackend::new(at_ports(&direct, &[dead, direct.port]));
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&[message("orders", "a")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    settle(&mut *driver, &job, Verdict::Done);

    let refused =
        |options: &AmqpOptions| AmqpBackend::new(options.clone()).open(Notifier::silent()).err().unwrap();
    let error = refused(&at_ports(&direct, &[dead, nowhere]));
    assert!(error.is_unavailable() && error.help().is_some(), "{error:?}");
    for port in [dead, nowhere] {
        let place = format!("cannot reach RabbitMQ at 127.0.0.1:{port}: ");
        assert!(error.to_string().contains(&place), "{error}");
    }
    // One that refuses is told, whoever else is away.
    let wrong = AmqpOptions { password: "s3cret".into(), ..at_ports(&direct, &[dead, direct.port, nowhere]) };
    let error = refused(&wrong);
    assert!(error.is_config(), "{error:?}");
    assert!(
        error.to_string().starts_with(&format!("RabbitMQ at 127.0.0.1:{} did not let", direct.port)),
        "{error}"
    );
}

#[test]
fn the_host_that_answered_last_is_asked_first() {
    let direct = fresh();
    let (mut first, second) = (Proxy::before(direct.port), Proxy::before(direct.port));
    let backend = AmqpBackend::new(at_ports(&direct, &[first.port(), second.port()]));
    let push =
        || backend.open(Notifier::silent()).and_then(|mut driver| driver.push(&[message("orders", "a")]));
    push().unwrap();
    assert_eq!(second.accepted(), 0);
    first.refuse();
    first.cut();
    push().unwrap();
    let at_first = first.accepted();
    first.welcome();
    push().unwrap();
    assert_eq!(first.accepted(), at_first, "the second still answers");
}

#[test]
fn when_the_host_is_killed_the_next_one_takes_over() {
    let (mut first, second) = (RabbitMq::start(Default::default()), RabbitMq::start(Default::default()));
    let backend = AmqpBackend::new(at_ports(&at(&first.url()), &[first.port(), second.port()]));
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&[message("orders", "before")]).unwrap();
    first.kill();
    wait_until("the driver notices", LIMIT, || driver.push(&[message("orders", "between")]).is_err());
    drop(driver);
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&[message("orders", "after")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(payloads(std::slice::from_ref(&job)), ["after"]);
    settle(&mut *driver, &job, Verdict::Done);
}
