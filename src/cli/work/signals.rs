//! Signals become requests to stop. Only this command installs handlers; a library never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::error::{Error, Result};
#[cfg(unix)]
use crate::runner::{Ignored, hear_of_children, is_ignored};
use crate::worker::Stopper;

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGQUIT: u8 = 3;
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

/// Listens for SIGINT and, on Unix, for SIGTERM, SIGHUP and SIGQUIT: each would otherwise end the process amid its
/// jobs. One that was ignored when the process was started stays so, as with `nohup`.
///
/// # Errors
/// The system refused a handler.
pub(super) fn stop_with(stopper: Stopper) -> Result<Signals> {
    let inner = Inner { stopper, asked: AtomicBool::new(false), last: AtomicU8::new(0) };
    let signals = Signals(Arc::new(inner));
    let interrupted = signals.clone();
    // Not with its feature for SIGTERM: ctrlc does not say which signal came.
    ctrlc::set_handler(move || interrupted.heard(SIGINT))
        .map_err(|cause| Error::other("cannot listen for Ctrl-C").because(&cause))?;
    listen_for_the_others(signals.clone())?;
    Ok(signals)
}

#[cfg(unix)]
fn listen_for_the_others(signals: Signals) -> Result<()> {
    hear_of_children();
    let refused = |cause| Error::other("cannot listen for SIGTERM").because(&cause);
    let mut listened = vec![SIGTERM];
    listened.extend((!is_ignored(Ignored::HangUp)).then_some(SIGHUP));
    listened.extend((!is_ignored(Ignored::Quit)).then_some(SIGQUIT));
    let mut requests =
        signal_hook::iterator::Signals::new(listened.into_iter().map(i32::from)).map_err(refused)?;
    std::thread::Builder::new()
        .name("craft-signals".into())
        .spawn(move || {
            for signal in requests.forever() {
                signals.heard(u8::try_from(signal).unwrap_or(SIGTERM));
            }
        })
        .map_err(refused)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen_for_the_others(_: Signals) -> Result<()> {
    let _ = (SIGTERM, SIGHUP, SIGQUIT);
    Ok(())
}
