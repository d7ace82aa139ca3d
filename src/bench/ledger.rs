//! How often every job of a run has run, and when the last one began.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::event::Event;
use crate::job::{JobResult, Queueable};

/// A job that does nothing, with a payload of about 100 bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {
    number: usize,
    padding: String,
}

impl Nothing {
    pub(super) fn number(number: usize) -> Self {
        Self { number, padding: "x".repeat(70) }
    }
}

impl Queueable for Nothing {
    const NAME: &'static str = "craft.bench.Nothing";

    fn handle(&self, job: &Context) -> JobResult {
        // A child process has none: its parent notes what the child has done.
        if let Ok(ledger) = job.state::<Ledger>() {
            ledger.note(self.number);
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Inner>);

#[derive(Default)]
struct Inner {
    runs: RwLock<Vec<AtomicU8>>,
    total: AtomicUsize,
    last_begun: Mutex<Option<Instant>>,
}

impl Ledger {
    /// Forgets everything, and makes room for jobs 0 to `jobs` - 1.
    pub(super) fn begin(&self, jobs: usize) {
        let mut runs = self.0.runs.write().unwrap_or_else(PoisonError::into_inner);
        *runs = (0..jobs).map(|_| AtomicU8::new(0)).collect();
        self.0.total.store(0, Ordering::SeqCst);
        *self.0.last_begun.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many runs there were.
    pub(super) fn total(&self) -> usize {
        self.0.total.load(Ordering::SeqCst)
    }

    /// How many of the first `jobs` jobs did not run, and how many ran more than once.
    pub(super) fn lost_and_doubled(&self, jobs: usize) -> (usize, usize) {
        let runs = self.0.runs.read().unwrap_or_else(PoisonError::into_inner);
        let count = |wanted: fn(u8) -> bool| {
            runs.iter().take(jobs).filter(|runs| wanted(runs.load(Ordering::SeqCst))).count()
        };
        (count(|runs| runs == 0), count(|runs| runs > 1))
    }

    /// When the only job of this run began.
    pub(super) fn begun(&self) -> Option<Instant> {
        *self.0.last_begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a job that a child process has run.
    pub(super) fn note_told(&self, event: &Event<'_>) {
        let Event::Done(told) = event else { return };
        if let Ok(job) = serde_json::from_slice::<Nothing>(&told.job.message.payload) {
            self.note(job.number);
        }
    }

    fn note(&self, number: usize) {
        let runs = self.0.runs.read().unwrap_or_else(PoisonError::into_inner);
        if let [_] = &runs[..] {
            *self.0.last_begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        if let Some(runs) = runs.get(number) {
            runs.fetch_add(1, Ordering::Relaxed);
        }
        self.0.total.fetch_add(1, Ordering::Relaxed);
    }
}
