//! What only time brings about: jobs that take too long, holds that end, children that are dead or stalled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::child::{Child, State};
use super::supervisor::Supervisor;
use crate::policy::{NotRun, Outcome};
use crate::runner::thread::log_hook;
use crate::runner::{Finished, Task, Work};

/// The longest it sleeps while something runs: lost holds, and children that end without a sign, are seen
/// this soon.
const LONGEST: Duration = Duration::from_secs(1);

/// A process whose line has ended has all but ended itself.
const SOON: Duration = Duration::from_millis(1);

/// Work that waits behind a job for so long goes to a child that is free.
const STALLED: Duration = Duration::from_millis(5);

/// How long the signal that a child died of may take to reach the worker.
const SAME_SIGNAL: Duration = Duration::from_secs(2);

/// A job whose child died of a signal that asks for the end of programs.
pub(super) struct Undecided {
    task: Arc<Task>,
    how: String,
    ran: Duration,
    until: Instant,
}

impl Supervisor {
    /// Does what is due, and says when to look again.
    pub(super) fn look(&mut self, now: Instant) -> Instant {
        if let Some(how) = self.reap(now) {
            self.start_failed(now, &how);
        }
        let undecided = self.decide(now);
        let mut wake = undecided.unwrap_or(now + Duration::from_secs(3_600));
        let mut at = |moment: Option<Instant>| wake = moment.map_or(wake, |moment| wake.min(moment));
        for child in &mut self.children {
            if let Some(dies_at) = child.dies_at() {
                if now >= dies_at {
                    child.kill();
                }
                let soon = if child.line_ended || now >= dies_at { now + SOON } else { dies_at };
                at(Some(soon.min(now + LONGEST)));
                continue;
            }
            if child.load() == 0 {
                continue;
            }
            if child.is_awaited(now) {
                at(Some(now + SOON));
            }
            if let Some((deadline, limit)) = child.deadline(now) {
                match now >= deadline {
                    true => {
                        self.shelf.extend(child.take_back());
                        child.time_out(now, limit);
                        at(child.dies_at());
                    }
                    false => at(Some(deadline)),
                }
            }
        }
        at(self.share(now));
        match self.children.iter().any(|child| child.load() > 0) {
            true => wake.min(now + LONGEST),
            false => wake,
        }
    }

    /// Promises the children what holds the work that they have, and says when to do so again.
    pub(super) fn renew_holds(&mut self, now: Instant) -> Instant {
        let mut wake = now + LONGEST;
        for child in self.children.iter_mut().filter(|child| child.works() && child.load() > 0) {
            if child.holds_are_over(now) {
                self.shelf.extend(child.take_back());
            }
            if let Some(moment) = child.renew_holds(now) {
                wake = wake.min(moment.max(now + Duration::from_millis(10)));
            }
        }
        wake
    }

    /// A slow job must not hold back what waits behind it while another child could take it. Says when to
    /// look again.
    fn share(&mut self, now: Instant) -> Option<Instant> {
        if self.stopped || !self.shelf.is_empty() || self.running() >= self.rules.slots {
            return None;
        }
        let crowded = |child: &&mut Child| child.works() && child.load() > 1;
        let child = self.children.iter_mut().filter(crowded).min_by_key(|child| child.moved)?;
        let at = child.moved + STALLED;
        if now < at {
            return Some(at);
        }
        // From now on it is no measure that it has not moved.
        child.moved = now;
        self.shelf.extend(child.take_back());
        None
    }

    /// Reaps children that have ended, tells what they died of, and puts the rest of their work back. Says
    /// how one ended that had never been ready.
    pub(super) fn reap(&mut self, now: Instant) -> Option<String> {
        let mut never_ready = None;
        // The end of a line tells of its child's end, unless a process that the child forked keeps it open.
        let roll_call = now >= self.next_roll_call;
        if roll_call {
            self.next_roll_call = now + LONGEST;
        }
        let mut index = 0;
        while index < self.children.len() {
            let child = &self.children[index];
            let suspicious = roll_call || child.line_ended || !child.works();
            if !suspicious || !child.has_ended() {
                index += 1;
                continue;
            }
            // What it said before it died counts.
            self.hear_out(index);
            let child = self.children.swap_remove(index);
            let (state, ready) = (child.state, child.ready);
            let remains = child.bury(now);
            if !ready && !remains.told_to_stop {
                never_ready = Some(remains.how.clone());
            }
            match remains.culprit {
                Some(Work::Run(task)) if remains.told_to_stop => {
                    let (how, ran) = (remains.how, remains.ran);
                    self.undecided.push(Undecided { task, how, ran, until: now + SAME_SIGNAL });
                }
                Some(work) => self.tell_death(work, state, remains.how, remains.ran),
                None => {}
            }
            // It was there before what is on the shelf now.
            remains.rest.into_iter().rev().for_each(|work| self.shelf.push_front(work));
        }
        never_ready
    }

    /// Whoever stops a unit sends the signal to all of its processes, one after the other: a job whose child
    /// died of it was not run to its end, if the worker is told to stop, too. Says when to look again.
    fn decide(&mut self, now: Instant) -> Option<Instant> {
        let stopping = self.surroundings.stopping.load(Ordering::Acquire);
        let (over, wait): (Vec<_>, Vec<_>) =
            self.undecided.drain(..).partition(|undecided| stopping || now >= undecided.until);
        self.undecided = wait;
        for Undecided { task, how, ran, .. } in over {
            match stopping {
                true => (self.tell)(Finished::NotRun(task, NotRun { after: Duration::ZERO })),
                false => self.tell_death(Work::Run(task), State::Works, how, ran),
            }
        }
        (!self.undecided.is_empty()).then_some(now + Duration::from_millis(5))
    }

    fn tell_death(&self, work: Work, state: State, how: String, ran: Duration) {
        match work {
            Work::Run(task) => {
                let now = Instant::now();
                task.begin(now.checked_sub(ran).unwrap_or(now));
                let outcome = match (state, self.rules.memory) {
                    (State::TimedOut { limit, .. }, _) => Outcome::TimedOut(limit),
                    (_, Some(memory)) => {
                        Outcome::Died(format!("{how}, with at most {memory} MB of memory allowed"))
                    }
                    (_, None) => Outcome::Died(how),
                };
                (self.tell)(Finished::Ran(task, outcome, ran));
            }
            Work::Hook(task, _) => {
                log_hook(&task, &how);
                (self.tell)(Finished::Hooked);
            }
        }
    }
}
