//! All children of a pool: who gets the next work, and what time brings about for each of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::child::Child;
use crate::runner::work::Work;

/// The longest time between two looks while something runs: lost holds, and children that end without a sign, are
/// seen this soon.
pub(super) const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// How soon to look for the begin of a job that somebody waits for.
const SOON: Duration = Duration::from_millis(1);

/// Holds are not looked at more often.
const HOLD_LOOK: Duration = Duration::from_millis(10);

/// Work that waits behind a job for so long goes to a child that is free.
const STALLED: Duration = Duration::from_millis(5);

/// A child is not given more than this many bytes that it has not read.
const MOST_BYTES: usize = 1024 * 1024;

/// A killed process ends at once, unless the system holds it.
const END_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Children {
    pub(super) all: Vec<Child>,
    next_check_of_all: Option<Instant>,
}

impl Children {
    /// How many run something.
    pub(super) fn running(&self) -> usize {
        self.all.iter().filter(|child| child.load() > 0).count()
    }

    /// How many work, and how many of these have nothing to do.
    pub(super) fn working_and_idle(&self) -> (usize, usize) {
        let working = || self.all.iter().filter(|child| child.works());
        (working().count(), working().filter(|child| child.load() == 0).count())
    }

    /// The least busy of the children that may have more; one that is idle only if one more job may begin.
    pub(super) fn free(&self, ahead: usize, may_begin: bool) -> Option<usize> {
        let is_free = |child: &Child| {
            child.is_ready && child.works() && has_room(child, ahead) && (child.load() > 0 || may_begin)
        };
        let children = self.all.iter().enumerate().filter(|(_, child)| is_free(child));
        children.min_by_key(|(_, child)| child.load()).map(|(index, _)| index)
    }

    /// Whether a child may have more behind what it has.
    pub(super) fn has_room(&self, index: usize, ahead: usize) -> bool {
        has_room(&self.all[index], ahead)
    }

    /// Ends the children whose job takes too long, that keep a message to themselves, and those whose time to end is
    /// over. What they have not begun comes back. Says when to look again.
    pub(super) fn end_in_time(&mut self, now: Instant, waiting: &mut VecDeque<Work>) -> Option<Instant> {
        let mut wake = None;
        let mut at = |moment: Instant| wake = Some(wake.map_or(moment, |wake: Instant| wake.min(moment)));
        for child in &mut self.all {
            child.kill_when_stalled(now);
            if let Some(moment) = child.kill_when_due(now) {
                at(moment.min(now + LONGEST_LOOK));
                continue;
            }
            if child.load() == 0 {
                continue;
            }
            at(now + LONGEST_LOOK);
            if child.is_awaited(now) {
                at(now + SOON);
            }
            if let Some((deadline, limit)) = child.deadline(now) {
                at(deadline);
                if now >= deadline {
                    waiting.extend(child.take_back());
                    child.time_out(now, limit);
                }
            }
        }
        wake
    }

    /// Promises the children what holds the work that they have, and says when to do so again.
    pub(super) fn renew_holds(&mut self, now: Instant, waiting: &mut VecDeque<Work>) -> Instant {
        let mut wake = now + LONGEST_LOOK;
        for child in self.all.iter_mut().filter(|child| child.works() && child.load() > 0) {
            if child.holds_are_over(now) {
                waiting.extend(child.take_back());
            }
            if let Some(moment) = child.renew_holds(now) {
                wake = wake.min(moment.max(now + HOLD_LOOK));
            }
        }
        wake
    }

    /// Takes back what waits behind a slow job, for another child. Says when to look again.
    pub(super) fn take_from_stalled(
        &mut self,
        now: Instant,
        waiting: &mut VecDeque<Work>,
    ) -> Option<Instant> {
        let crowded = |child: &&mut Child| child.works() && child.load() > 1;
        let child = self.all.iter_mut().filter(crowded).min_by_key(|child| child.moved)?;
        let at = child.moved + STALLED;
        if now < at {
            return Some(at);
        }
        // From now on it is no measure that it has not moved.
        child.moved = now;
        waiting.extend(child.take_back());
        None
    }

    pub(super) fn take_back(&mut self, waiting: &mut VecDeque<Work>) {
        self.all.iter_mut().for_each(|child| waiting.extend(child.take_back()));
    }

    /// Those that have ended, from the last to the first. A closed socket tells of its child's end, unless a process
    /// that the child forked keeps it open; so all are asked once in a while.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<usize> {
        let checks_all = self.next_check_of_all.is_none_or(|at| now >= at);
        if checks_all {
            self.next_check_of_all = Some(now + LONGEST_LOOK);
        }
        let has_ended = |child: &Child| (checks_all || child.may_have_ended()) && child.has_ended();
        (0..self.all.len()).rev().filter(|index| has_ended(&self.all[*index])).collect()
    }

    pub(super) fn write(&mut self) {
        self.all.iter_mut().for_each(Child::write);
    }

    /// Kills all, whatever they run.
    pub(super) fn kill(&mut self, waiting: &mut VecDeque<Work>) {
        self.all.iter_mut().for_each(Child::kill);
        self.wait_for_end(waiting);
    }

    /// Ends all; those that are idle end by themselves when their socket is closed.
    pub(super) fn dismiss(&mut self, waiting: &mut VecDeque<Work>) {
        self.all.iter_mut().for_each(Child::dismiss);
        self.wait_for_end(waiting);
    }

    /// Waits for the end of all; what they had not begun comes back.
    fn wait_for_end(&mut self, waiting: &mut VecDeque<Work>) {
        let patience = Instant::now() + END_PATIENCE;
        while Instant::now() < patience && !self.all.iter().all(Child::has_ended) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for mut child in self.all.drain(..) {
            if !child.has_ended() {
                child.kill();
            }
            waiting.extend(child.reap(Instant::now()).rest);
        }
    }
}

fn has_room(child: &Child, ahead: usize) -> bool {
    let load = child.load();
    !child.is_used_up() && (load == 0 || (load < ahead && child.unsent() < MOST_BYTES))
}
