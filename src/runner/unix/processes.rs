//! Other processes: what is asked of them, and whether they have ended.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::RawFd;
use std::os::fd::{AsRawFd, OwnedFd};

/// What can be asked of a process.
#[derive(Clone, Copy)]
pub(in crate::runner) enum Ask {
    ToEnd,
    ToDie,
}

impl Ask {
    fn signal(self) -> libc::c_int {
        match self {
            Self::ToEnd => libc::SIGTERM,
            Self::ToDie => libc::SIGKILL,
        }
    }
}

/// Asks every process of a group, which is named after its first process. A group that is gone: fine.
pub(in crate::runner) fn ask_group(leader: u32, what: Ask) {
    // 0 and 1 would mean our own group, and every process there is.
    if let Ok(group @ 2..) = libc::pid_t::try_from(leader) {
        // SAFETY: a signal to others; no memory of ours is involved.
        unsafe { libc::kill(-group, what.signal()) };
    }
}

/// Asks one process, if it is still the one that `is_it` knows.
pub(in crate::runner) fn ask_process(id: u32, what: Ask, is_it: impl FnOnce() -> bool) {
    // From here on its number may be another's, but this handle is not.
    let Some(process) = end_of(id) else { return };
    if is_it() {
        #[cfg(target_os = "linux")]
        // SAFETY: a signal to another process; the null pointer asks for no details.
        unsafe {
            let about: *const libc::siginfo_t = std::ptr::null();
            libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), what.signal(), about, 0);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (process.as_raw_fd(), what.signal());
    }
}

/// Kills this process and all of its group.
pub(in crate::runner) fn die_with_group() -> ! {
    // SAFETY: neither touches memory. Should the group survive, this process does not.
    unsafe {
        libc::kill(0, libc::SIGKILL);
        libc::_exit(1)
    }
}

/// What waitid says about our children.
enum Waited {
    /// One of them, and its status or signal.
    One(i32),
    /// There are such children, and none has news.
    Nothing,
    /// There is no such child.
    Nobody,
}

fn wait_id(kind: libc::idtype_t, id: u32, options: libc::c_int) -> Waited {
    loop {
        // SAFETY: all-zero is a valid siginfo, which waitid fills in; si_pid stays 0 where there is nothing to
        // tell, and si_status is a field of what it tells about children.
        let (result, id, status) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let result = libc::waitid(kind, id as libc::id_t, &raw mut info, options | libc::WNOHANG);
            (result, info.si_pid(), info.si_status())
        };
        match result {
            0 if id == 0 => return Waited::Nothing,
            0 => return Waited::One(status),
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return Waited::Nobody,
        }
    }
}

/// Whether a child has ended. It is not reaped, so that its number still names its group and nobody else. One
/// that is no child any more has: where SIGCHLD is ignored, the system reaps by itself.
pub(in crate::runner) fn has_ended(child: u32) -> bool {
    !matches!(wait_id(libc::P_PID, child, libc::WEXITED | libc::WNOWAIT), Waited::Nothing)
}

/// Whether a child was stopped because it wanted to use the terminal, whose foreground it is not.
pub(in crate::runner) fn is_stopped_by_terminal(child: u32) -> bool {
    match wait_id(libc::P_PID, child, libc::WSTOPPED | libc::WNOWAIT) {
        Waited::One(signal) => matches!(signal, libc::SIGTTIN | libc::SIGTTOU),
        Waited::Nothing | Waited::Nobody => false,
    }
}

/// Reaps one child that has ended, if there is one in this group, and says whether others of it may follow. Where
/// this process adopts orphans, they are what a job left behind; elsewhere there is nobody.
pub(in crate::runner) fn reap_group(leader: u32) -> bool {
    !matches!(wait_id(libc::P_PGID, leader, libc::WEXITED), Waited::Nobody)
}

/// Reaps this child, if it has ended.
pub(crate) fn reap(child: u32) {
    wait_id(libc::P_PID, child, libc::WEXITED);
}

/// Whether orphans become this process's children: it is the first one of its container, or asked for them.
pub(crate) fn adopts_orphans() -> bool {
    #[cfg(target_os = "linux")]
    {
        let mut asked: libc::c_int = 0;
        // SAFETY: it fills in the number that it is given.
        unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut asked) };
        asked != 0 || std::process::id() == 1
    }
    #[cfg(not(target_os = "linux"))]
    {
        std::process::id() == 1
    }
}

/// What becomes ready to read when a process ends; `None` where the system has no such thing.
pub(in crate::runner) fn end_of(process: u32) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: no memory is involved, and the result is ours alone; it is never passed to an exec.
        unsafe { super::owned(libc::syscall(libc::SYS_pidfd_open, process, 0) as RawFd).ok() }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = process;
        None
    }
}
