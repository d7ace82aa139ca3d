//! What the standard library cannot ask of the system: all unsafe code of this crate is here, and for each
//! piece why it is sound. What is asked about other processes is in `processes`, about signals in `signals`.

mod processes;
mod signals;

use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) use processes::{
    Ask, ask_group, ask_process, die_with_group, end_of, has_ended, is_stopped_by_terminal, reap_group,
};
pub(crate) use processes::{adopts_orphans, reap};
#[cfg(feature = "cli")]
pub(crate) use signals::hear_of_children;
pub(crate) use signals::{Ignored, is_ignored};
pub(super) use signals::{send, write};

/// Words of memory that several processes see.
pub(super) struct Shared {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: it owns its mapping, and all access to it goes through atomics.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Words that are all 0, and the descriptor by which another process finds them.
    pub(super) fn new(count: usize) -> io::Result<(Self, OwnedFd)> {
        let file = std::fs::File::from(nameless_file()?);
        file.set_len((count * size_of::<AtomicU64>()) as u64)?;
        let file = OwnedFd::from(file);
        Ok((Self::of(&file, count)?, file))
    }

    /// The words behind a descriptor.
    pub(super) fn of(file: &OwnedFd, count: usize) -> io::Result<Self> {
        let bytes = count * size_of::<AtomicU64>();
        let there = std::fs::File::from(file.try_clone()?).metadata()?.len();
        if there < bytes as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the memory of a worker"));
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at an address that the system chooses touches no memory of ours.
        let at = unsafe { libc::mmap(ptr::null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words = NonNull::new(at.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { words, count })
    }
}

impl Deref for Shared {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, `count` words long (its file was checked to be, and only our
        // own processes have it, which never shorten it), and lives as long as `self`. Every bit pattern is
        // a number, and each write is atomic.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: this is the mapping of `of`, unmapped once, and no borrow of it outlives `self`.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.count * size_of::<AtomicU64>()) };
    }
}

#[cfg(target_os = "linux")]
fn nameless_file() -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the result is checked before it is owned, and is ours alone.
    unsafe { owned(libc::memfd_create(c"craft-queue".as_ptr(), libc::MFD_CLOEXEC)) }
}

#[cfg(not(target_os = "linux"))]
fn nameless_file() -> io::Result<OwnedFd> {
    let path = std::env::temp_dir().join(format!("craft-queue-{:x}", fastrand::u128(..)));
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file.into())
}

/// # Safety
/// A descriptor that is not negative is open and nobody else's.
unsafe fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    match descriptor {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the caller's promise.
        open => Ok(unsafe { OwnedFd::from_raw_fd(open) }),
    }
}

/// Takes over a descriptor that the parent left open for this process, and keeps it from programs that
/// this process starts. Called before anything else of this process could have opened one.
pub(super) fn adopt(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor <= libc::STDERR_FILENO {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: no memory is involved; of a descriptor that is not open it says so.
    if unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and came with the process: nobody in it owns it yet.
    unsafe { owned(descriptor) }
}

/// Has what this process and its children print to stdout go to stderr; answers the stdout that was.
#[cfg(feature = "cli")]
pub(crate) fn stdout_becomes_stderr() -> io::Result<OwnedFd> {
    let own = io::stdout().as_fd().try_clone_to_owned()?;
    // SAFETY: no memory is involved. Both descriptors are the process's for as long as it lives, and nobody owns
    // them: a write to stdout meanwhile goes to the one stream or to the other.
    match unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(own),
    }
}

/// Makes reads and writes of a pipe return instead of wait.
pub(super) fn never_wait(pipe: &impl AsFd) -> io::Result<()> {
    let descriptor = pipe.as_fd().as_raw_fd();
    // SAFETY: flags of an open descriptor; no memory is involved.
    let result = unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFL);
        libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK)
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A descriptor to be waited for.
#[repr(transparent)]
pub(super) struct Watched<'a>(libc::pollfd, PhantomData<BorrowedFd<'a>>);

impl<'a> Watched<'a> {
    /// For something to read, and, if `writing`, for room to write.
    pub(super) fn new(descriptor: &'a impl AsFd, reading: bool, writing: bool) -> Self {
        let mut events = if reading { libc::POLLIN } else { 0 };
        events |= if writing { libc::POLLOUT } else { 0 };
        Self(libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events, revents: 0 }, PhantomData)
    }

    /// Whether it is ready, or its other end is closed.
    pub(super) fn is_ready(&self) -> bool {
        self.0.revents != 0
    }

    pub(super) fn to_read(descriptor: &'a impl AsFd) -> Self {
        Self::new(descriptor, true, false)
    }

    pub(super) fn to_write(descriptor: &'a impl AsFd) -> Self {
        Self::new(descriptor, false, true)
    }
}

/// Waits until one of them is ready, for a signal, or so long (in whole milliseconds, rounded up).
pub(super) fn wait(watched: &mut [Watched<'_>], longest: Duration) {
    let milliseconds = i32::try_from(longest.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
    watched.iter_mut().for_each(|one| one.0.revents = 0);
    // SAFETY: `Watched` is a transparent pollfd, and the slice is exclusively ours. When it fails (a
    // signal), nothing was found to be ready.
    unsafe { libc::poll(watched.as_mut_ptr().cast(), watched.len() as libc::nfds_t, milliseconds) };
}

/// Microseconds of the clock that all processes of this machine share and nobody sets.
pub(super) fn clock() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it fills in the struct it is given; this clock exists everywhere.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// Prepares a program's process: it leads a session and a group of its own, inherits these descriptors and no other
/// beside the standard ones, dies when the thread that starts it ends, and gets at most so many bytes of memory.
pub(super) fn confine(command: &mut Command, inherited: [RawFd; 2], memory: Option<u64>) {
    #[cfg(target_os = "linux")]
    let parent = std::process::id();
    let before_exec = move || {
        // SAFETY: plain system calls, with pointers to locals only.
        unsafe {
            close_all_from(3, true);
            for descriptor in inherited {
                check(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
            }
            #[cfg(target_os = "linux")]
            {
                check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
                // The parent may have died before it was asked for.
                if libc::getppid() != parent as libc::pid_t {
                    libc::_exit(1);
                }
            }
            // A session of its own, and with it a group: a job has no terminal to read from, which would stop it
            // for ever, or to be interrupted by.
            check(libc::setsid())?;
            if let Some(bytes) = memory {
                let limit = libc::rlimit { rlim_cur: bytes as libc::rlim_t, rlim_max: bytes as libc::rlim_t };
                check(libc::setrlimit(libc::RLIMIT_AS, &raw const limit))?;
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls that POSIX allows there: it
    // allocates nothing, takes no lock and can't panic (`check` makes its error from a number).
    unsafe { command.pre_exec(before_exec) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes all descriptors from `first` on, or has them closed by the next exec.
///
/// # Safety
/// Nothing that is run in this process afterwards may use them. Safe to call after a fork.
unsafe fn close_all_from(first: RawFd, at_exec: bool) {
    #[cfg(target_os = "linux")]
    {
        let flags = if at_exec { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
        // SAFETY: the caller's promise.
        if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) } == 0 {
            return;
        }
    }
    // SAFETY: getrlimit fills in a local; the rest is the caller's promise.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 1_024, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        for descriptor in first..limit.rlim_cur.min(65_536) as RawFd {
            match at_exec {
                true => libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC),
                false => libc::close(descriptor),
            };
        }
    }
}

/// Forks a process that outlives this one by a moment: when the other end of `alive` closes, it kills the
/// process groups in `groups`, and ends.
pub(super) fn fork_reaper(alive: &OwnedFd, groups: &'static Shared) -> io::Result<()> {
    let groups: &'static [AtomicU64] = groups;
    let alive = alive.as_raw_fd();
    // SAFETY: the child of a fork of many threads may only do what a signal handler may. It calls nothing
    // but system calls of that list and `sigfillset`; it allocates nothing, locks nothing, and can't panic.
    // It uses `groups`, which is mapped for good, the descriptor that it moves to 0 first, and no other: the
    // database connections and locks that it was born with are closed at once. It never returns.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        // SAFETY: as above.
        0 => unsafe {
            // Neither Ctrl-C nor a signal to everybody's processes ends it before its time, and no handler
            // of the parent's runs in it.
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut());
            libc::setpgid(0, 0);
            libc::dup2(alive, 0);
            close_all_from(1, false);
            libc::chdir(c"/".as_ptr());
            #[cfg(target_os = "linux")]
            libc::prctl(libc::PR_SET_NAME, c"craft-reaper".as_ptr());
            let mut byte = 0u8;
            // Nothing is ever written, so this waits for the end of the pipe.
            while libc::read(0, (&raw mut byte).cast(), 1) > 0 {}
            for group in groups {
                let leader = group.load(Ordering::Acquire) as libc::pid_t;
                if leader > 1 {
                    libc::kill(-leader, libc::SIGKILL);
                }
            }
            libc::_exit(0)
        },
        _ => {}
    }
    Ok(())
}
