//! Outcomes that the back end does not take for now, as a broker with an alarm does not: a worker takes no more than
//! it can bring home.

use super::event_loop::EventLoop;

/// How many outcomes may wait for the back end while more jobs are taken, and how many bytes of payloads.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

impl EventLoop {
    /// Looks at what a settlement has left over.
    pub(super) fn weigh_backlog(&mut self) {
        let bytes = self.judged.iter().map(|judged| judged.task.job.message.payload.len());
        self.backlog_is_full = self.judged.len() >= MOST || bytes.sum::<usize>() >= MOST_BYTES;
    }

    /// Whether so much waits for the back end that no more is taken.
    pub(super) fn has_enough(&self) -> bool {
        self.backlog_is_full && !self.judged.is_empty()
    }
}
