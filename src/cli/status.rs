//! `queue:status`: how many jobs each queue has.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;

use super::arguments::{connection, driver, given_queues, json, span, span_option, switch};
use super::exit::Exit;
use super::invocation::Invocation;
use super::print;
use crate::driver::Size;
use crate::error::Result;
use crate::queue::Queue;
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
    let bound = if matches.get_flag("exact") { u64::MAX } else { BOUND };
    loop {
        let lines = look(&queue, &queues, bound)?;
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

/// One queue. What a back end cannot know is null.
#[derive(Serialize)]
struct Line {
    queue: String,
    waiting: Option<u64>,
    delayed: Option<u64>,
    running: Option<u64>,
    failed: Option<u64>,
    oldest_wait_s: Option<f64>,
    paused: Option<bool>,
    /// Which of the counts stopped at their bound: there may be more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capped: Vec<&'static str>,
}

fn look(queue: &Queue, queues: &[String], bound: u64) -> Result<Vec<Line>> {
    let mut sizes = sizes(queue, queues, bound)?;
    let driver = &queue.config().default;
    // Without a table of failed jobs there is nothing to count, which is not this command's trouble. Nor is it
    // when the control table is in another database, which cannot be reached.
    let counted = match bound {
        u64::MAX => queue.failed().count(),
        bound => queue.failed().count_up_to(bound),
    };
    let mut failed_capped = false;
    let failed: Option<BTreeMap<String, u64>> = counted.ok().map(|counts| {
        // Of all queues together.
        failed_capped = counts.iter().map(|count| count.count).sum::<u64>() == bound;
        let ours = counts.into_iter().filter(|count| count.driver == *driver);
        ours.map(|count| (count.queue, count.count)).collect()
    });
    let paused = queue.paused(None).ok();
    let unseen = |name: &&String| queues.is_empty() && !sizes.iter().any(|size| size.queue == **name);
    let others = failed.iter().flat_map(BTreeMap::keys).chain(paused.iter().flatten());
    let more: Vec<String> = others.filter(unseen).cloned().collect();
    if !more.is_empty() {
        sizes.extend(self::sizes(queue, &more, bound)?);
    }
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for Size { queue, waiting, delayed, running, oldest_wait } in sizes {
        let failed = failed.as_ref().map(|failed| failed.get(&queue).copied().unwrap_or(0));
        let oldest_wait_s = oldest_wait.map(|span| span.as_secs_f64());
        let paused = paused.as_ref().map(|paused| paused.contains(&queue));
        let mut capped = Vec::new();
        for (name, count) in [("waiting", waiting), ("delayed", delayed), ("running", running)] {
            capped.extend((count == Some(bound)).then_some(name));
        }
        capped.extend(failed_capped.then_some("failed"));
        let line =
            Line { queue: queue.clone(), waiting, delayed, running, failed, oldest_wait_s, paused, capped };
        lines.insert(queue, line);
    }
    Ok(lines.into_values().collect())
}

fn sizes(queue: &Queue, queues: &[String], bound: u64) -> Result<Vec<Size>> {
    match bound {
        u64::MAX => queue.size(None, queues),
        bound => queue.size_up_to(None, queues, bound),
    }
}

/// `12`, or `10000+` where the count stopped; `-` where the back end cannot know.
pub(super) fn shown(count: Option<u64>, is_capped: bool) -> String {
    let more = if is_capped { "+" } else { "" };
    count.map_or("-".to_owned(), |count| format!("{count}{more}"))
}

fn table(lines: &[Line]) {
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
