//! `queue:bench`: what this back end can do.

use clap::{ArgMatches, Command};

use super::arguments::{connection, driver, json, option, span_option, whole};
use super::exit::Exit;
use super::invocation::Invocation;
use super::print;
use crate::bench::Bench;
use crate::config::DriverKind;
use crate::error::Result;

pub(super) fn command() -> Command {
    Command::new("queue:bench")
        .about("Measure the back end, in a table or queue of its own")
        .arg(driver())
        .arg(connection())
        .arg(option("jobs", "N", "How many jobs to move [default: 20000]"))
        .arg(option("workers", "N", "Slots of the second drain [default: 10]"))
        .arg(option("threads", "N", "Threads of the second push [default: 16]"))
        .arg(option(
            "backlog",
            "N",
            "Further jobs that wait behind a third drain, or are due tomorrow in a fourth [default: none]",
        ))
        .arg(option("pickups", "N", "How many jobs to time from push to begin [default: 20]"))
        .arg(span_option("poll", "SEC", "The longest sleep between looks").short('p'))
        .arg(json())
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let mut config = invocation.config(matches)?;
    // The flag is about the bench's worker, not about the pool's default.
    let number = |name: &str, least: usize, otherwise: usize| {
        whole(matches, name, least).map(|number| number.unwrap_or(otherwise))
    };
    if !matches.contains_id("workers") && config.default_kind() != DriverKind::Async {
        config.database.settings.workers = 1;
        config.amqp.settings.workers = 1;
    }
    let mut bench = Bench::new(config);
    bench.jobs = number("jobs", 1, bench.jobs)?;
    bench.workers = number("workers", 1, bench.workers)?;
    bench.threads = number("threads", 1, bench.threads)?;
    bench.backlog = number("backlog", 0, bench.backlog)?;
    bench.pickups = number("pickups", 0, bench.pickups)?;
    print::note(bench.settings());
    bench.run(|figure| match matches.get_flag("json") {
        true => print::json(&figure),
        false => print::line(figure.line()),
    })?;
    Ok(Exit::Fine)
}
