//! A child as its parent sees it: the work it was given, the socket to it, and what it leaves.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::child_deaths::Death;
use super::child_process::ChildProcess;
use super::codec::{Incoming, TooLong, Unreadable, put, read};
use super::protocol::{Job, ToChild, ToParent, longest_to_parent};
use super::shared_state::SharedState;
use crate::error::{Error, Result};
use crate::message::Pushed;
use crate::runner::exit_status::TERM_GRACE;
use crate::runner::task::Task;
use crate::runner::unix::{Watched, send};
use crate::runner::work::Work;

/// A child that closed its socket and still lives gets this long to end.
const CLOSED_GRACE: Duration = Duration::from_millis(500);

/// How soon to look for the end of a process that is about to end.
const SOON: Duration = Duration::from_millis(1);

pub(super) struct Child {
    process: ChildProcess,
    socket: UnixStream,
    shared: SharedState,
    incoming: Incoming,
    outgoing: Vec<u8>,
    /// The work that it was given and has not answered, in order.
    given: VecDeque<(u32, Work)>,
    last_number: u32,
    /// It is used up after so much work.
    most: u32,
    /// It has said that it can work.
    pub(super) is_ready: bool,
    state: State,
    /// Nothing more comes from it.
    is_closed: bool,
    /// When it last took or answered something.
    pub(super) moved: Instant,
    /// What it sent that is no message.
    unreadable: Option<Unreadable>,
    /// The running job whose hold the child believes to be lost.
    lost: Option<u32>,
}

enum State {
    Works,
    /// A job took too long: it was asked to end, and dies at this moment.
    TimedOut {
        limit: Duration,
        dies_at: Instant,
    },
    /// Its socket is closed, by either side; it dies at this moment.
    Leaves {
        dies_at: Instant,
    },
}

/// What a child left that has ended.
pub(super) struct Remains {
    /// It ended in the middle of this.
    pub(super) death: Option<Death>,
    /// It ended of itself before it was ready, in this way.
    pub(super) failed_start: Option<String>,
    /// What it did not begin, and what it ran without telling.
    pub(super) rest: Vec<Work>,
}

impl Child {
    /// Starts one, for at most so much work, on the thread with which it shall die.
    pub(super) fn start(callback: &str, memory: Option<u64>, most: u32) -> io::Result<Self> {
        let (process, socket, shared) = ChildProcess::start(memory)?;
        let mut child = Self {
            process,
            socket,
            shared,
            incoming: Incoming::of(longest_to_parent),
            outgoing: Vec::new(),
            given: VecDeque::new(),
            last_number: 0,
            most,
            is_ready: false,
            state: State::Works,
            is_closed: false,
            moved: Instant::now(),
            unreadable: None,
            lost: None,
        };
        child.send(&ToChild::Hello { callback });
        Ok(child)
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn works(&self) -> bool {
        matches!(self.state, State::Works)
    }

    /// Whether it may have ended, as far as that is to be seen from here.
    pub(super) fn may_have_ended(&self) -> bool {
        self.is_closed || !self.works()
    }

    pub(super) fn load(&self) -> usize {
        self.given.len()
    }

    /// How many bytes it has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether it was given as much work as it may have.
    pub(super) fn is_used_up(&self) -> bool {
        self.last_number >= self.most
    }

    /// Gives it work, after what it has. Work that does not fit into a message comes back.
    pub(super) fn dispatch(&mut self, work: Work) -> Result<(), (Work, TooLong)> {
        let (number, round) = (self.last_number + 1, self.shared.turn().round);
        let message = match &work {
            Work::Run(task) => ToChild::Run { job: Job::of(task, number, round) },
            Work::Hook(task, error) => ToChild::Hook { job: Job::of(task, number, round), error },
        };
        if let Err(too_long) = put(&mut self.outgoing, &message) {
            return Err((work, too_long));
        }
        self.last_number = number;
        if self.given.is_empty() {
            self.moved = Instant::now();
        }
        self.given.push_back((number, work));
        Ok(())
    }

    /// Answers a push.
    pub(super) fn answer_push(&mut self, number: u32, answer: Result<Vec<Pushed>>) {
        if put(&mut self.outgoing, &ToChild::Pushed { number, answer }).is_err() {
            let why = "the jobs were pushed, but their ids do not fit into one message";
            let answer = Err(Error::other(why).with_help("push fewer jobs at once"));
            self.send(&ToChild::Pushed { number, answer });
        }
    }

    /// Sends a message that is short.
    fn send(&mut self, message: &ToChild<'_>) {
        let sent = put(&mut self.outgoing, message);
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    /// Takes the work that an answer is about.
    pub(super) fn answered(&mut self, number: u32) -> Option<Work> {
        self.moved = Instant::now();
        let at = self.given.iter().position(|(given, _)| *given == number)?;
        self.given.remove(at).map(|(_, work)| work)
    }

    /// Takes back everything that it has not begun.
    pub(super) fn take_back(&mut self) -> impl Iterator<Item = Work> + use<> {
        let begun = self.shared.take_back().begun;
        // The worker that stops says how many jobs run: this one, too, if it has only just begun.
        self.running(Instant::now());
        let first = self.given.partition_point(|(number, _)| *number <= begun);
        self.given.split_off(first).into_iter().map(|(_, work)| work)
    }

    /// The work that runs, and since when. What it was given before that has ended and is being told.
    fn running(&self, now: Instant) -> Option<(u32, &Work, Instant)> {
        let begun = self.shared.turn().begun;
        let (number, work) = self.given.iter().find(|(number, _)| *number == begun)?;
        let since = self.shared.begun(now);
        if let Work::Run(task) = work {
            task.begin(since);
        }
        Some((*number, work, since))
    }

    /// Whether somebody waits to be told that its next job begins, and it has not begun yet.
    pub(super) fn is_awaited(&self, now: Instant) -> bool {
        let begun = self.running(now).map_or(0, |(number, ..)| number);
        let next = self.given.iter().find(|(number, _)| *number > begun);
        begun == 0 && next.and_then(|(_, work)| task(work)).is_some_and(|task| task.is_awaited())
    }

    /// When to look whether its job takes too long; if it does already, for how long it was allowed to.
    pub(super) fn deadline(&self, now: Instant) -> Option<(Instant, Duration)> {
        let (limit, since) = match self.running(now) {
            Some((_, work, since)) => (limit(work)?, since),
            // Begun at this moment, at the earliest.
            None => (limit(&self.given.front()?.1)?, now),
        };
        Some((since + limit, limit))
    }

    /// Tells the child how long it may begin what it has, and whether its job's hold is lost. Says when to
    /// come again. Work whose hold is over is to be taken back.
    pub(super) fn renew_holds(&mut self, now: Instant) -> Option<Instant> {
        let begun = self.shared.turn().begun;
        let waiting = self.given.iter().filter(|(number, _)| *number > begun);
        let until = waiting.filter_map(|(_, work)| task(work)).map(|task| task.hold.until()).min();
        self.shared.hold(until.map_or(Duration::MAX, |until| until.saturating_duration_since(now)));
        if let Some((number, Work::Run(task), _)) = self.running(now) {
            let is_lost = task.hold.is_over(now);
            if is_lost != (self.lost == Some(number)) {
                self.lost = is_lost.then_some(number);
                self.send(&ToChild::Hold { number, lost: is_lost });
            }
        }
        // The holds are renewed without a word, so this looks again well before the first one ends.
        until.map(|until| now + until.saturating_duration_since(now) / 2)
    }

    pub(super) fn holds_are_over(&self, now: Instant) -> bool {
        let begun = self.shared.turn().begun;
        let mut waiting = self.given.iter().filter(|(number, _)| *number > begun);
        waiting.any(|(_, work)| task(work).is_some_and(|task| task.hold.is_over(now)))
    }

    /// What to wait for. A closed socket would be ready for ever.
    pub(super) fn watched(&self) -> Option<Watched<'_>> {
        (!self.is_closed).then(|| Watched::new(&self.socket, true, !self.outgoing.is_empty()))
    }

    /// Writes as much as the socket takes.
    pub(super) fn write(&mut self) {
        let mut written = 0;
        while written < self.outgoing.len() {
            match send(&self.socket, &self.outgoing[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It has died, which is seen by the next read.
                Err(_) => written = self.outgoing.len(),
            }
        }
        self.outgoing.drain(..written);
    }

    /// Reads a piece of what is there, and says whether there was anything.
    pub(super) fn read(&mut self, room: &mut [u8]) -> bool {
        while !self.is_closed {
            match self.socket.read(room) {
                Ok(count @ 1..) => {
                    self.incoming.add(&room[..count]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Ok(_) | Err(_) => self.leave(),
            }
        }
        false
    }

    /// The next message of what was read. A child that sends anything else is killed.
    pub(super) fn next_message(&mut self) -> Option<ToParent> {
        let message = self.incoming.next().and_then(|body| body.map(read).transpose());
        message.unwrap_or_else(|unreadable| {
            self.refuse(unreadable);
            None
        })
    }

    /// Kills one that has sent a part of a message, and then nothing for a while.
    pub(super) fn kill_when_stalled(&mut self, now: Instant) {
        if self.unreadable.is_none() && self.incoming.has_stalled(now) {
            self.refuse(Unreadable::Unfinished);
        }
    }

    fn refuse(&mut self, unreadable: Unreadable) {
        self.unreadable = Some(unreadable);
        self.leave();
        self.kill();
    }

    /// Its socket is of no use any more: it ends by itself, or is ended.
    fn leave(&mut self) {
        self.is_closed = true;
        if self.works() {
            self.state = State::Leaves { dies_at: Instant::now() + CLOSED_GRACE };
        }
    }

    /// Has it end when it is idle: it sees that its socket is closed.
    pub(super) fn dismiss(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
        self.state = State::Leaves { dies_at: Instant::now() + TERM_GRACE };
    }

    /// Asks it to end; the time of its job is over.
    pub(super) fn time_out(&mut self, now: Instant, limit: Duration) {
        self.process.ask_to_end();
        self.state = State::TimedOut { limit, dies_at: now + TERM_GRACE };
    }

    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills a child whose time to end is over, and says when to look again; `None` while it works.
    pub(super) fn kill_when_due(&mut self, now: Instant) -> Option<Instant> {
        let dies_at = match self.state {
            State::Works => return None,
            State::TimedOut { dies_at, .. } | State::Leaves { dies_at } => dies_at,
        };
        if now >= dies_at {
            self.kill();
        }
        // A process that closed its socket has all but ended.
        Some(if self.is_closed || now >= dies_at { now + SOON } else { dies_at })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Reaps a child that has ended, and sorts its work.
    pub(super) fn reap(mut self, now: Instant) -> Remains {
        let is_killed = self.process.is_killed;
        let exit = self.process.reap();
        let how = match (&self.unreadable, &self.state, is_killed) {
            (Some(unreadable), ..) => why_killed(unreadable),
            (None, State::Leaves { .. }, true) => {
                "it closed its connection to the worker, and was killed".to_owned()
            }
            _ => exit.how,
        };
        let timed_out = match self.state {
            State::TimedOut { limit, .. } => Some(limit),
            State::Works | State::Leaves { .. } => None,
        };
        let was_asked = exit.was_asked && !is_killed && timed_out.is_none();
        let begun = self.shared.turn().begun;
        let ran = now.saturating_duration_since(self.shared.begun(now));
        let culprit = self.given.iter().position(|(number, _)| *number == begun);
        let failed_start = (!self.is_ready && !was_asked).then(|| how.clone());
        let death = culprit.and_then(|at| self.given.remove(at));
        let death = death.map(|(_, work)| Death { work, how, was_asked, timed_out, ran });
        Remains { death, failed_start, rest: self.given.into_iter().map(|(_, work)| work).collect() }
    }
}

fn why_killed(unreadable: &Unreadable) -> String {
    let what = match unreadable {
        Unreadable::TooLong { bytes, most } => {
            format!("a message of {} MiB, where at most {} MiB are read", bytes >> 20, most >> 20)
        }
        Unreadable::Unfinished => "a part of a message".to_owned(),
        Unreadable::Unknown => "bytes that are no message".to_owned(),
    };
    format!(
        "its child process sent {what}, and was killed: a job writes to no descriptor that it did not open"
    )
}

/// A hook may take as long as its job.
fn limit(work: &Work) -> Option<Duration> {
    match work {
        Work::Run(task) | Work::Hook(task, _) => task.limits.timeout,
    }
}

/// The job that is to be run, whose hold counts.
fn task(work: &Work) -> Option<&Task> {
    match work {
        Work::Run(task) => Some(task),
        Work::Hook(..) => None,
    }
}
