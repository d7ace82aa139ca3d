//! Servers of several machines: one of them goes while two workers and a pusher are at work, and the history says what
//! that cost. Run by `tests/clusters`, which prints it.

mod postgres;
mod rabbitmq;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use craft_queue::Queue;

use crate::programs::{Run, Running, ledger};
use crate::support::{wait_until, wait_while_it_rises};

/// How many jobs are pushed, one by one.
const JOBS: u64 = 10_000;

/// What became of the jobs.
#[derive(Debug)]
struct History {
    /// Pushes that were answered with an error, and those of them whose jobs ran nevertheless.
    refused: [usize; 2],
    /// Pushed, and never run to an end.
    lost: usize,
    /// Run to an end more than once.
    doubled: usize,
    /// Of these: while another run was under way.
    at_once: usize,
    /// The greatest attempt of all.
    attempt: u32,
}

impl History {
    fn of(taken: &BTreeSet<u64>, file: &Path) -> Self {
        let runs = ledger(file);
        let ends = |number: &u64| runs.get(number).map_or(0, |runs| runs.iter().filter(is_whole).count());
        let refused_and_ran = runs.keys().filter(|number| !taken.contains(number)).count();
        let overlap =
            |runs: &[Run]| runs.windows(2).any(|pair| pair[0].end.unwrap_or(pair[0].begin) > pair[1].begin);
        Self {
            refused: [JOBS as usize - taken.len(), refused_and_ran],
            lost: taken.iter().filter(|number| ends(number) == 0).count(),
            doubled: runs.keys().filter(|number| ends(number) > 1).count(),
            at_once: runs.values().filter(|runs| overlap(runs)).count(),
            attempt: runs.values().flatten().map(|run| run.attempt).max().unwrap_or(0),
        }
    }
}

fn is_whole(run: &&Run) -> bool {
    run.end.is_some()
}

/// Pushes while two workers work, and disturbs them once a part of the jobs has ended. `lossy`: what was pushed may be
/// gone.
fn history(
    name: &str,
    queue: &Queue,
    file: &Path,
    workers: [Running; 2],
    lossy: bool,
    disturb: impl FnOnce(),
) -> History {
    let began = Instant::now();
    let pace = Pace::default();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let taken = thread::scope(|scope| {
            let pusher = scope.spawn(|| pace.push_all(queue, file));
            let disturbed = catch_unwind(AssertUnwindSafe(|| {
                wait_until("a part of the jobs", || ended(file).len() >= 500);
                disturb();
            }));
            pace.is_over.store(true, Ordering::Relaxed);
            pace.is_given_up.store(disturbed.is_err(), Ordering::Relaxed);
            let taken = pusher.join().unwrap();
            disturbed.unwrap_or_else(|panic| resume_unwind(panic));
            taken
        });
        match lossy {
            true => wait_until("an empty queue", || queue_is_empty(queue)),
            false => wait_while_it_rises("the end of all", taken.len(), || {
                ended(file).intersection(&taken).count()
            }),
        }
        taken
    }));
    let taken = played.unwrap_or_else(|panic| {
        for worker in &workers {
            let said = worker.said().into_iter().filter(|line| !line.contains("event=done"));
            println!("{:#?}", said.collect::<Vec<_>>());
        }
        resume_unwind(panic)
    });
    let took = began.elapsed();
    for worker in &workers {
        worker.signal("TERM");
    }
    for worker in workers {
        assert_eq!(worker.wait(), (Some(0), None));
    }
    let history = History::of(&taken, file);
    assert!(history.refused[1] <= history.refused[0], "{history:?}");
    println!(
        "{name}: {} pushed, {:.1} s in all, slowest push {:.1} s, {history:?}",
        taken.len(),
        took.as_secs_f64(),
        pace.slowest.into_inner() as f64 / 1e3
    );
    history
}

/// The jobs that have run to an end.
fn ended(file: &Path) -> BTreeSet<u64> {
    let is_ended = |runs: &[Run]| runs.iter().any(|run| run.end.is_some());
    ledger(file).into_iter().filter(|(_, runs)| is_ended(runs)).map(|(number, _)| number).collect()
}

/// How jobs are pushed: slowly, so that it lasts until the disturbance is over, then as fast as it goes.
#[derive(Default)]
struct Pace {
    is_over: AtomicBool,
    is_given_up: AtomicBool,
    /// The slowest push, in milliseconds.
    slowest: AtomicUsize,
}

impl Pace {
    /// Answers what was pushed without an error.
    fn push_all(&self, queue: &Queue, file: &Path) -> BTreeSet<u64> {
        let mut taken = BTreeSet::new();
        for number in (0..JOBS).take_while(|_| !self.is_given_up.load(Ordering::Relaxed)) {
            let payload = format!("{{\"file\":{file:?},\"number\":{number},\"millis\":1}}");
            let at = Instant::now();
            match queue.options().push_json("Ledger", &payload, 1) {
                Ok(_) => drop(taken.insert(number)),
                Err(error) => println!("job {number} is not pushed: {error}"),
            }
            self.slowest.fetch_max(at.elapsed().as_millis() as usize, Ordering::Relaxed);
            if !self.is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(3));
            }
        }
        taken
    }
}

/// Nothing waits, is delayed or runs, as far as the back end knows.
fn queue_is_empty(queue: &Queue) -> bool {
    queue.size(None, &["default".into()]).is_ok_and(|sizes| {
        [sizes[0].waiting, sizes[0].delayed, sizes[0].running].into_iter().flatten().sum::<u64>() == 0
    })
}
