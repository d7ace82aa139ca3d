//! Jobs in child processes: the running program, started again, which takes jobs over a line and lives for
//! many of them.
//!
//! A bare `fork` is unsound once threads exist, so a child executes the program anew; its `main` must turn
//! it into a runner of jobs ([`Jobs::serve_if_child`](crate::Jobs::serve_if_child)). One thread of the
//! parent, the keeper, owns all children: it starts them, gives them work, reads what became of it, ends
//! those that take too long, and sorts what the dead leave. It never waits for anything but all of it.
//!
//! `wire`, `frames` and `letters` are what is said; `card` is the little memory that both sides share;
//! `child` and `spawn` are the parent's view of one child, `keeper` and its parts of all; `serve` and its
//! parts are the child's own side.

mod alarm;
mod card;
mod child;
mod errands;
mod frames;
mod give;
mod hear;
mod keeper;
mod letters;
mod line;
mod look;
mod serve;
mod spawn;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, bounded, unbounded};

use self::alarm::Alarm;
use self::errands::Errands;
use self::keeper::Keeper;
use self::spawn::Nursery;
use super::{Finished, Runner, Task, Tell, Work};
use crate::context::Surroundings;
use crate::error::{Error, Result};

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
    orders: Orders,
    killed: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

/// What the keeper is told.
enum Order {
    Begin(Vec<Work>),
    TakeBack(usize, Sender<Vec<Arc<Task>>>),
    /// A job that is a program is over, and has been told.
    ProgramOver,
    /// Bytes for a child.
    Say(u32, Vec<u8>),
    Kill(Sender<()>),
    Close,
}

/// The keeper's inbox, and what wakes it.
#[derive(Clone)]
struct Orders {
    sender: Sender<Order>,
    alarm: Arc<Alarm>,
}

impl Orders {
    fn give(&self, order: Order) {
        // It can't fail before the keeper has ended, and then there is nothing more to be done.
        let _ = self.sender.send(order);
        self.alarm.ring();
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
    pub(crate) fn start(rules: Rules, surroundings: Surroundings, tell: Tell) -> Result<Self> {
        Self::check()?;
        let (sender, inbox) = unbounded();
        let alarm = Alarm::new().map_err(|cause| {
            Error::other("cannot make a pipe for the thread that keeps child processes").because(&cause)
        })?;
        let orders = Orders { sender, alarm: Arc::new(alarm) };
        let killed = surroundings.killed.clone();
        let nursery = Nursery { callback: rules.callback.clone(), memory: rules.memory };
        let broken = tell.clone();
        let errands = Errands::start().map_err(|cause| {
            Error::other("cannot start the thread for what child processes push").because(&cause)
        })?;
        let keeper = Keeper::new(rules, nursery, surroundings, tell, inbox, orders.clone(), errands);
        let (started, start) = bounded(1);
        // A child dies with the thread that started it, so that thread is one that lives as long as the pool.
        let keeper = std::thread::Builder::new()
            .name("craft-keeper".into())
            .spawn(move || {
                // Unwind safety: nothing of the keeper is used any more, and it held no lock of anybody else's.
                if catch_unwind(AssertUnwindSafe(|| keeper.run(&started))).is_err() {
                    broken(Finished::Broken(Error::other("the thread that keeps child processes panicked")));
                }
            })
            .map_err(|cause| {
                Error::other("cannot start the thread that keeps child processes").because(&cause)
            })?;
        let processes = Self { orders, killed, keeper: Some(keeper) };
        match start.recv() {
            Ok(result) => result.map(|()| processes),
            Err(_) => Err(Error::other("the thread that keeps child processes ended at its start")),
        }
    }

    /// Gives an order, and waits for the answer, which the keeper has at hand.
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
        if let Some(keeper) = self.keeper.take() {
            // Its panic was reported when it happened.
            let _ = keeper.join();
        }
    }
}
