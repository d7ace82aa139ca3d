//! The command line: parses, runs a command, prints, and says how to exit. Only this folder prints.
//!
//! Each command is a file or an entry of one, listed in `dispatch`: it describes itself and does its work. Results go
//! to stdout; log lines, prompts and errors to stderr.

mod app;
mod arguments;
mod bench;
mod clear;
mod config_check;
mod control;
mod custom_command;
#[cfg(feature = "dashboard")]
mod dashboard;
mod demo_jobs;
mod dispatch;
mod escape;
mod exit;
mod failed;
mod help;
mod identity;
mod inspect;
mod invocation;
mod log;
mod make_job;
mod migrate;
mod migration_targets;
mod monitor;
mod print;
mod progress;
mod push;
mod retry;
mod signals;
mod status;
mod stdout;
mod tables;
mod work;

use std::process::ExitCode;

use crate::registry::Jobs;

pub use self::app::App;
pub use self::custom_command::Call;
pub use self::demo_jobs::jobs as stock_jobs;

/// Runs the command line of a program that knows these jobs, with the process's arguments. `main` should
/// return what it returns at once: after a stop, threads may still run that must not run on. [`App`] does the
/// same for a program that brings more than jobs.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     craft_queue::main(craft_queue::Jobs::new())
/// }
/// ```
pub fn main(jobs: Jobs) -> ExitCode {
    App::new(jobs).run()
}
