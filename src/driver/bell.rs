//! Wakes a worker that sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rung by a driver when a reserve may now find something.
///
/// Rings while the worker is busy are forgotten: it looks again by itself before it sleeps.
#[derive(Clone)]
pub struct Bell(Option<Arc<Inner>>);

struct Inner {
    listening: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Bell {
    /// A bell that nobody hears: for drivers that only push.
    pub fn silent() -> Self {
        Self(None)
    }

    /// A bell that calls `wake`, once for each time that a worker begins to listen.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Inner { listening: AtomicBool::new(false), wake: Box::new(wake) })))
    }

    /// Says that a reserve may now find something.
    pub fn ring(&self) {
        // The load keeps a busy pusher from fighting over the cache line.
        if let Some(inner) = &self.0
            && inner.listening.load(Ordering::SeqCst)
            && inner.listening.swap(false, Ordering::SeqCst)
        {
            (inner.wake)();
        }
    }

    /// Whether anybody ever listens: a driver need not watch for a silent bell.
    pub fn is_silent(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a worker listens now. A driver that has to look at its back end to know when to ring need
    /// not look while nobody listens.
    pub fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.listening.load(Ordering::SeqCst))
    }

    /// The worker is about to look and then to sleep: from now on a ring counts.
    pub(crate) fn listen(&self) {
        if let Some(inner) = &self.0 {
            inner.listening.store(true, Ordering::SeqCst);
        }
    }
}
