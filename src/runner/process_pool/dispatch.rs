//! Who gets which work. Children have a few jobs ahead, so that none waits for its next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::Order;
use super::child::Child;
use super::codec::{LONGEST, TooLong};
use super::supervisor::{SHORTAGE_WAIT, Supervisor, is_program};
use crate::policy::Outcome;
use crate::push::{NewJob, PushOptions};
use crate::runner::shortage::tell as tell_shortage;
use crate::runner::thread::{call_hook, log_hook, run};
use crate::runner::{Finished, Work};

/// A child is given what it runs in this time: far longer than a round trip, and too short to be missed.
const AHEAD: Duration = Duration::from_millis(5);

const MOST_AHEAD: u128 = 200;

/// Nor is it given more than this many bytes that it has not read.
const MOST_BYTES: usize = 1024 * 1024;

/// What becomes of work that does not fit into a message: rows that others write have no limit of ours.
fn refused(work: Work, too_long: &TooLong) -> Finished {
    let why = format!(
        "it has {} MiB, at most {} MiB can be sent to a child process: store large data elsewhere",
        too_long.mebibytes,
        LONGEST >> 20,
    );
    match work {
        Work::Run(task) => Finished::Ran(task, Outcome::Unrunnable(why), Duration::ZERO),
        Work::Hook(task, _) => {
            log_hook(&task, &why);
            Finished::Hooked
        }
    }
}

/// Threads that wait for programs; as many as ran at once so far.
pub(super) struct Waiters {
    count: usize,
    work: Sender<Work>,
    waiting: Receiver<Work>,
}

impl Waiters {
    pub(super) fn none() -> Self {
        let (work, waiting) = unbounded();
        Self { count: 0, work, waiting }
    }
}

impl Supervisor {
    pub(super) fn give(&mut self, now: Instant) {
        let ahead = 1 + (AHEAD.as_nanos() / self.pace.as_nanos().max(1)).min(MOST_AHEAD) as usize;
        while let Some(work) = self.shelf.pop_front() {
            if let Work::Run(task) = &work
                && task.hold.is_over(now)
            {
                (self.tell)(Finished::too_late(task.clone()));
            } else if is_program(&work) {
                if self.running() >= self.rules.slots || !self.has_waiter(now) {
                    return self.shelf.push_front(work);
                }
                self.programs += 1;
                // It can't fail: this thread itself keeps a receiver.
                let _ = self.waiters.work.send(work);
            } else {
                let Some(index) = self.free_child(ahead) else { return self.shelf.push_front(work) };
                let share = (self.shelf.len() / self.rules.slots).min(ahead);
                self.give_to(index, work);
                self.give_more(index, share, ahead, now);
            }
        }
    }

    /// The least busy of the children that may have more.
    fn free_child(&self, ahead: usize) -> Option<usize> {
        let may_begin = self.running() < self.rules.slots;
        let may_have = |child: &Child| {
            let load = child.load();
            let has_room = load == 0 || (load < ahead && child.outgoing.len() < MOST_BYTES);
            child.ready && child.works() && !self.is_used_up(child) && has_room && (load > 0 || may_begin)
        };
        let children = self.children.iter().enumerate().filter(|(_, child)| may_have(child));
        children.min_by_key(|(_, child)| child.load()).map(|(index, _)| index)
    }

    fn give_to(&mut self, index: usize, work: Work) {
        if let Err((work, too_long)) = self.children[index].give(work) {
            (self.tell)(refused(work, &too_long));
        }
    }

    /// A child's fair share of what waits, in one go.
    fn give_more(&mut self, index: usize, share: usize, ahead: usize, now: Instant) {
        for _ in 0..share {
            let child = &self.children[index];
            let is_full = child.load() >= ahead || child.outgoing.len() >= MOST_BYTES;
            let fits = |work: &Work| match work {
                Work::Run(task) => !is_program(work) && !task.hold.is_over(now),
                Work::Hook(..) => !is_program(work),
            };
            if is_full || self.is_used_up(child) || !self.shelf.front().is_some_and(fits) {
                return;
            }
            if let Some(work) = self.shelf.pop_front() {
                self.give_to(index, work);
            }
        }
    }

    /// Whether a child has run as many jobs as it may; numbers of work don't go further, either.
    pub(super) fn is_used_up(&self, child: &Child) -> bool {
        let most = self.rules.jobs_per_child.unwrap_or(u64::MAX).min(u64::from(u32::MAX / 2));
        u64::from(child.given_in_all()) >= most
    }

    /// A job that is a program is a process of its own: it needs no child, only a thread that waits for it. Says
    /// whether there is one.
    fn has_waiter(&mut self, now: Instant) -> bool {
        if self.programs < self.waiters.count {
            return true;
        }
        if now < self.next_start {
            return false;
        }
        match self.start_waiter() {
            Ok(()) => true,
            Err(cause) => {
                tell_shortage("cannot start a thread for a job that is a program", &cause);
                self.next_start = now + SHORTAGE_WAIT;
                false
            }
        }
    }

    fn start_waiter(&mut self) -> std::io::Result<()> {
        let surroundings = Arc::new(self.surroundings.clone());
        let (tell, orders) = (self.tell.clone(), self.orders.clone());
        let (work, callback) = (self.waiters.waiting.clone(), self.rules.callback.clone());
        let wait = move || {
            for work in work {
                tell(match work {
                    Work::Run(task) => run(task, &callback, &surroundings),
                    Work::Hook(task, error) => call_hook(&task, error, &surroundings),
                });
                orders.give(Order::ProgramOver);
            }
        };
        std::thread::Builder::new().name("craft-program".into()).spawn(wait)?;
        self.waiters.count += 1;
        Ok(())
    }

    /// Has the queue push what a job in a child asks for. The queue may wait for its back end, and the supervisor
    /// must not; pushes of several children then share a commit.
    pub(super) fn push_for(&self, child: u32, number: u32, options: PushOptions, new_jobs: Vec<NewJob>) {
        let (enqueue, orders) = (Arc::clone(&self.surroundings.enqueue), self.orders.clone());
        let push = move || {
            // A job that waited for room in the queue it is taken from would wait for ever.
            let answer = crate::context::inside_a_job(|| enqueue.accept(&options, new_jobs));
            orders.give(Order::Pushed { child, number, answer });
        };
        self.push_threads.run(Box::new(push));
    }
}
