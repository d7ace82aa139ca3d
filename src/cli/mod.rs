//! The command line: parses, runs a command, prints, and says how to exit. Only this folder prints.
//!
//! Each command is a file: `command()` describes it, `run()` does it. Results go to stdout; log lines,
//! prompts and errors to stderr.

mod app;
mod print;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use self::app::App;
use crate::error::Error;
use crate::jobs::Jobs;

/// A command: how it is called, and what it does.
struct Entry {
    command: fn() -> Command,
    run: fn(App, &ArgMatches) -> Result<Exit, Error>,
}

/// How a command ended, when it did not end in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// 0.
    Fine,
    /// Another status, whose reason is printed already.
    Status(u8),
}

/// All commands, in the order of the help.
const ENTRIES: &[Entry] = &[];

/// Runs the command line of a program that knows these jobs, with the process's arguments.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     craft_queue::main(craft_queue::Jobs::new())
/// }
/// ```
pub fn main(jobs: Jobs) -> ExitCode {
    run(jobs, std::env::args_os())
}

fn run(_jobs: Jobs, _arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::SUCCESS
}
