//! What becomes of jobs, without a broker.

use std::sync::Arc;
use std::time::Duration;

use super::driver::{AmqpDriver, Shared};
use super::fake::Fake;
use super::options::AmqpOptions;
use crate::config::AmqpConfig;
use crate::driver::{Driver, Notifier, Reserved, Settled, Suspects, Verdict, Want};
use crate::message::Message;

const LEASE: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::ZERO;

/// A process with a worker, as far as the driver sees it.
struct Process {
    fake: Fake,
    shared: Shared,
}

impl Process {
    fn new(fake: &Fake) -> Self {
        Self { fake: fake.clone(), shared: Shared::default() }
    }

    fn open(&self) -> AmqpDriver {
        let options = AmqpOptions::from_config(&AmqpConfig::default()).unwrap();
        let (client, shared) = (Arc::new(self.fake.clone()), self.shared.clone());
        AmqpDriver::open(client, Arc::new(options), Notifier::silent(), shared).unwrap()
    }
}

fn job(payload: &str) -> Message {
    Message::new("orders", "Job", payload.as_bytes())
}

fn reserve(driver: &mut AmqpDriver, fresh: usize, suspects: Suspects) -> Vec<Reserved> {
    let queues = ["orders".to_owned()];
    let mut look = || driver.reserve(&Want { queues: &queues, fresh, suspects, lease: LEASE }).unwrap().jobs;
    // The first look subscribes, the second one finds.
    let mut jobs = look();
    if jobs.is_empty() {
        jobs = look();
    }
    jobs
}

fn take(driver: &mut AmqpDriver) -> Reserved {
    reserve(driver, 1, Suspects::Ignore).remove(0)
}

fn settle(driver: &mut AmqpDriver, job: &Reserved, verdict: Verdict) {
    assert_eq!(driver.settle(&[Settled { job, verdict }]).unwrap().lost, []);
}

fn again(after: Duration, counted: bool) -> Verdict {
    Verdict::Again { after, counted, error: "no luck".into() }
}

/// Who settles nothing again waits until the broker has read it.
#[test]
fn what_is_settled_for_sure_is_with_the_broker() {
    for (verdict, sent) in
        [(Verdict::Done, &["ack orders"][..]), (again(NOW, true), &["publish orders", "ack orders"])]
    {
        let fake = Fake::default();
        let mut driver = Process::new(&fake).open();
        driver.push(&[job("a")]).unwrap();
        let job = take(&mut driver);
        fake.broker().log.clear();
        assert_eq!(driver.settle_surely(&[Settled { job: &job, verdict }]).unwrap().lost, []);
        assert_eq!(fake.broker().log, [sent, &["flush"]].concat());
    }
}

#[test]
fn a_copy_is_with_the_broker_before_the_original_is_acknowledged() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("a")]).unwrap();
    let job = take(&mut driver);
    fake.broker().log.clear();
    settle(&mut driver, &job, again(NOW, true));
    assert_eq!(fake.broker().log, ["publish orders", "ack orders"]);
}

#[test]
fn a_job_whose_copy_is_refused_stays_held() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("a"), job("b")]).unwrap();
    let jobs = reserve(&mut driver, 2, Suspects::Ignore);
    fake.broker().full = true;
    fake.broker().log.clear();
    let both = [
        Settled { job: &jobs[0], verdict: again(NOW, true) },
        Settled { job: &jobs[1], verdict: Verdict::Done },
    ];
    let error = driver.settle(&both).unwrap_err();
    assert!(!error.is_unavailable() && error.help().is_some(), "{error:?}");
    let log = std::mem::take(&mut fake.broker().log);
    assert_eq!(log[0], "ack orders", "what is done is done");
    assert!(log[1..].iter().all(|line| line == "publish orders"), "{log:?}");
    fake.broker().full = false;
    settle(&mut driver, &jobs[0], again(NOW, true));
    assert_eq!(take(&mut driver).attempt, 2);
}

#[test]
fn attempts_are_counted_across_retries_and_a_delay_is_the_one_asked_for() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[Message { delay: Duration::from_secs(3_600), ..job("a") }]).unwrap();
    for (attempt, counted, next) in [(1, true, 2), (2, false, 2), (2, true, 3)] {
        fake.let_time_pass();
        let job = take(&mut driver);
        assert_eq!(job.attempt, attempt);
        settle(&mut driver, &job, again(Duration::from_secs(10), counted));
        assert!(reserve(&mut driver, 1, Suspects::Ignore).is_empty(), "not before its time");
        assert_eq!(fake.let_time_pass(), [Duration::from_secs(10)]);
        let job = take(&mut driver);
        assert_eq!((job.attempt, job.last_error.as_deref()), (next, Some("no luck")));
        settle(&mut driver, &job, Verdict::Unstarted { after: NOW });
    }
}

#[test]
fn queues_are_taken_from_in_the_order_in_which_they_are_named() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[Message { queue: "late".into(), ..job("second") }, job("first")]).unwrap();
    let queues = ["orders".to_owned(), "late".to_owned()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: LEASE };
    for expected in ["first", "second"] {
        assert_eq!(&*driver.reserve(&want).unwrap().jobs[0].message.payload, expected.as_bytes());
    }
}

#[test]
fn a_death_makes_a_suspect_and_only_a_second_one_is_charged() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("a")]).unwrap();
    assert_eq!(take(&mut driver).attempt, 1);
    for attempt in [1, 2, 3] {
        drop(driver);
        driver = Process::new(&fake).open();
        assert!(reserve(&mut driver, 1, Suspects::Look).is_empty(), "a suspect is no clean job");
        let suspects = reserve(&mut driver, 0, Suspects::Take(1));
        assert_eq!((suspects[0].attempt, suspects[0].suspect), (attempt, true));
    }
}

/// It says of all that it has that somebody had it, and nobody had most of it.
#[test]
fn after_the_broker_was_killed_nothing_is_charged_for_that() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("poison"), job("innocent")]).unwrap();
    let starts = || fake.broker().queues[super::broker_epoch::STARTS].len();
    let mut next = |kills| {
        (0..kills).for_each(|_| fake.start_again());
        driver = Process::new(&fake).open();
        let clean = reserve(&mut driver, 2, Suspects::Look);
        let suspects = reserve(&mut driver, 0, Suspects::Take(1));
        clean.into_iter().chain(suspects).map(|job| (job.attempt, job.suspect)).collect::<Vec<_>>()
    };
    assert_eq!((next(1), starts()), (vec![(1, false); 2], 2), "as good as new");
    assert_eq!((next(0), starts()), (vec![(1, true)], 2), "a worker went away with both");
    assert_eq!(next(1), [(1, true)], "a suspect stays one, and is not charged");
    // The one that had been fetched is behind the other.
    assert_eq!(next(0), [(1, true)]);
    assert_eq!((next(0), starts()), (vec![(2, true)], 3), "twice a worker went away with it");
}

#[test]
fn while_a_suspect_runs_nothing_else_is_held() {
    let fake = Fake::default();
    let mut first = Process::new(&fake).open();
    first.push(&[job("suspect")]).unwrap();
    take(&mut first);
    drop(first);
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("a"), job("b"), job("c")]).unwrap();
    // With a prefetch of two, the clean ones are handed out ahead of the worker's wishes.
    let held = reserve(&mut driver, 2, Suspects::Ignore);
    held.iter().for_each(|job| settle(&mut driver, job, Verdict::Done));
    assert_eq!(reserve(&mut driver, 0, Suspects::Take(1)).len(), 1);
    drop(driver);
    let mut driver = Process::new(&fake).open();
    let clean = reserve(&mut driver, 9, Suspects::Look);
    assert_eq!(held.len() + clean.len(), 3);
    assert!(clean.iter().all(|job| !job.suspect && job.attempt == 1), "{clean:?}");
}

#[test]
fn a_job_that_still_runs_here_keeps_its_hold_over_a_lost_connection() {
    let fake = Fake::default();
    let process = Process::new(&fake);
    let mut driver = process.open();
    driver.push(&[job("a")]).unwrap();
    let job = take(&mut driver);
    for _ in 0..2 {
        drop(driver);
        driver = process.open();
        assert_eq!(driver.extend(&[&job], LEASE).unwrap(), [], "nobody knows yet who has it");
        assert!(reserve(&mut driver, 5, Suspects::Take(5)).is_empty());
    }
    settle(&mut driver, &job, Verdict::Done);
    drop(driver);
    assert!(fake.broker().queues["orders"].is_empty() && fake.broker().queues["orders.suspects"].is_empty());
}

#[test]
fn another_process_has_it_as_a_suspect_and_the_first_one_has_lost_it() {
    let fake = Fake::default();
    let (one, other) = (Process::new(&fake), Process::new(&fake));
    let mut driver = one.open();
    driver.push(&[job("a")]).unwrap();
    let job = take(&mut driver);
    drop(driver);
    let mut elsewhere = other.open();
    reserve(&mut elsewhere, 1, Suspects::Look);
    assert_eq!(reserve(&mut elsewhere, 0, Suspects::Take(1)).len(), 1);
    let mut driver = one.open();
    let settlement = driver.settle(&[Settled { job: &job, verdict: Verdict::Done }]).unwrap();
    assert_eq!(settlement.lost, [job.receipt]);
    assert_eq!(driver.extend(&[&job], LEASE).unwrap(), [job.receipt]);
}

/// Where it runs it goes on, though another process had it meanwhile; to a process that never ran it, it comes as after
/// a death.
#[test]
fn a_job_that_is_run_by_two_is_charged_with_a_lost_connection_when_a_third_one_gets_it() {
    let fake = Fake::default();
    let (one, other, third) = (Process::new(&fake), Process::new(&fake), Process::new(&fake));
    let mut driver = one.open();
    driver.push(&[job("a")]).unwrap();
    let first = take(&mut driver);
    drop(driver);
    let mut driver = other.open();
    reserve(&mut driver, 1, Suspects::Look);
    let second = reserve(&mut driver, 0, Suspects::Take(1)).remove(0);
    assert_eq!((second.attempt, second.suspect), (1, true));
    for (process, job) in [(&one, &first), (&other, &second), (&one, &first)] {
        drop(driver);
        driver = process.open();
        assert!(reserve(&mut driver, 0, Suspects::Take(1)).is_empty());
        assert!(driver.came_back(job), "it still runs there");
    }
    drop(driver);
    let third = reserve(&mut third.open(), 0, Suspects::Take(1)).remove(0);
    assert_eq!((third.attempt, third.suspect), (2, true));
}

#[test]
fn a_queue_that_was_deleted_is_declared_again_by_the_next_push() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("a")]).unwrap();
    fake.broker().queues.clear();
    driver.push(&[job("b")]).unwrap();
    assert_eq!(&*take(&mut driver).message.payload, b"b");
}

#[test]
fn what_is_refused_for_a_moment_is_sent_again_alone() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    driver.push(&[job("first")]).unwrap();
    fake.broker().refuse_next = 1;
    fake.broker().log.clear();
    driver.push(&[job("a"), job("b")]).unwrap();
    let queued = fake.broker().queues["orders"].iter().map(|stored| stored.body.clone()).collect::<Vec<_>>();
    assert_eq!(queued, [&b"first"[..], b"b", b"a"]);
}

#[test]
fn a_broker_that_says_nothing_is_unavailable_and_its_alarm_is_named() {
    let fake = Fake::default();
    let mut driver = Process::new(&fake).open();
    fake.broker().silent = true;
    let error = driver.push(&[job("a")]).unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("low on memory"), "{error:?}");
}
