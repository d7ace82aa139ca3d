//! Finds the command that the arguments name, runs it, and turns its end into an exit status.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::custom_command::CustomCommand;
#[cfg(feature = "dashboard")]
use super::dashboard;
use super::exit::Exit;
use super::invocation::{Invocation, QueueSetup};
use super::{
    arguments, bench, clear, config_check, control, failed, help, inspect, log, make_job, migrate, monitor,
    print, push, retry, status, tables, work,
};
use crate::error::Result;
use crate::registry::Jobs;

/// A command: how it is called, and what it does.
struct Entry {
    command: fn() -> Command,
    run: fn(Invocation, &ArgMatches) -> Result<Exit>,
}

/// All commands.
const ENTRIES: &[Entry] = &[
    Entry { command: work::command, run: work::run },
    Entry { command: push::command, run: push::run },
    Entry { command: status::command, run: status::run },
    Entry { command: inspect::list_command, run: inspect::list },
    Entry { command: inspect::show_command, run: inspect::show },
    Entry { command: inspect::cancel_command, run: inspect::cancel },
    Entry { command: monitor::command, run: monitor::run },
    #[cfg(feature = "dashboard")]
    Entry { command: dashboard::command, run: dashboard::run },
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
    Entry { command: make_job::command, run: make_job::run },
    Entry { command: make_job::list_command, run: make_job::list },
    Entry { command: config_check::command, run: config_check::run },
];

fn names() -> impl Iterator<Item = String> {
    ENTRIES.iter().map(|entry| (entry.command)().get_name().to_owned())
}

pub(super) fn run(
    jobs: Jobs,
    setup: QueueSetup,
    commands: Vec<CustomCommand>,
    arguments: impl IntoIterator<Item = OsString>,
) -> ExitCode {
    let ran = CustomCommand::check(&commands, names().chain(help::NAMES.map(str::to_owned)))
        .and_then(|()| dispatch(jobs, setup, commands, arguments));
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
    setup: QueueSetup,
    commands: Vec<CustomCommand>,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Ended> {
    let root = arguments::root(ENTRIES.iter().map(|entry| (entry.command)())).subcommands(help::commands());
    let root = root.subcommands(commands.iter().map(CustomCommand::command));
    let root = root.mut_arg("config", |file| file.hide(setup.config.is_some()));
    let matches = match arguments::parse(root.clone(), &names().collect::<Vec<_>>(), arguments) {
        Ok(matches) => matches,
        Err(refused) => return Ok(Ended::Status(print::refusal(refused))),
    };
    print::start(&matches);
    log::start(&matches);
    let Some((name, given)) = matches.subcommand() else {
        help::overview(&root);
        return Ok(Ended::Status(0));
    };
    if let Some(told) = help::run(&root, name, given) {
        return told.map(|()| Ended::Status(0));
    }
    let invocation = Invocation::new(jobs, setup, &matches)?;
    if let Some(command) = CustomCommand::take(commands, name) {
        return command.run(invocation, given).map(Ended::Command);
    }
    let Some(entry) = ENTRIES.iter().find(|entry| (entry.command)().get_name() == name) else {
        return Ok(Ended::Status(2));
    };
    Ok(Ended::Status(match (entry.run)(invocation, given)? {
        Exit::Fine => 0,
        Exit::Status(status) => status,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::identity::put_name;

    #[test]
    fn every_command_is_known_to_be_one_in_advice() {
        for name in names().chain(help::NAMES.map(str::to_owned)) {
            assert_eq!(put_name(&format!("craft {name}"), "shop"), format!("shop {name}"));
        }
    }
}
