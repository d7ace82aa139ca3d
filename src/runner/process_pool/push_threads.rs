//! What the supervisor has others do, as it may take a while: pushes of jobs in children.

use crossbeam::channel::{Receiver, Sender, unbounded};

use crate::runner::shortage::tell as tell_shortage;

type PushTask = Box<dyn FnOnce() + Send>;

/// Threads for what may take a while, each for one push_task. Where the system gives no more of them, push_threads wait for
/// the one that is kept.
pub(super) struct PushThreads {
    queue: Sender<PushTask>,
    waiting: Receiver<PushTask>,
}

impl PushThreads {
    pub(super) fn start() -> std::io::Result<Self> {
        let (queue, waiting) = unbounded::<PushTask>();
        let all = waiting.clone();
        // It ends with the supervisor's end of the queue.
        let kept = move || all.into_iter().for_each(|push_task| push_task());
        std::thread::Builder::new().name("craft-pushes".into()).spawn(kept)?;
        Ok(Self { queue, waiting })
    }

    pub(super) fn run(&self, push_task: PushTask) {
        // It can't fail: there is a receiver beside it.
        let _ = self.queue.send(push_task);
        let waiting = self.waiting.clone();
        let one = move || waiting.try_iter().next().into_iter().for_each(|push_task| push_task());
        if let Err(cause) = std::thread::Builder::new().name("craft-push".into()).spawn(one) {
            tell_shortage("cannot start a thread for a push", &cause);
        }
    }
}
