//! `queue:clear`: removes waiting jobs.

use clap::{ArgMatches, Command};

use super::arguments::{connection, driver, force, given_queues, queues};
use super::exit::Exit;
use super::invocation::Invocation;
use super::print;
use super::progress::Progress;
use crate::error::Result;

pub(super) fn command() -> Command {
    Command::new("queue:clear")
        .about("Remove all jobs of queues that are not running")
        .arg(driver())
        .arg(connection())
        .arg(queues("The queues [default: the configured one]"))
        .arg(force())
        .after_long_help(
            "Examples:\n  \
             craft queue:clear --queue invoices,mail\n  \
             craft queue:clear --queue '\"a,b\"'      (one queue whose name has a comma, written by other programs)",
        )
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let quiet = invocation.quiet;
    let opened = invocation.open(matches)?;
    let config = opened.config();
    let queues = match given_queues(matches, "queue") {
        none if none.is_empty() => vec![config.settings(&config.default).queue.clone()],
        some => some,
    };
    let which = queues.iter().map(|queue| format!("\"{queue}\"")).collect::<Vec<_>>().join(", ");
    print::confirm(&format!("Remove all waiting jobs of queue {which}?"), matches.get_flag("force"))?;
    for queue in &queues {
        let progress = Progress::new(&format!("Removing the jobs of queue \"{queue}\""), None, quiet);
        let removed = opened.clear(None, queue)?;
        drop(progress);
        print::line(format!("Removed {removed} job(s) from queue \"{queue}\"."));
    }
    let sizes = opened.size_up_to(None, &queues, 1)?;
    if sizes.iter().any(|size| size.delayed.is_none()) {
        print::note("Delayed jobs and retries stay: this back end cannot select them.");
    }
    Ok(Exit::Fine)
}
