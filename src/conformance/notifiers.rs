//! A notifier may ring, and need not: what it says is found without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fixture::Fixture;
use crate::driver::Notifier;

pub(super) fn a_job_is_found_though_no_bell_told_of_it(fixture: &Fixture<'_>) {
    let (mut batcher, mut worker) = (fixture.handle(), fixture.handle());
    worker.finds_nothing();
    batcher.add_each(&["a"]);
    worker.take(1);
}

pub(super) fn a_bell_is_heard_at_most_once_for_each_time_somebody_listens(fixture: &Fixture<'_>) {
    let rung = Arc::new(AtomicUsize::new(0));
    let count = rung.clone();
    let notifier = Notifier::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let (mut batcher, mut worker) = (fixture.handle(), fixture.handle_with(notifier.clone()));
    batcher.add_each(&["a"]);
    worker.take(1);
    assert_eq!(rung.load(Ordering::SeqCst), 0, "nobody listens yet");
    notifier.listen();
    batcher.add_each(&["b", "c"]);
    worker.take(2);
    drop(worker);
    batcher.add_each(&["d"]);
    assert!(rung.load(Ordering::SeqCst) <= 1, "one listened once");
}
