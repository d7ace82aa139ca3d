//! A child as its parent sees it: the work it was given, the line to it, and how it ends.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::codec::{Incoming, LONGEST, TooLong, Unreadable, put, read};
use super::protocol::{Job, ToChild, ToParent};
use super::shared_state::SharedState;
use crate::runner::escaped::{Escaped, reap_what_it_left};
use crate::runner::exit_status;
use crate::runner::reaper::Watch;
use crate::runner::unix::{Ask, ask_group, has_ended, send};
use crate::runner::{Task, Work};

/// How long a process has between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// A child whose line is closed but that still lives gets this long to end.
const LINE_GRACE: Duration = Duration::from_millis(500);

pub(super) struct Child {
    process: std::process::Child,
    watch: Option<Watch>,
    line: UnixStream,
    pub(super) card: SharedState,
    incoming: Incoming,
    pub(super) outgoing: Vec<u8>,
    /// What it has and has not answered, in order.
    given: VecDeque<(u32, Work)>,
    last_number: u32,
    /// It has said that it can work.
    pub(super) ready: bool,
    pub(super) state: State,
    /// When it last took or answered something.
    pub(super) moved: Instant,
    /// Nothing more will come from it.
    pub(super) line_ended: bool,
    /// What it sent that is no message.
    unreadable: Option<Unreadable>,
    killed: bool,
    escaped: Escaped,
    /// The running job whose hold the child believes to be lost.
    lost: Option<u32>,
}

#[derive(Clone, Copy)]
pub(super) enum State {
    Works,
    /// A job took too long: it was asked to end, and dies at this moment.
    TimedOut {
        limit: Duration,
        dies_at: Instant,
    },
    /// Its line is closed, by either side; it dies at this moment.
    Leaves {
        dies_at: Instant,
    },
}

/// What a child left that has ended.
pub(super) struct Remains {
    pub(super) how: String,
    /// It ended by a signal that asks for its end, and this process did not send it.
    pub(super) told_to_stop: bool,
    /// What it died of, if it was working.
    pub(super) culprit: Option<Work>,
    /// How long that ran.
    pub(super) ran: Duration,
    /// What it did not begin, and what it ran without telling.
    pub(super) rest: Vec<Work>,
}

impl Child {
    pub(super) fn new(
        process: std::process::Child,
        watch: Watch,
        line: UnixStream,
        card: SharedState,
    ) -> Self {
        Self {
            process,
            watch: Some(watch),
            line,
            card,
            incoming: Incoming::default(),
            outgoing: Vec::new(),
            given: VecDeque::new(),
            last_number: 0,
            ready: false,
            state: State::Works,
            moved: Instant::now(),
            line_ended: false,
            unreadable: None,
            killed: false,
            escaped: Escaped::default(),
            lost: None,
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn line(&self) -> &UnixStream {
        &self.line
    }

    pub(super) fn works(&self) -> bool {
        matches!(self.state, State::Works)
    }

    pub(super) fn load(&self) -> usize {
        self.given.len()
    }

    /// How much it was given so far.
    pub(super) fn given_in_all(&self) -> u32 {
        self.last_number
    }

    /// Gives it work, after what it has. Work that does not fit into a message comes back.
    pub(super) fn give(&mut self, work: Work) -> Result<(), (Work, TooLong)> {
        let (number, round) = (self.last_number + 1, self.card.turn().round);
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

    /// Sends it a message. Only work and pushes have no limit of their own: nothing else is too long to be sent.
    pub(super) fn send(&mut self, message: &ToChild<'_>) {
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
    pub(super) fn take_back(&mut self) -> Vec<Work> {
        let begun = self.card.take_back().begun;
        // Whoever stops the worker is told how many jobs run: this one, too, if it has only just begun.
        self.running(Instant::now());
        let first = self.given.partition_point(|(number, _)| *number <= begun);
        self.given.split_off(first).into_iter().map(|(_, work)| work).collect()
    }

    /// The work that runs, and since when. What it was given before that has ended and is being told.
    fn running(&self, now: Instant) -> Option<(u32, &Work, Instant)> {
        let begun = self.card.turn().begun;
        let (number, work) = self.given.iter().find(|(number, _)| *number == begun)?;
        let since = self.card.begun(now);
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
        let begun = self.card.turn().begun;
        let waiting = self.given.iter().filter(|(number, _)| *number > begun);
        let until = waiting.filter_map(|(_, work)| task(work)).map(|task| task.hold.until()).min();
        self.card.hold(until.map_or(Duration::MAX, |until| until.saturating_duration_since(now)));
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
        let begun = self.card.turn().begun;
        let mut waiting = self.given.iter().filter(|(number, _)| *number > begun);
        waiting.any(|(_, work)| task(work).is_some_and(|task| task.hold.is_over(now)))
    }

    /// Writes as much as the line takes.
    pub(super) fn write(&mut self) {
        let mut written = 0;
        while written < self.outgoing.len() {
            match send(&self.line, &self.outgoing[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It has died, which is seen by the next read.
                Err(_) => written = self.outgoing.len(),
            }
        }
        self.outgoing.drain(..written);
    }

    /// Reads what is there, and says whether there was anything. The end of the line is the beginning of
    /// the child's end.
    pub(super) fn read(&mut self, room: &mut [u8]) -> bool {
        loop {
            match self.line.read(room) {
                Ok(count @ 1..) => {
                    self.incoming.add(&room[..count]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Ok(_) | Err(_) => {
                    self.leave();
                    return false;
                }
            }
        }
    }

    /// The next message of those that were read.
    pub(super) fn next_message(&mut self) -> Option<ToParent> {
        let message = self.incoming.next().and_then(|body| body.map(read).transpose());
        message.unwrap_or_else(|unreadable| {
            self.leave();
            self.kill();
            self.unreadable = Some(unreadable);
            None
        })
    }

    /// Its line is no good any more: it ends by itself, or is ended.
    fn leave(&mut self) {
        self.line_ended = true;
        if self.works() {
            self.state = State::Leaves { dies_at: Instant::now() + LINE_GRACE };
        }
    }

    /// Has it end when it is idle: it sees the end of its line.
    pub(super) fn dismiss(&mut self) {
        let _ = self.line.shutdown(std::net::Shutdown::Write);
        self.state = State::Leaves { dies_at: Instant::now() + TERM_GRACE };
    }

    /// Asks the whole group to end; the time of its job is over.
    pub(super) fn time_out(&mut self, now: Instant, limit: Duration) {
        self.escaped.ask(self.id(), Ask::ToEnd);
        ask_group(self.id(), Ask::ToEnd);
        self.state = State::TimedOut { limit, dies_at: now + TERM_GRACE };
    }

    pub(super) fn kill(&mut self) {
        if !std::mem::replace(&mut self.killed, true) {
            self.escaped.ask(self.id(), Ask::ToDie);
        }
        ask_group(self.id(), Ask::ToDie);
    }

    pub(super) fn dies_at(&self) -> Option<Instant> {
        match self.state {
            State::Works => None,
            State::TimedOut { dies_at, .. } | State::Leaves { dies_at } => Some(dies_at),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        has_ended(self.id())
    }

    /// Reaps a child that has ended, kills what is left of its group, and sorts its work.
    pub(super) fn bury(mut self, now: Instant) -> Remains {
        // The group is named after a process that is not reaped yet, so this can hit no other.
        ask_group(self.id(), Ask::ToDie);
        self.escaped.ask_known(Ask::ToDie);
        drop(self.watch.take());
        let status = self.process.wait();
        reap_what_it_left(self.id(), &self.escaped);
        let how = match (self.state, self.killed, &status) {
            _ if self.unreadable.is_some() => self.why_unreadable(),
            (State::Leaves { .. }, true, _) => "it closed its line to the worker, and was killed".to_owned(),
            (_, _, Ok(status)) => exit_status::cause(*status),
            (_, _, Err(cause)) => format!("nobody can tell how it ended: {cause}"),
        };
        let told_to_stop = self.works_or_left()
            && !self.killed
            && status.is_ok_and(|status| exit_status::asks_to_stop(status.signal()));
        let begun = self.card.turn().begun;
        let ran = now.saturating_duration_since(self.card.begun(now));
        let (culprit, rest): (Vec<_>, Vec<_>) =
            self.given.drain(..).partition(|(number, _)| *number == begun);
        let work = |(_, work)| work;
        Remains {
            how,
            told_to_stop,
            culprit: culprit.into_iter().next().map(work),
            ran,
            rest: rest.into_iter().map(work).collect(),
        }
    }

    fn why_unreadable(&self) -> String {
        let what = match self.unreadable {
            Some(Unreadable::TooLong(bytes)) => {
                format!("a message of {} MiB, where at most {} MiB are read", bytes >> 20, LONGEST >> 20)
            }
            Some(Unreadable::Unknown) | None => "bytes that are no message".to_owned(),
        };
        format!(
            "its child process sent {what}, and was killed: a job writes to no descriptor that it did not open"
        )
    }

    /// It was not ended by its parent.
    fn works_or_left(&self) -> bool {
        matches!(self.state, State::Works | State::Leaves { .. })
    }
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
