//! The command line: parses, runs a command, prints, and says how to exit. Only this folder prints.
//!
//! Each command is a file or an entry of one: it describes itself and does its work. Results go to
//! stdout; log lines, prompts and errors to stderr.

mod app;
mod arguments;
mod bench;
mod check;
mod clear;
mod escape;
mod failed;
mod job;
mod log;
mod migrate;
mod monitor;
mod print;
mod push;
mod retry;
mod signals;
mod status;
mod stdout;
mod stock;
mod tables;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use self::app::App;
use crate::error::{Error, Result};
use crate::jobs::Jobs;

pub use self::stock::jobs as stock_jobs;

/// A command: how it is called, and what it does.
struct Entry {
    command: fn() -> Command,
    run: fn(App, &ArgMatches) -> Result<Exit>,
}

/// How a command ended, when it did not end in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Fine,
    /// Another status, whose reason is printed already.
    Status(u8),
}

/// All commands.
const ENTRIES: &[Entry] = &[
    Entry { command: work::command, run: work::run },
    Entry { command: push::command, run: push::run },
    Entry { command: status::command, run: status::run },
    Entry { command: monitor::command, run: monitor::run },
    Entry { command: signals::pause_command, run: signals::pause },
    Entry { command: signals::resume_command, run: signals::resume },
    Entry { command: signals::restart_command, run: signals::restart },
    Entry { command: clear::command, run: clear::run },
    Entry { command: failed::list_command, run: failed::list },
    Entry { command: retry::command, run: retry::run },
    Entry { command: failed::forget_command, run: failed::forget },
    Entry { command: failed::flush_command, run: failed::flush },
    Entry { command: failed::prune_command, run: failed::prune },
    Entry { command: tables::table_command, run: tables::table },
    Entry { command: tables::failed_command, run: tables::failed },
    Entry { command: tables::install_command, run: tables::install },
    Entry { command: bench::command, run: bench::run },
    Entry { command: migrate::migrate_command, run: migrate::migrate },
    Entry { command: migrate::rollback_command, run: migrate::rollback },
    Entry { command: migrate::status_command, run: migrate::status },
    Entry { command: job::command, run: job::run },
    Entry { command: job::list_command, run: job::list },
    Entry { command: check::command, run: check::run },
];

/// Runs the command line of a program that knows these jobs, with the process's arguments. `main` should
/// return what it returns at once: after a stop, threads may still run that must not run on.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     craft_queue::main(craft_queue::Jobs::new())
/// }
/// ```
pub fn main(jobs: Jobs) -> ExitCode {
    let jobs = jobs.serve_if_child_with(crate::bench::known_to_children);
    let status = run(jobs, std::env::args_os());
    print::flush();
    // Returning from main would not wait for threads either, but it would run destructors of statics and
    // leave stuck threads a moment more. A stopped worker has given its jobs away: it ends here.
    std::process::exit(i32::from(status))
}

fn run(jobs: Jobs, arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let matches = match arguments::parse(ENTRIES, arguments) {
        Ok(matches) => matches,
        Err(refused) => return print::refusal(refused),
    };
    print::start(&matches);
    log::start(&matches);
    let Some((name, own)) = matches.subcommand() else {
        print::overview(&arguments::root(ENTRIES));
        return 0;
    };
    let Some(entry) = ENTRIES.iter().find(|entry| (entry.command)().get_name() == name) else {
        return 2;
    };
    let ran = App::new(jobs, &matches).and_then(|app| (entry.run)(app, own));
    match ran {
        Ok(Exit::Fine) => 0,
        Ok(Exit::Status(status)) => status,
        Err(error) => {
            print::error(&error);
            if error.is_config() { 78 } else { 1 }
        }
    }
}

/// A wrong use that only the command itself can see; clap would exit with the same status.
fn usage(message: impl Into<String>) -> Error {
    Error::invalid(message)
}
