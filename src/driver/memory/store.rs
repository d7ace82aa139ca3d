//! The store itself: lines of jobs that wait, and the jobs that are held.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::driver::{Bell, Receipt, Reserved, Size, Verdict, Want};
use crate::hash::ById;
use crate::message::{JobId, Message, PRIORITY_LIMIT, Pushed};
use crate::time;

#[derive(Default)]
pub(super) struct Store {
    last_id: i64,
    pub(super) last_bell: u64,
    pub(super) lines: ById<Arc<str>, Line>,
    pub(super) held: ById<i64, Held>,
    /// Every job that is here, waiting or held.
    pub(super) uuids: ById<Arc<str>, i64>,
    unique_keys: HashMap<Arc<str>, i64>,
    pub(super) bells: Vec<(u64, Bell)>,
}

/// One queue.
#[derive(Default)]
pub(super) struct Line {
    /// What is due, by priority; each in the order in which it became due.
    pub(super) ready: [VecDeque<Job>; PRIORITY_LIMIT as usize + 1],
    pub(super) delayed: BinaryHeap<Reverse<Job>>,
}

pub(super) struct Job {
    pub(super) due: Instant,
    pub(super) id: i64,
    pub(super) message: Message,
    pub(super) attempts: u32,
    pub(super) suspect: bool,
    unknown_since: Option<Instant>,
    pub(super) last_error: Option<String>,
}

pub(super) struct Held {
    pub(super) job: Job,
    token: u64,
    pub(super) lease_ends: Instant,
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
        let Some(old) = self.lines.values_mut().find_map(|line| line.remove(|job| job.id == id)) else {
            return false;
        };
        let message = Message { uuid: old.message.uuid, ..message };
        self.queue_up(Job::new(id, message, now), now);
        true
    }

    fn queue_up(&mut self, job: Job, now: Instant) {
        // `entry` would count a reference to the name for every job.
        let line = match self.lines.get_mut(&job.message.queue) {
            Some(line) => line,
            None => self.lines.entry(job.message.queue.clone()).or_default(),
        };
        // What became due before this job goes first.
        line.promote(now);
        match job.due > now {
            true => line.delayed.push(Reverse(job)),
            false => {
                let ready = &mut line.ready[usize::from(job.message.priority.min(PRIORITY_LIMIT))];
                // At the end, unless it was given back.
                let behind = ready.iter().rev().take_while(|other| **other > job).count();
                ready.insert(ready.len() - behind, job);
            }
        }
    }

    pub(super) fn take(&mut self, want: &Want<'_>, now: Instant, jobs: &mut Vec<Reserved>) {
        let mut most = want.fresh;
        for queue in want.queues {
            let Some(line) = self.lines.get_mut(queue.as_str()) else { continue };
            line.promote(now);
            for ready in line.ready.iter_mut().rev() {
                jobs.reserve(most.min(ready.len()));
                while most > 0
                    && let Some(mut job) = ready.pop_front()
                {
                    most -= 1;
                    job.attempts += 1;
                    if job.message.frees_key_at_start()
                        && let Some(key) = job.message.unique_key.take()
                    {
                        self.unique_keys.remove(&key);
                    }
                    let (held, reserved) = hold(job, now, want.lease);
                    self.held.insert(held.job.id, held);
                    jobs.push(reserved);
                }
            }
        }
    }

    pub(super) fn take_suspects(
        &mut self,
        want: &Want<'_>,
        most: usize,
        now: Instant,
        jobs: &mut Vec<Reserved>,
    ) {
        let mut expired: Vec<_> = self
            .held
            .values()
            .filter(|held| held.lease_ends <= now && wants(want.queues, &held.job))
            .map(|held| (held.lease_ends, held.job.id))
            .collect();
        expired.sort();
        for (_, id) in expired.into_iter().take(most) {
            let Some(Held { mut job, .. }) = self.held.remove(&id) else { continue };
            job.attempts += u32::from(job.suspect);
            job.suspect = true;
            let (held, reserved) = hold(job, now, want.lease);
            self.held.insert(id, held);
            jobs.push(reserved);
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
        match verdict {
            Verdict::Done | Verdict::Bury(_) => self.free_names(&job),
            Verdict::Again { after, counted, error } => {
                job.attempts -= u32::from(!counted).min(job.attempts);
                job.suspect = false;
                job.unknown_since = None;
                job.last_error = Some(error.clone());
                job.due = time::after(now, *after);
                self.queue_up(job, now);
            }
            Verdict::Exhausted { after, attempts, error } => {
                job.attempts = job.attempts.max(*attempts);
                job.suspect = false;
                job.unknown_since = None;
                job.last_error = Some(error.clone());
                job.due = time::after(now, *after);
                self.queue_up(job, now);
            }
            Verdict::Unknown { after } => {
                job.unknown_since.get_or_insert(now);
                self.give_back(job, *after, now);
            }
            Verdict::Unstarted { after } => self.give_back(job, *after, now),
        }
    }

    /// A suspect stays held, by a token that nobody has, until it is due. Without a delay a clean job keeps
    /// its place in line.
    fn give_back(&mut self, mut job: Job, after: Duration, now: Instant) {
        job.attempts -= 1.min(job.attempts);
        if job.suspect {
            let (held, _) = hold(job, now, after);
            self.held.insert(held.job.id, held);
        } else {
            if !after.is_zero() {
                job.due = time::after(now, after);
            }
            self.queue_up(job, now);
        }
    }

    pub(super) fn free_names(&mut self, job: &Job) {
        self.uuids.remove(&job.message.uuid);
        if let Some(key) = &job.message.unique_key {
            self.unique_keys.remove(key);
        }
    }

    pub(super) fn first_due(&self, queues: &[String]) -> Option<Instant> {
        queues.iter().filter_map(|queue| self.lines.get(queue.as_str())?.first_due()).min()
    }

    pub(super) fn first_lease(&self, queues: &[String]) -> Option<Instant> {
        self.held.values().filter(|held| wants(queues, &held.job)).map(|held| held.lease_ends).min()
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
        if let Some(line) = self.lines.get_mut(size.queue.as_str()) {
            line.promote(now);
            size.waiting = Some(line.ready.iter().map(VecDeque::len).sum::<usize>() as u64);
            size.delayed = Some(line.delayed.len() as u64);
            let oldest = line.ready.iter().filter_map(VecDeque::front).map(|job| job.due).min();
            size.oldest_wait = oldest.map(|due| now.saturating_duration_since(due));
        }
        size
    }
}

impl Job {
    fn new(id: i64, message: Message, now: Instant) -> Self {
        Self {
            due: time::after(now, message.delay),
            id,
            message,
            attempts: 0,
            suspect: false,
            unknown_since: None,
            last_error: None,
        }
    }
}

impl Line {
    fn promote(&mut self, now: Instant) {
        while self.delayed.peek().is_some_and(|Reverse(job)| job.due <= now) {
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

    fn first_due(&self) -> Option<Instant> {
        let ready = self.ready.iter().filter_map(VecDeque::front).map(|job| job.due);
        ready.chain(self.delayed.peek().map(|Reverse(job)| job.due)).min()
    }
}

fn wants(queues: &[String], job: &Job) -> bool {
    queues.iter().any(|queue| **queue == *job.message.queue)
}

/// Puts a hold on a job under a token that no other hold has.
fn hold(job: Job, now: Instant, lease: Duration) -> (Held, Reserved) {
    let token = fastrand::u64(..);
    let lease_ends = time::after(now, lease);
    let reserved = Reserved {
        message: job.message.clone(),
        id: JobId::Number(job.id),
        attempt: job.attempts,
        suspect: job.suspect,
        unknown_for: job.unknown_since.map(|since| now.saturating_duration_since(since)),
        due_for: Some(now.saturating_duration_since(job.due)),
        last_error: job.last_error.clone(),
        held_until: lease_ends,
        receipt: Receipt(job.id.cast_unsigned(), token),
    };
    (Held { job, token, lease_ends }, reserved)
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Whichever is due first; among those the one that was pushed first.
impl Ord for Job {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.id).cmp(&(other.due, other.id))
    }
}
