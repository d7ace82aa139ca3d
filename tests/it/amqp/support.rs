//! What the tests say often.

use std::time::Duration;

use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
use craft_queue::driver::{Backend, Driver, Notifier, Reserved, Settled, Suspects, Verdict, Want};
use craft_queue::{AmqpConfig, Message};

use crate::servers::rabbitmq::RabbitMq;
use crate::servers::wait_for;

/// Generous: a limit costs nothing when all is well.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A new, empty vhost on the shared broker.
pub fn fresh() -> AmqpOptions {
    at(&RabbitMq::shared().vhost())
}

/// What a harness url says.
pub fn at(url: &str) -> AmqpOptions {
    let (place, vhost) = url.rsplit_once('/').unwrap();
    let port = place.rsplit_once(':').unwrap().1.parse().unwrap();
    let vhost = if vhost == "%2f" { "/" } else { vhost };
    let config = AmqpConfig { host: "127.0.0.1".into(), port, vhost: vhost.into(), ..AmqpConfig::default() };
    AmqpOptions::from_config(&config).unwrap()
}

/// As another process would open it: it knows nothing of what was held here.
pub fn open(options: &AmqpOptions) -> Box<dyn Driver> {
    AmqpBackend::new(options.clone()).open(Notifier::silent()).unwrap()
}

pub fn message(queue: &str, payload: &str) -> Message {
    Message::new(queue, "Job", payload.as_bytes())
}

pub fn delayed(queue: &str, payload: &str, delay: Duration) -> Message {
    let mut message = message(queue, payload);
    message.delay = delay;
    message
}

pub const LEASE: Duration = Duration::from_secs(60);

pub fn want<'a>(queues: &'a [String], fresh: usize, suspects: Suspects) -> Want<'a> {
    Want { queues, fresh, suspects, lease: LEASE }
}

pub fn named(queue: &str) -> Vec<String> {
    vec![queue.to_owned()]
}

/// Waits until so many clean jobs have come.
pub fn take(driver: &mut dyn Driver, queue: &str, count: usize) -> Vec<Reserved> {
    let queues = named(queue);
    let mut jobs = Vec::new();
    wait_for(&format!("{count} jobs in {queue}"), LIMIT, || {
        let missing = count - jobs.len();
        jobs.extend(driver.reserve(&want(&queues, missing, Suspects::Ignore)).unwrap().jobs);
        if jobs.len() == count { Ok(()) } else { Err(format!("{} came", jobs.len())) }
    });
    jobs
}

/// Waits until a suspect has come.
pub fn take_suspect(driver: &mut dyn Driver, queue: &str) -> Reserved {
    let queues = named(queue);
    wait_for(&format!("a suspect in {queue}"), LIMIT, || {
        // What a dead worker held comes first to somebody who takes clean jobs.
        let clean = driver.reserve(&want(&queues, 1, Suspects::Ignore)).unwrap().jobs;
        assert!(clean.is_empty(), "{clean:?}");
        let mut taken = driver.reserve(&want(&queues, 0, Suspects::Take(1))).unwrap().jobs;
        taken.pop().ok_or_else(|| "none came".to_owned())
    })
}

pub fn settle(driver: &mut dyn Driver, job: &Reserved, verdict: Verdict) {
    let settlement = driver.settle(&[Settled { job, verdict }]).unwrap();
    assert_eq!(settlement.lost, [], "lost {job:?}");
}

pub fn again(after: Duration, counted: bool) -> Verdict {
    Verdict::Again { after, counted, error: "no luck".into() }
}

pub fn payloads(jobs: &[Reserved]) -> Vec<&str> {
    jobs.iter().map(|job| std::str::from_utf8(&job.message.payload).unwrap()).collect()
}
