//! The command line: parses, runs a command, prints, and says how to exit. Only this folder prints.
//!
//! Each command is a file or an entry of one: it describes itself and does its work. Results go to
//! stdout; log lines, prompts and errors to stderr.

mod app;
mod arguments;
mod bench;
mod check;
mod clear;
mod control;
mod demo_jobs;
mod escape;
mod failed;
mod job;
mod jobs;
mod log;
mod meta;
mod migrate;
mod monitor;
mod print;
mod program;
mod progress;
mod push;
mod retry;
mod status;
mod stdout;
mod tables;
mod targets;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use self::program::{Own, OwnCommand};
use crate::error::{Error, Result};
use crate::registry::Jobs;

pub use self::demo_jobs::jobs as stock_jobs;
pub use self::program::{App, Call};

/// A command: how it is called, and what it does.
struct Entry {
    command: fn() -> Command,
    run: fn(app::App, &ArgMatches) -> Result<Exit>,
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
    Entry { command: jobs::list_command, run: jobs::list },
    Entry { command: jobs::show_command, run: jobs::show },
    Entry { command: jobs::cancel_command, run: jobs::cancel },
    Entry { command: monitor::command, run: monitor::run },
    Entry { command: control::pause_command, run: control::pause },
    Entry { command: control::resume_command, run: control::resume },
    Entry { command: control::restart_command, run: control::restart },
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

fn run(
    jobs: Jobs,
    own: Own,
    commands: Vec<OwnCommand>,
    arguments: impl IntoIterator<Item = OsString>,
) -> ExitCode {
    let ran = OwnCommand::check(&commands).and_then(|()| dispatch(jobs, own, commands, arguments));
    let status = match ran {
        Ok(Ended::Command(code)) => {
            print::flush();
            return code;
        }
        Ok(Ended::Status(status)) => status,
        Err(error) => {
            print::error(&error);
            match error {
                error if error.is_of_usage() => 2,
                error if error.is_config() => 78,
                _ => 1,
            }
        }
    };
    print::flush();
    // Returning from main would not wait for threads either, but it would run destructors of statics and
    // leave stuck threads a moment more. A stopped worker has given its jobs away: it ends here.
    std::process::exit(i32::from(status))
}

/// How the command line ended.
enum Ended {
    Status(u8),
    /// A command of the program's own; the rest of `main` is its affair.
    Command(ExitCode),
}

fn dispatch(
    jobs: Jobs,
    own: Own,
    commands: Vec<OwnCommand>,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Ended> {
    let root = arguments::root(ENTRIES).subcommands(meta::commands());
    let root = root.subcommands(commands.iter().map(OwnCommand::command));
    let root = root.mut_arg("config", |file| file.hide(own.config.is_some()));
    let matches = match arguments::parse(root.clone(), ENTRIES, arguments) {
        Ok(matches) => matches,
        Err(refused) => return Ok(Ended::Status(print::refusal(refused))),
    };
    print::start(&matches);
    log::start(&matches);
    let Some((name, given)) = matches.subcommand() else {
        print::overview(&root);
        return Ok(Ended::Status(0));
    };
    if let Some(told) = meta::run(&root, name, given) {
        return told.map(|()| Ended::Status(0));
    }
    let app = app::App::new(jobs, own, &matches)?;
    if let Some(command) = OwnCommand::take(commands, name) {
        return command.run(app, given).map(Ended::Command);
    }
    let Some(entry) = ENTRIES.iter().find(|entry| (entry.command)().get_name() == name) else {
        return Ok(Ended::Status(2));
    };
    Ok(Ended::Status(match (entry.run)(app, given)? {
        Exit::Fine => 0,
        Exit::Status(status) => status,
    }))
}

/// A wrong use that only the command itself can see; clap would exit with the same status.
fn usage(message: impl Into<String>) -> Error {
    Error::invalid(message).of_usage()
}
