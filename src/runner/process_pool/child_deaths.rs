//! The outcome of work that no child finishes: its child process has died, or the work does not fit into a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::codec::{LONGEST, TooLong};
use crate::policy::{NotRun, Outcome};
use crate::runner::exit_status::SAME_SIGNAL;
use crate::runner::run::log_hook;
use crate::runner::task::Task;
use crate::runner::work::{Finished, OnFinished, Work};

/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// The end of a child in the middle of its work.
pub(super) struct Death {
    /// What it was doing.
    pub(super) work: Work,
    pub(super) how: String,
    /// By one of the signals that ask programs to end, which the supervisor did not send.
    pub(super) was_asked: bool,
    /// The supervisor ended it, because the work took longer than this.
    pub(super) timed_out: Option<Duration>,
    /// How long the work ran.
    pub(super) ran: Duration,
}

pub(super) struct Deaths {
    tell: OnFinished,
    /// The worker is asked to stop.
    stopping: Arc<AtomicBool>,
    /// The most memory that a child may have, in MB.
    memory: Option<u64>,
    undecided: Vec<Undecided>,
}

/// A job whose child died of a signal that the worker may be about to get, too.
struct Undecided {
    task: Arc<Task>,
    how: String,
    ran: Duration,
    until: Instant,
}

impl Deaths {
    pub(super) fn new(tell: OnFinished, stopping: Arc<AtomicBool>, memory: Option<u64>) -> Self {
        Self { tell, stopping, memory, undecided: Vec::new() }
    }

    pub(super) fn add(&mut self, death: Death, now: Instant) {
        let Death { work, how, was_asked, timed_out, ran } = death;
        match work {
            Work::Run(task) if was_asked => {
                self.undecided.push(Undecided { task, how, ran, until: now + SAME_SIGNAL });
            }
            Work::Run(task) => {
                let outcome = match timed_out {
                    Some(limit) => Outcome::TimedOut(limit),
                    None => self.died(how),
                };
                self.tell_outcome(task, outcome, ran);
            }
            Work::Hook(task, _) => {
                log_hook(&task, &how);
                (self.tell)(Finished::Hooked);
            }
        }
    }

    /// Work that does not fit into a message: rows that others write have no limit of ours.
    pub(super) fn refuse(&self, work: Work, too_long: &TooLong) {
        let why = format!(
            "it has {} MiB, at most {} MiB can be sent to a child process: store large data elsewhere",
            too_long.mebibytes,
            LONGEST >> 20,
        );
        (self.tell)(match work {
            Work::Run(task) => Finished::Ran(task, Outcome::Unrunnable(why), Duration::ZERO),
            Work::Hook(task, _) => {
                log_hook(&task, &why);
                Finished::Hooked
            }
        });
    }

    /// Tells of the undecided what can be told by now, and says when to look again. A service manager sends its signal
    /// to all processes of a unit, one after the other: a job whose child died of it was not run to its end, if the
    /// worker is asked to stop, too.
    pub(super) fn decide(&mut self, now: Instant) -> Option<Instant> {
        let stopping = self.stopping.load(Ordering::Acquire);
        let (decided, undecided): (Vec<_>, Vec<_>) =
            self.undecided.drain(..).partition(|undecided| stopping || now >= undecided.until);
        self.undecided = undecided;
        for Undecided { task, how, ran, .. } in decided {
            match stopping {
                true => (self.tell)(Finished::NotRun(task, NotRun { after: Duration::ZERO })),
                false => self.tell_outcome(task, self.died(how), ran),
            }
        }
        (!self.undecided.is_empty()).then_some(now + LOOK)
    }

    fn died(&self, how: String) -> Outcome {
        Outcome::Died(match self.memory {
            Some(memory) => format!("{how}, with at most {memory} MB of memory allowed"),
            None => how,
        })
    }

    fn tell_outcome(&self, task: Arc<Task>, outcome: Outcome, ran: Duration) {
        let now = Instant::now();
        task.begin(now.checked_sub(ran).unwrap_or(now));
        (self.tell)(Finished::Ran(task, outcome, ran));
    }
}
