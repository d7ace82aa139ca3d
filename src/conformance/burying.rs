//! A dead job moves to the failed jobs, in one transaction with its removal.

use std::sync::Arc;

use super::failed_jobs::{all, only};
use super::stage::{Stage, must};
use crate::driver::Verdict;
use crate::failed::Failure;
use crate::message::Message;

pub(super) fn bury() -> Verdict {
    Verdict::Bury(Failure::now("database", "sqlite", "smtp: „kein Anschluss“ 😀"))
}

pub(super) fn the_driver_says_that_it_buries(stage: &Stage<'_>) {
    assert!(stage.hand().driver().buries(), "a subject that can bury says so");
}

pub(super) fn a_buried_job_is_gone_and_lies_with_the_failed_jobs(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let message = Message { overrides: Some(Arc::from(r#"{"attempts":1}"#)), ..stage.job("SendInvoice") };
    hand.add(message.clone());
    let job = hand.take_one();
    let settlement = hand.settle_all(&[(&job, bury())]);
    assert!(settlement.lost.is_empty(), "the hold is good");
    hand.finds_nothing();
    let failed = only(stage, &mut *stage.failed());
    assert_eq!(settlement.buried, [(job.receipt, failed.id.clone())], "the id is answered");
    assert_eq!(failed.uuid, *message.uuid);
    assert_eq!((failed.driver.as_str(), failed.connection.as_str()), ("database", "sqlite"));
    assert_eq!((failed.queue.as_str(), failed.name.as_str()), (stage.queue.as_str(), "SendInvoice"));
    assert_eq!(failed.payload.as_bytes(), &*message.payload);
    assert_eq!(failed.exception, "smtp: „kein Anschluss“ 😀");
    assert_eq!(failed.attempts, 1);
    assert_eq!(failed.overrides.as_deref(), message.overrides.as_deref());
}

pub(super) fn jobs_are_buried_beside_others_that_are_settled(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.push(&["a", "b", "c", "d"].map(|name| stage.job(name)));
    let jobs = hand.take(4);
    hand.settle(&jobs[3], Verdict::Done);
    let settlement = hand.settle_all(&[
        (&jobs[0], bury()),
        (&jobs[1], Verdict::Done),
        (&jobs[2], bury()),
        (&jobs[3], bury()),
    ]);
    assert_eq!(settlement.lost, [jobs[3].receipt]);
    let failed = all(stage, &mut *stage.failed());
    let mut uuids: Vec<_> = failed.iter().map(|failed| failed.uuid.as_str()).collect();
    uuids.sort_unstable();
    let mut expected = [&*jobs[0].message.uuid, &*jobs[2].message.uuid];
    expected.sort_unstable();
    assert_eq!(uuids, expected, "exactly the dead whose hold was good lie there");
    for (receipt, id) in &settlement.buried {
        let job = jobs.iter().find(|job| job.receipt == *receipt).expect("a receipt that was settled");
        let row = failed.iter().find(|failed| failed.id == *id).expect("an id that is listed");
        assert_eq!(row.uuid, *job.message.uuid, "each receipt with the id of its own job");
    }
    assert_eq!(settlement.buried.len(), 2);
    hand.finds_nothing();
}

/// Else a retry that pushed the job, saw it fail and then forgot the old row would lose it.
pub(super) fn a_job_that_dies_again_during_its_retry_is_not_forgotten(stage: &Stage<'_>) {
    let (mut hand, mut failed) = (stage.hand(), stage.failed());
    let message = stage.job("a");
    hand.add(message.clone());
    let job = hand.take_one();
    hand.settle(&job, bury());
    let first = only(stage, &mut *failed).id;
    must("mark", failed.mark(std::slice::from_ref(&first)));
    hand.add(message.clone());
    let job = hand.take_one();
    hand.settle(&job, bury());
    must("forget what is marked", failed.forget_marked(&[first]));
    // It failed again after it was pushed, so it stays.
    assert_eq!(only(stage, &mut *failed).uuid, *message.uuid);
}

/// The answer to the first may have been lost on its way.
pub(super) fn a_burial_that_is_told_twice_is_buried_once(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    hand.push(&[stage.job("a"), stage.job("b")]);
    let jobs = hand.take(2);
    let why = bury();
    let first = hand.settle_all(&[(&jobs[0], why.clone()), (&jobs[1], Verdict::Done)]);
    let again = hand.settle_all(&[(&jobs[0], why), (&jobs[1], bury())]);
    assert_eq!(again.buried, first.buried, "that very burial was made");
    assert_eq!(again.lost, [jobs[1].receipt], "and this one was not");
    only(stage, &mut *stage.failed());
}

pub(super) fn many_are_buried_at_once_each_with_its_own_error(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let messages: Vec<_> = (0..120).map(|number| stage.job(&format!("job {number}"))).collect();
    hand.push(&messages);
    let jobs = hand.take(120);
    // Some of 16 KiB, and some with all that a JSON text must escape.
    let error = |job: &crate::driver::Reserved| match job.message.name.ends_with('7') {
        true => format!("{} {}", job.message.name, "é".repeat(8_000)),
        false => format!("{} \\ \"quoted\" 'single' \t \u{1} \u{2028} 😀", job.message.name),
    };
    let dead: Vec<_> = jobs
        .iter()
        .map(|job| (job, Verdict::Bury(Failure::now("database", "sqlite", &error(job)))))
        .collect();
    let settlement = hand.settle_all(&dead);
    assert!(settlement.lost.is_empty() && settlement.refused.is_empty());
    assert_eq!(settlement.buried.len(), 120);
    let failed = all(stage, &mut *stage.failed());
    assert_eq!(failed.len(), 120);
    for (receipt, id) in &settlement.buried {
        let job = jobs.iter().find(|job| job.receipt == *receipt).expect("a receipt that was settled");
        let row = failed.iter().find(|failed| failed.id == *id).expect("an id that is listed");
        assert_eq!((row.uuid.as_str(), &row.exception), (&*job.message.uuid, &error(job)));
        assert_eq!(row.payload.as_bytes(), &*job.message.payload);
    }
}

/// Failed jobs have no columns of their own for these.
pub(super) fn priority_and_unique_key_are_kept(stage: &Stage<'_>) {
    let mut hand = stage.hand();
    let overrides = Some(Arc::from(r#"{"attempts":1}"#));
    let key = Some(Arc::from("key of its own"));
    hand.add(Message { overrides, priority: 7, unique_key: key, ..stage.job("a") });
    let job = hand.take_one();
    hand.settle(&job, bury());
    let kept = only(stage, &mut *stage.failed()).overrides.expect("it has options");
    let kept = crate::message::Overrides::from_json(&kept);
    assert_eq!((kept.attempts, kept.priority), (Some(1), Some(7)));
    assert_eq!(kept.unique_key.as_deref(), Some("key of its own"));
}
