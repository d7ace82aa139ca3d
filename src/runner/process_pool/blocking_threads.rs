//! Threads that wait for what the supervisor must not wait for: programs that are jobs, and pushes of jobs in children.
//!
//! A push may wait for its back end, for room in a queue, or for a transaction that has its unique key, and pushes that
//! wait at the same time share a commit. One thread for all of them would let each wait for all before it, and would
//! leave nothing to be shared. So there are as many threads as have been busy at once, and they are kept for the next.

use std::io;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::orders::{Order, OrderSender};
use crate::context::{RunEnv, inside_a_job};
use crate::push::{Enqueue, NewJob, PushOptions};
use crate::runner::run::perform;
use crate::runner::work::{OnFinished, Work};

type Call = Box<dyn FnOnce() -> Order + Send>;

pub(super) struct BlockingThreads {
    name: &'static str,
    orders: OrderSender,
    /// How many threads there are.
    count: usize,
    /// How many calls are not over.
    busy: usize,
    calls: Sender<Call>,
    waiting: Receiver<Call>,
}

impl BlockingThreads {
    pub(super) fn new(name: &'static str, orders: OrderSender) -> Self {
        let (calls, waiting) = unbounded();
        Self { name, orders, count: 0, busy: 0, calls, waiting }
    }

    pub(super) fn has_free(&self) -> bool {
        self.busy < self.count
    }

    /// Makes sure that a thread is free.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(super) fn reserve(&mut self) -> io::Result<()> {
        if self.has_free() {
            return Ok(());
        }
        let (waiting, orders) = (self.waiting.clone(), self.orders.clone());
        // It ends with the supervisor's end of the channel.
        let work = move || waiting.into_iter().for_each(|call| orders.send(call()));
        std::thread::Builder::new().name(self.name.into()).spawn(work)?;
        self.count += 1;
        Ok(())
    }

    /// Runs a job that is a program, or its hook.
    pub(super) fn run_program(
        &mut self,
        work: Work,
        callback: &str,
        run_env: &Arc<RunEnv>,
        tell: &OnFinished,
    ) {
        let (callback, run_env, tell) = (callback.to_owned(), run_env.clone(), tell.clone());
        self.run(move || {
            tell(perform(work, &callback, &run_env));
            Order::ProgramOver
        });
    }

    /// Pushes what a job in a child asks for.
    pub(super) fn run_push(
        &mut self,
        enqueue: Arc<dyn Enqueue>,
        child: u32,
        number: u32,
        options: PushOptions,
        new_jobs: Vec<NewJob>,
    ) {
        self.run(move || {
            // A job that waited for room in the queue it is taken from would wait for ever.
            let answer = inside_a_job(|| enqueue.accept(&options, new_jobs));
            Order::Pushed { child, number, answer }
        });
    }

    /// Without a free thread the call waits for one.
    fn run(&mut self, call: impl FnOnce() -> Order + Send + 'static) {
        self.busy += 1;
        // It can't fail: there is a receiver beside it.
        let _ = self.calls.send(Box::new(call));
    }

    /// The order of a call has come.
    pub(super) fn is_over(&mut self) {
        self.busy -= 1;
    }

    pub(super) fn busy(&self) -> usize {
        self.busy
    }
}
