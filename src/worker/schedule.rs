//! When the worker does what: all its instants, the events that move them, what is due, and when it wakes next.
//!
//! Pure: the time comes in as `now`, and the state of the worker as [`Facts`]. [`Schedule::moments`] is the one list
//! of reasons to wake; an action is due when its moment has come.

use std::time::{Duration, Instant};

use super::suspects::SELDOM;
use crate::time;

/// While jobs run, settling takes at most a tenth of the time: outcomes that come meanwhile share the next commit.
const SETTLES_REST: u32 = 9;

/// But no outcome waits longer than this to be written down.
const LONGEST_REST: Duration = Duration::from_millis(5);

/// The shortest sleep between two looks that found nothing.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// The longest sleep while a job is due that cannot be taken because somebody else has locked it.
const LONGEST_VAIN_NAP: Duration = Duration::from_millis(250);

/// How often a worker with a memory limit wakes to check it.
const MEMORY_CHECK: Duration = Duration::from_secs(1);

/// At most one part in so many of the time is spent on reading the control flags.
const CONTROL_SHARE: u32 = 10;

/// The control flags are read at least this often, however long that takes.
const LONGEST_CONTROL_PAUSE: Duration = Duration::from_secs(5);

/// How often the worker asks which jobs of a lost connection have come back.
const COMES_BACK: Duration = Duration::from_secs(1);

/// How often jobs that wait for a slot are checked at most.
const STALL_CHECK: Duration = Duration::from_millis(250);

/// What a worker does at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Open the connection again.
    Reconnect,
    /// Renew all holds.
    Extend,
    /// Try rows again that somebody else had locked.
    RetryLocked,
    /// Read the control flags.
    ReadControl,
    /// Write failed jobs.
    WriteFailed,
    /// Write outcomes.
    Settle,
    /// Look for jobs.
    Take,
    /// Look for jobs that this worker runs already and that the back end may hand out again.
    Adopt,
    /// Check whether jobs wait too long for a slot.
    CheckStall,
    /// Warn how many jobs had unknown names.
    WarnUnknown,
    /// Check the memory limit. It is checked in every turn: this only wakes the worker.
    CheckMemory,
    /// End, as the time limit is reached.
    End,
    /// End with jobs still running, as the grace is over.
    Hurry,
    /// Check for jobs that are stuck in their threads.
    CheckStuck,
}

/// The state of the worker, as far as the schedule depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// When to open the connection again; `None` while it is open.
    pub(super) reconnect_at: Option<Instant>,
    /// Whether jobs are ready or running.
    pub(super) busy: bool,
    /// Whether nothing at all is ready or running: no job, no hook, no check of a suspect that survived.
    pub(super) idle: bool,
    /// Whether outcomes wait to be written down.
    pub(super) unsettled: bool,
    pub(super) write_failed_at: Option<Instant>,
    pub(super) retry_locked_at: Option<Instant>,
    /// Whether there is room for jobs, and nothing forbids to take them.
    pub(super) may_take: bool,
    /// Whether a job runs beside which nothing may begin.
    pub(super) runs_alone: bool,
    /// When to look for a suspect that is due and for which the slots are kept empty.
    pub(super) suspect_at: Option<Instant>,
    /// Whether jobs of a lost connection may come back.
    pub(super) may_come_back: bool,
    /// Whether control flags still matter.
    pub(super) obeys: bool,
    pub(super) tell_unknown_at: Option<Instant>,
    pub(super) has_memory_limit: bool,
    /// When the time limit is reached.
    pub(super) ends_at: Option<Instant>,
    /// When the grace is over.
    pub(super) deadline: Option<Instant>,
}

/// What a look for jobs brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) found: usize,
    /// When the next job is due, as far as the back end knows.
    pub(super) next_due: Option<Duration>,
    /// Whether nothing is due at all, suspects included, and nothing is held.
    pub(super) empty: bool,
    /// Whether the look left something out that is looked for at once.
    pub(super) again: bool,
}

pub(super) struct Schedule {
    poll: Duration,
    lease: Duration,
    started: Instant,
    look_at: Instant,
    extend_at: Instant,
    settle_at: Instant,
    control_at: Instant,
    stall_at: Instant,
    /// Noted before each sleep.
    stuck_at: Option<Instant>,
    last_job: Instant,
    /// When the last job is due that this worker put back for a later try.
    own_retries_until: Instant,
    /// When the last look began, if it found nothing.
    found_nothing_at: Option<Instant>,
    /// How often in a row a job was due and could not be taken.
    in_vain: u32,
}

impl Schedule {
    pub(super) fn new(now: Instant, poll: Duration, lease: Duration) -> Self {
        Self {
            poll,
            lease,
            started: now,
            look_at: now,
            extend_at: now + lease / 3,
            settle_at: now,
            control_at: now,
            stall_at: now,
            stuck_at: None,
            last_job: now,
            own_retries_until: now,
            found_nothing_at: None,
            in_vain: 0,
        }
    }

    /// Every reason to act, and its moment.
    fn moments(&self, now: Instant, facts: &Facts) -> [(Action, Option<Instant>); 14] {
        let online = facts.reconnect_at.is_none();
        let if_online = |at: Option<Instant>| at.filter(|_| online);
        let settles_at = self.settles_at(now, facts);
        [
            (Action::Reconnect, facts.reconnect_at),
            (Action::Extend, if_online(Some(self.extend_at))),
            (Action::RetryLocked, if_online(facts.retry_locked_at)),
            (Action::ReadControl, if_online(facts.obeys.then_some(self.control_at))),
            (Action::WriteFailed, if_online(facts.write_failed_at.map(|at| at.max(settles_at)))),
            (Action::Settle, if_online(facts.unsettled.then_some(settles_at))),
            (Action::Take, if_online(self.takes_at(facts))),
            (Action::Adopt, if_online(facts.may_come_back.then_some(self.look_at))),
            (Action::CheckStall, facts.busy.then_some(self.stall_at)),
            (Action::WarnUnknown, facts.tell_unknown_at),
            (Action::CheckMemory, facts.has_memory_limit.then_some(now + MEMORY_CHECK)),
            (Action::End, facts.ends_at),
            (Action::Hurry, facts.deadline),
            (Action::CheckStuck, self.stuck_at),
        ]
    }

    /// Whether the time for an action has come.
    pub(super) fn is_due(&self, action: Action, now: Instant, facts: &Facts) -> bool {
        let is_due =
            |(other, at): &(Action, Option<Instant>)| *other == action && at.is_some_and(|at| at <= now);
        self.moments(now, facts).iter().any(is_due)
    }

    /// When to wake, and for which action, if nothing comes in before.
    pub(super) fn wakes_at(&self, now: Instant, facts: &Facts) -> (Instant, Option<Action>) {
        let moments = self.moments(now, facts);
        let first = moments
            .into_iter()
            .filter_map(|(action, at)| Some((at?, Some(action))))
            .min_by_key(|(at, _)| *at);
        let latest = (now + self.poll.max(Duration::from_secs(1)), None);
        first.filter(|(at, _)| *at <= latest.0).unwrap_or(latest)
    }

    /// Outcomes are written at once where nothing runs whose outcome could share the commit.
    fn settles_at(&self, now: Instant, facts: &Facts) -> Instant {
        if facts.busy { self.settle_at } else { now }
    }

    fn takes_at(&self, facts: &Facts) -> Option<Instant> {
        if !facts.may_take {
            return None;
        }
        if facts.idle {
            return Some(self.look_at);
        }
        // Before a suspect begins that runs alone, and until it has ended, nothing else runs.
        match (facts.runs_alone, facts.suspect_at) {
            (true, _) => None,
            (false, Some(at)) => Some(at),
            (false, None) => Some(self.look_at),
        }
    }

    /// When holds are renewed next.
    pub(super) fn extend_at(&self) -> Instant {
        self.extend_at
    }

    /// Whether the worker has run for this long.
    pub(super) fn has_run_for(&self, time: Duration, now: Instant) -> bool {
        now >= self.started + time
    }

    /// When a time limit ends the worker: later where suspects may be taken after `suspects_at`.
    pub(super) fn ends_at(&self, limit: Duration, suspects_at: Option<Instant>) -> Instant {
        let at = self.started + limit;
        suspects_at
            .map_or(at, |suspects_at| at.max(suspects_at + limit.min(self.lease / 3).max(MEMORY_CHECK)))
    }

    /// Whether the last look found nothing, and the jobs that this worker put back are due by then.
    pub(super) fn nothing_is_left(&self) -> bool {
        self.found_nothing_at.is_some_and(|at| at > self.own_retries_until)
    }
}

/// The events that move the instants.
impl Schedule {
    /// The back end notified: jobs were pushed, or control flags changed.
    pub(super) fn notified(&mut self, now: Instant) {
        (self.look_at, self.control_at) = (now, now);
    }

    pub(super) fn reconnected(&mut self, now: Instant) {
        (self.look_at, self.extend_at) = (now, now);
    }

    /// The connection of the driver is gone. An extend shows the error, or renews the holds of a newer connection.
    pub(super) fn connection_gone(&mut self, now: Instant) {
        self.extend_at = now;
    }

    /// A worker that ends when nothing is left has just become idle: a look shows whether it ends.
    pub(super) fn became_idle(&mut self, now: Instant) {
        self.look_at = now;
    }

    /// Queues were paused or resumed.
    pub(super) fn queues_changed(&mut self, now: Instant) {
        self.look_at = now;
    }

    /// A job was put back for a later try.
    pub(super) fn put_back(&mut self, now: Instant, after: Duration) {
        // The back end may count in whole milliseconds.
        let due = time::after(now, after) + Duration::from_millis(2);
        self.own_retries_until = self.own_retries_until.max(due);
        // It may be due before the next look.
        self.look_at = self.look_at.min(due);
    }

    /// A job ended.
    pub(super) fn job_ended(&mut self, at: Instant) {
        self.last_job = at;
    }

    /// A renewal of all holds begins.
    pub(super) fn extends(&mut self, now: Instant) {
        self.extend_at = now + self.lease / 3;
    }

    /// Jobs of a lost connection may come back until `until`: afterwards they belong to somebody else.
    pub(super) fn may_come_back(&mut self, now: Instant, until: Instant) {
        self.extend_at = self.extend_at.min(until.max(now + COMES_BACK));
    }

    /// Outcomes were written down.
    pub(super) fn settled(&mut self, began: Instant, ended: Instant) {
        self.settle_at = ended + (ended - began).saturating_mul(SETTLES_REST).min(LONGEST_REST);
    }

    /// The control flags were read. Over a long way that takes time in which jobs could run.
    pub(super) fn read_control(&mut self, began: Instant, took: Duration) {
        let pause = (took * CONTROL_SHARE).min(LONGEST_CONTROL_PAUSE).max(self.poll).max(SELDOM);
        self.control_at = began + pause;
    }

    /// Jobs were begun: some may have to wait for a slot.
    pub(super) fn jobs_wait(&mut self, now: Instant, patience: Duration) {
        self.stall_at = self.stall_at.min(now + patience);
    }

    pub(super) fn checked_stall(&mut self, now: Instant, patience: Duration) {
        self.stall_at = now + (patience / 2).max(STALL_CHECK);
    }

    /// The worker is about to sleep; a job may be stuck at this time.
    pub(super) fn may_be_stuck(&mut self, at: Option<Instant>) {
        self.stuck_at = at;
    }

    pub(super) fn looked(&mut self, look: &Looked) {
        let in_vain = look.found == 0 && look.next_due == Some(Duration::ZERO);
        self.in_vain = if in_vain { self.in_vain.saturating_add(1) } else { 0 };
        self.found_nothing_at = look.empty.then_some(look.began);
        if look.found == 0 && !look.again {
            // Counted from where the look began: its own time is part of the poll.
            self.look_at = (look.began + self.nap(look)).max(look.ended + SHORTEST_NAP);
        }
    }

    /// Short while busy, long when idle: a tenth of the time since the last job, never over the poll.
    fn nap(&self, look: &Looked) -> Duration {
        let idle = look.began.saturating_duration_since(self.last_job) / 10;
        let nap = idle.min(self.poll).min(look.next_due.unwrap_or(Duration::MAX));
        // A job that is due and locked stays locked for a while: looking at full speed helps nobody.
        let vain = (SHORTEST_NAP * 2u32.pow(self.in_vain.min(16))).min(LONGEST_VAIN_NAP).min(self.poll);
        nap.max(if self.in_vain > 0 { vain } else { SHORTEST_NAP }).max(SHORTEST_NAP)
    }
}
