//! Jobs in child processes: the running program, started again, which takes jobs over a line and lives for
//! many of them.
//!
//! A bare `fork` is unsound once threads exist, so a child executes the program anew; its `main` must turn
//! it into a runner of jobs ([`Jobs::serve_if_child`](crate::Jobs::serve_if_child)). One thread of the
//! parent, the supervisor, owns all children: it starts them, gives them work, reads what became of it, ends
//! those that take too long, and sorts what the dead leave. It never waits for anything but all of it.
//!
//! `protocol` is what is said, and `codec` how; `shared_state` is the little memory that both sides share;
//! `child` and `spawn` are the parent's view of one child, `supervisor` and its parts of all; `serve` and its
//! parts are the child's own side.

mod child;
mod child_connection;
mod codec;
mod deadlines;
mod dispatch;
mod inbound;
mod protocol;
mod push_threads;
mod serve;
mod shared_state;
mod spawn;
mod supervisor;
mod waker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, bounded, unbounded};

use self::push_threads::PushThreads;
use self::spawn::Spawner;
use self::supervisor::Supervisor;
use self::waker::Waker;
use super::{Finished, Runner, Task, Tell, Work};
use crate::context::RunEnv;
use crate::error::{Error, Result};
use crate::message::Pushed;

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

/// A pool of child processes. They end when it is dropped.
pub(crate) struct Processes {
    orders: RunnerInbox,
    killed: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

/// What the supervisor is told.
enum Order {
    Begin(Vec<Work>),
    TakeBack(usize, Sender<Vec<Arc<Task>>>),
    /// A job that is a program is over, and has been told.
    ProgramOver,
    /// What became of a push that a child asked for.
    Pushed {
        child: u32,
        number: u32,
        answer: Result<Vec<Pushed>>,
    },
    Kill(Sender<()>),
    Close,
}

/// The supervisor's inbox, and what wakes it.
#[derive(Clone)]
struct RunnerInbox {
    sender: Sender<Order>,
    waker: Arc<Waker>,
}

impl RunnerInbox {
    fn give(&self, order: Order) {
        // It can't fail before the supervisor has ended, and then there is nothing more to be done.
        let _ = self.sender.send(order);
        self.waker.wake();
    }
}

/// Whether this program turns its children into runners of jobs.
static SERVES: AtomicBool = AtomicBool::new(false);

impl Processes {
    /// Whether this program can have children.
    ///
    /// # Errors
    /// It never called [`Jobs::serve_if_child`](crate::Jobs::serve_if_child): its children would be the whole
    /// program once more, with children of their own.
    pub(crate) fn check() -> Result<()> {
        super::hears_of_ends()?;
        if SERVES.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::config(
            "mode = \"multiprocess\" needs child processes, and this program cannot be one: its main did \
             not call Jobs::serve_if_child",
        )
        .with_help(
            "call it first in main, `let jobs = jobs().serve_if_child();`, or start with craft_queue::main",
        ))
    }

    /// Starts the first child, and the others when there is work for them.
    ///
    /// # Errors
    /// As [`Processes::check`]; or the first child can't be started.
    pub(crate) fn start(rules: Rules, surroundings: RunEnv, tell: Tell) -> Result<Self> {
        Self::check()?;
        let (sender, inbox) = unbounded();
        let waker = Waker::new().map_err(|cause| {
            Error::other("cannot make a pipe for the thread that keeps child processes").because(&cause)
        })?;
        let orders = RunnerInbox { sender, waker: Arc::new(waker) };
        let killed = surroundings.killed.clone();
        let spawner = Spawner { callback: rules.callback.clone(), memory: rules.memory };
        let broken = tell.clone();
        let push_threads = PushThreads::start().map_err(|cause| {
            Error::other("cannot start the thread for what child processes push").because(&cause)
        })?;
        let supervisor =
            Supervisor::new(rules, spawner, surroundings, tell, inbox, orders.clone(), push_threads);
        let (started, start) = bounded(1);
        // A child dies with the thread that started it, so that thread is one that lives as long as the pool.
        let supervisor = std::thread::Builder::new()
            .name("craft-supervisor".into())
            .spawn(move || {
                // Unwind safety: nothing of the supervisor is used any more, and it held no lock of anybody else's.
                if catch_unwind(AssertUnwindSafe(|| supervisor.run(&started))).is_err() {
                    broken(Finished::Broken(Error::other("the thread that keeps child processes panicked")));
                }
            })
            .map_err(|cause| {
                Error::other("cannot start the thread that keeps child processes").because(&cause)
            })?;
        let processes = Self { orders, killed, supervisor: Some(supervisor) };
        match start.recv() {
            Ok(result) => result.map(|()| processes),
            Err(_) => Err(Error::other("the thread that keeps child processes ended at its start")),
        }
    }

    /// Gives an order, and waits for the answer, which the supervisor has at hand.
    fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> Option<T> {
        let (answer, asked) = bounded(1);
        self.orders.give(order(answer));
        asked.recv().ok()
    }
}

impl Runner for Processes {
    fn begin(&mut self, work: Vec<Work>) {
        self.orders.give(Order::Begin(work));
    }

    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>> {
        self.ask(|answer| Order::TakeBack(most, answer)).unwrap_or_default()
    }

    fn isolates(&self) -> bool {
        true
    }

    fn kill(&mut self) {
        self.killed.store(true, Ordering::Release);
        self.ask(Order::Kill);
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.killed.store(true, Ordering::Release);
        self.orders.give(Order::Close);
        if let Some(supervisor) = self.supervisor.take() {
            // Its panic was reported when it happened.
            let _ = supervisor.join();
        }
    }
}
