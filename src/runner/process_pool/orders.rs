//! The orders in the supervisor's inbox: what other threads ask of it and report to it.

use std::sync::Arc;

use crossbeam::channel::Sender;

use super::waker::Waker;
use crate::error::Result;
use crate::message::Pushed;
use crate::runner::task::Task;
use crate::runner::work::Work;

pub(super) enum Order {
    Begin(Vec<Work>),
    /// Take back at most so many jobs that have not begun.
    TakeBack(usize, Sender<Vec<Arc<Task>>>),
    /// A job that is a program is over, and was reported.
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

/// The way into the supervisor's inbox. Each order wakes the supervisor.
#[derive(Clone)]
pub(super) struct OrderSender {
    pub(super) sender: Sender<Order>,
    pub(super) waker: Arc<Waker>,
}

impl OrderSender {
    pub(super) fn send(&self, order: Order) {
        // It can't fail before the supervisor has ended, and then there is nothing more to be done.
        let _ = self.sender.send(order);
        self.waker.wake();
    }
}
