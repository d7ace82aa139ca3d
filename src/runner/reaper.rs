//! Nothing that a worker starts outlives it: a small process beside it waits for its end, and kills the
//! process groups that it left.
//!
//! The system can signal a child when its parent dies, but not the child's own children, and not a program that is a
//! job. So one process has to outlive the worker and to know the groups. It has them in memory that it shares with the
//! worker: to note one costs a store and no system call.

use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::shortage::is_shortage;
use super::unix::{Shared, fork_reaper};

/// More groups than any worker runs at once; the others would be left to themselves.
const PLACES: usize = 16_384;

/// One for a whole process; it ends with the process, not before.
static REAPER: OnceLock<Reaper> = OnceLock::new();

/// What it shares with this process, also when it has to be started once more.
static GROUPS: OnceLock<Shared> = OnceLock::new();

/// Held while it is started; true when it can't be, and a warning said so.
static REFUSED: Mutex<bool> = Mutex::new(false);

struct Reaper {
    groups: &'static Shared,
    free: Mutex<Vec<usize>>,
    /// Closed by the system when this process ends, however it ends.
    _alive: PipeWriter,
}

/// A process group that dies with this process, until this is dropped.
pub(super) struct Watch(Option<usize>);

impl Watch {
    /// A place for a group that is about to be started. The first one takes a while, as it starts the reaper:
    /// what was started before that would be left behind by a worker that is killed meanwhile.
    ///
    /// # Errors
    /// It can't be started now, for want of something that may be there again soon.
    pub(super) fn new() -> io::Result<Self> {
        let place = |reaper: &Reaper| reaper.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Self(reaper()?.and_then(place)))
    }

    /// Notes the group, named after its first process: at once after its start, as it would survive if this
    /// process were killed in between. (To have it note itself takes a fork, where the system has quicker ways
    /// to start a program: 1,560 a second instead of 2,500.) Drop the watch before that process is reaped:
    /// then its number can't be another's yet.
    pub(super) fn note(&self, leader: u32) {
        if let (Some(place), Some(reaper)) = (self.0, REAPER.get()) {
            reaper.groups[place].store(leader.into(), Ordering::Release);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let (Some(place), Some(reaper)) = (self.0, REAPER.get()) {
            reaper.groups[place].store(0, Ordering::Release);
            reaper.free.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        }
    }
}

/// Whether it is the first process of a group that is running: a thread of this crate waits for it.
#[cfg(feature = "cli")]
pub(super) fn is_watched(leader: u32) -> bool {
    REAPER.get().is_some_and(|reaper| {
        reaper.groups.iter().any(|group| group.load(Ordering::Acquire) == u64::from(leader))
    })
}

fn reaper() -> io::Result<Option<&'static Reaper>> {
    if let Some(reaper) = REAPER.get() {
        return Ok(Some(reaper));
    }
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if *refused || REAPER.get().is_some() {
        return Ok(REAPER.get());
    }
    match Reaper::start() {
        Ok(reaper) => Ok(Some(REAPER.get_or_init(|| reaper))),
        Err(cause) if is_shortage(&cause) => Err(cause),
        Err(cause) => {
            log::warn!("programs that are jobs may outlive this worker if it is killed: {cause}");
            *refused = true;
            Ok(None)
        }
    }
}

impl Reaper {
    fn start() -> io::Result<Self> {
        let (end, alive) = io::pipe()?;
        let groups = match GROUPS.get() {
            Some(groups) => groups,
            None => {
                let (groups, _) = Shared::new(PLACES)?;
                GROUPS.get_or_init(|| groups)
            }
        };
        fork_reaper(&OwnedFd::from(end), groups)?;
        Ok(Self { groups, free: Mutex::new((0..PLACES).collect()), _alive: alive })
    }
}
