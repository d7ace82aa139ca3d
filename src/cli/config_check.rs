//! `config:check`: each value with its source, then whether it works.

use clap::{ArgMatches, Command};

use super::arguments::{connection, driver};
use super::exit::Exit;
use super::invocation::Invocation;
use super::print;
use super::print::{Style, Text};
use crate::config::DriverKind;
use crate::driver::database::Database;
use crate::error::{Error, Result};

pub(super) fn command() -> Command {
    Command::new("config:check")
        .about("Show the configuration and where each value comes from, and try it out")
        .arg(driver())
        .arg(connection())
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    for entry in config.entries() {
        let value = Text::from(format_args!("  {:<32} {:<28} ", entry.key, entry.value));
        print::line(value.styled(&entry.source, Style::Faint));
    }
    print::line("");
    let checked = config.clone();
    let queue = invocation.queue(config)?;
    let (mut trouble, mut last) = (false, String::new());
    let mut told = |what: String, result: Result<()>| match result {
        Ok(()) => print::line(Text::from("  ").styled("ok", Style::Good).and("  ").and(what)),
        Err(error) => {
            trouble = true;
            print::line(Text::from("  ").styled("no", Style::Bad).and("  ").and(what));
            // An error that all checks have is printed once.
            if last != error.to_string() {
                print::error(&error);
                last = error.to_string();
            }
        }
    };
    let sized = queue.size(None, &[]).map(drop);
    // Without the table of jobs what belongs to it is missing, too, and the help is the same.
    let is_there = sized.is_ok();
    told(format!("driver {} ({})", checked.default, queue.describe(None)?), sized);
    if checked.default_kind() == DriverKind::Database && is_there {
        let database = Database::of_jobs(&checked, &checked.database.connection)?;
        told("indexes of the jobs".to_owned(), indexes(&database));
        told("signals to the workers".to_owned(), database.check_signals());
    }
    if checked.settings(&checked.default).failed_table.is_some() {
        told("failed jobs".to_owned(), queue.failed().count().map(drop));
    }
    Ok(if trouble { Exit::Status(1) } else { Exit::Fine })
}

fn indexes(database: &Database) -> Result<()> {
    let missing = database.missing_indexes()?;
    match &missing[..] {
        [] => Ok(()),
        some => Err(Error::schema(format!("indexes are missing: {}", some.join(", "))).with_help(
            "without them workers scan the whole table; craft queue:table shows how they are made",
        )),
    }
}
