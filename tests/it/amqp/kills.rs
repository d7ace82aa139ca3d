//! Delays and backoffs over a broker that is killed: none is lost, and none comes early.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use craft_queue::driver::amqp::AmqpOptions;
use craft_queue::driver::{Driver, Reserved, Suspects, Verdict};

use super::support::*;
use crate::servers::rabbitmq::RabbitMq;
use crate::servers::{wait_for, wait_until};

/// How long jobs wait, in milliseconds: one or several levels, over before and after the broker is killed.
const DELAYS: [u64; 8] = [125, 250, 1_000, 1_875, 3_000, 5_000, 10_000, 20_000];

/// How old a quorum queue has to be before it outlives its broker.
const MATURE: Duration = Duration::from_secs(6);

/// What a delay queue hands on while the broker starts is sent once more after three minutes, where the next queue had no
/// leader yet: RabbitMQ's `dead_letter_worker_publisher_confirm_timeout`.
const PATIENCE: Duration = Duration::from_secs(360);

/// Jobs that wait, and the earliest moment at which each may come.
#[derive(Default)]
struct Waiting {
    due: HashMap<String, Instant>,
    early: Vec<String>,
    again: usize,
}

impl Waiting {
    /// Pushes one job of each delay, and puts one back for each.
    fn add(&mut self, driver: &mut dyn Driver, moment: usize) {
        let wait = |millis: &u64| Duration::from_millis(*millis);
        let name = |kind: &str, millis: &u64| format!("{moment} {kind} {millis}");
        let began = Instant::now();
        let pushed = DELAYS.each_ref().map(|millis| delayed("orders", &name("pushed", millis), wait(millis)));
        driver.push(&pushed).unwrap();
        self.due.extend(DELAYS.iter().map(|millis| (name("pushed", millis), began + wait(millis))));

        let failing = DELAYS.each_ref().map(|millis| message("fails", &name("failed", millis)));
        driver.push(&failing).unwrap();
        let mut fresh: HashMap<_, _> =
            DELAYS.iter().map(|millis| (name("failed", millis), wait(millis))).collect();
        wait_until("they fail", LIMIT, || {
            for job in driver.reserve(&want(&named("fails"), 100, Suspects::Ignore)).unwrap().jobs {
                let Some(after) = fresh.remove(&payload(&job)) else {
                    self.came(driver, &job);
                    continue;
                };
                self.due.insert(payload(&job), Instant::now() + after);
                settle(driver, &job, again(after, true));
            }
            fresh.is_empty()
        });
    }

    fn came(&mut self, driver: &mut dyn Driver, job: &Reserved) {
        // One that was put back, and whose acknowledgement the broker had not seen yet. Its copy still waits.
        let is_original = payload(job).contains("failed") && job.attempt == 1;
        if is_original {
            self.again += 1;
        } else if self.due.remove(&payload(job)).is_some_and(|due| Instant::now() < due) {
            self.early.push(payload(job));
        }
        settle(driver, job, Verdict::Done);
    }

    /// Takes all that come.
    fn take_all(&mut self, broker: &RabbitMq, driver: &mut dyn Driver) {
        let began = Instant::now();
        let queues = ["orders".to_owned(), "fails".to_owned()];
        wait_for("all that was delayed has come", PATIENCE, || {
            for job in driver.reserve(&want(&queues, 100, Suspects::Take(100))).unwrap().jobs {
                self.came(driver, &job);
            }
            if self.due.is_empty() {
                return Ok(());
            }
            // Asked at the end only, as it takes a while.
            let has = (began.elapsed() > PATIENCE - Duration::from_secs(10))
                .then(|| broker.rabbitmqctl(&["list_queues", "name", "messages", "messages_ready"]));
            Err(format!("there is no {:?}, and the broker has {has:?}", self.due.keys()))
        });
    }
}

fn payload(job: &Reserved) -> String {
    String::from_utf8(job.message.payload.to_vec()).unwrap()
}

/// Kills a broker that has jobs which were delayed at so many moments before, `step` apart; as often as `rounds` says.
fn kill_at(quorum: bool, moments: usize, step: Duration, rounds: u32) {
    let mut broker = RabbitMq::start(Default::default());
    let options = AmqpOptions { quorum, ..at(&broker.url()) };
    for round in 0..rounds {
        let mut driver = open(&options);
        let mut waiting = Waiting::default();
        if round == 0 {
            // Declares all there is.
            waiting.add(&mut *driver, 0);
            broker.sync_definitions();
            thread::sleep(MATURE);
            waiting.take_all(&broker, &mut *driver);
        }
        let began = Instant::now();
        for moment in 1..=moments {
            waiting.add(&mut *driver, moment);
            let next = began + step * u32::try_from(moment).unwrap() + step / rounds * round;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        broker.kill();
        drop(driver);
        broker.start_again();
        let mut driver = open(&options);
        let (count, began) = (waiting.due.len(), Instant::now());
        waiting.take_all(&broker, &mut *driver);
        println!(
            "quorum {quorum}, round {round}: {count} jobs waited, of {moments} moments {step:?} apart; all came within \
             {:.1?}, early: {:?}, once more: {}",
            began.elapsed(),
            waiting.early,
            waiting.again
        );
        assert_eq!(waiting.early, [""; 0]);
    }
}

const STEP: Duration = Duration::from_millis(500);

#[test]
fn delays_in_classic_queues_outlive_their_broker() {
    kill_at(false, 8, STEP, 1);
}

#[test]
fn delays_in_quorum_queues_outlive_their_broker() {
    kill_at(true, 8, STEP, 1);
}

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn delays_in_classic_queues_outlive_their_broker_at_forty_moments() {
    kill_at(false, 40, STEP, 3);
}

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn delays_in_quorum_queues_outlive_their_broker_at_forty_moments() {
    kill_at(true, 40, STEP, 3);
}
