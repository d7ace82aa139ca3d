//! `queue:status`: how many jobs each queue has.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::arguments::{connection, driver, given_queues, json, span, span_option, switch};
use super::exit::Exit;
use super::invocation::Invocation;
use super::print;
use crate::error::Result;
use crate::queue::QueueStatus;
use crate::time;

/// Where a count stops: an exact larger number is rarely needed and takes long.
pub(super) const BOUND: u64 = 10_000;

pub(super) fn command() -> Command {
    Command::new("queue:status")
        .about("Show how much waits, runs and has failed")
        .arg(
            Arg::new("queues")
                .value_name("QUEUE")
                .action(ArgAction::Append)
                .num_args(0..)
                .help("Only these queues [default: all]"),
        )
        .arg(driver())
        .arg(connection())
        .arg(span_option("watch", "SEC", "Show it again and again"))
        .arg(switch("exact", "Count all, however long it takes [default: up to 10000 of each]"))
        .arg(json())
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let queues = given_queues(matches, "queues");
    let watch = span(matches, "watch")?;
    let queue = invocation.open(matches)?;
    let most = (!matches.get_flag("exact")).then_some(BOUND);
    loop {
        let lines = queue.status(None, &queues, most)?;
        match matches.get_flag("json") {
            true => print::json(&lines),
            false => table(&lines),
        }
        match watch {
            // Ctrl-C ends the process here.
            Some(span) => std::thread::sleep(span.max(Duration::from_millis(100))),
            None => return Ok(Exit::Fine),
        }
    }
}

/// `12`, or `10000+` where the count stopped; `-` where the back end cannot know.
pub(super) fn shown(count: Option<u64>, is_capped: bool) -> String {
    let more = if is_capped { "+" } else { "" };
    count.map_or("-".to_owned(), |count| format!("{count}{more}"))
}

fn table(lines: &[QueueStatus]) {
    if lines.is_empty() {
        print::line("No jobs.");
        return;
    }
    print::line(format!(
        "  {:<24} {:>9} {:>9} {:>9} {:>9}   oldest wait",
        "queue", "waiting", "delayed", "running", "failed"
    ));
    for line in lines {
        let oldest =
            line.oldest_wait_s.and_then(time::seconds_to_span).map_or("-".to_owned(), time::format_duration);
        let paused = if line.paused == Some(true) { "   paused" } else { "" };
        let is_capped = |name| line.capped.contains(&name);
        print::line(format!(
            "  {:<24} {:>9} {:>9} {:>9} {:>9}   {oldest}{paused}",
            line.queue,
            shown(line.waiting, is_capped("waiting")),
            shown(line.delayed, is_capped("delayed")),
            shown(line.running, is_capped("running")),
            shown(line.failed, is_capped("failed"))
        ));
    }
    if lines.iter().any(|line| !line.capped.is_empty()) {
        print::line("  A \"+\" is where the count stopped; --exact counts all.");
    }
    if lines.iter().any(|line| line.delayed.is_none()) {
        print::line("  A \"-\" is a number that this back end does not have.");
    }
}
