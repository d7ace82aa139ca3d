//! What can't be read, written or changed harms itself alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::burying::bury;
use super::failed_jobs::all;
use super::fixture::{Fixture, LONG, must};
use super::handle::{Handle, again, names, unstarted};
use crate::driver::{Reserved, Suspects, Verdict, Want};
use crate::message::{Message, Pushed, check_name};

/// Whether a worker sees that it can't run it.
fn is_unreadable(job: &Reserved) -> bool {
    job.unreadable.is_some() || check_name("job's name", &job.message.name).is_err()
}

/// Jobs that can't be read between two that can, all of them taken; those that can't, and the two.
fn among_neighbours(fixture: &Fixture<'_>, handle: &mut Handle<'_>) -> (Vec<Reserved>, Vec<Reserved>) {
    handle.add_each(&["before"]);
    let count = fixture.foreign().add_unreadable(&fixture.queue);
    handle.add_each(&["after"]);
    handle.take(count + 2).into_iter().partition(is_unreadable)
}

pub(super) fn jobs_that_cannot_be_read_are_handed_out_once_beside_their_neighbours(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let (unreadable, neighbours) = among_neighbours(fixture, &mut handle);
    let mut readable = names(&neighbours);
    readable.sort_unstable();
    assert_eq!(readable, ["after", "before"], "the others can't be read, and say so: {unreadable:?}");
    let receipts: HashSet<_> = unreadable.iter().map(|job| job.receipt).collect();
    assert_eq!(receipts.len(), unreadable.len(), "each is a job of its own: {unreadable:?}");
    handle.finds_nothing();
}

pub(super) fn a_job_that_cannot_be_read_is_settled_as_any_other(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let (unreadable, neighbours) = among_neighbours(fixture, &mut handle);
    let held: Vec<_> = unreadable.iter().collect();
    assert_eq!(handle.extend(&held, LONG), [], "it is held as any other");
    let back: Vec<_> = unreadable.iter().map(|job| (job, unstarted())).collect();
    assert!(handle.settle_all(&back).lost.is_empty(), "it can be given back");
    // What can't be counted back may be mended by that.
    let again = handle.take(unreadable.len());
    let settled: Vec<_> = again.iter().chain(&neighbours).map(|job| (job, Verdict::Done)).collect();
    let settlement = handle.settle_all(&settled);
    assert!(settlement.lost.is_empty() && settlement.refused.is_empty(), "{settlement:?}");
    handle.finds_nothing();
}

pub(super) fn jobs_that_cannot_be_read_are_buried_each_with_its_reason(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let (unreadable, neighbours) = among_neighbours(fixture, &mut handle);
    let why = |job: &Reserved| match bury() {
        Verdict::Bury(failure) => {
            let exception = job.unreadable.clone().unwrap_or_default();
            Verdict::Bury(crate::failed::Failure { exception, ..failure })
        }
        verdict => verdict,
    };
    let settled = unreadable.iter().map(|job| (job, why(job)));
    let settled: Vec<_> = settled.chain(neighbours.iter().map(|job| (job, Verdict::Done))).collect();
    let settlement = handle.settle_all(&settled);
    assert!(settlement.lost.is_empty() && settlement.refused.is_empty(), "{settlement:?}");
    assert_eq!(settlement.buried.len(), unreadable.len());
    handle.finds_nothing();
    let mut kept: Vec<_> =
        all(fixture, &mut *fixture.failed()).into_iter().map(|job| job.exception).collect();
    let mut reasons: Vec<_> = unreadable.into_iter().filter_map(|job| job.unreadable).collect();
    kept.sort_unstable();
    reasons.sort_unstable();
    assert_eq!(kept, reasons);
}

/// A push that is refused for what it holds says so: one that may be made again would be, without an end.
pub(super) fn a_push_that_nobody_can_read_is_kept_or_refused_and_harms_no_other(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let odd = [
        Message { payload: Arc::from(b"\xff\0\xfe".as_slice()), ..fixture.job("no text") },
        Message { payload: Arc::from(b"".as_slice()), ..fixture.job("empty") },
        Message { overrides: Some(Arc::from("{\u{1}\u{7f}")), ..fixture.job("options") },
        Message { priority: u8::MAX, ..fixture.job("first of all") },
        Message { delay: Duration::MAX, ..fixture.job("never") },
        Message { overrides: Some(Arc::from("o".repeat(1_000_000))), ..fixture.job("many options") },
    ];
    let mut kept = Vec::new();
    for message in odd {
        match handle.driver().push(std::slice::from_ref(&message)) {
            Ok(pushed) => {
                assert!(matches!(pushed[..], [Pushed::Added(_)]), "{pushed:?}");
                kept.extend((message.delay < LONG).then_some(message));
            }
            Err(error) => assert!(!error.is_unavailable(), "{}: trying again helps: {error:?}", message.name),
        }
        let neighbour = fixture.job("neighbour");
        handle.add(neighbour.clone());
        kept.push(neighbour);
    }
    let taken = handle.take(kept.len());
    for message in &kept {
        let job = taken.iter().find(|job| job.message.uuid == message.uuid);
        let job = job.unwrap_or_else(|| panic!("\"{}\" was added, and does not come", message.name));
        let is_kept = job.message.payload == message.payload;
        assert!(is_kept || is_unreadable(job), "\"{}\" comes back as another: {job:?}", message.name);
    }
    handle.finds_nothing();
}

pub(super) fn an_error_of_any_text_and_length_keeps_nobody_from_being_settled(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    let errors = ["\0".to_owned(), "a\u{1}\u{fffe}\r\n😀".repeat(9), "é\0".repeat(3_000_000)];
    for error in errors {
        handle.add_each(&["a", "odd", "b"]);
        let jobs = handle.take(3);
        let settled = jobs.iter().map(|job| match &*job.message.name {
            "odd" => (job, Verdict::Again { after: Duration::ZERO, counted: true, error: error.clone() }),
            _ => (job, Verdict::Done),
        });
        let settlement = handle.settle_all(&settled.collect::<Vec<_>>());
        assert!(settlement.lost.is_empty() && settlement.refused.is_empty(), "{settlement:?}");
        let odd = handle.take_one();
        assert_eq!((&*odd.message.name, odd.attempt), ("odd", 2), "it is settled, and nothing else is left");
        handle.settle(&odd, Verdict::Done);
        handle.finds_nothing();
    }
}

/// One held job between two others, of which the back end refuses every change from now on.
fn with_one_refused(fixture: &Fixture<'_>, handle: &mut Handle<'_>) -> Vec<Reserved> {
    handle.add_each(&["a", "refused", "b"]);
    let mut jobs = handle.take(3);
    jobs.sort_by_key(|job| ["a", "refused", "b"].iter().position(|name| *name == &*job.message.name));
    fixture.foreign().refuse_changes("refused");
    jobs
}

pub(super) fn a_refused_settle_is_answered_and_its_neighbours_are_settled(fixture: &Fixture<'_>) {
    for verdict in [again(), Verdict::Done] {
        // Each round has storage of its own.
        let fixture = &Fixture::new(fixture.subject);
        let mut handle = fixture.handle();
        let jobs = with_one_refused(fixture, &mut handle);
        let settlement =
            handle.settle_all(&[(&jobs[0], Verdict::Done), (&jobs[1], verdict), (&jobs[2], again())]);
        assert!(settlement.lost.is_empty(), "{settlement:?}");
        let refused: Vec<_> = settlement.refused.iter().map(|(receipt, _)| *receipt).collect();
        assert_eq!(refused, [jobs[1].receipt], "it is answered, with the reason");
        assert!(!settlement.refused[0].1.is_empty());
        let b = handle.take_one();
        assert_eq!((&*b.message.name, b.attempt), ("b", 2), "the others are settled");
        handle.settle(&b, Verdict::Done);
        handle.finds_nothing();
    }
}

pub(super) fn a_refused_extend_is_answered_and_its_neighbours_are_renewed(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "refused", "b"]);
    let jobs = handle.take_briefly(3);
    fixture.foreign().refuse_changes("refused");
    let held: Vec<_> = jobs.iter().collect();
    let extended = must("extend", handle.driver().extend_around_locks(&held, LONG));
    assert!(extended.lost.is_empty() && extended.locked.is_empty(), "{extended:?}");
    let refused: Vec<_> = extended.refused.iter().map(|(receipt, _)| *receipt).collect();
    let expected = jobs.iter().find(|job| &*job.message.name == "refused").map(|job| job.receipt);
    assert_eq!(refused, Vec::from_iter(expected), "it is answered, with the reason");
    handle.lose();
    let queues = [fixture.queue.clone()];
    let want = Want { queues: &queues, fresh: 9, suspects: Suspects::Take(9), lease: LONG };
    let taken = handle.reserve(&want).jobs;
    assert!(taken.is_empty(), "the holds of the others are renewed, but {taken:?}");
}

pub(super) fn a_job_that_cannot_be_taken_is_told_of_and_hides_no_other(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["refused", "refused", "a", "refused", "b"]);
    fixture.foreign().refuse_changes("refused");
    let queues = [fixture.queue.clone()];
    let (mut jobs, mut warnings) = (Vec::new(), Vec::new());
    fixture.wait_for("the jobs that can be taken, and a warning of each of the others", || {
        let want = Want { queues: &queues, fresh: 9, suspects: Suspects::Ignore, lease: LONG };
        let taken = handle.reserve(&want);
        jobs.extend(taken.jobs);
        warnings.extend(taken.warnings);
        (jobs.len() == 2 && warnings.len() >= 3).then_some(())
    });
    assert_eq!(names(&jobs), ["a", "b"]);
    assert_eq!(warnings.len(), 3, "each is told of once: {warnings:?}");
}
