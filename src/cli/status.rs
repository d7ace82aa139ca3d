//! `queue:status`: how much waits.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;

use super::app::App;
use super::arguments::{connection, driver, json, option, text};
use super::{Exit, print};
use crate::driver::Size;
use crate::error::Result;
use crate::queue::Queue;
use crate::time;

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
        .arg(option("watch", "SEC", "Show it again and again"))
        .arg(json())
}

pub(super) fn run(app: App, matches: &ArgMatches) -> Result<Exit> {
    let queues: Vec<String> = matches.get_many::<String>("queues").into_iter().flatten().cloned().collect();
    let watch = text(matches, "watch").map(time::parse_span).transpose()?;
    let queue = app.open(matches)?;
    loop {
        let lines = look(&queue, &queues)?;
        match matches.get_flag("json") {
            true => print::json(&lines),
            false => table(&lines),
        }
        match watch {
            // Ended by Ctrl-C, which ends the process as it is.
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
}

fn look(queue: &Queue, queues: &[String]) -> Result<Vec<Line>> {
    let mut sizes = queue.size(None, queues)?;
    let driver = &queue.config().default;
    // Without a table of failed jobs there is nothing to count, which is not this command's trouble. Nor is it
    // when what the workers are told lies in another database, which is away.
    let failed: Option<BTreeMap<String, u64>> = queue.failed().count().ok().map(|counts| {
        let ours = counts.into_iter().filter(|count| count.driver == *driver);
        ours.map(|count| (count.queue, count.count)).collect()
    });
    let paused = queue.paused(None).ok();
    let unseen = |name: &&String| queues.is_empty() && !sizes.iter().any(|size| size.queue == **name);
    let others = failed.iter().flat_map(BTreeMap::keys).chain(paused.iter().flatten());
    let more: Vec<String> = others.filter(unseen).cloned().collect();
    if !more.is_empty() {
        sizes.extend(queue.size(None, &more)?);
    }
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for Size { queue, waiting, delayed, running, oldest_wait } in sizes {
        let failed = failed.as_ref().map(|failed| failed.get(&queue).copied().unwrap_or(0));
        let oldest_wait_s = oldest_wait.map(|span| span.as_secs_f64());
        let paused = paused.as_ref().map(|paused| paused.contains(&queue));
        let line = Line { queue: queue.clone(), waiting, delayed, running, failed, oldest_wait_s, paused };
        lines.insert(queue, line);
    }
    Ok(lines.into_values().collect())
}

fn table(lines: &[Line]) {
    if lines.is_empty() {
        print::line("Nothing waits.");
        return;
    }
    print::line(format!(
        "  {:<24} {:>9} {:>9} {:>9} {:>9}   oldest wait",
        "queue", "waiting", "delayed", "running", "failed"
    ));
    let shown = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    for line in lines {
        let oldest = line.oldest_wait_s.and_then(time::seconds_to_span).map_or("-".to_owned(), time::humane);
        let paused = if line.paused == Some(true) { "   paused" } else { "" };
        print::line(format!(
            "  {:<24} {:>9} {:>9} {:>9} {:>9}   {oldest}{paused}",
            line.queue,
            shown(line.waiting),
            shown(line.delayed),
            shown(line.running),
            shown(line.failed)
        ));
    }
    if lines.iter().any(|line| line.delayed.is_none()) {
        print::line("  A \"-\" is what this back end does not tell.");
    }
}
