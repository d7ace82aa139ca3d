//! Push, reserve, settle.

use std::time::Duration;

use craft_queue::Pushed;
use craft_queue::driver::{Settled, Verdict};

use super::support::*;

#[test]
fn a_job_goes_out_and_comes_in_once() {
    let options = fresh();
    let mut driver = open(&options);
    let mut pushed = message("orders", "{}");
    pushed.overrides = Some(r#"{"attempts":7}"#.into());
    let answer = driver.push(std::slice::from_ref(&pushed)).unwrap();
    assert!(matches!(&answer[..], [Pushed::Added(id)] if id.to_string() == *pushed.uuid));
    let jobs = take(&mut *driver, "orders", 1);
    assert_eq!(jobs[0].message, pushed);
    assert_eq!((jobs[0].attempt, jobs[0].suspect), (1, false));
    settle(&mut *driver, &jobs[0], Verdict::Done);
    drop(driver);
    assert_eq!(open(&options).size(&named("orders")).unwrap()[0].waiting, Some(0));
}

#[test]
fn many_jobs_in_one_call_keep_their_order() {
    let mut driver = open(&fresh());
    let messages: Vec<_> = (0..3_000).map(|n| message("orders", &n.to_string())).collect();
    assert_eq!(driver.push(&messages).unwrap().len(), 3_000);
    let jobs = take(&mut *driver, "orders", 3_000);
    assert!(jobs.iter().zip(&messages).all(|(job, message)| job.message.uuid == message.uuid));
}

#[test]
fn the_same_uuid_twice_in_a_call_is_added_once() {
    let mut driver = open(&fresh());
    let one = message("orders", "{}");
    assert_eq!(driver.push(&[one.clone(), one]).unwrap().len(), 2);
    assert_eq!(driver.size(&named("orders")).unwrap()[0].waiting, Some(1));
}

#[test]
fn outcomes_are_settled_in_any_order_and_only_once() {
    let options = fresh();
    let mut driver = open(&options);
    driver.push(&(0..10).map(|n| message("orders", &n.to_string())).collect::<Vec<_>>()).unwrap();
    let jobs = take(&mut *driver, "orders", 10);
    for n in [3, 1, 0, 2, 9] {
        settle(&mut *driver, &jobs[n], Verdict::Done);
    }
    let settlement = driver.settle(&[Settled { job: &jobs[3], verdict: Verdict::Done }]).unwrap();
    assert_eq!(settlement.lost, [jobs[3].receipt]);
    assert_eq!(driver.extend(&[&jobs[3], &jobs[4]], LEASE).unwrap(), [jobs[3].receipt]);
    drop(driver);
    let mut driver = open(&options);
    let mut left: Vec<_> = (0..5).map(|_| take_suspect(&mut *driver, "orders")).collect();
    left.sort_by_key(|job| job.message.payload.clone());
    assert_eq!(payloads(&left), ["4", "5", "6", "7", "8"]);
}

#[test]
fn a_retried_job_counts_its_attempts_and_goes_behind_the_others() {
    let mut driver = open(&fresh());
    driver.push(&[message("orders", "a"), message("orders", "b")]).unwrap();
    let first = take(&mut *driver, "orders", 1).remove(0);
    settle(&mut *driver, &first, again(Duration::ZERO, true));
    let jobs = take(&mut *driver, "orders", 2);
    assert_eq!(payloads(&jobs), ["b", "a"]);
    assert_eq!((jobs[1].attempt, jobs[1].last_error.as_deref()), (2, Some("no luck")));
    assert_eq!(jobs[1].message.uuid, first.message.uuid);
    settle(&mut *driver, &jobs[1], again(Duration::ZERO, false));
    assert_eq!(take(&mut *driver, "orders", 1)[0].attempt, 2);
}

#[test]
fn unknown_and_unstarted_jobs_take_their_attempt_back() {
    let mut driver = open(&fresh());
    driver.push(&[message("orders", "a")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(job.unknown_for, None);
    settle(&mut *driver, &job, Verdict::Unknown { after: Duration::ZERO });
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(job.attempt, 1);
    assert!(job.unknown_for.is_some_and(|span| span < LIMIT));
    settle(&mut *driver, &job, Verdict::Unstarted { after: Duration::ZERO });
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(job.attempt, 1);
    assert!(job.unknown_for.is_some());
}

#[test]
fn a_queue_with_priorities_hands_out_the_higher_ones_first() {
    let options = craft_queue::driver::amqp::AmqpOptions { max_priority: Some(9), ..fresh() };
    let mut driver = open(&options);
    let with = |priority, payload| {
        let mut message = message("orders", payload);
        message.priority = priority;
        message
    };
    driver.push(&[with(0, "low"), with(9, "high"), with(5, "middle")]).unwrap();
    assert_eq!(payloads(&take(&mut *driver, "orders", 3)), ["high", "middle", "low"]);
}

#[test]
fn what_waits_is_counted_and_cleared() {
    let mut driver = open(&fresh());
    driver.push(&(0..5).map(|n| message("orders", &n.to_string())).collect::<Vec<_>>()).unwrap();
    let held = take(&mut *driver, "orders", 1);
    let sizes = driver.size(&[]).unwrap();
    let orders = sizes.iter().find(|size| size.queue == "orders").unwrap();
    assert_eq!((orders.waiting, orders.delayed, orders.running), (Some(4), None, None));
    assert_eq!(driver.clear("orders").unwrap(), 4);
    assert_eq!(driver.size(&named("orders")).unwrap()[0].waiting, Some(0));
    settle(&mut *driver, &held[0], Verdict::Done);
    assert_eq!(driver.size(&named("never")).unwrap()[0].waiting, Some(0));
    assert_eq!(driver.clear("never").unwrap(), 0);
}
