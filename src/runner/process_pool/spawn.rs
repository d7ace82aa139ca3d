//! Starts children: the running program once more.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::child::Child;
use super::protocol::ToChild;
use super::shared_state::SharedState;
use crate::runner::reaper::Watch;
use crate::runner::unix;

/// The first argument of a child; two descriptors follow it. An argument and not a variable of the
/// environment, as a program that a job runs would inherit that, and might be this very program.
pub(super) const MARK: &str = "--craft-queue-child";

/// How children are started.
pub(super) struct Spawner {
    pub(super) callback: String,
    /// The most memory that a child may have, in MB.
    pub(super) memory: Option<u64>,
}

impl Spawner {
    /// Starts one. Called on the supervisor's thread only, because a child dies with the thread that started it.
    pub(super) fn start(&self) -> io::Result<Child> {
        let (line, childs_line) = UnixStream::pair()?;
        line.set_nonblocking(true)?;
        let (card, childs_card) = SharedState::new()?;
        let inherited = [childs_line.as_raw_fd(), childs_card.as_raw_fd()];
        let mut command = Command::new(program()?);
        command
            .args([MARK, &inherited[0].to_string(), &inherited[1].to_string()])
            .stdin(Stdio::null())
            .stdout(errors_too());
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        unix::confine(&mut command, inherited, self.memory.map(|megabytes| megabytes * 1024 * 1024));
        let watch = Watch::new()?;
        let process = command.spawn()?;
        watch.note(process.id());
        let mut child = Child::new(process, watch, line, card);
        child.send(&ToChild::Hello { callback: &self.callback });
        Ok(child)
    }
}

/// The file that this process runs. The link is followed in the child and leads to the file that is being
/// run, even when a deploy has put another in its place or removed it: parent and child are always the
/// same program.
fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe()
}

/// What a job prints goes to where the worker logs: its stderr, straight and inherited. There is no pipe
/// between a job and its last words, none that could fill up, and nothing to be lost with either process.
/// The worker's own stdout is for the results of commands.
fn errors_too() -> Stdio {
    let same = std::io::stderr().as_fd().try_clone_to_owned();
    same.map_or_else(|_| Stdio::null(), |stderr: OwnedFd| Stdio::from(stderr))
}
