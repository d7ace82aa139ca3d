//! The jobs that a worker holds: ready, running, or over and not yet written down.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Instant;

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
    away: usize,
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
    pub(super) away: bool,
    /// Nothing runs beside it: a death of its worker is charged to it.
    alone: bool,
}

impl Held {
    /// The job with the receipt that counts.
    pub(super) fn job(&self) -> &Reserved {
        self.adopted.as_deref().unwrap_or(&self.task.job)
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
        self.jobs.insert(key, Held { task, since, adopted: None, lost: false, away: false, alone });
    }

    pub(super) fn get(&self, task: &Task) -> Option<&Held> {
        self.jobs.get(&Key::of(task))
    }

    pub(super) fn remove(&mut self, task: &Task) -> Option<Held> {
        let holding = self.jobs.remove(&Key::of(task))?;
        self.suspects -= usize::from(holding.task.job.suspect);
        self.alone -= usize::from(holding.alone);
        self.lost -= usize::from(holding.lost);
        self.away -= usize::from(holding.away);
        Some(holding)
    }

    /// Takes a job over that is here already, or answers it when it is not: one process never runs a job twice
    /// at once.
    pub(super) fn adopt(&mut self, job: Reserved) -> Option<Reserved> {
        let key = match Key::of_job(&job) {
            row @ Key::Row(..) => Some(row).filter(|row| self.jobs.contains_key(row)),
            // A broker delivers a message again when the connection that carried it is gone, and the hold with it.
            Key::Delivery(_) if self.lost > 0 => {
                let again = |(_, holding): &(&Key, &Held)| holding.lost && is_same(holding.job(), &job);
                self.jobs.iter().find(again).map(|(key, _)| *key)
            }
            Key::Delivery(_) => None,
        };
        let Some(holding) = key.and_then(|key| self.jobs.get_mut(&key)) else { return Some(job) };
        holding.task.hold.renew(job.held_until);
        holding.adopted = Some(Box::new(job));
        self.lost -= usize::from(holding.lost);
        self.away -= usize::from(holding.away);
        (holding.lost, holding.away) = (false, false);
        None
    }

    /// Whether any may come back.
    pub(super) fn any_away(&self) -> bool {
        self.away > 0
    }

    /// The connection is gone, and the holds with it: all jobs are told.
    pub(super) fn send_away(&mut self) {
        for holding in self.jobs.values_mut().filter(|holding| !holding.away) {
            holding.away = true;
            holding.task.hold.lose();
            self.away += 1;
        }
    }

    /// Goes on with the jobs of which `came_back` says so.
    pub(super) fn welcome_back(&mut self, until: Instant, mut came_back: impl FnMut(&Reserved) -> bool) {
        for holding in self.jobs.values_mut().filter(|holding| holding.away) {
            if came_back(holding.adopted.as_deref().unwrap_or(&holding.task.job)) {
                self.lost -= usize::from(holding.lost);
                (holding.away, holding.lost) = (false, false);
                holding.task.hold.renew(until);
                self.away -= 1;
            }
        }
    }

    /// The jobs whose hold is to be renewed.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Held> {
        self.jobs.values().filter(|holding| !holding.lost)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.jobs.values()
    }

    pub(super) fn lose(&mut self, receipt: Receipt) -> Option<&Held> {
        let holding = self.jobs.values_mut().find(|holding| holding.job().receipt == receipt)?;
        self.lost += usize::from(!holding.lost);
        holding.lost = true;
        holding.task.hold.lose();
        Some(holding)
    }

    /// How many jobs have begun.
    pub(super) fn running(&self) -> usize {
        self.jobs.values().filter(|holding| holding.task.begun().is_some()).count()
    }

    /// The first moment at which a job that runs in a thread is over time.
    pub(super) fn first_stuck_after(&self) -> Option<Instant> {
        self.jobs.values().filter_map(|holding| holding.task.stuck_after()).min()
    }

    /// When all jobs are over time, if none of them ends; `None` where one has no timeout.
    pub(super) fn last_stuck_after(&self) -> Option<Instant> {
        let after = self.jobs.values().map(|holding| holding.task.stuck_after());
        after.max_by_key(|at| (at.is_none(), *at))?
    }
}

/// Whether two deliveries carry one message. The id alone does not say so.
fn is_same(held: &Reserved, job: &Reserved) -> bool {
    let (held, job) = (&held.message, &job.message);
    held.uuid == job.uuid && held.name == job.name && held.payload == job.payload
}
