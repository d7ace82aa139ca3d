//! Jobs in child processes: the running program, started again, which takes jobs over a socket and lives for
//! many of them.
//!
//! A bare `fork` is unsound once threads exist, so a child executes the program anew; its `main` must turn
//! it into a runner of jobs ([`Jobs::serve_if_child`](crate::Jobs::serve_if_child)). One thread of the
//! parent, the supervisor, owns all children: it starts them, gives them work, reads what became of it, ends
//! those that take too long, and sorts the work of those that died. It waits in one place, for all of that at once.
//!
//! Both sides: `protocol` is what is said, and `codec` how; `shared_state` is the little memory that both share.
//! The parent: `supervisor` is the loop, which takes `orders`; `children` are all of them and `child` is one, whose
//! process is `child_process`; `restart_backoff` says when one is started again, and `child_deaths` what becomes of the
//! jobs of one that died; `blocking_threads` wait for what the loop must not wait for. The child: `serve` takes jobs
//! from the socket and runs them, `child_connection` is its end of it.

mod blocking_threads;
mod child;
mod child_connection;
mod child_deaths;
mod child_process;
mod children;
mod codec;
mod orders;
mod protocol;
mod restart_backoff;
mod serve;
mod shared_state;
mod supervisor;
mod waker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, bounded, unbounded};

use self::orders::{Order, OrderSender};
pub(crate) use self::supervisor::Rules;
use self::supervisor::Supervisor;
use self::waker::Waker;
use super::exit_status::check_exit_statuses;
use super::task::Task;
use super::work::{Finished, OnFinished, Runner, Work};
use crate::context::RunEnv;
use crate::error::{Error, Result};

/// A pool of child processes. They end when it is dropped.
pub(crate) struct Processes {
    orders: OrderSender,
    killed: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

impl Processes {
    /// Whether this program can have children.
    ///
    /// # Errors
    /// It never called [`Jobs::serve_if_child`](crate::Jobs::serve_if_child): its children would be the whole
    /// program once more, with children of their own.
    pub(crate) fn check() -> Result<()> {
        check_exit_statuses()?;
        if serve::can_serve() {
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
    pub(crate) fn start(rules: Rules, run_env: RunEnv, tell: OnFinished) -> Result<Self> {
        Self::check()?;
        let (sender, inbox) = unbounded();
        let cannot = |what: &str, cause: std::io::Error| {
            Error::other(format!("cannot {what} of the thread that owns child processes")).because(&cause)
        };
        let waker = Waker::new().map_err(|cause| cannot("make the pipe", cause))?;
        let orders = OrderSender { sender, waker: Arc::new(waker) };
        let (killed, broken) = (run_env.killed.clone(), tell.clone());
        let supervisor = Supervisor::new(rules, run_env, tell, inbox, orders.clone())
            .map_err(|cause| cannot("start the thread for the pushes", cause))?;
        let (started, start) = bounded(1);
        // A child dies with the thread that started it, so that thread is one that lives as long as the pool.
        let supervisor = std::thread::Builder::new()
            .name("craft-supervisor".into())
            .spawn(move || {
                // Unwind safety: nothing of the supervisor is used any more, and it held no lock of another thread.
                if catch_unwind(AssertUnwindSafe(|| supervisor.run(&started))).is_err() {
                    broken(Finished::Broken(Error::other("the thread that owns child processes panicked")));
                }
            })
            .map_err(|cause| {
                Error::other("cannot start the thread that owns child processes").because(&cause)
            })?;
        let processes = Self { orders, killed, supervisor: Some(supervisor) };
        match start.recv() {
            Ok(result) => result.map(|()| processes),
            Err(_) => Err(Error::other("the thread that owns child processes ended at its start")),
        }
    }

    /// Gives an order, and waits for the answer, which the supervisor has at hand.
    fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> Option<T> {
        let (answer, asked) = bounded(1);
        self.orders.send(order(answer));
        asked.recv().ok()
    }
}

impl Runner for Processes {
    fn begin(&mut self, work: Vec<Work>) {
        self.orders.send(Order::Begin(work));
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
        self.orders.send(Order::Close);
        if let Some(supervisor) = self.supervisor.take() {
            // Its panic was reported when it happened.
            let _ = supervisor.join();
        }
    }
}
