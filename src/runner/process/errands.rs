//! What the keeper has others do, as it may take a while: pushes of jobs in children.

use crossbeam::channel::{Receiver, Sender, unbounded};

use crate::runner::shortage::tell as tell_shortage;

type Errand = Box<dyn FnOnce() + Send>;

/// Threads for what may take a while, each for one errand. Where the system gives no more of them, errands wait for
/// the one that is kept.
pub(super) struct Errands {
    queue: Sender<Errand>,
    waiting: Receiver<Errand>,
}

impl Errands {
    pub(super) fn start() -> std::io::Result<Self> {
        let (queue, waiting) = unbounded::<Errand>();
        let all = waiting.clone();
        // It ends with the keeper's end of the queue.
        let kept = move || all.into_iter().for_each(|errand| errand());
        std::thread::Builder::new().name("craft-pushes".into()).spawn(kept)?;
        Ok(Self { queue, waiting })
    }

    pub(super) fn run(&self, errand: Errand) {
        // It can't fail: there is a receiver beside it.
        let _ = self.queue.send(errand);
        let waiting = self.waiting.clone();
        let one = move || waiting.try_iter().next().into_iter().for_each(|errand| errand());
        if let Err(cause) = std::thread::Builder::new().name("craft-push".into()).spawn(one) {
            tell_shortage("cannot start a thread for a push", &cause);
        }
    }
}
