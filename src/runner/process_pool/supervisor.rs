//! The thread that owns all children. A turn: read the orders, look at the clock, start children, give work,
//! write, sleep, hear what the children say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};

use super::child::Child;
use super::deadlines::Undecided;
use super::dispatch::Waiters;
use super::protocol::ToChild;
use super::push_threads::PushThreads;
use super::spawn::Spawner;
use super::{Order, Rules, RunnerInbox};
use crate::context::RunEnv;
use crate::error::{Error, Result};
use crate::runner::shortage::{is_shortage, tell as tell_shortage};
use crate::runner::unix::{Watched, wait};
use crate::runner::{Finished, Task, Tell, Work};

/// The first child must be ready by then.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A killed process ends at once, unless the system holds it.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The program is given up when it dies this often in a row before it is ready.
const MOST_STARTS: u32 = 4;

/// How long it waits for what has run out.
pub(super) const SHORTAGE_WAIT: Duration = Duration::from_millis(500);

pub(super) struct Supervisor {
    pub(super) rules: Rules,
    spawner: Spawner,
    pub(super) surroundings: RunEnv,
    pub(super) tell: Tell,
    inbox: Receiver<Order>,
    pub(super) orders: RunnerInbox,
    /// What waits for a child, in order.
    pub(super) shelf: VecDeque<Work>,
    pub(super) children: Vec<Child>,
    /// Jobs that are programs: they need no child.
    pub(super) programs: usize,
    pub(super) waiters: Waiters,
    pub(super) push_threads: PushThreads,
    /// What died of a signal that the worker may be about to get, too.
    pub(super) undecided: Vec<Undecided>,
    /// How long jobs took lately.
    pub(super) pace: Duration,
    /// How often in a row a child died before it was ready.
    pub(super) failed_starts: u32,
    pub(super) next_start: Instant,
    pub(super) next_roll_call: Instant,
    /// It was killed or has given up: nothing is begun any more.
    pub(super) stopped: bool,
    room: Vec<u8>,
}

impl Supervisor {
    pub(super) fn new(
        rules: Rules,
        spawner: Spawner,
        surroundings: RunEnv,
        tell: Tell,
        inbox: Receiver<Order>,
        orders: RunnerInbox,
        push_threads: PushThreads,
    ) -> Self {
        Self {
            rules,
            spawner,
            surroundings,
            tell,
            inbox,
            orders,
            shelf: VecDeque::new(),
            children: Vec::new(),
            programs: 0,
            waiters: Waiters::none(),
            push_threads,
            undecided: Vec::new(),
            pace: Duration::from_millis(1),
            failed_starts: 0,
            next_start: Instant::now(),
            next_roll_call: Instant::now(),
            stopped: false,
            room: vec![0; 64 * 1024],
        }
    }

    pub(super) fn run(mut self, started: &Sender<Result<()>>) {
        let first = self.start_first();
        let failed = first.is_err();
        // Nobody listens when the worker is already gone; the inbox says so, too.
        let _ = started.send(first);
        while !failed && self.read_orders() {
            let now = Instant::now();
            let mut wake = self.look(now);
            if !self.stopped {
                self.start_children(now);
                self.give(now);
                wake = wake.min(self.renew_holds(now));
            }
            self.children.iter_mut().for_each(Child::write);
            self.sleep(now, wake);
            self.hear_all();
        }
        self.end_children();
    }

    /// A program that can't serve is told to a person now, and not when the first job is held.
    fn start_first(&mut self) -> Result<()> {
        let cannot = |cause| Error::other("cannot start a child process").because(&cause);
        self.children.push(self.spawner.start().map_err(cannot)?);
        let patience = Instant::now() + START_PATIENCE;
        while !self.children.iter().any(|child| child.ready) {
            let now = Instant::now();
            self.children.iter_mut().for_each(Child::write);
            self.sleep(now, now + Duration::from_millis(50));
            self.hear_all();
            if let Some(how) = self.reap(now) {
                return Err(cannot_serve(&how));
            }
            if now >= patience {
                return Err(cannot_serve("the first one did nothing for a minute"));
            }
        }
        Ok(())
    }

    /// Returns false when it is to end.
    fn read_orders(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Begin(work)) => self.shelf.extend(work),
                Ok(Order::TakeBack(most, answer)) => {
                    let taken = self.take_back(most);
                    let _ = answer.send(taken);
                }
                Ok(Order::ProgramOver) => self.programs -= 1,
                Ok(Order::Pushed { child, number, answer }) => {
                    if let Some(child) = self.children.iter_mut().find(|known| known.id() == child) {
                        child.send(&ToChild::Pushed { number, answer });
                    }
                }
                Ok(Order::Kill(answer)) => {
                    self.kill();
                    let _ = answer.send(());
                }
                Ok(Order::Close) => return false,
                Err(_) => return true,
            }
        }
    }

    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>> {
        for child in &mut self.children {
            self.shelf.extend(child.take_back());
        }
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(last) = self.shelf.iter().rposition(|work| matches!(work, Work::Run(_)))
        {
            if let Some(Work::Run(task)) = self.shelf.remove(last) {
                taken.push(task);
            }
        }
        taken
    }

    fn start_children(&mut self, now: Instant) {
        if now < self.next_start || self.shelf.is_empty() {
            return;
        }
        let needs_child = |work: &&Work| !is_program(work);
        let waiting = self.shelf.iter().take(self.rules.slots).filter(needs_child).count();
        let idle = |child: &&Child| child.works() && child.load() == 0;
        let idle = self.children.iter().filter(idle).count();
        let living = self.children.iter().filter(|child| child.works()).count();
        let wanted = waiting.saturating_sub(idle).min(self.rules.slots.saturating_sub(living));
        for _ in 0..wanted {
            match self.spawner.start() {
                Ok(child) => self.children.push(child),
                Err(cause) if is_shortage(&cause) => {
                    // Not for ever, and not against the jobs: they wait, held, or for the children that there are.
                    tell_shortage("cannot start a child process", &cause);
                    self.next_start = now + SHORTAGE_WAIT;
                    return;
                }
                Err(cause) => return self.start_failed(now, &cause.to_string()),
            }
        }
    }

    /// Tries again a little later each time; at last it gives up.
    pub(super) fn start_failed(&mut self, now: Instant, how: &str) {
        self.failed_starts += 1;
        self.next_start = now + Duration::from_millis(50) * 2u32.pow(self.failed_starts.min(8));
        if self.failed_starts >= MOST_STARTS && !self.stopped {
            self.stopped = true;
            (self.tell)(Finished::Broken(cannot_serve(how)));
        }
    }

    fn sleep(&mut self, now: Instant, wake: Instant) {
        self.orders.waker.set();
        let starts_at = Some(self.next_start).filter(|at| *at > now && !self.shelf.is_empty());
        let wake = starts_at.map_or(wake, |at| wake.min(at));
        let nap = match self.inbox.is_empty() {
            true => wake.saturating_duration_since(now),
            false => Duration::ZERO,
        };
        let mut watched = vec![Watched::new(self.orders.waker.descriptor(), true, false)];
        // A line that has ended would be ready for ever.
        let lines = self.children.iter().filter(|child| !child.line_ended);
        watched.extend(lines.map(|child| Watched::new(child.line(), true, !child.outgoing.is_empty())));
        wait(&mut watched, nap);
        self.orders.waker.unset();
    }

    fn hear_all(&mut self) {
        let mut room = std::mem::take(&mut self.room);
        for index in 0..self.children.len() {
            self.hear(index, &mut room);
        }
        self.room = room;
    }

    /// How many jobs run.
    pub(super) fn running(&self) -> usize {
        self.programs + self.children.iter().filter(|child| child.load() > 0).count()
    }

    /// Ends what runs, at once. Nothing is told of it; what has not begun can still be taken back.
    fn kill(&mut self) {
        self.stopped = true;
        self.children.iter_mut().for_each(Child::kill);
        self.bury_all();
        // Programs see the mark that was set before this order.
        while self.programs > 0 {
            match self.inbox.recv_timeout(Duration::from_secs(5)) {
                Ok(Order::ProgramOver) => self.programs -= 1,
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    /// Idle children end by themselves when their line does.
    fn end_children(&mut self) {
        self.children.iter_mut().for_each(Child::dismiss);
        self.bury_all();
    }

    /// Waits for the end of all children; jobs that no child has begun go back to the work queue.
    fn bury_all(&mut self) {
        let patience = Instant::now() + END_PATIENCE;
        while Instant::now() < patience && !self.children.iter().all(Child::has_ended) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for mut child in self.children.drain(..) {
            if !child.has_ended() {
                child.kill();
            }
            self.shelf.extend(child.bury(Instant::now()).rest);
        }
    }
}

pub(super) fn is_program(work: &Work) -> bool {
    match work {
        Work::Run(task) | Work::Hook(task, _) => task.kind.as_ref().is_some_and(|kind| kind.is_program()),
    }
}

fn cannot_serve(how: &str) -> Error {
    Error::other(format!("child processes of this program end before they can take a job: {how}")).with_help(
        "see what it printed; Jobs::serve_if_child must be the first call in main, and --child-memory must \
         leave room for the program itself",
    )
}
