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
    paused: bool,
}

impl Line {
    /// A queue that the back end does not know: nothing waits in it.
    fn empty(queue: String, failed: Option<u64>) -> Self {
        let (waiting, delayed, running) = (Some(0), Some(0), Some(0));
        Self { queue, waiting, delayed, running, failed, oldest_wait_s: None, paused: false }
    }
}

fn look(queue: &Queue, queues: &[String]) -> Result<Vec<Line>> {
    let sizes = queue.size(None, queues)?;
    let paused = queue.paused(None)?;
    let driver = &queue.config().default;
    // Without a table of failed jobs there is nothing to count, which is not this command's trouble.
    let failed: Option<BTreeMap<String, u64>> = queue.failed().count().ok().map(|counts| {
        let ours = counts.into_iter().filter(|count| count.driver == *driver);
        ours.map(|count| (count.queue, count.count)).collect()
    });
    let failures = |queue: &str| failed.as_ref().map(|failed| failed.get(queue).copied().unwrap_or(0));
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for Size { queue, waiting, delayed, running, oldest_wait } in sizes {
        let oldest_wait_s = oldest_wait.map(|span| span.as_secs_f64());
        let paused = paused.contains(&queue);
        let failed = failures(&queue);
        let line = Line { queue: queue.clone(), waiting, delayed, running, failed, oldest_wait_s, paused };
        lines.insert(queue, line);
    }
    if queues.is_empty() {
        for name in failed.iter().flat_map(BTreeMap::keys).chain(&paused) {
            let line = lines.entry(name.clone());
            line.or_insert_with(|| Line::empty(name.clone(), failures(name))).paused = paused.contains(name);
        }
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
        let paused = if line.paused { "   paused" } else { "" };
        print::line(format!(
            "  {:<24} {:>9} {:>9} {:>9} {:>9}   {oldest}{paused}",
            line.queue,
            shown(line.waiting),
            shown(line.delayed),
            shown(line.running),
            shown(line.failed)
        ));
    }
}
