//! The failed jobs are kept once each, listed, counted and forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stage::{LONG, Stage, must};
use crate::driver::{Receipt, Reserved};
use crate::failed::{FailedJob, FailedJobs, Failure, Filter};
use crate::message::{JobId, Message};
use crate::payload;
use crate::time::Timestamp;

/// The failed jobs of the stage's queue.
pub(super) fn all(stage: &Stage<'_>, failed: &mut dyn FailedJobs) -> Vec<FailedJob> {
    list(failed, Filter { queue: Some(&stage.queue), ..Filter::default() })
}

/// The one failed job of the stage's queue.
#[track_caller]
pub(super) fn only(stage: &Stage<'_>, failed: &mut dyn FailedJobs) -> FailedJob {
    let mut rows = all(stage, failed);
    assert_eq!(rows.len(), 1, "one failed job should be there: {rows:?}");
    rows.remove(0)
}

fn list(failed: &mut dyn FailedJobs, filter: Filter<'_>) -> Vec<FailedJob> {
    must("list the failed jobs", failed.list(&filter))
}

/// A job in the hands of a worker that sees it die.
pub(super) fn dying(message: Message) -> Reserved {
    Reserved {
        message,
        id: JobId::Number(1),
        attempt: 3,
        suspect: false,
        unknown_for: None,
        due_for: None,
        last_error: None,
        held_until: Instant::now() + LONG,
        receipt: Receipt(1, 1),
    }
}

pub(super) fn failure(exception: &str) -> Failure {
    Failure::now("database", "sqlite", exception)
}

/// Records a job that is not there yet.
pub(super) fn record(failed: &mut dyn FailedJobs, message: &Message) -> JobId {
    let id = must("record", failed.record(&dying(message.clone()), &failure("first")));
    id.expect("a job that is not there is inserted, and its id answered")
}

pub(super) fn a_record_comes_back_as_it_was(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let message = Message { overrides: Some(Arc::from(r#"{"priority":9}"#)), ..stage.job("SendInvoice") };
    let why = failure("a\0b „ç“ 😀");
    let id = must("record", failed.record(&dying(message.clone()), &why)).expect("is inserted");
    let row = only(stage, &mut *failed);
    assert_eq!((&row.id, &*row.uuid), (&id, &*message.uuid));
    assert_eq!((row.driver.as_str(), row.connection.as_str()), ("database", "sqlite"));
    assert_eq!((row.queue.as_str(), row.name.as_str()), (stage.queue.as_str(), "SendInvoice"));
    assert_eq!(row.payload.as_bytes(), &*message.payload);
    assert_eq!((row.attempts, &row.exception), (3, &why.exception));
    assert_eq!(row.overrides.as_deref(), message.overrides.as_deref());
    let at = Timestamp::parse(&row.failed_at).expect("failed_at is RFC 3339");
    assert!(at.as_millis().abs_diff(why.failed_at.as_millis()) < 1_000, "failed_at is the failure's");
}

pub(super) fn a_payload_that_is_no_text_is_kept(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let bytes: &[u8] = b"\xff\0\xfe";
    record(&mut *failed, &Message { payload: Arc::from(bytes), ..stage.job("a") });
    let kept = only(stage, &mut *failed).payload;
    assert_eq!(payload::from_text(&kept), bytes, "as base64 with a mark, not as {kept:?}");
}

pub(super) fn a_record_that_is_there_stays_as_it_is(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let message = stage.job("a");
    record(&mut *failed, &message);
    let second = must("record", failed.record(&dying(message), &failure("second")));
    assert_eq!(second, None, "nothing was inserted");
    assert_eq!(only(stage, &mut *failed).exception, "first");
}

pub(super) fn a_withdrawn_record_is_gone(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let (a, b) = (stage.job("a"), stage.job("b"));
    record(&mut *failed, &a);
    record(&mut *failed, &b);
    must("withdraw", failed.withdraw(&a));
    must("withdraw what is not there", failed.withdraw(&a));
    assert_eq!(only(stage, &mut *failed).name, "b", "only that one is gone");
}

pub(super) fn a_list_is_by_id_and_in_pages(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let ids = ["a", "b", "c", "d", "e"].map(|name| record(&mut *failed, &stage.job(name)));
    let mut page = |after, limit| -> Vec<_> {
        let filter = Filter { queue: Some(&stage.queue), after, limit, ..Filter::default() };
        list(&mut *failed, filter).into_iter().map(|row| row.id).collect()
    };
    assert_eq!(page(None, 0), ids, "no limit: all, the oldest first");
    assert_eq!(page(None, 2), ids[..2]);
    assert_eq!(page(Some(&ids[1]), 2), ids[2..4]);
    assert_eq!(page(Some(&ids[3]), 2), ids[4..]);
    assert_eq!(page(Some(&ids[4]), 2), []);
}

pub(super) fn a_list_holds_what_every_filter_lets_through(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let other: Arc<str> = Arc::from(stage.other_queue.as_str());
    let id = record(&mut *failed, &stage.job("a"));
    record(&mut *failed, &Message { queue: other, ..stage.job("b") });
    let long_ago = Timestamp::now().minus(Duration::from_secs(7_200));
    let old = Failure { driver: "amqp".into(), failed_at: long_ago, ..failure("old") };
    must("record", failed.record(&dying(stage.job("c")), &old));
    let mut names = |filter: Filter<'_>| -> Vec<_> {
        let rows = list(&mut *failed, filter).into_iter();
        // Storage may be shared with other checks.
        let ours = rows.filter(|row| [&stage.queue, &stage.other_queue].contains(&&row.queue));
        ours.map(|row| row.name).collect()
    };
    let hour = Some(Duration::from_secs(3_600));
    let any = Filter::default();
    assert_eq!(names(any), ["a", "b", "c"]);
    assert_eq!(names(Filter { id: Some(&id), ..any }), ["a"]);
    assert_eq!(names(Filter { queue: Some(&stage.other_queue), ..any }), ["b"]);
    assert_eq!(names(Filter { driver: Some("amqp"), ..any }), ["c"]);
    assert_eq!(names(Filter { job: Some("b"), ..any }), ["b"]);
    assert_eq!(names(Filter { since: hour, ..any }), ["a", "b"]);
    assert_eq!(names(Filter { before: hour, ..any }), ["c"]);
    assert_eq!(names(Filter { queue: Some(&stage.queue), since: hour, ..any }), ["a"]);
    assert_eq!(names(Filter { id: Some(&id), job: Some("b"), ..any }), [""; 0]);
}

pub(super) fn what_is_forgotten_is_gone_and_counted(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    let ids = ["a", "b", "c"].map(|name| record(&mut *failed, &stage.job(name)));
    assert_eq!(must("forget", failed.forget(&ids[..2])), 2);
    assert_eq!(must("forget", failed.forget(&ids[1..])), 1, "one of these was there");
    assert_eq!(must("forget", failed.forget(&[])), 0);
    assert_eq!(all(stage, &mut *failed), []);
}

pub(super) fn they_are_counted_by_driver_and_queue(stage: &Stage<'_>) {
    let mut failed = stage.failed();
    record(&mut *failed, &stage.job("a"));
    record(&mut *failed, &stage.job("b"));
    let amqp = Failure { driver: "amqp".into(), ..failure("x") };
    must("record", failed.record(&dying(stage.job("c")), &amqp));
    let counts = must("count the failed jobs", failed.count());
    let of = |driver: &str| -> Vec<_> {
        let ours = counts.iter().filter(|count| (&*count.driver, &count.queue) == (driver, &stage.queue));
        ours.map(|count| count.count).collect()
    };
    assert_eq!((of("database"), of("amqp")), (vec![2], vec![1]));
}
