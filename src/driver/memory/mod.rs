//! Jobs wait in memory: the async driver. What waits is gone when the program ends; see
//! [`Queue::close`](crate::Queue::close).

mod inspect;
mod job;
mod ready_queue;
mod store;

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::job::Job;
use self::ready_queue::Take;
use self::store::{Queues, Store};
use super::{
    Backend, Cancelled, Control, Driver, JobDetails, JobFilter, Notifier, QueuedJob, Receipt, Reserved,
    Settled, Settlement, Size, Suspects, Taken, Want,
};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
use crate::time;

/// A store of jobs, shared by all drivers that are opened on it.
#[derive(Clone, Default)]
pub struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    /// How many jobs are in the store, as of the last push or settle.
    count: AtomicUsize,
    /// Notified when jobs leave.
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

    fn open_handle(&self, notifier: Notifier, all_queues: bool) -> Box<dyn Driver> {
        let mut store = self.lock();
        store.last_notifier += 1;
        let number = store.last_notifier;
        if !notifier.is_silent() {
            store.notifiers.push((number, notifier));
        }
        drop(store);
        Box::new(Handle { memory: self.clone(), number, all_queues })
    }

    /// Waits until fewer than `capacity` jobs are in the store, held ones included; says whether that is so.
    pub(crate) fn wait_for_room(&self, capacity: usize, longest: Duration) -> bool {
        // Without the lock: a push that finds room should not have to wait for the worker first.
        if self.0.count.load(Ordering::Relaxed) < capacity {
            return true;
        }
        let store = self.lock();
        let full = |store: &mut Store| store.uuids.len() >= capacity;
        let waited = self.0.room.wait_timeout_while(store, longest, full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Adds messages.
    pub(crate) fn add(&self, messages: Vec<Message>) -> Vec<Pushed> {
        let now = Instant::now();
        let mut store = self.lock();
        let pushed = messages.into_iter().map(|message| store.push(message, now)).collect();
        // A notification only sends a message: it does not wait, and calls nothing that needs this lock.
        store.notifiers.iter().for_each(|(_, notifier)| notifier.notify());
        self.count(&store);
        pushed
    }

    fn count(&self, store: &Store) {
        self.0.count.store(store.uuids.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // No code of users runs under this lock, so a poisoned store is still whole.
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>> {
        Ok(self.open_handle(notifier, false))
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}

struct AllQueues(Memory);

impl Backend for AllQueues {
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>> {
        Ok(self.0.open_handle(notifier, true))
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
        self.memory.lock().notifiers.retain(|(other, _)| *other != number);
    }
}

impl Driver for Handle {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        Ok(self.memory.add(messages.to_vec()))
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        let now = Instant::now();
        let mut store = self.memory.lock();
        let queues = if self.all_queues { Queues::All } else { Queues::Named(want.queues) };
        let take = |most| Take { most, now, lease: want.lease };
        let mut taken = Taken::default();
        if want.suspects.most() > 0 {
            store.take_suspects(queues, &take(want.suspects.most()), want.suspects, &mut taken.jobs);
        }
        store.take(queues, &take(want.fresh), &mut taken.jobs);
        if want.suspects != Suspects::Ignore {
            taken.suspects_due = store.first_lease(queues).is_some_and(|ends| ends <= now);
        }
        if taken.jobs.is_empty() {
            let due = store.first_due(queues).filter(|_| want.fresh > 0);
            let hold_ends = store.first_lease(queues).filter(|_| want.suspects != Suspects::Ignore);
            let next = due.into_iter().chain(hold_ends).min();
            taken.next_due = next.map(|at| at.saturating_duration_since(now));
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
        self.memory.count(&store);
        drop(store);
        self.memory.0.room.notify_all();
        Ok(settlement)
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        let lease_ends = time::after(Instant::now(), lease);
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
        if !queues.is_empty() {
            return Ok(queues.iter().map(|queue| store.size(queue.clone(), now)).collect());
        }
        Ok(store.names().into_iter().map(|queue| store.size(queue, now)).collect())
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        let mut store = self.memory.lock();
        let queue = store.queues.remove(queue).unwrap_or_default();
        let delayed = queue.delayed.into_iter().map(|Reverse(job)| job);
        let removed: Vec<Job> = queue.ready.into_iter().flatten().chain(delayed).collect();
        removed.iter().for_each(|job| store.free_names(job));
        self.memory.count(&store);
        drop(store);
        self.memory.0.room.notify_all();
        Ok(removed.len() as u64)
    }

    fn jobs(&mut self, filter: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        Ok(self.memory.lock().list(filter, Instant::now()))
    }

    fn job(&mut self, id: &JobId) -> Result<Option<JobDetails>> {
        Ok(self.memory.lock().show(id, Instant::now()))
    }

    fn cancel(&mut self, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        let mut store = self.memory.lock();
        let answers = ids.iter().map(|id| store.cancel(id)).collect();
        self.memory.count(&store);
        drop(store);
        self.memory.0.room.notify_all();
        Ok(answers)
    }

    fn control(&mut self) -> Result<&mut dyn Control> {
        Err(Error::unsupported(
            "its jobs wait in the memory of the program that pushes them, which runs them by itself",
        )
        .with_help("stop that program; workers of --driver database obey control messages"))
    }
}
