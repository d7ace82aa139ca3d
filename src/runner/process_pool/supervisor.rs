//! The thread that owns all children. A turn of its loop: read the orders, reap children that have ended, end those
//! that take too long, start children, give out work, write, sleep, read what the children say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};

use super::blocking_threads::BlockingThreads;
use super::child::Child;
use super::child_deaths::Deaths;
use super::children::Children;
use super::orders::{Order, OrderSender};
use super::protocol::ToParent;
use super::restart_backoff::{RestartBackoff, cannot_serve};
use crate::context::RunEnv;
use crate::error::{Error, Result};
use crate::runner::run::log_hook;
use crate::runner::shortage::{is_shortage, warn_of_shortage};
use crate::runner::task::Task;
use crate::runner::unix::{Watched, wait};
use crate::runner::work::{Finished, OnFinished, Work, take_back};

/// The first child must be ready by then.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long programs have to end when all is killed.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(5);

/// The longest time between two turns when nothing runs.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// A child has ahead what it runs in this time: far longer than a round trip, and too short to be missed.
const AHEAD: Duration = Duration::from_millis(5);

const MOST_AHEAD: u128 = 200;

/// How children are kept.
pub(crate) struct Rules {
    /// How many jobs run at once.
    pub(crate) slots: usize,
    pub(crate) callback: String,
    /// After this many jobs a child is replaced.
    pub(crate) jobs_per_child: Option<u64>,
    /// The most memory that a child may have, in MB.
    pub(crate) memory: Option<u64>,
}

pub(super) struct Supervisor {
    rules: Rules,
    run_env: Arc<RunEnv>,
    tell: OnFinished,
    inbox: Receiver<Order>,
    orders: OrderSender,
    /// What waits for a slot, in order.
    waiting: VecDeque<Work>,
    children: Children,
    /// Jobs that are programs need no child, only a thread that waits for them.
    programs: BlockingThreads,
    pushes: BlockingThreads,
    deaths: Deaths,
    /// How long jobs took lately.
    pace: Duration,
    starts: RestartBackoff,
    /// It was killed or has given up: nothing is begun any more.
    stopped: bool,
    room: Vec<u8>,
}

impl Supervisor {
    /// # Errors
    /// The system gives no thread for what children push; later ones wait for that thread.
    pub(super) fn new(
        rules: Rules,
        run_env: RunEnv,
        tell: OnFinished,
        inbox: Receiver<Order>,
        orders: OrderSender,
    ) -> std::io::Result<Self> {
        let mut pushes = BlockingThreads::new("craft-push", orders.clone());
        pushes.reserve()?;
        Ok(Self {
            deaths: Deaths::new(tell.clone(), run_env.stopping.clone(), rules.memory),
            rules,
            run_env: Arc::new(run_env),
            tell,
            inbox,
            programs: BlockingThreads::new("craft-program", orders.clone()),
            orders,
            waiting: VecDeque::new(),
            children: Children::default(),
            pushes,
            pace: Duration::from_millis(1),
            starts: RestartBackoff::new(Instant::now()),
            stopped: false,
            room: vec![0; 64 * 1024],
        })
    }

    pub(super) fn run(mut self, started: &Sender<Result<()>>) {
        let first = self.start_first();
        let failed = first.is_err();
        // It fails when the worker is already gone; the inbox says so, too.
        let _ = started.send(first);
        while !failed && self.read_orders() {
            let now = Instant::now();
            if let Some(how) = self.reap(now) {
                self.start_failed(now, &how);
            }
            let undecided = self.deaths.decide(now);
            let deadline = self.children.end_in_time(now, &mut self.waiting);
            let stalled = self.take_from_stalled(now);
            let mut wakes = [undecided, deadline, stalled, None];
            if !self.stopped {
                self.start_children(now);
                self.dispatch(now);
                wakes[3] = Some(self.children.renew_holds(now, &mut self.waiting));
            }
            self.children.write();
            self.sleep(now, wakes.into_iter().flatten().min().unwrap_or(now + LONGEST_SLEEP));
            self.read_children();
        }
        self.children.dismiss(&mut self.waiting);
    }

    /// Starts the first child and waits until it is ready, so that a program that can't serve is an error now, and not
    /// when the first job is held.
    fn start_first(&mut self) -> Result<()> {
        let cannot = |cause| Error::other("cannot start a child process").because(&cause);
        self.start_child().map_err(cannot)?;
        let patience = Instant::now() + START_PATIENCE;
        while !self.children.all.iter().any(|child| child.is_ready) {
            let now = Instant::now();
            self.children.write();
            self.sleep(now, now + Duration::from_millis(50));
            self.read_children();
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
                Ok(Order::Begin(work)) => self.waiting.extend(work),
                Ok(Order::TakeBack(most, answer)) => {
                    let taken = self.take_back(most);
                    let _ = answer.send(taken);
                }
                Ok(Order::ProgramOver) => self.programs.is_over(),
                Ok(Order::Pushed { child, number, answer }) => {
                    self.pushes.is_over();
                    if let Some(child) = self.children.all.iter_mut().find(|known| known.id() == child) {
                        child.answer_push(number, answer);
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
        self.children.take_back(&mut self.waiting);
        take_back(&mut self.waiting, most)
    }

    /// Ends what runs, at once, and reports nothing of it; what has not begun can still be taken back.
    fn kill(&mut self) {
        self.stopped = true;
        self.children.kill(&mut self.waiting);
        // Programs see the mark that was set before this order.
        while self.programs.busy() > 0 {
            match self.inbox.recv_timeout(PROGRAM_PATIENCE) {
                Ok(Order::ProgramOver) => self.programs.is_over(),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    /// Reaps children that have ended, tells what they died of, and puts the rest of their work back. Says
    /// how one ended that had never been ready.
    fn reap(&mut self, now: Instant) -> Option<String> {
        let mut failed_start = None;
        for index in self.children.ended(now) {
            // What it said before it died counts.
            while self.read(index) {}
            let remains = self.children.all.swap_remove(index).reap(now);
            failed_start = remains.failed_start.or(failed_start);
            if let Some(death) = remains.death {
                self.deaths.add(death, now);
            }
            // It was there before what waits now.
            remains.rest.into_iter().rev().for_each(|work| self.waiting.push_front(work));
        }
        failed_start
    }

    /// A slow job must not hold back what waits behind it while another child could take it.
    fn take_from_stalled(&mut self, now: Instant) -> Option<Instant> {
        let may_run = !self.stopped && self.waiting.is_empty() && self.running() < self.rules.slots;
        may_run.then(|| self.children.take_from_stalled(now, &mut self.waiting)).flatten()
    }

    fn start_child(&mut self) -> std::io::Result<()> {
        // Numbers of work don't go further than this.
        let most = self.rules.jobs_per_child.and_then(|most| u32::try_from(most).ok()).unwrap_or(u32::MAX);
        let child = Child::start(&self.rules.callback, self.rules.memory, most.clamp(1, u32::MAX / 2))?;
        self.children.all.push(child);
        Ok(())
    }

    fn start_children(&mut self, now: Instant) {
        if self.waiting.is_empty() || self.starts.later_than(now).is_some() {
            return;
        }
        let wanting = self.waiting.iter().take(self.rules.slots).filter(|work| !work.is_program()).count();
        let (working, idle) = self.children.working_and_idle();
        for _ in 0..wanting.saturating_sub(idle).min(self.rules.slots.saturating_sub(working)) {
            match self.start_child() {
                Ok(()) => {}
                // Not against the jobs: they wait, held, or for the children that there are.
                Err(cause) if is_shortage(&cause) => {
                    return self.wait_for_more(now, "cannot start a child process", &cause);
                }
                Err(cause) => return self.start_failed(now, &cause.to_string()),
            }
        }
    }

    fn start_failed(&mut self, now: Instant, how: &str) {
        if !self.starts.failed(now) && !self.stopped {
            self.stopped = true;
            (self.tell)(Finished::Broken(cannot_serve(how)));
        }
    }

    fn wait_for_more(&mut self, now: Instant, what: &str, cause: &std::io::Error) {
        warn_of_shortage(what, cause);
        self.starts.wait_for_more(now);
    }

    /// How many jobs run.
    fn running(&self) -> usize {
        self.programs.busy() + self.children.running()
    }

    /// Gives out what waits. Children have a few jobs ahead, so that none waits for its next one.
    fn dispatch(&mut self, now: Instant) {
        let ahead = 1 + (AHEAD.as_nanos() / self.pace.as_nanos().max(1)).min(MOST_AHEAD) as usize;
        while let Some(work) = self.waiting.pop_front() {
            if let Work::Run(task) = &work
                && task.hold.is_over(now)
            {
                (self.tell)(Finished::too_late(task.clone()));
            } else if work.is_program() {
                if self.running() >= self.rules.slots || !self.has_program_thread(now) {
                    return self.waiting.push_front(work);
                }
                self.programs.run_program(work, &self.rules.callback, &self.run_env, &self.tell);
            } else {
                let may_begin = self.running() < self.rules.slots;
                let Some(index) = self.children.free(ahead, may_begin) else {
                    return self.waiting.push_front(work);
                };
                let share = (self.waiting.len() / self.rules.slots).min(ahead);
                self.dispatch_to(index, work);
                self.dispatch_more(index, share, ahead, now);
            }
        }
    }

    /// A child's fair share of what waits, in one go.
    fn dispatch_more(&mut self, index: usize, share: usize, ahead: usize, now: Instant) {
        let fits = |work: &Work| {
            let is_held = !matches!(work, Work::Run(task) if task.hold.is_over(now));
            is_held && !work.is_program()
        };
        for _ in 0..share {
            if !self.children.has_room(index, ahead) || !self.waiting.front().is_some_and(fits) {
                return;
            }
            let Some(work) = self.waiting.pop_front() else { return };
            self.dispatch_to(index, work);
        }
    }

    fn dispatch_to(&mut self, index: usize, work: Work) {
        if let Err((work, too_long)) = self.children.all[index].dispatch(work) {
            self.deaths.refuse(work, &too_long);
        }
    }

    /// Whether a thread is free to wait for one more program.
    fn has_program_thread(&mut self, now: Instant) -> bool {
        if self.starts.later_than(now).is_some() {
            return self.programs.has_free();
        }
        match self.programs.reserve() {
            Ok(()) => true,
            Err(cause) => {
                self.wait_for_more(now, "cannot start a thread for a job that is a program", &cause);
                false
            }
        }
    }

    fn sleep(&mut self, now: Instant, wake: Instant) {
        self.orders.waker.set();
        let start = self.starts.later_than(now).filter(|_| !self.waiting.is_empty());
        let wake = start.map_or(wake, |at| wake.min(at));
        let nap = match self.inbox.is_empty() {
            true => wake.saturating_duration_since(now),
            false => Duration::ZERO,
        };
        let mut watched = vec![Watched::new(self.orders.waker.descriptor(), true, false)];
        watched.extend(self.children.all.iter().filter_map(Child::watched));
        wait(&mut watched, nap);
        self.orders.waker.unset();
    }

    fn read_children(&mut self) {
        for index in 0..self.children.all.len() {
            self.read(index);
        }
    }

    /// Reads a piece of what a child says, and does what it says. Returns whether there was anything.
    fn read(&mut self, index: usize) -> bool {
        if !self.children.all[index].read(&mut self.room) {
            return false;
        }
        while let Some(message) = self.children.all[index].next_message() {
            self.receive(index, message);
        }
        let child = &mut self.children.all[index];
        if child.works() && child.load() == 0 && child.is_ready && child.is_used_up() {
            child.dismiss();
        }
        true
    }

    fn receive(&mut self, index: usize, message: ToParent) {
        let child = &mut self.children.all[index];
        match message {
            ToParent::Ready {} => {
                child.is_ready = true;
                self.starts.succeeded();
            }
            ToParent::Ran { number, took, outcome } => {
                self.pace = (self.pace * 7 + took) / 8;
                if let Some(Work::Run(task)) = child.answered(number) {
                    let outcome = task.limits.in_time(outcome, took);
                    // Too quick to be seen while it ran.
                    let now = Instant::now();
                    task.begin(now.checked_sub(took).unwrap_or(now));
                    (self.tell)(Finished::Ran(task, outcome, took));
                }
            }
            ToParent::Hooked { number, wrong } => {
                if let Some(Work::Hook(task, _)) = child.answered(number) {
                    if let Some(why) = wrong {
                        log_hook(&task, &why);
                    }
                    (self.tell)(Finished::Hooked);
                }
            }
            // Its holds may have been renewed meanwhile; then it is given once more.
            ToParent::TooLate { number } => self.waiting.extend(child.answered(number)),
            ToParent::Push { number, options, new_jobs } => {
                let child = child.id();
                if let Err(cause) = self.pushes.reserve() {
                    warn_of_shortage("cannot start a thread for a push", &cause);
                }
                let enqueue = self.run_env.enqueue.clone();
                self.pushes.run_push(enqueue, child, number, options, new_jobs);
            }
        }
    }
}
