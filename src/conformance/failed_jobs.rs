//! The failed jobs are kept once each, listed, counted and forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fixture::{Fixture, LONG, must};
use crate::driver::{Receipt, Reserved};
use crate::failed::{FailedJob, FailedJobs, Failure, Filter};
use crate::message::{JobId, Message};
use crate::payload;
use crate::time::Timestamp;

/// The failed jobs of the fixture's queue.
pub(super) fn all(fixture: &Fixture<'_>, failed: &mut dyn FailedJobs) -> Vec<FailedJob> {
    list(failed, Filter { queue: Some(&fixture.queue), ..Filter::default() })
}

/// The one failed job of the fixture's queue.
#[track_caller]
pub(super) fn only(fixture: &Fixture<'_>, failed: &mut dyn FailedJobs) -> FailedJob {
    let mut rows = all(fixture, failed);
    assert_eq!(rows.len(), 1, "one failed job should be there: {rows:?}");
    rows.remove(0)
}

fn list(failed: &mut dyn FailedJobs, filter: Filter<'_>) -> Vec<FailedJob> {
    must("list the failed jobs", failed.list(&filter))
}

/// A job in the hands of a worker that sees it die.
pub(super) fn dying(message: Message) -> Reserved {
    Reserved::new(JobId::Number(1), message, 3, Receipt(1, 1), Instant::now() + LONG)
}

pub(super) fn failure(exception: &str) -> Failure {
    Failure::now("database", "sqlite", exception)
}

/// Records a job that is not there yet.
pub(super) fn record(failed: &mut dyn FailedJobs, message: &Message) -> JobId {
    must("record", failed.record(&dying(message.clone()), &failure("first"))).id
}

pub(super) fn a_record_comes_back_as_it_was(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let message = Message { overrides: Some(Arc::from(r#"{"priority":9}"#)), ..fixture.job("SendInvoice") };
    let why = failure("a\0b „ç“ 😀");
    let id = must("record", failed.record(&dying(message.clone()), &why)).id;
    let row = only(fixture, &mut *failed);
    assert_eq!((&row.id, &*row.uuid), (&id, &*message.uuid));
    assert_eq!((row.driver.as_str(), row.connection.as_str()), ("database", "sqlite"));
    assert_eq!((row.queue.as_str(), row.name.as_str()), (fixture.queue.as_str(), "SendInvoice"));
    assert_eq!(row.payload.as_bytes(), &*message.payload);
    assert_eq!((row.attempts, &row.exception), (3, &why.exception));
    assert_eq!(row.overrides.as_deref(), message.overrides.as_deref());
    let at = Timestamp::parse(&row.failed_at).expect("failed_at is RFC 3339");
    assert!(at.as_millis().abs_diff(why.failed_at.as_millis()) < 1_000, "failed_at is the failure's");
}

pub(super) fn a_payload_that_is_no_text_is_kept(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let bytes: &[u8] = b"\xff\0\xfe";
    record(&mut *failed, &Message { payload: Arc::from(bytes), ..fixture.job("a") });
    let kept = only(fixture, &mut *failed).payload;
    assert_eq!(payload::from_text(&kept), bytes, "as base64 with a mark, not as {kept:?}");
}

/// Two workers record one job, and the first one has lost it: what it takes back is not what the second one made.
pub(super) fn a_newer_record_takes_the_place_of_the_older_and_has_an_id_of_its_own(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let message = fixture.job("a");
    let mut record = |why| must("record", failed.record(&dying(message.clone()), &failure(why)));
    let (first, second) = (record("first"), record("second"));
    assert!(first.fresh, "nothing was there");
    assert!(!second.fresh, "something was there");
    assert_ne!(first.id, second.id);
    must("withdraw", failed.withdraw(&[first.id]));
    let row = only(fixture, &mut *failed);
    assert_eq!((row.exception.as_str(), row.id), ("second", second.id));
}

pub(super) fn two_jobs_of_one_uuid_are_both_kept(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let one = fixture.job("a");
    let other = Message { payload: Arc::from(b"{\"other\":1}".as_slice()), ..one.clone() };
    let kept = [&one, &other].map(|job| must("record", failed.record(&dying(job.clone()), &failure("dead"))));
    assert!(kept.iter().all(|record| record.fresh));
    // Recording again makes none of them twice, and touches not the other.
    must("record", failed.record(&dying(other.clone()), &failure("again")));
    let rows = all(fixture, &mut *failed);
    let mut payloads: Vec<_> = rows.iter().map(|row| payload::from_text(&row.payload)).collect();
    payloads.sort();
    let mut expected = [one.payload.to_vec(), other.payload.to_vec()];
    expected.sort();
    assert_eq!(payloads, expected);
    let found = must("look for it", failed.records_of(&other, "database"));
    must("withdraw", failed.withdraw(&found));
    assert_eq!(payload::from_text(&only(fixture, &mut *failed).payload), *one.payload);
}

pub(super) fn several_are_recorded_at_once(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let jobs = ["a", "b", "c", "d"].map(|name| fixture.job(name));
    let old = record(&mut *failed, &jobs[1]);
    let (dead, why) = (jobs.clone().map(dying), failure("together"));
    let asked: Vec<_> = dead.iter().map(|job| (job, &why)).collect();
    let records = must("record", failed.record_all(&asked));
    let fresh: Vec<_> = records.iter().map(|record| record.fresh).collect();
    assert_eq!(fresh, [true, false, true, true]);
    assert_ne!(records[1].id, old);
    let rows = all(fixture, &mut *failed);
    for (record, job) in records.iter().zip(&jobs) {
        let row = rows.iter().find(|row| row.id == record.id).expect("each is there by its id");
        assert_eq!((row.uuid.as_str(), row.exception.as_str()), (&*job.uuid, "together"));
    }
    assert_eq!(rows.len(), 4);
}

pub(super) fn a_withdrawn_record_is_gone(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let (a, b) = (fixture.job("a"), fixture.job("b"));
    let id = record(&mut *failed, &a);
    record(&mut *failed, &b);
    assert_eq!(must("look for it", failed.records_of(&a, "database")), std::slice::from_ref(&id));
    assert_eq!(must("look for another", failed.records_of(&fixture.job("c"), "database")), []);
    must("withdraw", failed.withdraw(std::slice::from_ref(&id)));
    must("withdraw what is not there", failed.withdraw(&[id]));
    assert_eq!(must("look for it", failed.records_of(&a, "database")), []);
    assert_eq!(only(fixture, &mut *failed).name, "b", "only that one is gone");
}

pub(super) fn a_list_is_by_id_and_in_pages(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let ids = ["a", "b", "c", "d", "e"].map(|name| record(&mut *failed, &fixture.job(name)));
    let mut page = |after, limit| -> Vec<_> {
        let filter = Filter { queue: Some(&fixture.queue), after, limit, ..Filter::default() };
        list(&mut *failed, filter).into_iter().map(|row| row.id).collect()
    };
    assert_eq!(page(None, 0), ids, "no limit: all, the oldest first");
    assert_eq!(page(None, 2), ids[..2]);
    assert_eq!(page(Some(&ids[1]), 2), ids[2..4]);
    assert_eq!(page(Some(&ids[3]), 2), ids[4..]);
    assert_eq!(page(Some(&ids[4]), 2), []);
}

pub(super) fn a_list_holds_what_every_filter_lets_through(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let other: Arc<str> = Arc::from(fixture.other_queue.as_str());
    let id = record(&mut *failed, &fixture.job("a"));
    record(&mut *failed, &Message { queue: other, ..fixture.job("b") });
    let long_ago = Timestamp::now().minus(Duration::from_secs(7_200));
    let old = Failure { driver: "amqp".into(), failed_at: long_ago, ..failure("old") };
    must("record", failed.record(&dying(fixture.job("c")), &old));
    let mut names = |filter: Filter<'_>| -> Vec<_> {
        let rows = list(&mut *failed, filter).into_iter();
        // Storage may be shared with other checks.
        let ours = rows.filter(|row| [&fixture.queue, &fixture.other_queue].contains(&&row.queue));
        ours.map(|row| row.name).collect()
    };
    let hour = Some(Duration::from_secs(3_600));
    let any = Filter::default();
    assert_eq!(names(any), ["a", "b", "c"]);
    assert_eq!(names(Filter { id: Some(&id), ..any }), ["a"]);
    assert_eq!(names(Filter { queue: Some(&fixture.other_queue), ..any }), ["b"]);
    assert_eq!(names(Filter { driver: Some("amqp"), ..any }), ["c"]);
    assert_eq!(names(Filter { job: Some("b"), ..any }), ["b"]);
    assert_eq!(names(Filter { since: hour, ..any }), ["a", "b"]);
    assert_eq!(names(Filter { before: hour, ..any }), ["c"]);
    assert_eq!(names(Filter { queue: Some(&fixture.queue), since: hour, ..any }), ["a"]);
    assert_eq!(names(Filter { id: Some(&id), job: Some("b"), ..any }), [""; 0]);
}

pub(super) fn what_is_forgotten_is_gone_and_counted(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    let ids = ["a", "b", "c"].map(|name| record(&mut *failed, &fixture.job(name)));
    assert_eq!(must("forget", failed.forget(&ids[..2])), 2);
    assert_eq!(must("forget", failed.forget(&ids[1..])), 1, "one of these was there");
    assert_eq!(must("forget", failed.forget(&[])), 0);
    assert_eq!(all(fixture, &mut *failed), []);
}

pub(super) fn they_are_counted_by_driver_and_queue(fixture: &Fixture<'_>) {
    let mut failed = fixture.failed();
    record(&mut *failed, &fixture.job("a"));
    record(&mut *failed, &fixture.job("b"));
    let amqp = Failure { driver: "amqp".into(), ..failure("x") };
    must("record", failed.record(&dying(fixture.job("c")), &amqp));
    let counts = must("count the failed jobs", failed.count());
    let of = |driver: &str| -> Vec<_> {
        let ours = counts.iter().filter(|count| (&*count.driver, &count.queue) == (driver, &fixture.queue));
        ours.map(|count| count.count).collect()
    };
    assert_eq!((of("database"), of("amqp")), (vec![2], vec![1]));
}
