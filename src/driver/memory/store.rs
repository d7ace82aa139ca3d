//! The store itself: the queues, and the jobs that are held.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::job::Job;
use super::ready_queue::{Held, ReadyQueue, Take, hold};
use crate::driver::job_state::Next;
use crate::driver::{Notifier, Receipt, Reserved, Size, Suspects, Verdict};
use crate::hash::ById;
use crate::message::{JobId, Message, PRIORITY_LIMIT, Pushed};

#[derive(Default)]
pub(super) struct Store {
    last_id: i64,
    pub(super) last_notifier: u64,
    pub(super) queues: ById<Arc<str>, ReadyQueue>,
    pub(super) held: ById<i64, Held>,
    /// Every job that is here, waiting or held.
    pub(super) uuids: ById<Arc<str>, i64>,
    unique_keys: HashMap<Arc<str>, i64>,
    pub(super) notifiers: Vec<(u64, Notifier)>,
    /// With more than this the empty ones are removed.
    kept_queues: usize,
}

/// Empty queues stay while there are no more than this: most are soon used again.
const MOST_EMPTY_KEPT: usize = 64;

/// Which queues a worker takes from.
#[derive(Clone, Copy)]
pub(super) enum Queues<'a> {
    All,
    /// These, the first one first.
    Named(&'a [String]),
}

impl Store {
    pub(super) fn push(&mut self, mut message: Message, now: Instant) -> Pushed {
        let replaces = std::mem::take(&mut message.replaces);
        if let Some(id) = self.uuids.get(&message.uuid) {
            return Pushed::Added(JobId::Number(*id));
        }
        if let Some(key) = &message.unique_key {
            if let Some(id) = self.unique_keys.get(key).copied() {
                return match replaces && self.replace(id, message, now) {
                    true => Pushed::Replaced(JobId::Number(id)),
                    false => Pushed::Duplicate(JobId::Number(id)),
                };
            }
            self.unique_keys.insert(key.clone(), self.last_id + 1);
        }
        self.last_id += 1;
        let id = self.last_id;
        self.uuids.insert(message.uuid.clone(), id);
        self.queue_up(Job::new(id, message, now), now);
        Pushed::Added(JobId::Number(id))
    }

    /// Puts a message in the place of a job, if that one waits. It keeps its uuid.
    fn replace(&mut self, id: i64, message: Message, now: Instant) -> bool {
        let Some(old) = self.queues.values_mut().find_map(|queue| queue.remove(|job| job.id == id)) else {
            return false;
        };
        let message = Message { uuid: old.message.uuid, ..message };
        self.queue_up(Job::new(id, message, now), now);
        true
    }

    fn queue_up(&mut self, job: Job, now: Instant) {
        // `entry` would count a reference to the name for every job.
        let queue = match self.queues.get_mut(&job.message.queue) {
            Some(queue) => queue,
            None => self.queues.entry(job.message.queue.clone()).or_default(),
        };
        // What became due before this job goes first.
        queue.promote(now);
        match job.life.due > now {
            true => queue.delayed.push(Reverse(job)),
            false => {
                let ready = &mut queue.ready[usize::from(job.message.priority.min(PRIORITY_LIMIT))];
                // At the end, unless it was given back.
                let behind = ready.iter().rev().take_while(|other| **other > job).count();
                ready.insert(ready.len() - behind, job);
            }
        }
    }

    pub(super) fn take(&mut self, queues: Queues<'_>, take: &Take, jobs: &mut Vec<Reserved>) {
        let mut left = take.most;
        match queues {
            Queues::All => {
                for queue in self.queues.values_mut() {
                    queue.take(take, &mut left, &mut self.unique_keys, &mut self.held, jobs);
                    if left == 0 {
                        break;
                    }
                }
            }
            Queues::Named(queues) => {
                for queue in queues {
                    if let Some(queue) = self.queues.get_mut(queue.as_str()) {
                        queue.take(take, &mut left, &mut self.unique_keys, &mut self.held, jobs);
                    }
                }
            }
        }
        self.free_empty_queues();
    }

    /// Names that are used once, one for each customer say, must not gather for as long as the program runs.
    fn free_empty_queues(&mut self) {
        // Only when there are many more, so that this costs each of them next to nothing.
        if self.queues.len() > self.kept_queues {
            self.queues.retain(|_, queue| !queue.is_empty());
            self.kept_queues = (2 * self.queues.len()).max(MOST_EMPTY_KEPT);
        }
    }

    pub(super) fn take_suspects(
        &mut self,
        queues: Queues<'_>,
        take: &Take,
        suspects: Suspects,
        jobs: &mut Vec<Reserved>,
    ) {
        let mut expired: Vec<_> = self
            .held
            .values()
            .filter(|held| held.lease_ends <= take.now && queues.want(&held.job))
            .filter(|held| suspects.are_charged() || !held.job.life.runs_alone())
            .map(|held| (held.lease_ends, held.job.id))
            .collect();
        expired.sort();
        for (_, id) in expired.into_iter().take(take.most) {
            let Some(Held { mut job, .. }) = self.held.remove(&id) else { continue };
            job.life.take(true, suspects);
            let (held, reserved) = hold(job, take.now, take.lease);
            self.held.insert(id, held);
            jobs.push(Reserved { suspect: true, ..reserved });
        }
    }

    pub(super) fn held_by(&mut self, receipt: Receipt) -> Option<&mut Held> {
        let held = self.held.get_mut(&receipt.0.cast_signed())?;
        (held.token == receipt.1).then_some(held)
    }

    pub(super) fn release(&mut self, receipt: Receipt) -> Option<Job> {
        self.held_by(receipt)?;
        self.held.remove(&receipt.0.cast_signed()).map(|held| held.job)
    }

    pub(super) fn follow(&mut self, verdict: &Verdict, mut job: Job, now: Instant) {
        if let Some(error) = verdict.error() {
            job.last_error = Some(error.to_owned());
        }
        match job.life.settle(verdict, now) {
            Next::Gone => self.free_names(&job),
            Next::Waits => self.queue_up(job, now),
            Next::HeldUntil(ends) => {
                let (held, _) = hold(job, now, ends.saturating_duration_since(now));
                self.held.insert(held.job.id, held);
            }
        }
    }

    pub(super) fn free_names(&mut self, job: &Job) {
        self.uuids.remove(&job.message.uuid);
        if let Some(key) = &job.message.unique_key {
            self.unique_keys.remove(key);
        }
    }

    pub(super) fn first_due(&self, queues: Queues<'_>) -> Option<Instant> {
        match queues {
            Queues::All => self.queues.values().filter_map(ReadyQueue::first_due).min(),
            Queues::Named(queues) => {
                queues.iter().filter_map(|queue| self.queues.get(queue.as_str())?.first_due()).min()
            }
        }
    }

    pub(super) fn first_lease(&self, queues: Queues<'_>) -> Option<Instant> {
        self.held.values().filter(|held| queues.want(&held.job)).map(|held| held.lease_ends).min()
    }

    /// The queues that have a job, waiting or held.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(name, _)| name);
        let held = self.held.values().map(|held| &held.job.message.queue);
        waiting.chain(held).map(ToString::to_string).collect()
    }

    pub(super) fn size(&mut self, queue: String, now: Instant) -> Size {
        let running = self.held.values().filter(|held| *held.job.message.queue == *queue).count();
        let mut size = Size {
            queue,
            waiting: Some(0),
            delayed: Some(0),
            running: Some(running as u64),
            oldest_wait: None,
        };
        if let Some(queue) = self.queues.get_mut(size.queue.as_str()) {
            queue.promote(now);
            size.waiting = Some(queue.ready.iter().map(VecDeque::len).sum::<usize>() as u64);
            size.delayed = Some(queue.delayed.len() as u64);
            let oldest = queue.ready.iter().filter_map(VecDeque::front).map(|job| job.life.due).min();
            size.oldest_wait = oldest.map(|due| now.saturating_duration_since(due));
        }
        size
    }
}

impl Queues<'_> {
    fn want(self, job: &Job) -> bool {
        match self {
            Self::All => true,
            Self::Named(queues) => queues.iter().any(|queue| **queue == *job.message.queue),
        }
    }
}
