//! `queue:pause`, `queue:resume`, `queue:restart`: control messages to the workers.

use clap::{ArgMatches, Command};

use super::arguments::{connection, driver, given_queues, named_queues};
use super::exit::{Exit, misnamed};
use super::invocation::Invocation;
use super::print;
use crate::error::Result;

pub(super) fn pause_command() -> Command {
    Command::new("queue:pause")
        .about("Have the workers take nothing new from queues, until queue:resume")
        .arg(named_queues().help("The queues"))
        .arg(driver())
        .arg(connection())
        .after_long_help(
            "Examples:\n  \
             craft queue:pause invoices\n  \
             craft queue:pause invoices mail --driver database --connection mysql\n\n\
             Workers obey within their --poll. Running jobs finish, pushes go on, other queues are worked off.\n\
             A queue stays paused until queue:resume, whatever is started anew meanwhile; queue:status shows it.",
        )
}

pub(super) fn pause(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let opened = invocation.open(matches)?;
    for queue in given_queues(matches, "queues") {
        match opened.pause(None, &queue).map_err(misnamed)? {
            true => print::line(format!("Queue \"{queue}\" is paused.")),
            false => print::line(format!("Queue \"{queue}\" is paused already.")),
        }
    }
    Ok(Exit::Fine)
}

pub(super) fn resume_command() -> Command {
    Command::new("queue:resume")
        .about("Have the workers take jobs from paused queues again")
        .arg(named_queues().help("The queues"))
        .arg(driver())
        .arg(connection())
        .after_long_help("Examples:\n  craft queue:resume invoices")
}

pub(super) fn resume(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let opened = invocation.open(matches)?;
    for queue in given_queues(matches, "queues") {
        match opened.resume(None, &queue).map_err(misnamed)? {
            true => print::line(format!("Queue \"{queue}\" is resumed.")),
            false => print::line(format!("Queue \"{queue}\" is not paused.")),
        }
    }
    Ok(Exit::Fine)
}

pub(super) fn restart_command() -> Command {
    Command::new("queue:restart")
        .about("Have all workers that run now finish their jobs and end")
        .arg(driver())
        .arg(connection())
        .after_long_help(
            "Examples:\n  \
             craft queue:restart      (after a deploy: systemd or another supervisor starts them again)\n\n\
             Workers obey within their --poll, finish what runs, and exit with 0. Those that are started\n\
             afterwards are not meant. Nothing is started by this command: set Restart=always in systemd.",
        )
}

pub(super) fn restart(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    invocation.open(matches)?.restart_workers(None)?;
    print::line("All workers finish their running jobs and end; their supervisor starts them again.");
    Ok(Exit::Fine)
}
