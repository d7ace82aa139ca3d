//! `queue:push`: a job from the command line, from a script, or from cron.

use std::io::Read;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::app::App;
use super::arguments::{connection, driver, json as json_flag, option, text};
use super::{Exit, print, usage};
use crate::error::{Error, Result};

pub(super) fn command() -> Command {
    Command::new("queue:push")
        .about("Put a job on a queue")
        .arg(Arg::new("name").value_name("NAME").required(true).help("The job's name"))
        .arg(
            Arg::new("payload")
                .value_name("JSON|@FILE|-")
                .help("Its fields as JSON, in a file, or on stdin [default: null]"),
        )
        .arg(driver())
        .arg(option("queue", "NAME", "The queue to put it on"))
        .arg(connection())
        .arg(option("delay", "TIME", "Due only after this: 30s, \"10 minutes\", or seconds"))
        .arg(option("count", "N", "So many of it"))
        .arg(json_flag())
        .after_long_help(
            "Examples:\n  \
             craft queue:push CreateInvoice '{\"order_id\": 1}' --queue invoices\n  \
             craft queue:push SendReport @report.json --delay 1h\n  \
             0 6 * * *  craft queue:push SendReport      (a line for cron)",
        )
}

pub(super) fn run(app: App, matches: &ArgMatches) -> Result<Exit> {
    let name = text(matches, "name").unwrap_or_default();
    let payload = payload(text(matches, "payload").unwrap_or("null"))?;
    let count = match text(matches, "count") {
        None => 1,
        Some(count) => match count.parse() {
            Ok(0) | Err(_) => {
                return Err(usage(format!("--count: \"{count}\" is not a whole number from 1")));
            }
            Ok(count) => count,
        },
    };
    let queue = app.open(matches)?;
    let mut push = queue.options();
    if let Some(name) = text(matches, "queue") {
        push = push.on(name);
    }
    if let Some(delay) = text(matches, "delay") {
        push = push.delay(delay);
    }
    let pushed = push.push_json(name, &payload, count)?;
    if !matches.get_flag("json") {
        pushed.iter().for_each(|pushed| print::line(pushed.id()));
        return Ok(Exit::Fine);
    }
    let ids: Vec<Value> = pushed.iter().map(|pushed| json!({ "id": pushed.id() })).collect();
    match (matches.contains_id("count"), &ids[..]) {
        (false, [only]) => print::json(only),
        _ => print::json(&ids),
    }
    Ok(Exit::Fine)
}

/// The payload as it stands, from a file, or from stdin.
fn payload(given: &str) -> Result<String> {
    let unreadable =
        |what: &str, cause| Error::other(format!("cannot read the payload from {what}")).because(&cause);
    match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|cause| unreadable(path, cause)),
        None if given == "-" => {
            let mut text = String::new();
            match std::io::stdin().read_to_string(&mut text) {
                Ok(_) => Ok(text),
                Err(cause) => Err(unreadable("stdin", cause)),
            }
        }
        None => Ok(given.to_owned()),
    }
}
