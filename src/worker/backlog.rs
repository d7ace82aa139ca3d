//! Outcomes that wait to be written down. Their number is bounded: beyond it the worker takes no more jobs.

use super::settle::Judged;
use crate::error::Error;

/// How many outcomes may wait while more jobs are taken, and how many bytes of payloads.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Whether so many outcomes wait that no more may.
pub(super) fn is_full<'a>(waiting: impl Iterator<Item = &'a Judged>) -> bool {
    let (count, bytes) =
        waiting.fold((0, 0), |(count, bytes), judged| (count + 1, bytes + judged.payload_size()));
    count >= MOST || bytes >= MOST_BYTES
}

#[derive(Default)]
pub(super) struct Backlog {
    /// Written down with the next settle.
    ready: Vec<Judged>,
    /// Outcomes of jobs whose hold is in question, or that somebody else has locked: they are ready when the jobs come
    /// back, or are free.
    deferred: Vec<Judged>,
    /// After a settle that was refused: one by one, so that a bad one fails alone.
    one_by_one: bool,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.deferred.len()
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Judged> {
        self.ready.iter().chain(&self.deferred)
    }

    pub(super) fn push(&mut self, judged: Judged) {
        self.ready.push(judged);
    }

    pub(super) fn defer(&mut self, judged: Judged) {
        self.deferred.push(judged);
    }

    pub(super) fn take_deferred(&mut self) -> Vec<Judged> {
        std::mem::take(&mut self.deferred)
    }

    /// The holds ended with the connection: everything is deferred, and `others` with it.
    pub(super) fn holds_are_in_question(&mut self, mut others: Vec<Judged>) {
        self.ready.append(&mut others);
        self.ready.iter_mut().for_each(Judged::hold_in_question);
        self.deferred.append(&mut self.ready);
    }

    /// Whether the outcomes are written down one by one.
    pub(super) fn is_one_by_one(&self) -> bool {
        self.one_by_one
    }

    /// Everything that was to be written down one by one is.
    pub(super) fn is_written(&mut self) {
        self.one_by_one = false;
    }

    /// What is settled next: all that is ready, or one after a batch was refused.
    pub(super) fn next_batch(&mut self) -> Vec<Judged> {
        match self.one_by_one {
            true => self.ready.pop().into_iter().collect(),
            // About as many are ready next time.
            false => {
                let next = Vec::with_capacity(self.ready.len());
                std::mem::replace(&mut self.ready, next)
            }
        }
    }

    /// A settle of this batch ended in an error. Answers the one that the back end refuses, when that is known.
    pub(super) fn batch_failed(&mut self, mut batch: Vec<Judged>, error: &Error) -> Option<Judged> {
        batch.iter_mut().for_each(|judged| judged.is_in_doubt(error));
        // A refusal, not an absence: find the one that is refused.
        if !error.is_unavailable() {
            self.one_by_one = true;
        }
        if error.is_invalid() && batch.len() == 1 {
            return batch.pop();
        }
        // One by one they are taken from the end: what is refused keeps none of the others waiting.
        self.ready.splice(0..0, batch);
        None
    }
}
