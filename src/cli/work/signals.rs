//! Signals become requests to stop a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::cli::signals::listen;
use crate::error::Result;
use crate::worker::Stopper;

/// The first signal stops, the second one stops at once.
#[derive(Clone)]
pub(super) struct Signals(Arc<Inner>);

struct Inner {
    stopper: Stopper,
    asked: AtomicBool,
    last: AtomicU8,
}

impl Signals {
    /// The number of the last signal.
    pub(super) fn last(&self) -> u8 {
        self.0.last.load(Ordering::SeqCst)
    }

    fn heard(&self, signal: u8) {
        self.0.last.store(signal, Ordering::SeqCst);
        match self.0.asked.swap(true, Ordering::SeqCst) {
            false => self.0.stopper.stop(),
            true => self.0.stopper.stop_now(),
        }
    }
}

/// Stops a worker when a signal asks for it.
///
/// # Errors
/// The system refused a handler.
pub(super) fn stop_with(stopper: Stopper) -> Result<Signals> {
    let inner = Inner { stopper, asked: AtomicBool::new(false), last: AtomicU8::new(0) };
    let signals = Signals(Arc::new(inner));
    let told = signals.clone();
    listen(move |signal| told.heard(signal))?;
    Ok(signals)
}
