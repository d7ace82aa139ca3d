//! What a worker did, and why it ended.

use crate::event::Event;

/// What a worker did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Jobs that are done.
    pub done: u64,
    /// Jobs that are dead.
    pub failed: u64,
    /// Failed attempts that will be made again.
    pub retried: u64,
    /// Jobs without a run left that could not be kept with the failed jobs yet: they are not run again, and who takes
    /// one next tries that again.
    pub put_aside: u64,
    /// Jobs that were given back without having run to an end.
    pub returned: u64,
    /// Jobs whose hold was lost.
    pub lost: u64,
    /// Why it ended.
    pub ended: StopReason,
    /// Jobs whose outcome could not be written down before the end; they will run again. The first
    /// [`MOST_NAMED`](Report::MOST_NAMED) of them.
    pub unsettled: Vec<String>,
    /// How many there are in all.
    pub unsettled_in_all: u64,
}

impl Report {
    /// So many jobs are named at most.
    pub const MOST_NAMED: usize = 100;

    /// A sentence about jobs whose outcome could not be written down: the first ones of so many.
    pub(crate) fn of_unsettled(names: &[String], in_all: u64) -> String {
        format!("the outcome of {} could not be written down; it runs again", listed(names, in_all))
    }

    /// Counts a job whose outcome was written down.
    pub(super) fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::Done(_) => self.done += 1,
            Event::Buried { .. } => self.failed += 1,
            Event::Again { .. } => self.retried += 1,
            Event::PutAside { .. } => self.put_aside += 1,
            Event::Returned(_) => self.returned += 1,
            _ => {}
        }
    }

    pub(super) fn note_unsettled(&mut self, name: String) {
        self.unsettled_in_all += 1;
        if self.unsettled.len() < Self::MOST_NAMED {
            self.unsettled.push(name);
        }
    }
}

/// Names for a message to people: the first ones of so many.
pub(super) fn listed(names: &[String], in_all: u64) -> String {
    const MOST: usize = 20;
    let shown = &names[..names.len().min(MOST)];
    let others = in_all.saturating_sub(shown.len() as u64);
    let others = if others > 0 { format!(" and {others} others") } else { String::new() };
    format!("{}{others}", shown.join(", "))
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    #[default]
    Stopped,
    /// It was asked to stop at once.
    StoppedNow,
    /// All workers of its driver were asked to restart.
    Restarted,
    /// Nothing waits.
    Empty,
    /// The limit of jobs is reached.
    JobLimit,
    /// The time limit is reached.
    TimeLimit,
    /// The memory limit is reached.
    MemoryLimit,
}
