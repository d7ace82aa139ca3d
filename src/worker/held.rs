//! The jobs that a worker holds: ready, running, or over and not yet written down.

use std::sync::Arc;
use std::time::Instant;

use crate::hash::ById;
use crate::reserved::{Receipt, Reserved};
use crate::runner::Task;

#[derive(Default)]
pub(super) struct Held {
    jobs: ById<Arc<str>, Holding>,
    /// How many of them were taken as suspects.
    suspects: usize,
}

pub(super) struct Holding {
    pub(super) task: Arc<Task>,
    /// Set when the job was delivered again while it runs here: the newer receipt counts. Boxed, as it is rare.
    adopted: Option<Box<Reserved>>,
    /// Somebody else has it: what its run returns is dropped.
    pub(super) lost: bool,
}

impl Holding {
    /// The job with the receipt that counts.
    pub(super) fn job(&self) -> &Reserved {
        self.adopted.as_deref().unwrap_or(&self.task.job)
    }
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn has_suspect(&self) -> bool {
        self.suspects > 0
    }

    pub(super) fn insert(&mut self, task: Arc<Task>) {
        self.suspects += usize::from(task.job.suspect);
        let holding = Holding { task: task.clone(), adopted: None, lost: false };
        self.jobs.insert(task.job.message.uuid.clone(), holding);
    }

    pub(super) fn get(&self, uuid: &str) -> Option<&Holding> {
        self.jobs.get(uuid)
    }

    pub(super) fn remove(&mut self, uuid: &str) -> Option<Holding> {
        let holding = self.jobs.remove(uuid)?;
        self.suspects -= usize::from(holding.task.job.suspect);
        Some(holding)
    }

    /// Takes a job over that is here already: one process never runs a job twice at once.
    pub(super) fn adopt(&mut self, job: Reserved) {
        if let Some(holding) = self.jobs.get_mut(&job.message.uuid) {
            holding.task.hold.renew(job.held_until);
            holding.adopted = Some(Box::new(job));
            holding.lost = false;
        }
    }

    /// The jobs whose hold is to be renewed.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Holding> {
        self.jobs.values().filter(|holding| !holding.lost)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Holding> {
        self.jobs.values()
    }

    pub(super) fn lose(&mut self, receipt: Receipt) -> Option<&Holding> {
        let holding = self.jobs.values_mut().find(|holding| holding.job().receipt == receipt)?;
        holding.lost = true;
        holding.task.hold.lose();
        Some(holding)
    }

    /// How many jobs have begun.
    pub(super) fn running(&self) -> usize {
        self.jobs.values().filter(|holding| holding.task.begun.get().is_some()).count()
    }

    /// The first moment at which a job that runs in a thread is over time.
    pub(super) fn first_stuck_after(&self) -> Option<Instant> {
        self.jobs.values().filter_map(|holding| holding.task.stuck_after()).min()
    }
}
