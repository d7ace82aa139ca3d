//! Who holds a job, and who is charged.

use std::time::Duration;

use craft_queue::driver::amqp::AmqpBackend;
use craft_queue::driver::{Backend, Notifier, Settled, Suspects, Verdict};

use super::support::*;

#[test]
fn a_job_whose_worker_died_is_a_suspect_and_only_the_second_death_is_charged() {
    let options = fresh();
    open(&options).push(&[message("orders", "poison")]).unwrap();
    let mut driver = open(&options);
    assert_eq!(take(&mut *driver, "orders", 1)[0].attempt, 1);
    drop(driver);
    for attempt in [1, 2, 3] {
        let mut driver = open(&options);
        let job = take_suspect(&mut *driver, "orders");
        assert_eq!((job.attempt, job.suspect), (attempt, true));
        drop(driver);
    }
    let mut driver = open(&options);
    let job = take_suspect(&mut *driver, "orders");
    assert_eq!(job.attempt, 4);
    settle(&mut *driver, &job, again(Duration::ZERO, false));
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!((job.attempt, job.suspect), (4, false));
}

#[test]
fn what_waited_beside_a_dying_suspect_is_not_charged() {
    let options = fresh();
    open(&options).push(&(0..20).map(|n| message("orders", &n.to_string())).collect::<Vec<_>>()).unwrap();
    // The first worker dies with all twenty.
    let mut driver = open(&options);
    take(&mut *driver, "orders", 20);
    drop(driver);
    // The second one dies of the first suspect.
    let mut driver = open(&options);
    let culprit = take_suspect(&mut *driver, "orders");
    drop(driver);
    let mut driver = open(&options);
    for _ in 0..20 {
        let job = take_suspect(&mut *driver, "orders");
        let expected = if job.message.uuid == culprit.message.uuid { 2 } else { 1 };
        assert_eq!((job.attempt, job.suspect), (expected, true), "{:?}", job.message);
        settle(&mut *driver, &job, Verdict::Done);
    }
    let taken = driver.reserve(&want(&named("orders"), 0, Suspects::Look)).unwrap();
    assert!(!taken.suspects_due);
}

#[test]
fn suspects_are_given_only_when_they_are_asked_for() {
    let options = fresh();
    let mut driver = open(&options);
    driver.push(&[message("orders", "a")]).unwrap();
    take(&mut *driver, "orders", 1);
    drop(driver);
    let mut driver = open(&options);
    let queues = named("orders");
    crate::servers::wait_until("a suspect is due", LIMIT, || {
        let taken = driver.reserve(&want(&queues, 1, Suspects::Look)).unwrap();
        assert!(taken.jobs.is_empty());
        taken.suspects_due
    });
    assert!(!driver.reserve(&want(&queues, 5, Suspects::Ignore)).unwrap().suspects_due);
    let taken = driver.reserve(&want(&queues, 0, Suspects::Take(1))).unwrap();
    assert_eq!((taken.jobs.len(), taken.suspects_due), (1, false));
}

#[test]
fn a_suspect_given_back_unstarted_stays_one() {
    let options = fresh();
    let mut driver = open(&options);
    driver.push(&[message("orders", "a")]).unwrap();
    take(&mut *driver, "orders", 1);
    drop(driver);
    let mut driver = open(&options);
    let job = take_suspect(&mut *driver, "orders");
    settle(&mut *driver, &job, Verdict::Unstarted { after: Duration::from_millis(125) });
    let job = take_suspect(&mut *driver, "orders");
    assert_eq!((job.attempt, job.suspect), (1, true));
}

/// The worker of this process goes on with a job while the connection is opened anew.
#[test]
fn a_job_that_still_runs_here_is_adopted_and_not_given_out() {
    let options = fresh();
    let backend = AmqpBackend::new(options.clone());
    let mut driver = backend.open(Notifier::silent()).unwrap();
    driver.push(&[message("orders", "a")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    drop(driver);
    let mut driver = backend.open(Notifier::silent()).unwrap();
    assert_eq!(driver.extend(&[&job], LEASE).unwrap(), [], "nobody knows yet who has it");
    let queues = named("orders");
    // What comes behind it in the queue says that it has come.
    driver.push(&[message("orders", "b")]).unwrap();
    let next = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(payloads(std::slice::from_ref(&next)), ["b"]);
    settle(&mut *driver, &next, Verdict::Done);
    let taken = driver.reserve(&want(&queues, 5, Suspects::Take(5))).unwrap();
    assert!(taken.jobs.is_empty() && !taken.suspects_due, "given out while it runs: {taken:?}");
    settle(&mut *driver, &job, Verdict::Done);
    drop(driver);
    assert_eq!(open(&options).size(&queues).unwrap()[0].waiting, Some(0));
}

#[test]
fn an_outcome_from_an_older_connection_is_lost() {
    let options = fresh();
    let mut driver = open(&options);
    driver.push(&[message("orders", "a")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    drop(driver);
    let mut driver = open(&options);
    let again = take_suspect(&mut *driver, "orders");
    let settlement = driver.settle(&[Settled { job: &job, verdict: Verdict::Done }]).unwrap();
    assert_eq!(settlement.lost, [job.receipt]);
    settle(&mut *driver, &again, Verdict::Done);
}

/// What was handed out ahead and never begun must not come back as a suspect after each deploy.
#[test]
fn a_driver_that_leaves_puts_back_what_nobody_has_begun() {
    let options = craft_queue::driver::amqp::AmqpOptions { prefetch: Some(10), ..fresh() };
    let mut driver = open(&options);
    driver.push(&(0..10).map(|n| message("orders", &n.to_string())).collect::<Vec<_>>()).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    settle(&mut *driver, &job, Verdict::Done);
    drop(driver);
    let mut driver = open(&options);
    let jobs = take(&mut *driver, "orders", 9);
    assert!(jobs.iter().all(|job| job.attempt == 1 && !job.suspect));
}
