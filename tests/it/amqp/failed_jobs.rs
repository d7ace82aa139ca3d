//! Dead jobs in `<queue>.failed`.

use std::time::Duration;

use craft_queue::Overrides;
use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
use craft_queue::driver::{Backend, Notifier, Reserved, Verdict};
use craft_queue::failed::{FailedBackend, FailedJobs, Failure, Filter};
use craft_queue::time::Zone;

use super::support::*;

fn dead(options: &AmqpOptions) -> Box<dyn FailedJobs> {
    AmqpBackend::new(options.clone()).failed_jobs(Zone::default()).open().unwrap()
}

/// A job that ran once, and whose record is in the queue's dead.
fn dies(options: &AmqpOptions, payload: &str) -> Reserved {
    let mut driver = AmqpBackend::new(options.clone()).open(Notifier::silent()).unwrap();
    let overrides = Overrides { attempts: Some(1), ..Overrides::default() }.to_json();
    let mut message = message("orders", payload);
    message.overrides = overrides;
    driver.push(&[message]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    dead(options).record(&job, &Failure::now("amqp", "", "no luck")).unwrap();
    settle(&mut *driver, &job, Verdict::Done);
    job
}

fn options() -> AmqpOptions {
    AmqpOptions { queue: "orders".into(), ..fresh() }
}

#[test]
fn a_dead_job_is_listed_with_all_that_is_known_of_it() {
    let options = options();
    let job = dies(&options, "{\"n\":1}");
    let rows = dead(&options).list(&Filter::default()).unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&*row.uuid, &*row.queue, &*row.name), (&*job.message.uuid, "orders", "Job"));
    assert_eq!((row.attempts, &*row.exception, &*row.payload), (1, "no luck", "{\"n\":1}"));
    assert_eq!(row.overrides.as_deref(), job.message.overrides.as_deref());
    let count = dead(&options).count().unwrap();
    assert_eq!((count.len(), &*count[0].driver, count[0].count), (1, "amqp", 1));
}

#[test]
fn lists_are_in_pages_and_forgetting_takes_out_one() {
    let options = options();
    let jobs = ["a", "b", "c"].map(|payload| dies(&options, payload));
    let mut failed = dead(&options);
    let page = |failed: &mut dyn FailedJobs, after, limit| -> Vec<String> {
        let rows = failed.list(&Filter { after, limit, ..Filter::default() }).unwrap();
        rows.into_iter().map(|row| row.payload).collect()
    };
    assert_eq!(page(&mut *failed, None, 2), ["a", "b"]);
    assert_eq!(page(&mut *failed, Some(&jobs[1].id), 2), ["c"]);
    assert_eq!(failed.forget(std::slice::from_ref(&jobs[1].id)).unwrap(), 1);
    assert_eq!(page(&mut *failed, None, 0), ["a", "c"]);
    drop(failed);
    assert_eq!(page(&mut *dead(&options), None, 0), ["a", "c"]);
}

#[test]
fn a_job_that_fails_again_during_its_retry_stays() {
    let options = options();
    let job = dies(&options, "a");
    let mut operator = dead(&options);
    let ids = std::slice::from_ref(&job.id);
    assert_eq!(operator.mark(ids).unwrap(), ids);
    // The worker has it before the operator is done, and fails at once.
    dead(&options).record(&job, &Failure::now("amqp", "", "again")).unwrap();
    operator.forget_marked(std::slice::from_ref(&job.id)).unwrap();
    drop(operator);
    let rows = dead(&options).list(&Filter::default()).unwrap();
    assert_eq!((rows.len(), &*rows[0].exception), (1, "again"));
}

#[test]
fn two_operators_never_retry_one_job() {
    let options = options();
    let job = dies(&options, "a");
    let (mut one, mut two) = (dead(&options), dead(&options));
    assert_eq!(one.mark(std::slice::from_ref(&job.id)).unwrap().len(), 1);
    assert_eq!(two.mark(std::slice::from_ref(&job.id)).unwrap().len(), 0);
    drop(one);
    crate::servers::wait_until("the job is back with the dead", Duration::from_secs(30), || {
        two.mark(std::slice::from_ref(&job.id)).unwrap().len() == 1
    });
}

/// A list holds what it shows: nothing waits in the queue then.
#[test]
fn a_record_is_withdrawn_by_who_has_just_listed_it() {
    let options = options();
    let jobs = ["a", "b"].map(|payload| dies(&options, payload));
    let mut handle = dead(&options);
    assert_eq!(handle.list(&Filter::default()).unwrap().len(), 2);
    let found = handle.records_of(&jobs[0].message, "amqp").unwrap();
    handle.withdraw(&found).unwrap();
    drop(handle);
    let mut next = dead(&options);
    crate::servers::wait_until("the other one is back", Duration::from_secs(30), || {
        next.list(&Filter::default()).unwrap().iter().any(|row| row.payload == "b")
    });
    assert_eq!(next.list(&Filter::default()).unwrap().len(), 1, "it was withdrawn");
}

#[test]
fn a_record_is_withdrawn_and_the_others_stay_in_sight() {
    let options = options();
    let jobs = ["a", "b"].map(|payload| dies(&options, payload));
    let mut worker = dead(&options);
    let found = worker.records_of(&jobs[0].message, "amqp").unwrap();
    worker.withdraw(&found).unwrap();
    assert_eq!(worker.records_of(&message("orders", "never"), "amqp").unwrap(), []);
    let mut operator = dead(&options);
    crate::servers::wait_until("the other one is in sight", Duration::from_secs(30), || {
        let rows = operator.list(&Filter::default()).unwrap();
        rows.len() == 1 && rows[0].payload == "b"
    });
}

#[test]
fn two_dead_of_one_id_are_two() {
    let options = options();
    let mut driver = open(&options);
    let job = dies(&options, "one");
    let mut other = job.clone();
    other.message.payload = b"two".as_slice().into();
    dead(&options).record(&other, &Failure::now("amqp", "", "no luck")).unwrap();
    let mut operator = dead(&options);
    let rows = operator.list(&Filter::default()).unwrap();
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0].id, rows[1].id);
    // The second one goes, and its id is the same for who looks next.
    drop(operator);
    let id = rows.into_iter().find(|row| row.payload == "two").unwrap().id;
    let mut next = dead(&options);
    crate::servers::wait_until("both are back", Duration::from_secs(30), || {
        next.list(&Filter::default()).unwrap().len() == 2
    });
    assert_eq!(next.forget(std::slice::from_ref(&id)).unwrap(), 1);
    assert_eq!(next.list(&Filter::default()).unwrap()[0].payload, "one");
    assert!(driver.size(&named("orders")).is_ok());
}

/// The page behind a job that is gone by now, as a retry asks for it.
#[test]
fn pages_go_on_behind_what_was_retried() {
    let options = options();
    let job = dies(&options, "0");
    let mut worker = dead(&options);
    for n in 1..30 {
        let mut other = job.clone();
        other.message.uuid = craft_queue::new_uuid();
        other.message.payload = n.to_string().as_bytes().into();
        worker.record(&other, &Failure::now("amqp", "", "no luck")).unwrap();
    }
    let mut operator = dead(&options);
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = operator.list(&Filter { after: after.as_ref(), limit: 7, ..Filter::default() }).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        let ids: Vec<_> = page.iter().map(|row| row.id.clone()).collect();
        assert_eq!(operator.mark(&ids).unwrap(), ids);
        operator.forget_marked(&ids).unwrap();
        seen += ids.len();
    }
    assert_eq!(seen, 30);
    assert_eq!(operator.list(&Filter::default()).unwrap(), []);
}

/// RabbitMQ 4 drops from a quorum queue what was handed out 20 times, unless the queue says otherwise.
#[test]
fn looking_wears_nothing_out_also_in_a_queue_that_was_there() {
    looks(25);
}

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn a_thousand_looks_wear_nothing_out() {
    looks(1_000);
}

fn looks(looks: usize) {
    let options = AmqpOptions { quorum: true, ..options() };
    super::foreign::with_channel(&options, |channel| {
        let quorum = ("x-queue-type".to_owned(), amiquip::AmqpValue::LongString("quorum".into()));
        let arguments = [quorum].into();
        let declare = amiquip::QueueDeclareOptions { durable: true, arguments, ..Default::default() };
        channel.queue_declare("orders.failed", declare).unwrap();
        let properties =
            amiquip::AmqpProperties::default().with_message_id("old".into()).with_delivery_mode(2);
        channel
            .basic_publish("", amiquip::Publish::with_properties(b"old", "orders.failed", properties))
            .unwrap();
    });
    dies(&options, "new");
    for look in 0..looks {
        let mut operator = dead(&options);
        crate::servers::wait_for(&format!("look {look}"), Duration::from_secs(30), || {
            match operator.list(&Filter::default()).unwrap().len() {
                2 => Ok(()),
                other => Err(format!("{other} are there")),
            }
        });
    }
}
