//! What is said while a worker works.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use craft_queue::{Event, Told};

use crate::job::CreateInvoice;

/// A long file shows a sign of life this often.
const EVERY: Duration = Duration::from_secs(1);

/// Most failed attempts of one file fail for the same reason: some are shown.
const SHOWN: usize = 9;

pub struct Progress {
    start: Instant,
    counts: Mutex<Counts>,
}

struct Counts {
    done: u64,
    last_done: Instant,
    last_shown: Instant,
    failed_attempts: usize,
}

impl Progress {
    pub fn start() -> Self {
        let start = Instant::now();
        let counts = Counts { done: 0, last_done: start, last_shown: start, failed_attempts: 0 };
        Self { start, counts: Mutex::new(counts) }
    }

    /// Hears what a worker tells.
    pub fn hear(&self, event: &Event<'_>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Done(_) => {
                counts.done += 1;
                counts.last_done = Instant::now();
                if counts.last_done - counts.last_shown >= EVERY {
                    counts.last_shown = counts.last_done;
                    println!("  {} done", counts.done);
                }
            }
            Event::Again { job, after, error, .. } => {
                counts.tell(job, error, &format!("again in {}", craft_queue::time::humane(*after)));
            }
            Event::Buried { job, error, .. } => counts.tell(job, error, "kept with the failed jobs"),
            Event::Warning(text) => println!("  warning: {text}"),
            _ => {}
        }
    }

    /// How many were done, and how long that took, the waits for failing jobs left out.
    pub fn done(&self) -> (u64, Duration) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.done, counts.last_done - self.start)
    }
}

impl Counts {
    fn tell(&mut self, told: &Told<'_>, error: &str, then: &str) {
        self.failed_attempts += 1;
        let name = match serde_json::from_slice::<CreateInvoice>(&told.job.message.payload) {
            Ok(job) => format!("order {}", job.order_id),
            Err(_) => format!("job {}", told.job.id),
        };
        match self.failed_attempts {
            count if count <= SHOWN => {
                println!("  {name}, attempt {} of {}: {error}", told.job.attempt, told.attempts);
                println!("    {then}");
            }
            count if count == SHOWN + 1 => println!("  and more"),
            _ => {}
        }
    }
}
