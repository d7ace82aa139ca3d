//! The process of a child: the running program once more, from its start to its end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::shared_state::SharedState;
use crate::runner::escaped_processes::{Escaped, reap_what_it_left};
use crate::runner::exit_status;
use crate::runner::reaper::Watch;
use crate::runner::unix::{self, Ask, ask_group};

/// The first argument of a child; two descriptors follow it. An argument and not a variable of the
/// environment, as a program that a job runs would inherit that, and might be this very program.
pub(super) const MARK: &str = "--craft-queue-child";

pub(super) struct ChildProcess {
    process: Child,
    watch: Option<Watch>,
    escaped: Escaped,
    pub(super) is_killed: bool,
}

/// How a process ended.
pub(super) struct Exit {
    pub(super) how: String,
    /// By one of the signals that ask programs to end.
    pub(super) was_asked: bool,
}

impl ChildProcess {
    /// Starts one, with at most so many MB of memory. Called on the supervisor's thread only, because a child dies
    /// with the thread that started it.
    pub(super) fn start(memory: Option<u64>) -> io::Result<(Self, UnixStream, SharedState)> {
        let (socket, childs_socket) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let (state, childs_state) = SharedState::new()?;
        let inherited = [childs_socket.as_raw_fd(), childs_state.as_raw_fd()];
        let mut command = Command::new(program()?);
        command
            .args([MARK, &inherited[0].to_string(), &inherited[1].to_string()])
            .stdin(Stdio::null())
            .stdout(errors_too());
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        unix::confine(&mut command, inherited, memory.map(|megabytes| megabytes * 1024 * 1024));
        let watch = Watch::new()?;
        let process = command.spawn()?;
        watch.note(process.id());
        let process = Self { process, watch: Some(watch), escaped: Escaped::default(), is_killed: false };
        Ok((process, socket, state))
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends SIGTERM to the process and to all that it has started.
    pub(super) fn ask_to_end(&mut self) {
        self.escaped.ask(self.id(), Ask::ToEnd);
        ask_group(self.id(), Ask::ToEnd);
    }

    /// Sends SIGKILL to the process and to all that it has started.
    pub(super) fn kill(&mut self) {
        if !std::mem::replace(&mut self.is_killed, true) {
            self.escaped.ask(self.id(), Ask::ToDie);
        }
        ask_group(self.id(), Ask::ToDie);
    }

    pub(super) fn has_ended(&self) -> bool {
        unix::has_ended(self.id())
    }

    /// Reaps a process that has ended, and kills what is left of its group.
    pub(super) fn reap(mut self) -> Exit {
        // The group is named after a process that is not reaped yet, so this can hit no other.
        ask_group(self.id(), Ask::ToDie);
        self.escaped.ask_known(Ask::ToDie);
        drop(self.watch.take());
        let status = self.process.wait();
        reap_what_it_left(self.id(), &self.escaped);
        match status {
            Ok(status) => {
                let was_asked = exit_status::asks_to_stop(status.signal());
                Exit { how: exit_status::cause(status), was_asked }
            }
            Err(cause) => Exit { how: format!("cannot learn how it ended: {cause}"), was_asked: false },
        }
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
