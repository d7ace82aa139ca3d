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
