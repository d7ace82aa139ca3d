//! What is said while a worker works.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use craft_queue::{Event, JobInfo};

use crate::job::CreateInvoice;

/// A long file shows a sign of life this often.
const EVERY: Duration = Duration::from_secs(1);

/// How many failed attempts are told; the failed jobs are listed later.
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
            Event::Again { job, after, .. } => counts.tell(job, &format!("again in {after:?}")),
            Event::Buried { job, .. } => counts.tell(job, "kept with the failed jobs"),
            Event::PutAside { job, .. } => counts.tell(job, "not kept with the failed jobs yet"),
            Event::Warning(text) => println!("  warning: {text}"),
            _ => {}
        }
    }

    /// How quick it was, the waits for failing jobs left out; nothing where too few were done to tell.
    pub fn pace(&self, threads: usize) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.done {
            0..10 => String::new(),
            done => {
                let seconds = (counts.last_done - self.start).as_secs_f64().max(0.001);
                format!("; {threads} threads did {:.0} a second", done as f64 / seconds)
            }
        }
    }
}

impl Counts {
    fn tell(&mut self, told: &JobInfo<'_>, then: &str) {
        self.failed_attempts += 1;
        let name = match serde_json::from_slice::<CreateInvoice>(&told.job.message.payload) {
            Ok(job) => format!("order {}", job.order_id),
            Err(_) => format!("job {}", told.job.id),
        };
        match self.failed_attempts {
            1..=SHOWN => {
                println!("  {name}: attempt {} of {} failed, {then}", told.job.attempt, told.attempts)
            }
            count if count == SHOWN + 1 => println!("  and more"),
            _ => {}
        }
    }
}
