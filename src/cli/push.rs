//! `queue:push`: a job from the command line, from a script, or from cron.

use std::io::Read;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use serde::de::IgnoredAny;

use super::arguments::{
    connection, driver, json as json_flag, option, span, span_option, switch, text, whole,
};
use super::exit::{Exit, misnamed, usage};
use super::invocation::Invocation;
use super::print;
use super::progress::Progress;
use crate::backoff::Backoff;
use crate::config::nearest;
use crate::error::{Error, Result};
use crate::message::{JobId, Pushed};
use crate::push::Push;
use crate::queue::{Known, Queue};

/// Of more, only the first and the last id are printed.
pub(super) const SHOWN: usize = 100;

/// So many are pushed at once.
const PART: usize = 2_000;

pub(super) fn command() -> Command {
    Command::new("queue:push")
        .about("Put a job on a queue")
        .arg(Arg::new("name").value_name("NAME").required(true).help("The job's name"))
        .arg(
            Arg::new("payload")
                .value_name("JSON|@FILE|-")
                .allow_negative_numbers(true)
                .help("Its fields as JSON, in a file, or on stdin [default: null]"),
        )
        .arg(driver())
        .arg(option("queue", "NAME", "The queue to put it on"))
        .arg(connection())
        .arg(span_option("delay", "TIME", "Due only after this: 30s, \"10 minutes\", or seconds"))
        .arg(option("count", "N", "So many of it"))
        .arg(option("unique", "KEY", "Add nothing while a job with this key waits or runs"))
        .arg(
            option("unique-until-start", "KEY", "Add nothing while a job with this key waits")
                .conflicts_with("unique"),
        )
        .arg(switch("replace", "Take the place of the job that waits with this key"))
        .arg(option("priority", "0-9", "Before those of a lower priority [default: 0]"))
        .arg(option("attempts", "N", "Attempts before it is a failed job"))
        .arg(span_option("backoff", "SEC[,SEC…]", "How long to wait between attempts, or: exponential"))
        .arg(span_option("timeout", "SEC", "How long one attempt may take"))
        .arg(switch("force", "Push it though the job can't be made of this payload"))
        .arg(json_flag())
        .after_long_help(
            "Examples:\n  \
             craft queue:push CreateInvoice '{\"order_id\": 1}' --queue invoices\n  \
             craft queue:push SendReport @report.json --delay 1h --attempts 5 --backoff 1,10,60\n  \
             craft queue:push Reindex --unique reindex\n  \
             0 6 * * *  craft queue:push SendReport      (a line for cron)\n\n\
             It prints the id. Of more than 100 it prints the first and the last one; with -v or --json, all.\n\
             Where this program knows the job, a payload that it can't be made of is refused with status 2.",
        )
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let name = text(matches, "name").unwrap_or_default();
    let payload = payload(text(matches, "payload").unwrap_or("null"))?;
    let count: usize = whole(matches, "count", 1)?.unwrap_or(1);
    let options = Options::of(matches)?;
    let (quiet, all_ids) = (invocation.quiet, invocation.verbosity > 0);
    let queue = invocation.open_driver(matches)?;
    if !matches.get_flag("force") && !fits(&queue, name, &payload, quiet) {
        return Ok(Exit::Status(2));
    }
    let as_json = matches.get_flag("json");
    let pushed = {
        let mut pushed: Vec<Pushed> = Vec::new();
        let total = u64::try_from(count).ok();
        let mut progress = Progress::new(&format!("Pushing {name}"), total, quiet || count <= PART);
        while pushed.len() < count {
            let part = PART.min(count - pushed.len());
            let answers = options.apply(queue.options()).push_json(name, &payload, part);
            pushed.extend(answers.map_err(|error| match pushed.len() {
                0 => misnamed(error),
                some => error.context(format!("{some} of {count} were pushed, and then")),
            })?);
            progress.add(part as u64);
        }
        pushed
    };
    match as_json {
        true => tell_json(&pushed, matches.contains_id("count")),
        false => tell(&pushed, all_ids),
    }
    Ok(Exit::Fine)
}

fn tell(pushed: &[Pushed], all_ids: bool) {
    let count = |is: fn(&Pushed) -> bool| pushed.iter().filter(|pushed| is(pushed)).count();
    let added = count(Pushed::is_added);
    let replaced = count(|pushed| matches!(pushed, Pushed::Replaced(_)));
    let duplicates = pushed.len() - added - replaced;
    match pushed {
        [first, .., last] if pushed.len() > SHOWN && !all_ids => match duplicates {
            0 if replaced == 0 => {
                print::line(format!("Pushed {added} jobs: #{} to #{}", first.id(), last.id()));
            }
            _ => print::line(format!("Pushed {added} {}", if added == 1 { "job" } else { "jobs" })),
        },
        some => some.iter().for_each(|pushed| print::line(pushed.id())),
    }
    match pushed {
        [Pushed::Duplicate(id)] => {
            print::note(format!("Nothing was added: job #{id} with the same key waits or runs."));
        }
        [Pushed::Replaced(id)] => {
            print::note(format!("Job #{id} waited with the same key, and is now this one."));
        }
        _ if duplicates > 0 => {
            print::note(format!("{duplicates} were not added: a job with the same key waits or runs."));
        }
        _ if replaced > 0 => {
            print::note(format!("{replaced} took the place of a job that waited with the same key."));
        }
        _ => {}
    }
}

fn tell_json(pushed: &[Pushed], as_list: bool) {
    #[derive(Serialize)]
    struct Answer<'a> {
        id: &'a JobId,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replaced: bool,
    }
    let answers: Vec<_> = pushed
        .iter()
        .map(|pushed| Answer {
            id: pushed.id(),
            duplicate: matches!(pushed, Pushed::Duplicate(_)),
            replaced: matches!(pushed, Pushed::Replaced(_)),
        })
        .collect();
    match &answers[..] {
        [only] if !as_list => print::json(only),
        all => print::json(&all),
    }
}

/// Whether it may be pushed: a job of another program may, and one of this program that can be made.
fn fits(queue: &Queue, name: &str, payload: &str, quiet: bool) -> bool {
    // What is no JSON is refused by the push itself.
    if serde_json::from_str::<IgnoredAny>(payload).is_err() {
        return true;
    }
    match queue.know(name, payload.as_bytes()) {
        Known::Fits => true,
        Known::Misfit(why) => {
            let refused = Error::invalid(format!("cannot push {name}: {why}"));
            print::error(
                &refused.with_help("add --force to push it as it is, for a worker of another version"),
            );
            false
        }
        Known::Unknown => {
            let known = queue.known_names();
            if !known.is_empty() && !quiet {
                let hint = match nearest(name, &known) {
                    Some(nearest) => format!("did you mean {nearest}?"),
                    None => "a worker of another program has to run it".to_owned(),
                };
                print::warning(format!("this program knows no job named \"{name}\": {hint}"));
            }
            true
        }
    }
}

/// What this push asks for.
struct Options<'a> {
    queue: Option<&'a str>,
    delay: Option<Duration>,
    unique: Option<&'a str>,
    unique_until_start: Option<&'a str>,
    replace: bool,
    priority: Option<u8>,
    attempts: Option<u32>,
    backoff: Option<Backoff>,
    timeout: Option<Duration>,
}

impl<'a> Options<'a> {
    fn of(matches: &'a ArgMatches) -> Result<Self> {
        let backoff = text(matches, "backoff").map(Backoff::parse).transpose();
        let (unique, unique_until_start) = (text(matches, "unique"), text(matches, "unique-until-start"));
        let replace = matches.get_flag("replace");
        if replace && unique.or(unique_until_start).is_none() {
            return Err(usage("--replace needs a unique key: that of the job to replace")
                .with_help("add --unique KEY, or --unique-until-start KEY"));
        }
        Ok(Self {
            queue: text(matches, "queue"),
            delay: span(matches, "delay")?,
            unique,
            unique_until_start,
            replace,
            priority: whole(matches, "priority", 0)?,
            attempts: whole(matches, "attempts", 1)?,
            backoff: backoff.map_err(|error| error.context("--backoff").of_usage())?,
            timeout: span(matches, "timeout")?,
        })
    }

    fn apply<'q>(&self, mut push: Push<'q>) -> Push<'q> {
        if let Some(queue) = self.queue {
            push = push.on(queue);
        }
        if let Some(delay) = self.delay {
            push = push.delay(delay);
        }
        if let Some(key) = self.unique {
            push = push.unique(key);
        }
        if let Some(key) = self.unique_until_start {
            push = push.unique_until_start(key);
        }
        if self.replace {
            push = push.replace();
        }
        if let Some(priority) = self.priority {
            push = push.priority(priority);
        }
        if let Some(attempts) = self.attempts {
            push = push.attempts(attempts);
        }
        if let Some(backoff) = &self.backoff {
            push = push.backoff(backoff.clone());
        }
        if let Some(timeout) = self.timeout {
            push = push.timeout(timeout);
        }
        push
    }
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
