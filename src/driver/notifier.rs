//! Wakes a worker that sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rung by a driver when a reserve may now find something.
///
/// Rings while the worker is busy are forgotten: it looks again by itself before it sleeps.
#[derive(Clone)]
pub struct Notifier(Option<Arc<Inner>>);

struct Inner {
    listening: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
    /// What is called when the connection is gone; where there is nothing else, `wake`.
    gone: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Notifier {
    /// A notifier that does nothing: for drivers that only push.
    pub fn silent() -> Self {
        Self(None)
    }

    /// A notifier that calls `wake`, once for each time that a worker begins to listen.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self::with(Box::new(wake), None)
    }

    /// The same, with something else to call when the connection is gone.
    pub(crate) fn with_gone(
        wake: impl Fn() + Send + Sync + 'static,
        gone: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self::with(Box::new(wake), Some(Box::new(gone)))
    }

    fn with(wake: Box<dyn Fn() + Send + Sync>, gone: Option<Box<dyn Fn() + Send + Sync>>) -> Self {
        Self(Some(Arc::new(Inner { listening: AtomicBool::new(false), wake, gone })))
    }

    /// Says that a reserve may now find something.
    pub fn notify(&self) {
        // The load keeps a busy batcher from fighting over the cache line.
        if let Some(inner) = &self.0
            && inner.listening.load(Ordering::SeqCst)
            && inner.listening.swap(false, Ordering::SeqCst)
        {
            (inner.wake)();
        }
    }

    /// Says that the connection is gone. A worker wakes at once, also while all of its slots are busy: it
    /// renews its holds, which is when the driver answers with the error.
    pub fn ring_gone(&self) {
        if let Some(inner) = &self.0 {
            inner.gone.as_ref().unwrap_or(&inner.wake)();
        }
    }

    /// Whether anybody ever listens: a driver need not watch for a silent notifier.
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
