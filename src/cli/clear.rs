//! `queue:clear`: removes what waits.

use clap::{ArgMatches, Command};

use super::app::App;
use super::arguments::{connection, driver, force, option, text};
use super::progress::Progress;
use super::{Exit, print};
use crate::error::Result;

pub(super) fn command() -> Command {
    Command::new("queue:clear")
        .about("Remove all jobs of a queue that are not running")
        .arg(driver())
        .arg(connection())
        .arg(option("queue", "NAME", "The queue [default: the configured one]"))
        .arg(force())
}

pub(super) fn run(app: App, matches: &ArgMatches) -> Result<Exit> {
    let quiet = app.quiet;
    let opened = app.open(matches)?;
    let config = opened.config();
    let queue = match text(matches, "queue") {
        Some(queue) => queue.to_owned(),
        None => config.settings(&config.default).queue.clone(),
    };
    print::confirm(&format!("Remove all waiting jobs of queue \"{queue}\"?"), matches.get_flag("force"))?;
    let progress = Progress::new(&format!("Removing the jobs of queue \"{queue}\""), None, quiet);
    let removed = opened.clear(None, &queue)?;
    drop(progress);
    print::line(format!("Removed {removed} job(s) from queue \"{queue}\"."));
    let sizes = opened.size_up_to(None, std::slice::from_ref(&queue), 1)?;
    if sizes.iter().any(|size| size.delayed.is_none()) {
        print::note("What is delayed, or to be tried again later, stays: this back end can't pick it out.");
    }
    Ok(Exit::Fine)
}
