//! The ladder.

use std::time::{Duration, Instant};

use craft_queue::driver::{Driver, Verdict};

use super::foreign::with_channel;
use super::support::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_hour_does_not_stand_before_a_second() {
    let mut driver = open(&fresh());
    driver.push(&[delayed("orders", "hour", 3_600 * SECOND), delayed("orders", "second", SECOND)]).unwrap();
    let start = Instant::now();
    assert_eq!(payloads(&take(&mut *driver, "orders", 1)), ["second"]);
    assert!(start.elapsed() >= SECOND * 9 / 10, "after {:?}", start.elapsed());
    assert_eq!(driver.size(&named("orders")).unwrap()[0].waiting, Some(0));
}

/// A message that still carries the broker's own notes would be dropped as a cycle on its second way down.
#[test]
fn a_job_goes_down_the_same_levels_again_and_again() {
    let mut driver = open(&fresh());
    // Seven eighths of a second: all three levels below one second.
    let wait = Duration::from_millis(875);
    driver.push(&[delayed("orders", "a", wait)]).unwrap();
    for attempt in 1..=3 {
        let start = Instant::now();
        let job = take(&mut *driver, "orders", 1).remove(0);
        assert_eq!(job.attempt, attempt);
        assert!(attempt == 1 || start.elapsed() >= wait * 9 / 10, "after {:?}", start.elapsed());
        settle(&mut *driver, &job, again(wait, true));
    }
}

#[test]
fn quorum_queues_have_a_ladder_of_their_own() {
    let options = craft_queue::driver::amqp::AmqpOptions { quorum: true, ..fresh() };
    let mut driver = open(&options);
    driver.push(&[delayed("orders", "a", Duration::from_millis(250))]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    settle(&mut *driver, &job, again(Duration::from_millis(375), true));
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(job.attempt, 2);
    settle(&mut *driver, &job, Verdict::Done);
}

#[test]
fn a_delayed_job_whose_queue_was_deleted_comes_home() {
    let options = fresh();
    let mut driver = open(&options);
    driver.push(&[delayed("orders", "a", 4 * SECOND)]).unwrap();
    drop(driver);
    // Not by rabbitmqctl, which may take longer than the job does.
    with_channel(&options, |channel| assert!(channel.queue_delete("orders", Default::default()).is_ok()));
    let stray = || count(&options, "craft-queue.delay.stray") == Some(1);
    crate::servers::wait_until("the job has gone astray", LIMIT, stray);
    let mut driver: Box<dyn Driver> = open(&options);
    assert_eq!(payloads(&take(&mut *driver, "orders", 1)), ["a"]);
    assert_eq!(count(&options, "craft-queue.delay.stray"), Some(0));
}

/// What the broker itself says.
fn count(options: &craft_queue::driver::amqp::AmqpOptions, queue: &str) -> Option<u64> {
    let broker = crate::servers::rabbitmq::RabbitMq::shared();
    let list = broker.rabbitmqctl(&["list_queues", "-p", &options.vhost, "name", "messages"]);
    list.lines().find_map(|line| line.strip_prefix(queue)?.trim().parse().ok())
}
