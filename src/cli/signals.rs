//! Listens for the signals that end a command. Only the command line installs handlers; a library never does.

use crate::error::{Error, Result};
#[cfg(unix)]
use crate::runner::{Ignored, hear_of_children, is_ignored};

pub(super) const SIGHUP: u8 = 1;
pub(super) const SIGINT: u8 = 2;
pub(super) const SIGQUIT: u8 = 3;
pub(super) const SIGTERM: u8 = 15;

/// Listens for SIGINT and, on Unix, for SIGTERM, SIGHUP and SIGQUIT: each would otherwise end the process amid its
/// work. One that was ignored when the process was started stays so, as with `nohup`.
///
/// # Errors
/// The system refused a handler.
pub(super) fn listen(heard: impl Fn(u8) + Clone + Send + 'static) -> Result<()> {
    let interrupted = heard.clone();
    // Not with its feature for SIGTERM: ctrlc does not say which signal came.
    ctrlc::set_handler(move || interrupted(SIGINT))
        .map_err(|cause| Error::other("cannot listen for Ctrl-C").because(&cause))?;
    listen_for_the_others(heard)
}

#[cfg(unix)]
fn listen_for_the_others(heard: impl Fn(u8) + Send + 'static) -> Result<()> {
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
                heard(u8::try_from(signal).unwrap_or(SIGTERM));
            }
        })
        .map_err(refused)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen_for_the_others(_: impl Fn(u8) + Send + 'static) -> Result<()> {
    let _ = (SIGTERM, SIGHUP, SIGQUIT);
    Ok(())
}
