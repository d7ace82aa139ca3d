//! What is large goes in parts that a back end takes, and comes in parts that fit into memory.

use std::sync::Arc;

use super::burying::bury;
use super::failed_jobs::all;
use super::fixture::{Fixture, LONG, must};
use crate::driver::{Suspects, Verdict, Want};
use crate::message::Message;

const MEBIBYTE: usize = 1024 * 1024;

/// So many together are more than one statement or packet of any back end takes.
const MANY: usize = 24;

fn large(fixture: &Fixture<'_>, bytes: usize, count: usize) -> Vec<Message> {
    let text = |number| format!("\"{number:09}{}\"", "x".repeat(bytes));
    let job = |number| Message { payload: Arc::from(text(number).into_bytes()), ..fixture.job("large") };
    (0..count).map(job).collect()
}

pub(super) fn many_large_jobs_are_pushed_taken_and_settled_together(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let messages = large(fixture, MEBIBYTE, MANY);
    let pushed = handle.push(&messages);
    assert!(pushed.iter().all(crate::message::Pushed::is_added), "{pushed:?}");
    let jobs = handle.take(MANY);
    for message in &messages {
        let job = jobs.iter().find(|job| job.message.uuid == message.uuid).expect("each that was added");
        // assert_eq would print both.
        assert!(job.message.payload == message.payload, "its payload comes back byte for byte");
    }
    let settled: Vec<_> = jobs.iter().map(|job| (job, Verdict::Done)).collect();
    let settlement = handle.settle_all(&settled);
    assert!(settlement.lost.is_empty() && settlement.refused.is_empty(), "{settlement:?}");
    handle.finds_nothing();
}

pub(super) fn many_large_jobs_are_buried_together(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.push(&large(fixture, MEBIBYTE, MANY));
    let jobs = handle.take(MANY);
    let settled: Vec<_> = jobs.iter().map(|job| (job, bury())).collect();
    let settlement = handle.settle_all(&settled);
    assert!(settlement.lost.is_empty() && settlement.refused.is_empty(), "{settlement:?}");
    assert_eq!(settlement.buried.len(), MANY);
    let failed = all(fixture, &mut *fixture.failed());
    assert_eq!(failed.len(), MANY);
    for row in failed {
        let job = jobs.iter().find(|job| *job.message.uuid == *row.uuid).expect("one of those");
        assert!(job.message.payload[..] == *row.payload.as_bytes(), "its payload is kept byte for byte");
    }
    handle.finds_nothing();
}

/// Once it has seen how large they are.
pub(super) fn one_take_of_large_jobs_is_bounded_by_their_bytes(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let most = fixture.subject.take_bytes;
    let messages = large(fixture, most / 8, MANY);
    for part in messages.chunks(4) {
        handle.push(part);
    }
    let first = handle.take_one();
    let queues = [fixture.queue.clone()];
    let mut left = MANY - 1;
    fixture.wait_for("all that wait, in parts", || {
        let want = Want { queues: &queues, fresh: 500, suspects: Suspects::Ignore, lease: LONG };
        let jobs = must("reserve", handle.driver().reserve(&want)).jobs;
        let bytes: usize = jobs.iter().map(|job| job.message.payload.len()).sum();
        assert!(bytes <= 2 * most, "one take brings {bytes} bytes in {} jobs", jobs.len());
        left -= jobs.len();
        let settled: Vec<_> = jobs.iter().map(|job| (job, Verdict::Done)).collect();
        handle.settle_all(&settled);
        (left == 0).then_some(())
    });
    handle.settle(&first, Verdict::Done);
}
