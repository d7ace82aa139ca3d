//! One queue: its jobs that wait, in order, and how they are taken.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::Job;
use crate::driver::{Receipt, Reserved, Suspects};
use crate::hash::ById;
use crate::message::{JobId, PRIORITY_LIMIT};
use crate::time;

/// One queue.
#[derive(Default)]
pub(super) struct ReadyQueue {
    /// What is due, by priority; each in the order in which it became due.
    pub(super) ready: [VecDeque<Job>; PRIORITY_LIMIT as usize + 1],
    pub(super) delayed: BinaryHeap<Reverse<Job>>,
}

pub(super) struct Held {
    pub(super) job: Job,
    pub(super) token: u64,
    pub(super) lease_ends: Instant,
}

/// How jobs are taken.
pub(super) struct Take {
    /// At most this many.
    pub(super) most: usize,
    pub(super) now: Instant,
    pub(super) lease: Duration,
}

impl ReadyQueue {
    pub(super) fn take(
        &mut self,
        take: &Take,
        left: &mut usize,
        unique_keys: &mut HashMap<Arc<str>, i64>,
        all_held: &mut ById<i64, Held>,
        jobs: &mut Vec<Reserved>,
    ) {
        self.promote(take.now);
        for ready in self.ready.iter_mut().rev() {
            jobs.reserve(ready.len().min(*left));
            while *left > 0
                && let Some(mut job) = ready.pop_front()
            {
                *left -= 1;
                job.life.take(false, Suspects::Ignore);
                if job.message.frees_key_at_start()
                    && let Some(key) = job.message.unique_key.take()
                {
                    unique_keys.remove(&key);
                }
                let (held, reserved) = hold(job, take.now, take.lease);
                all_held.insert(held.job.id, held);
                jobs.push(reserved);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.delayed.is_empty() && self.ready.iter().all(VecDeque::is_empty)
    }

    pub(super) fn promote(&mut self, now: Instant) {
        while self.delayed.peek().is_some_and(|Reverse(job)| job.life.due <= now) {
            if let Some(Reverse(job)) = self.delayed.pop() {
                self.ready[usize::from(job.message.priority.min(PRIORITY_LIMIT))].push_back(job);
            }
        }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.ready.iter().flatten().chain(self.delayed.iter().map(|Reverse(job)| job))
    }

    /// Takes out the one that is meant.
    pub(super) fn remove(&mut self, is: impl Fn(&Job) -> bool) -> Option<Job> {
        for ready in &mut self.ready {
            if let Some(at) = ready.iter().position(&is) {
                return ready.remove(at);
            }
        }
        if !self.delayed.iter().any(|Reverse(job)| is(job)) {
            return None;
        }
        let (mut found, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.delayed).into_iter().partition(|Reverse(job)| is(job));
        self.delayed = others.into();
        found.pop().map(|Reverse(job)| job)
    }

    pub(super) fn first_due(&self) -> Option<Instant> {
        let ready = self.ready.iter().filter_map(VecDeque::front).map(|job| job.life.due);
        ready.chain(self.delayed.peek().map(|Reverse(job)| job.life.due)).min()
    }
}

/// Puts a hold on a job under a token that no other hold has.
pub(super) fn hold(job: Job, now: Instant, lease: Duration) -> (Held, Reserved) {
    let token = fastrand::u64(..);
    let lease_ends = time::after(now, lease);
    let reserved = Reserved {
        message: job.message.clone(),
        id: JobId::Number(job.id),
        attempt: job.life.attempts,
        suspect: job.life.suspect,
        unknown_for: job.life.unknown_since.map(|since| now.saturating_duration_since(since)),
        due_for: Some(now.saturating_duration_since(job.life.due)),
        last_error: job.last_error.clone(),
        unreadable: None,
        held_until: lease_ends,
        receipt: Receipt(job.id.cast_unsigned(), token),
    };
    (Held { job, token, lease_ends }, reserved)
}
