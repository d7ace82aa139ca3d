//! A dead job moves to the failed jobs, in one transaction with its removal.

use std::sync::Arc;

use super::failed_jobs::{all, only};
use super::fixture::{Fixture, must};
use crate::driver::Verdict;
use crate::failed::Failure;
use crate::message::Message;

pub(super) fn bury() -> Verdict {
    Verdict::Bury(Failure::now("database", "sqlite", "smtp: „kein Anschluss“ 😀"))
}

pub(super) fn the_driver_says_that_it_buries(fixture: &Fixture<'_>) {
    assert!(fixture.handle().driver().buries(), "a subject that can bury says so");
}

pub(super) fn a_buried_job_is_gone_and_lies_with_the_failed_jobs(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let message = Message { overrides: Some(Arc::from(r#"{"attempts":1}"#)), ..fixture.job("SendInvoice") };
    handle.add(message.clone());
    let job = handle.take_one();
    let settlement = handle.settle_all(&[(&job, bury())]);
    assert!(settlement.lost.is_empty(), "the hold is good");
    handle.finds_nothing();
    let failed = only(fixture, &mut *fixture.failed());
    assert_eq!(settlement.buried, [(job.receipt, failed.id.clone())], "the id is answered");
    assert_eq!(failed.uuid, *message.uuid);
    assert_eq!((failed.driver.as_str(), failed.connection.as_str()), ("database", "sqlite"));
    assert_eq!((failed.queue.as_str(), failed.name.as_str()), (fixture.queue.as_str(), "SendInvoice"));
    assert_eq!(failed.payload.as_bytes(), &*message.payload);
    assert_eq!(failed.exception, "smtp: „kein Anschluss“ 😀");
    assert_eq!(failed.attempts, 1);
    assert_eq!(failed.overrides.as_deref(), message.overrides.as_deref());
}

pub(super) fn jobs_are_buried_beside_others_that_are_settled(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.push(&["a", "b", "c", "d"].map(|name| fixture.job(name)));
    let jobs = handle.take(4);
    handle.settle(&jobs[3], Verdict::Done);
    let settlement = handle.settle_all(&[
        (&jobs[0], bury()),
        (&jobs[1], Verdict::Done),
        (&jobs[2], bury()),
        (&jobs[3], bury()),
    ]);
    assert_eq!(settlement.lost, [jobs[3].receipt]);
    let failed = all(fixture, &mut *fixture.failed());
    let mut uuids: Vec<_> = failed.iter().map(|failed| failed.uuid.as_str()).collect();
    uuids.sort_unstable();
    let mut expected = [&*jobs[0].message.uuid, &*jobs[2].message.uuid];
    expected.sort_unstable();
    assert_eq!(uuids, expected, "exactly the dead jobs whose hold was good are there");
    for (receipt, id) in &settlement.buried {
        let job = jobs.iter().find(|job| job.receipt == *receipt).expect("a receipt that was settled");
        let row = failed.iter().find(|failed| failed.id == *id).expect("an id that is listed");
        assert_eq!(row.uuid, *job.message.uuid, "each receipt with the id of its own job");
    }
    assert_eq!(settlement.buried.len(), 2);
    handle.finds_nothing();
}

/// Else a retry that pushed the job, saw it fail and then forgot the old row would lose it.
pub(super) fn a_job_that_dies_again_during_its_retry_is_not_forgotten(fixture: &Fixture<'_>) {
    let (mut handle, mut failed) = (fixture.handle(), fixture.failed());
    let message = fixture.job("a");
    handle.add(message.clone());
    let job = handle.take_one();
    handle.settle(&job, bury());
    let first = only(fixture, &mut *failed).id;
    must("mark", failed.mark(std::slice::from_ref(&first)));
    handle.add(message.clone());
    let job = handle.take_one();
    handle.settle(&job, bury());
    must("forget what is marked", failed.forget_marked(&[first]));
    // It failed again after it was pushed, so it stays.
    assert_eq!(only(fixture, &mut *failed).uuid, *message.uuid);
}

/// The answer to the first may have been lost on its way.
pub(super) fn a_burial_that_is_told_twice_is_buried_once(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.push(&[fixture.job("a"), fixture.job("b")]);
    let jobs = handle.take(2);
    let why = bury();
    let first = handle.settle_all(&[(&jobs[0], why.clone()), (&jobs[1], Verdict::Done)]);
    let again = handle.settle_all(&[(&jobs[0], why), (&jobs[1], bury())]);
    assert_eq!(again.buried, first.buried, "that very burial was made");
    assert_eq!(again.lost, [jobs[1].receipt], "and this one was not");
    only(fixture, &mut *fixture.failed());
}

pub(super) fn many_are_buried_at_once_each_with_its_own_error(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let messages: Vec<_> = (0..120).map(|number| fixture.job(&format!("job {number}"))).collect();
    handle.push(&messages);
    let jobs = handle.take(120);
    // Some of 16 KiB, and some with all that a JSON text must escape.
    let error = |job: &crate::driver::Reserved| match job.message.name.ends_with('7') {
        true => format!("{} {}", job.message.name, "é".repeat(8_000)),
        false => format!("{} \\ \"quoted\" 'single' \t \u{1} \u{2028} 😀", job.message.name),
    };
    let dead: Vec<_> = jobs
        .iter()
        .map(|job| (job, Verdict::Bury(Failure::now("database", "sqlite", &error(job)))))
        .collect();
    let settlement = handle.settle_all(&dead);
    assert!(settlement.lost.is_empty() && settlement.refused.is_empty());
    assert_eq!(settlement.buried.len(), 120);
    let failed = all(fixture, &mut *fixture.failed());
    assert_eq!(failed.len(), 120);
    for (receipt, id) in &settlement.buried {
        let job = jobs.iter().find(|job| job.receipt == *receipt).expect("a receipt that was settled");
        let row = failed.iter().find(|failed| failed.id == *id).expect("an id that is listed");
        assert_eq!((row.uuid.as_str(), &row.exception), (&*job.message.uuid, &error(job)));
        assert_eq!(row.payload.as_bytes(), &*job.message.payload);
    }
}

/// Failed jobs have no columns of their own for these.
pub(super) fn priority_and_unique_key_are_kept(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let overrides = Some(Arc::from(r#"{"attempts":1}"#));
    let key = Some(Arc::from("key of its own"));
    handle.add(Message { overrides, priority: 7, unique_key: key, ..fixture.job("a") });
    let job = handle.take_one();
    handle.settle(&job, bury());
    let kept = only(fixture, &mut *fixture.failed()).overrides.expect("it has options");
    let kept = crate::message::Overrides::from_json(&kept);
    assert_eq!((kept.attempts, kept.priority), (Some(1), Some(7)));
    assert_eq!(kept.unique_key.as_deref(), Some("key of its own"));
}
