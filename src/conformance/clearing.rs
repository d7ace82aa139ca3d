//! A clear removes all that is not held.

use std::sync::Arc;

use super::fixture::{Fixture, LONG};
use super::handle::{again, names};
use crate::driver::{Suspects, Verdict, Want};
use crate::message::Message;

pub(super) fn what_waits_is_removed_and_counted(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.push(&["a", "b", "c"].map(|name| fixture.job(name)));
    assert_eq!(handle.clear(), 3, "three jobs were waiting");
    handle.finds_nothing();
    assert_eq!(handle.clear(), 0, "nothing is left");
}

pub(super) fn what_is_delayed_is_removed_and_counted(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(Message { delay: LONG, ..fixture.job("a") });
    handle.add(fixture.job("b"));
    assert_eq!(handle.clear(), 2);
    assert_eq!(handle.clear(), 0, "nothing is left");
}

pub(super) fn a_held_job_stays(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a", "b"]);
    let held = handle.take_one();
    assert_eq!(handle.clear(), 1, "one job was not held");
    assert_eq!(handle.extend(&[&held], LONG), [], "the hold is good");
    handle.settle(&held, again());
    let job = handle.take_one();
    assert_eq!((job.id == held.id, job.attempt), (true, 2), "it can be put back, and comes again");
    handle.clear();
    handle.settle(&job, Verdict::Done);
    handle.finds_nothing();
}

pub(super) fn other_queues_are_left_alone(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add(Message { queue: Arc::from(fixture.other_queue.as_str()), ..fixture.job("a") });
    assert_eq!(handle.clear(), 0);
    let queues = [fixture.other_queue.clone()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: LONG };
    fixture.wait_for("the other queue's job", || handle.reserve(&want).jobs.pop());
}

pub(super) fn a_queue_can_be_used_after_it_was_cleared(fixture: &Fixture<'_>) {
    let mut handle = fixture.handle();
    handle.add_each(&["a"]);
    handle.clear();
    handle.add_each(&["b"]);
    assert_eq!(names(&handle.take(1)), ["b"]);
}
