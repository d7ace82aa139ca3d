//! A bell may ring, and need not: what it says is found without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::stage::Stage;
use crate::driver::Bell;

pub(super) fn a_job_is_found_though_no_bell_told_of_it(stage: &Stage<'_>) {
    let (mut pusher, mut worker) = (stage.hand(), stage.hand());
    worker.finds_nothing();
    pusher.add_each(&["a"]);
    worker.take(1);
}

pub(super) fn a_bell_is_heard_at_most_once_for_each_time_somebody_listens(stage: &Stage<'_>) {
    let rung = Arc::new(AtomicUsize::new(0));
    let count = rung.clone();
    let bell = Bell::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let (mut pusher, mut worker) = (stage.hand(), stage.hand_with(bell.clone()));
    pusher.add_each(&["a"]);
    worker.take(1);
    assert_eq!(rung.load(Ordering::SeqCst), 0, "nobody listens yet");
    bell.listen();
    pusher.add_each(&["b", "c"]);
    worker.take(2);
    drop(worker);
    pusher.add_each(&["d"]);
    assert!(rung.load(Ordering::SeqCst) <= 1, "one listened once");
}
