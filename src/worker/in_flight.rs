//! The jobs that a worker holds: ready, running, or over and not yet written down.

use std::collections::HashSet;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::settle::Judged;
use super::turn::Turn;
use crate::driver::{Extended, Settled};
use crate::error::Result;
use crate::hash::{ById, Words};
use crate::message::JobId;
use crate::reserved::{Receipt, Reserved};
use crate::runner::Task;

#[derive(Default)]
pub(super) struct InFlight {
    jobs: ById<Key, Held>,
    /// How many of them were taken as suspects.
    suspects: usize,
    /// How many of them run alone.
    alone: usize,
    /// How many of them somebody else has.
    lost: usize,
    /// How many of them were held by a connection that is gone, and have not come back.
    in_question: usize,
}

/// What tells the held jobs apart. A uuid does not: others write rows and messages too, and may use one twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The number of its row, which no other job of its table ever has; and a hash of its uuid, as a table whose
    /// file is replaced may have another job in that row.
    Row(i64, u64),
    /// The delivery by which it came: what a broker carries as an id may stand on many messages.
    Delivery(Receipt),
}

impl Key {
    pub(super) fn of(task: &Task) -> Self {
        Self::of_job(&task.job)
    }

    fn of_job(job: &Reserved) -> Self {
        match job.id {
            JobId::Number(row) => {
                let mut uuid = Words::default();
                uuid.write(job.message.uuid.as_bytes());
                Self::Row(row, uuid.finish())
            }
            JobId::Text(_) => Self::Delivery(job.receipt),
        }
    }
}

pub(super) struct Held {
    pub(super) task: Arc<Task>,
    /// When it was taken.
    pub(super) since: Instant,
    /// Set when the job was delivered again while it runs here: the newer receipt counts. Boxed, as it is rare.
    adopted: Option<Box<Reserved>>,
    /// Somebody else has it: what its run returns is dropped.
    pub(super) lost: bool,
    /// The connection that held it is gone. It may come back, or go to somebody else.
    pub(super) in_question: bool,
    /// Nothing runs beside it: a death of its worker is charged to it.
    alone: bool,
}

impl Held {
    /// The job with the receipt that counts.
    pub(super) fn job(&self) -> &Reserved {
        self.adopted.as_deref().unwrap_or(&self.task.job)
    }

    /// Whether its run should have ended longer ago than the grace, and can't be ended.
    pub(super) fn is_stuck(&self, now: Instant, grace: Duration) -> bool {
        self.task.stuck_after().is_some_and(|at| at + grace <= now)
    }
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn has_suspect(&self) -> bool {
        self.suspects > 0
    }

    /// Whether nothing may begin beside what is held.
    pub(super) fn runs_alone(&self) -> bool {
        self.alone > 0
    }

    pub(super) fn insert(&mut self, task: Arc<Task>, since: Instant, alone: bool) {
        self.suspects += usize::from(task.job.suspect);
        self.alone += usize::from(alone);
        let key = Key::of(&task);
        self.jobs.insert(key, Held { task, since, adopted: None, lost: false, in_question: false, alone });
    }

    pub(super) fn get(&self, task: &Task) -> Option<&Held> {
        self.jobs.get(&Key::of(task))
    }

    pub(super) fn remove(&mut self, task: &Task) -> Option<Held> {
        let held = self.jobs.remove(&Key::of(task))?;
        self.suspects -= usize::from(held.task.job.suspect);
        self.alone -= usize::from(held.alone);
        self.lost -= usize::from(held.lost);
        self.in_question -= usize::from(held.in_question);
        Some(held)
    }

    /// Takes a job over that is here already, or answers it when it is not: one process never runs a job twice
    /// at once.
    pub(super) fn adopt(&mut self, job: Reserved) -> Option<Reserved> {
        let key = match Key::of_job(&job) {
            row @ Key::Row(..) => Some(row).filter(|row| self.jobs.contains_key(row)),
            // A broker delivers a message again when the connection that carried it is gone, and the hold with it.
            Key::Delivery(_) if self.lost > 0 => {
                let again = |(_, held): &(&Key, &Held)| held.lost && is_same(held.job(), &job);
                self.jobs.iter().find(again).map(|(key, _)| *key)
            }
            Key::Delivery(_) => None,
        };
        let Some(held) = key.and_then(|key| self.jobs.get_mut(&key)) else { return Some(job) };
        held.task.hold.renew(job.held_until);
        held.adopted = Some(Box::new(job));
        self.lost -= usize::from(held.lost);
        self.in_question -= usize::from(held.in_question);
        (held.lost, held.in_question) = (false, false);
        None
    }

    /// Whether any may come back.
    pub(super) fn any_in_question(&self) -> bool {
        self.in_question > 0
    }

    /// The connection is gone, and the holds with it: `Context::lost` says so to all jobs.
    pub(super) fn holds_are_in_question(&mut self) {
        for held in self.jobs.values_mut().filter(|held| !held.in_question) {
            held.in_question = true;
            held.task.hold.lose();
            self.in_question += 1;
        }
    }

    /// Goes on with the jobs of which `came_back` says so.
    pub(super) fn reclaim(&mut self, until: Instant, mut came_back: impl FnMut(&Reserved) -> bool) {
        for held in self.jobs.values_mut().filter(|held| held.in_question) {
            if came_back(held.adopted.as_deref().unwrap_or(&held.task.job)) {
                self.lost -= usize::from(held.lost);
                (held.in_question, held.lost) = (false, false);
                held.task.hold.renew(until);
                self.in_question -= 1;
            }
        }
    }

    /// The jobs whose hold is to be renewed.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Held> {
        self.jobs.values().filter(|held| !held.lost)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.jobs.values()
    }

    pub(super) fn lose(&mut self, receipt: Receipt) -> Option<&Held> {
        let held = self.jobs.values_mut().find(|held| held.job().receipt == receipt)?;
        self.lost += usize::from(!held.lost);
        held.lost = true;
        held.task.hold.lose();
        Some(held)
    }

    /// Renews all holds, or some of them.
    pub(super) fn extend(&self, turn: &mut Turn<'_>, some: Option<&HashSet<Receipt>>) -> Result<Extended> {
        let before = Instant::now();
        let lease = turn.options.lease;
        if some.is_none() {
            turn.schedule.extends(before);
        }
        let is_meant = |held: &&Held| some.is_none_or(|some| some.contains(&held.job().receipt));
        let Some(driver) = turn.connection.driver() else { return Ok(Extended::default()) };
        let kept: Vec<_> = self.kept().filter(is_meant).map(Held::job).collect();
        // Also with nothing to renew: a worker that only reads would not notice that nobody can write, and would
        // take the jobs of running workers at the moment when they all can again.
        let extended = driver.extend_around_locks(&kept, lease)?;
        turn.connection.works();
        if some.is_none() {
            turn.connection.extended(before.elapsed(), lease);
        }
        let refused = extended.refused.iter().map(|(receipt, _)| receipt);
        let left_out: HashSet<_> = extended.lost.iter().chain(&extended.locked).chain(refused).collect();
        for held in self.kept().filter(is_meant).filter(|held| !held.in_question) {
            if !left_out.contains(&held.job().receipt) {
                held.task.hold.renew(before + lease);
            }
        }
        Ok(extended)
    }

    /// Verdicts as the driver takes them, each with the receipt that counts.
    pub(super) fn settled<'a>(&'a self, batch: &'a [Judged]) -> Vec<Settled<'a>> {
        let settled = |judged: &'a Judged| {
            let job = self.get(&judged.task).map_or(&judged.task.job, Held::job);
            Settled { job, verdict: judged.verdict.clone() }
        };
        batch.iter().map(settled).collect()
    }

    /// How many jobs have begun.
    pub(super) fn running(&self) -> usize {
        self.jobs.values().filter(|held| held.task.begun().is_some()).count()
    }

    /// The first moment at which a job that runs in a thread is over time.
    pub(super) fn first_stuck_after(&self) -> Option<Instant> {
        self.jobs.values().filter_map(|held| held.task.stuck_after()).min()
    }

    /// When all jobs are over time, if none of them ends; `None` where one has no timeout.
    pub(super) fn last_stuck_after(&self) -> Option<Instant> {
        let after = self.jobs.values().map(|held| held.task.stuck_after());
        after.max_by_key(|at| (at.is_none(), *at))?
    }
}

/// Whether two deliveries carry one message. The id alone does not say so.
fn is_same(held: &Reserved, job: &Reserved) -> bool {
    let (held, job) = (&held.message, &job.message);
    held.uuid == job.uuid && held.name == job.name && held.payload == job.payload
}
