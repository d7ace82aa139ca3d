//! Signals become requests to stop. Only this command installs handlers; a library never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::error::{Error, Result};
use crate::worker::Stopper;

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

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

/// Listens for SIGINT and, on Unix, SIGTERM. Each has a listener of its own: ctrlc is not told which signal
/// came, and with its feature for SIGTERM it would take over SIGHUP, too, which nohup ignores on purpose.
///
/// # Errors
/// The system refused a handler.
pub(super) fn stop_with(stopper: Stopper) -> Result<Signals> {
    let inner = Inner { stopper, asked: AtomicBool::new(false), last: AtomicU8::new(0) };
    let signals = Signals(Arc::new(inner));
    let interrupted = signals.clone();
    ctrlc::set_handler(move || interrupted.heard(SIGINT))
        .map_err(|cause| Error::other("cannot listen for Ctrl-C").because(&cause))?;
    listen_for_termination(signals.clone())?;
    Ok(signals)
}

#[cfg(unix)]
fn listen_for_termination(signals: Signals) -> Result<()> {
    let refused = |cause| Error::other("cannot listen for SIGTERM").because(&cause);
    let mut terminations = signal_hook::iterator::Signals::new([i32::from(SIGTERM)]).map_err(refused)?;
    std::thread::Builder::new()
        .name("craft-signals".into())
        .spawn(move || terminations.forever().for_each(|_| signals.heard(SIGTERM)))
        .map_err(refused)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen_for_termination(_: Signals) -> Result<()> {
    let _ = SIGTERM;
    Ok(())
}
