//! Failed jobs: list, look at, forget.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command};

use super::arguments::{
    connection, driver, force, given_ids, given_queues, ids, job_id, json, option, queues, span, span_option,
    text, whole,
};
use super::exit::{Exit, usage};
use super::invocation::Invocation;
use super::progress::Progress;
use super::retry::LISTS_THEM;
use super::{identity, print};
use crate::error::{Error, Result};
use crate::failed::{FailedJob, Filter};
use crate::queue::Queue;

/// How many are asked for at once.
const PAGE: usize = 100;

pub(super) fn list_command() -> Command {
    Command::new("queue:failed-list")
        .about("List the failed jobs, or show one of them")
        .arg(
            Arg::new("id")
                .value_name("ID")
                .help("Show this one, by id or uuid, with its exception and payload"),
        )
        .arg(driver())
        .arg(connection())
        .arg(queues("Only of these queues"))
        .arg(option("job", "NAME", "Only jobs of this name"))
        .arg(span_option("since", "TIME", "Only what failed this long ago or later: 1h, \"2 days\""))
        .arg(option("limit", "N", "At most so many"))
        .arg(json())
}

pub(super) fn list(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let id = text(matches, "id").map(job_id);
    let limit = whole(matches, "limit", 0)?.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let since = span(matches, "since")?;
    let queue = invocation.open(matches)?;
    let queues = given_queues(matches, "queue");
    let filter = Filter { id: id.as_ref(), job: text(matches, "job"), since, ..Filter::default() };
    if matches.get_flag("json") {
        let mut list = print::JsonList::default();
        each_page(&queue, filter, &queues, limit, |page| page.iter().for_each(|failed| list.add(failed)))?;
        list.end();
        return Ok(Exit::Fine);
    }
    if let Some(id) = &id {
        return match &queue.failed().list(&filter)?[..] {
            [] => Err(Error::not_found(format!("there is no failed job #{id}")).with_help(LISTS_THEM)),
            [failed, ..] => {
                show(failed);
                Ok(Exit::Fine)
            }
        };
    }
    match each_page(&queue, filter, &queues, limit, table)? {
        0 => print::line("No failed jobs found."),
        _ => {
            print::line("");
            print::line(identity::named(
                "craft queue:failed-list ID shows one, craft queue:retry ID runs it again.",
            ));
        }
    }
    Ok(Exit::Fine)
}

/// Hands on what the filter finds by pages, and says how many that were: exceptions and payloads of all of them
/// may be more than fits into memory.
fn each_page(
    queue: &Queue,
    filter: Filter<'_>,
    queues: &[String],
    limit: usize,
    mut tell: impl FnMut(&[FailedJob]),
) -> Result<usize> {
    let mut listed = 0;
    for of_queue in asked(queues) {
        if listed == limit {
            break;
        }
        let filter = Filter { queue: of_queue, limit: limit - listed, ..filter };
        listed += queue.failed().list_by_pages(&filter, PAGE, &mut tell)?;
    }
    Ok(listed)
}

/// Each queue by itself, or all in one.
fn asked(queues: &[String]) -> Vec<Option<&str>> {
    match queues {
        [] => vec![None],
        some => some.iter().map(|queue| Some(&**queue)).collect(),
    }
}

fn table(all: &[FailedJob]) {
    for failed in all {
        let first = failed.exception.lines().next().unwrap_or_default();
        let reason: String = first.chars().take(60).collect();
        print::line(format!(
            "  #{:<5} {}  {} on {}, attempt {}: {reason}",
            failed.id.to_string(),
            failed.failed_at,
            failed.name,
            failed.queue,
            failed.attempts
        ));
    }
}

pub(super) fn show(failed: &FailedJob) {
    print::line(format!("  Failed job #{}", failed.id));
    let text = |text: &str| Some(text.to_owned());
    fields(&[
        ("job", text(&failed.name)),
        ("queue", text(&failed.queue)),
        ("driver", text(&failed.driver)),
        ("connection", text(&failed.connection)),
        ("attempts", text(&failed.attempts.to_string())),
        ("failed at", text(&failed.failed_at)),
        ("uuid", text(&failed.uuid)),
        ("payload", text(&failed.payload)),
    ]);
    print::line("  exception");
    print::indented("    ", &failed.exception);
}

/// What is known of a job, a line each.
pub(super) fn fields(fields: &[(&str, Option<String>)]) {
    for (name, value) in fields {
        if let Some(value) = value {
            print::line(format!("  {name:<11} {value}"));
        }
    }
}

pub(super) fn forget_command() -> Command {
    Command::new("queue:forget")
        .about("Remove failed jobs")
        .arg(ids().required(true).num_args(1..).help("The failed jobs to remove, by id or uuid"))
        .arg(driver())
        .arg(connection())
}

pub(super) fn forget(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let ids = given_ids(matches);
    let queue = invocation.open(matches)?;
    let mut trouble = false;
    for id in ids {
        match queue.failed().forget(std::slice::from_ref(&id))? {
            0 => {
                trouble = true;
                print::note(format!("error: there is no failed job #{id}"));
            }
            _ => print::line(format!("Forgot failed job #{id}.")),
        }
    }
    if trouble {
        print::help(LISTS_THEM);
    }
    Ok(if trouble { Exit::Status(1) } else { Exit::Fine })
}

pub(super) fn flush_command() -> Command {
    Command::new("queue:flush")
        .about("Remove all failed jobs of the driver")
        .arg(driver())
        .arg(connection())
        .arg(option("hours", "H", "Only those that failed at least so many hours ago"))
        .arg(queues("Only of these queues"))
        .arg(option("job", "NAME", "Only jobs of this name"))
        .arg(force())
}

pub(super) fn flush(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    remove(invocation, matches, "all failed jobs", 0.0)
}

pub(super) fn prune_command() -> Command {
    Command::new("queue:prune-failed")
        .about("Remove failed jobs that are old")
        .arg(driver())
        .arg(connection())
        .arg(option("hours", "H", "Those that failed at least so many hours ago [default: 24]"))
        .arg(queues("Only of these queues"))
        .arg(option("job", "NAME", "Only jobs of this name"))
        .arg(force())
}

pub(super) fn prune(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    remove(invocation, matches, "old failed jobs", 24.0)
}

fn remove(invocation: Invocation, matches: &ArgMatches, what: &str, hours: f64) -> Result<Exit> {
    let hours = match text(matches, "hours") {
        None => hours,
        Some(given) => given
            .parse()
            .ok()
            .filter(|hours: &f64| hours.is_finite() && *hours >= 0.0 && *hours < 1e6)
            .ok_or_else(|| usage(format!("--hours: \"{given}\" is not a number of hours")))?,
    };
    let before = Some(Duration::from_secs_f64(hours * 3_600.0));
    let filter = Filter { job: text(matches, "job"), before, ..Filter::default() };
    let queues = given_queues(matches, "queue");
    let named = filter.job.map(|job| format!(" named \"{job}\"")).unwrap_or_default();
    let of = if queues.is_empty() { String::new() } else { format!(" of {}", queues.join(", ")) };
    let quiet = invocation.quiet;
    let queue = invocation.open(matches)?;
    print::confirm(&format!("Remove {what}{named}{of}?"), matches.get_flag("force"))?;
    let mut progress = Progress::new("Removing failed jobs", None, quiet);
    let mut removed = 0;
    for of_queue in asked(&queues) {
        let filter = Filter { queue: of_queue, ..filter };
        removed += queue.failed().prune_those(&filter, |count| progress.add(count))?;
    }
    drop(progress);
    print::line(format!("Removed {removed} failed job(s)."));
    Ok(Exit::Fine)
}
