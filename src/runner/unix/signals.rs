//! Signals that this process may have inherited or been given by its host, and that must do no harm.

use std::io::{self, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Signals whose being ignored changes what a worker does.
#[derive(Clone, Copy)]
pub(crate) enum Ignored {
    /// Ignored, the system forgets how a child ended.
    Child,
    /// Ignored by `nohup`, on purpose.
    #[cfg(feature = "cli")]
    HangUp,
    #[cfg(feature = "cli")]
    Quit,
    /// Ignored by every Rust program; a host of another language may not.
    Pipe,
}

/// Whether this process ignores a signal.
pub(crate) fn is_ignored(signal: Ignored) -> bool {
    let signal = match signal {
        Ignored::Child => libc::SIGCHLD,
        #[cfg(feature = "cli")]
        Ignored::HangUp => libc::SIGHUP,
        #[cfg(feature = "cli")]
        Ignored::Quit => libc::SIGQUIT,
        Ignored::Pipe => libc::SIGPIPE,
    };
    // SAFETY: all-zero is a valid sigaction, which is filled in; nothing is changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        let unwaited = signal == libc::SIGCHLD && action.sa_flags & libc::SA_NOCLDWAIT != 0;
        action.sa_sigaction == libc::SIG_IGN || unwaited
    }
}

/// Has the system tell this process how its children end, which its parent may have switched off. For a
/// program that is a worker; a library leaves its host's signals alone.
#[cfg(feature = "cli")]
pub(crate) fn hear_of_children() {
    if is_ignored(Ignored::Child) {
        // SAFETY: the default action runs no code.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    }
}

/// Writes into a pipe that nobody may read any more, which is an error and never the end of this process.
pub(in crate::runner) fn write(pipe: &mut PipeWriter, bytes: &[u8]) -> io::Result<usize> {
    if is_ignored(Ignored::Pipe) {
        return pipe.write(bytes);
    }
    // SAFETY: the sets are locals that sigemptyset fills in, and the null pointer asks for no details. The signal
    // of a pipe goes to the thread that wrote: blocked, it waits until it is taken back here, unless one waited
    // already, which is not ours.
    unsafe {
        let mut only: libc::sigset_t = std::mem::zeroed();
        let (mut before, mut waiting) = (only, only);
        libc::sigemptyset(&raw mut only);
        libc::sigaddset(&raw mut only, libc::SIGPIPE);
        libc::sigpending(&raw mut waiting);
        let waited = libc::sigismember(&raw const waiting, libc::SIGPIPE) == 1;
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const only, &raw mut before);
        let written = pipe.write(bytes);
        if !waited && written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            libc::sigpending(&raw mut waiting);
            if libc::sigismember(&raw const waiting, libc::SIGPIPE) == 1 {
                let mut taken = 0;
                libc::sigwait(&raw const only, &raw mut taken);
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        written
    }
}

/// The same for a stream.
pub(in crate::runner) fn send(stream: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = libc::MSG_NOSIGNAL;
    // Where there is no such flag, the standard library sets the same for all of its streams.
    #[cfg(not(target_os = "linux"))]
    let flags = 0;
    // SAFETY: the pointer and the length are of one slice, which is only read.
    let sent = unsafe { libc::send(stream.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
