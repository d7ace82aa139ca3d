//! How a job is run: in a thread of this process, in a child process, or as a program.
//!
//! The worker hands `work` to a `Runner`, which reports how it ended: `thread` and `process_pool` are the two, and
//! `run` is what both do in a thread of this process. The rest is what processes need.

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod escaped_processes;
#[cfg(unix)]
mod exit_status;
#[cfg(all(unix, feature = "cli"))]
mod orphans;
#[cfg(unix)]
mod process_pool;
#[cfg(unix)]
mod reaper;
mod run;
#[cfg(unix)]
mod shortage;
mod task;
mod thread;
#[cfg(unix)]
#[allow(
    unsafe_code,
    reason = "system calls that the standard library lacks; each block says what it relies on"
)]
mod unix;
mod work;

#[cfg(unix)]
pub(crate) use command::Program;
#[cfg(unix)]
pub(crate) use exit_status::check_exit_statuses;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use orphans::reap_orphans;
#[cfg(unix)]
pub(crate) use process_pool::{Processes, Rules};
pub(crate) use run::{call_hook, run_job};
pub(crate) use task::{Task, Witness};
pub(crate) use thread::Threads;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use unix::{Ignored, hear_of_children, is_ignored, stdout_becomes_stderr};
pub(crate) use work::{Finished, MakeRunner, Runner, Work};
