//! Jobs wait in memory: the async driver. What waits is gone when the program ends; see
//! [`Queue::close`](crate::Queue::close).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{
    Backend, Bell, Driver, Receipt, Reserved, Settled, Settlement, Size, Suspects, Taken, Verdict, Want,
};
use crate::error::Result;
use crate::message::{JobId, Message, PRIORITY_LIMIT, Pushed};

/// A store of jobs, shared by all drivers that are opened on it.
#[derive(Clone, Default)]
pub struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    /// Told when jobs leave.
    room: Condvar,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same store for a worker that takes jobs of every queue, whatever it is asked for.
    pub(crate) fn all_queues(&self) -> impl Backend + use<> {
        AllQueues(self.clone())
    }

    fn open_handle(&self, bell: Bell, all_queues: bool) -> Box<dyn Driver> {
        let mut store = self.lock();
        store.last_bell += 1;
        let number = store.last_bell;
        if !bell.is_silent() {
            store.bells.push((number, bell));
        }
        drop(store);
        Box::new(Handle { memory: self.clone(), number, all_queues })
    }

    /// Waits until fewer than `capacity` jobs are in the store, held ones included.
    pub(crate) fn wait_for_room(&self, capacity: usize) {
        let store = self.lock();
        let full = |store: &mut Store| store.uuids.len() >= capacity;
        drop(self.0.room.wait_while(store, full).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // No code of a user's runs under this lock, so a poisoned store is still whole.
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn open(&self, bell: Bell) -> Result<Box<dyn Driver>> {
        Ok(self.open_handle(bell, false))
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}

struct AllQueues(Memory);

impl Backend for AllQueues {
    fn open(&self, bell: Bell) -> Result<Box<dyn Driver>> {
        Ok(self.0.open_handle(bell, true))
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// One opened driver.
struct Handle {
    memory: Memory,
    number: u64,
    all_queues: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let number = self.number;
        self.memory.lock().bells.retain(|(other, _)| *other != number);
    }
}

#[derive(Default)]
struct Store {
    last_id: i64,
    last_bell: u64,
    lines: HashMap<Arc<str>, Line>,
    held: HashMap<i64, Held>,
    /// Every job that is here, waiting or held.
    uuids: HashMap<Arc<str>, i64>,
    unique_keys: HashMap<Arc<str>, i64>,
    bells: Vec<(u64, Bell)>,
}

/// One queue.
#[derive(Default)]
struct Line {
    /// What is due, by priority; each in the order in which it became due.
    ready: [VecDeque<Job>; PRIORITY_LIMIT as usize + 1],
    delayed: BinaryHeap<Reverse<Job>>,
}

struct Job {
    due: Instant,
    id: i64,
    message: Message,
    attempts: u32,
    suspect: bool,
    unknown_since: Option<Instant>,
    last_error: Option<String>,
}

struct Held {
    job: Job,
    token: u64,
    lease_ends: Instant,
}

impl Driver for Handle {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        let now = Instant::now();
        let mut store = self.memory.lock();
        let pushed = messages.iter().map(|message| store.push(message, now)).collect();
        let bells = store.bells.clone();
        drop(store);
        bells.iter().for_each(|(_, bell)| bell.ring());
        Ok(pushed)
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        let now = Instant::now();
        let mut store = self.memory.lock();
        let every: Vec<String>;
        let want = match self.all_queues {
            true => {
                every = store.lines.keys().map(ToString::to_string).collect();
                &Want { queues: &every, ..*want }
            }
            false => want,
        };
        let mut taken = Taken::default();
        if let Suspects::Take(most) = want.suspects {
            store.take_suspects(want, most, now, &mut taken.jobs);
        }
        store.take(want, now, &mut taken.jobs);
        if want.suspects != Suspects::Ignore {
            taken.suspects_due = store.first_lease(want.queues).is_some_and(|ends| ends <= now);
        }
        if taken.jobs.is_empty() {
            let next = [store.first_due(want.queues), store.first_lease(want.queues)];
            taken.next_due = next.into_iter().flatten().min().map(|at| at.saturating_duration_since(now));
        }
        Ok(taken)
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let now = Instant::now();
        let mut settlement = Settlement::default();
        let mut store = self.memory.lock();
        for Settled { job, verdict } in settled {
            match store.release(job.receipt) {
                Some(job) => store.follow(verdict, job, now),
                None => settlement.lost.push(job.receipt),
            }
        }
        drop(store);
        self.memory.0.room.notify_all();
        Ok(settlement)
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        let lease_ends = Instant::now() + lease;
        let mut store = self.memory.lock();
        let mut lost = Vec::new();
        for job in held {
            match store.held_by(job.receipt) {
                Some(held) => held.lease_ends = lease_ends,
                None => lost.push(job.receipt),
            }
        }
        Ok(lost)
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        let now = Instant::now();
        let mut store = self.memory.lock();
        let mut names: Vec<String> = match queues {
            [] => store.lines.keys().map(ToString::to_string).collect(),
            named => named.to_vec(),
        };
        names.sort();
        Ok(names.into_iter().map(|queue| store.size(queue, now)).collect())
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        let mut store = self.memory.lock();
        let removed: Vec<Job> = match store.lines.remove(queue) {
            Some(line) => {
                let delayed = line.delayed.into_iter().map(|Reverse(job)| job);
                line.ready.into_iter().flatten().chain(delayed).collect()
            }
            None => Vec::new(),
        };
        removed.iter().for_each(|job| store.free_names(job));
        drop(store);
        self.memory.0.room.notify_all();
        Ok(removed.len() as u64)
    }
}

impl Store {
    fn push(&mut self, message: &Message, now: Instant) -> Pushed {
        if let Some(id) = self.uuids.get(&message.uuid) {
            return Pushed::Added(JobId::Number(*id));
        }
        if let Some(key) = &message.unique_key {
            if let Some(id) = self.unique_keys.get(key) {
                return Pushed::Duplicate(JobId::Number(*id));
            }
            self.unique_keys.insert(key.clone(), self.last_id + 1);
        }
        self.last_id += 1;
        let id = self.last_id;
        self.uuids.insert(message.uuid.clone(), id);
        let job = Job {
            due: now + message.delay,
            id,
            message: message.clone(),
            attempts: 0,
            suspect: false,
            unknown_since: None,
            last_error: None,
        };
        self.queue_up(job, now);
        Pushed::Added(JobId::Number(id))
    }

    fn queue_up(&mut self, job: Job, now: Instant) {
        if !self.lines.contains_key(&job.message.queue) {
            self.lines.insert(job.message.queue.clone(), Line::default());
        }
        // Inserted above where it was missing.
        let Some(line) = self.lines.get_mut(&job.message.queue) else { return };
        // What became due before this job goes first.
        line.promote(now);
        match job.due > now {
            true => line.delayed.push(Reverse(job)),
            false => line.ready[usize::from(job.message.priority.min(PRIORITY_LIMIT))].push_back(job),
        }
    }

    fn take(&mut self, want: &Want<'_>, now: Instant, jobs: &mut Vec<Reserved>) {
        let mut most = want.fresh;
        for queue in want.queues {
            let Some(line) = self.lines.get_mut(queue.as_str()) else { continue };
            line.promote(now);
            for ready in line.ready.iter_mut().rev() {
                while most > 0
                    && let Some(mut job) = ready.pop_front()
                {
                    most -= 1;
                    job.attempts += 1;
                    let (held, reserved) = hold(job, now, want.lease);
                    self.held.insert(held.job.id, held);
                    jobs.push(reserved);
                }
            }
        }
    }

    fn take_suspects(&mut self, want: &Want<'_>, most: usize, now: Instant, jobs: &mut Vec<Reserved>) {
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

    fn held_by(&mut self, receipt: Receipt) -> Option<&mut Held> {
        let held = self.held.get_mut(&receipt.0.cast_signed())?;
        (held.token == receipt.1).then_some(held)
    }

    fn release(&mut self, receipt: Receipt) -> Option<Job> {
        self.held_by(receipt)?;
        self.held.remove(&receipt.0.cast_signed()).map(|held| held.job)
    }

    fn follow(&mut self, verdict: &Verdict, mut job: Job, now: Instant) {
        match verdict {
            Verdict::Done | Verdict::Bury(_) => self.free_names(&job),
            Verdict::Again { after, counted, error } => {
                job.attempts -= u32::from(!counted).min(job.attempts);
                job.suspect = false;
                job.unknown_since = None;
                job.last_error = Some(error.clone());
                job.due = now + *after;
                self.queue_up(job, now);
            }
            Verdict::Unknown { after } => {
                job.unknown_since.get_or_insert(now);
                self.give_back(job, *after, now);
            }
            Verdict::Unstarted { after } => self.give_back(job, *after, now),
        }
    }

    /// A suspect stays held, by a token that nobody has, until it is due.
    fn give_back(&mut self, mut job: Job, after: Duration, now: Instant) {
        job.attempts -= 1.min(job.attempts);
        job.due = now + after;
        match job.suspect {
            true => {
                let (held, _) = hold(job, now, after);
                self.held.insert(held.job.id, held);
            }
            false => self.queue_up(job, now),
        }
    }

    fn free_names(&mut self, job: &Job) {
        self.uuids.remove(&job.message.uuid);
        if let Some(key) = &job.message.unique_key {
            self.unique_keys.remove(key);
        }
    }

    fn first_due(&self, queues: &[String]) -> Option<Instant> {
        queues.iter().filter_map(|queue| self.lines.get(queue.as_str())?.first_due()).min()
    }

    fn first_lease(&self, queues: &[String]) -> Option<Instant> {
        self.held.values().filter(|held| wants(queues, &held.job)).map(|held| held.lease_ends).min()
    }

    fn size(&mut self, queue: String, now: Instant) -> Size {
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

impl Line {
    fn promote(&mut self, now: Instant) {
        while self.delayed.peek().is_some_and(|Reverse(job)| job.due <= now) {
            if let Some(Reverse(job)) = self.delayed.pop() {
                self.ready[usize::from(job.message.priority.min(PRIORITY_LIMIT))].push_back(job);
            }
        }
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
    let lease_ends = now + lease;
    let reserved = Reserved {
        message: job.message.clone(),
        id: JobId::Number(job.id),
        attempt: job.attempts,
        suspect: job.suspect,
        unknown_for: job.unknown_since.map(|since| now.saturating_duration_since(since)),
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
