//! Jobs that wait or run, one by one: `queue:list`, `queue:show`, `queue:cancel`.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::arguments::{
    connection, driver, given_ids, given_queues, ids, job_id, json, option, queues, text, whole,
};
use super::exit::{Exit, usage};
use super::failed::{self, fields};
use super::invocation::Invocation;
use super::print;
use super::print::{Style, Text};
use crate::config::DriverKind;
use crate::driver::{Cancelled, JobDetails, JobFilter, JobState, QueuedJob};
use crate::error::{Error, Result};
use crate::failed::Filter;
use crate::message::JobId;
use crate::queue::Queue;
use crate::time::{Timestamp, Zone, format_duration};

/// How many are listed by default.
const LIMIT: usize = 50;

/// How many are asked for at once.
const PAGE: usize = 500;

pub(super) fn list_command() -> Command {
    Command::new("queue:list")
        .about("List the jobs that wait, are delayed, or run")
        .arg(driver())
        .arg(connection())
        .arg(queues("Only of these queues"))
        .arg(option("job", "NAME", "Only jobs of this name"))
        .arg(option("state", "STATE", "Only those that are so: waiting, delayed or running"))
        .arg(option("limit", "N", "At most so many; 0 for all [default: 50]"))
        .arg(option("after", "ID", "Only what comes after this one: the next page"))
        .arg(json())
        .after_long_help(
            "Examples:\n  \
             craft queue:list --queue invoices --state delayed\n  \
             craft queue:list --job SendEmail --limit 0 --json\n\n\
             A job counts as running while a worker holds it, or one that died did and no other has taken it yet.",
        )
}

pub(super) fn list(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let limit = match whole(matches, "limit", 0)? {
        None => LIMIT,
        Some(0) => usize::MAX,
        Some(limit) => limit,
    };
    let state = match text(matches, "state") {
        None => None,
        Some(given) => Some(JobState::parse(given).ok_or_else(|| {
            usage(format!("--state: \"{given}\" is no state of a job"))
                .with_help("it is waiting, delayed or running")
        })?),
    };
    let first = text(matches, "after").map(job_id);
    let queues = given_queues(matches, "queue");
    let asked: Vec<Option<&str>> = match &queues[..] {
        [] => vec![None],
        some => some.iter().map(|queue| Some(&**queue)).collect(),
    };
    let opened = open(invocation, matches, "list the jobs")?;
    let zone = zone(&opened);
    let as_json = matches.get_flag("json");
    let (mut all, mut listed, mut last) = (print::JsonList::default(), 0, None);
    for queue in &asked {
        let mut after = first.clone();
        loop {
            let filter = JobFilter {
                queue: *queue,
                job: text(matches, "job"),
                state,
                after: after.as_ref(),
                limit: PAGE.min(limit - listed),
            };
            if filter.limit == 0 {
                break;
            }
            let page = opened.jobs(None, &filter)?;
            let is_last = page.len() < filter.limit;
            if !as_json {
                if listed == 0 && !page.is_empty() {
                    header();
                }
                page.iter().for_each(line);
            }
            listed += page.len();
            after = page.last().map(|job| job.id.clone());
            last = after.clone().or(last);
            if as_json {
                page.into_iter().for_each(|job| all.add(&Shown::of(job, &zone)));
            }
            if is_last {
                break;
            }
        }
    }
    match (as_json, last) {
        (true, _) => all.end(),
        (false, _) if listed == 0 => print::line("No jobs found."),
        (false, Some(last)) if listed == limit && asked.len() == 1 => {
            print::note(format!("There may be more: add --after {last}, or --limit 0 for all."));
        }
        (false, _) if listed == limit => print::note("There may be more: add --limit 0 for all."),
        _ => {}
    }
    Ok(Exit::Fine)
}

fn header() {
    print::line(format!(
        "  {:<8} {:<8} {:>8} {:>8}  {:<16} {:<9} {:<36}  job",
        "id", "state", "attempts", "priority", "due", "age", "uuid"
    ));
}

fn line(job: &QueuedJob) {
    let style = match job.state {
        JobState::Running => Style::Good,
        JobState::Delayed => Style::Faint,
        JobState::Waiting => Style::Warning,
    };
    let unknown = unknown_for(job).map(|span| format!(", a name unknown for {}", format_duration(span)));
    let rest = format!(
        " {:>8} {:>8}  {:<16} {:<9} {:<36}  {} on {}{}",
        job.attempts,
        job.priority,
        due(job),
        age(job).map_or("-".to_owned(), format_duration),
        job.uuid,
        job.name,
        job.queue,
        unknown.unwrap_or_default()
    );
    let id = format!("#{}", job.id);
    let state = format!("{:<8}", job.state.as_str());
    print::line(Text::from(format!("  {id:<8} ")).styled(state, style).and(rest));
}

/// For how long no worker that took it has known its name.
fn unknown_for(job: &QueuedJob) -> Option<Duration> {
    Some(Duration::from_millis(job.unknown_for_ms?.unsigned_abs()))
}

/// In how long, or since when.
fn due(job: &QueuedJob) -> String {
    let (ms, future, past) = match job.state {
        JobState::Running => (job.hold_ends_in_ms, "held for", "hold over"),
        _ => (job.due_in_ms, "in", "for"),
    };
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms > 0 => {
            format!("{future} {}", format_duration(Duration::from_millis(ms.unsigned_abs())))
        }
        Some(_) if job.state == JobState::Running => past.to_owned(),
        Some(ms) => format!("{past} {}", format_duration(Duration::from_millis(ms.unsigned_abs()))),
    }
}

/// How long ago it was pushed, by this machine's clock.
fn age(job: &QueuedJob) -> Option<Duration> {
    Some(Timestamp::now().since(Timestamp::parse(&job.created_at)?))
}

/// # Errors
/// As [`check_is_shared`].
fn open(invocation: Invocation, matches: &ArgMatches, what: &str) -> Result<Queue> {
    let opened = invocation.open(matches)?;
    check_is_shared(&opened, what)?;
    Ok(opened)
}

/// # Errors
/// The jobs wait in the memory of another program: here there are none, which would be a wrong answer.
fn check_is_shared(opened: &Queue, what: &str) -> Result<()> {
    match opened.config().default_kind() {
        DriverKind::Async => Err(Error::unsupported(format!(
            "cannot {what} of driver \"async\": its jobs wait in the memory of the program that pushes them"
        ))
        .with_help("that program can, with Queue::jobs and Queue::cancel")),
        _ => Ok(()),
    }
}

/// How long a job waits for a worker that knows its name.
fn fails_after(opened: &Queue) -> Duration {
    let config = opened.config();
    config.settings(&config.default).unknown_for
}

fn zone(opened: &Queue) -> Zone {
    let config = opened.config();
    config.settings(&config.default).tz.clone()
}

/// A job with what follows from now.
#[derive(Serialize)]
struct Shown<J> {
    #[serde(flatten)]
    job: J,
    due_at: Option<String>,
    age_s: Option<f64>,
}

impl Shown<QueuedJob> {
    fn of(job: QueuedJob, zone: &Zone) -> Self {
        let (due_at, age_s) = times(&job, zone);
        Self { job, due_at, age_s }
    }
}

fn times(job: &QueuedJob, zone: &Zone) -> (Option<String>, Option<f64>) {
    let due_at = job.due_in_ms.map(|ms| {
        let span = Duration::from_millis(ms.unsigned_abs());
        let now = Timestamp::now();
        zone.format(if ms < 0 { now.minus(span) } else { now.plus(span) })
    });
    (due_at, age(job).map(|age| age.as_secs_f64()))
}

pub(super) fn show_command() -> Command {
    Command::new("queue:show")
        .about("Show a job that waits, runs or has failed, with its payload")
        .arg(Arg::new("id").value_name("ID").required(true).help("Its id or its uuid"))
        .arg(driver())
        .arg(connection())
        .arg(json())
        .after_long_help(
            "Examples:\n  \
             craft queue:show 41\n  \
             craft queue:show 01a224f7-feb8-7ca7-84d1-f7da3328ef9e\n\n\
             A failed job keeps its uuid and has an id of its own. Of an id that a waiting job and a failed one have, the\n\
             waiting one is shown; craft queue:failed-list 41 shows the failed one.",
        )
}

pub(super) fn show(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let id = job_id(text(matches, "id").unwrap_or_default());
    let opened = invocation.open(matches)?;
    let (zone, fails_after) = (zone(&opened), fails_after(&opened));
    let as_json = matches.get_flag("json");
    let alive = check_is_shared(&opened, "show a job").and_then(|()| opened.job(None, &id));
    let found = match alive {
        Ok(Some(found)) => found,
        // It may be found among the failed ones, also where the others can't be looked at.
        Err(error) if !error.is_unsupported() => return Err(error),
        other => {
            return show_failed(&opened, &id, as_json).unwrap_or_else(|| {
                other?;
                Err(Error::not_found(format!("no job #{id} waits, runs or has failed")).with_help(
                "craft queue:list and craft queue:failed-list list those that do; a job that is done is gone",
            ))
            });
        }
    };
    let (due_at, age_s) = times(&found.job, &zone);
    if as_json {
        print::json(&Shown { job: found, due_at, age_s });
        return Ok(Exit::Fine);
    }
    let JobDetails { job, payload, options, unique_key, last_error } = found;
    print::line(format!("  Job #{}", job.id));
    let number = |number: u64| Some(number.to_string());
    let aged = age(&job).map(|age| format!("{} ago", format_duration(age)));
    let pushed = aged.map_or(job.created_at.clone(), |aged| format!("{}, {aged}", job.created_at));
    let state = match (job.state, job.suspect) {
        (JobState::Running, true) => "running, or its worker died; it did once before".to_owned(),
        (state, _) => state.as_str().to_owned(),
    };
    let unknown = unknown_for(&job).map(|span| {
        let first = zone.format(Timestamp::now().minus(span));
        format!(
            "no worker that took it knows this name, first seen {first}, {} ago; it fails after {}",
            format_duration(span),
            format_duration(fails_after)
        )
    });
    fields(&[
        ("job", Some(job.name.clone())),
        ("queue", Some(job.queue.clone())),
        ("state", Some(state)),
        ("unknown", unknown),
        ("attempts", number(u64::from(job.attempts))),
        ("priority", number(u64::from(job.priority))),
        ("due", due_at.map(|at| format!("{at}, {}", due(&job)))),
        ("pushed", Some(pushed)),
        ("uuid", Some(job.uuid.clone())),
        ("unique key", unique_key),
        ("options", options),
        ("payload", Some(payload)),
    ]);
    if let Some(error) = last_error {
        print::line("  last error");
        print::indented("    ", &error);
    }
    Ok(Exit::Fine)
}

/// Shows a failed job, if there is such a one. Where failed jobs are not kept, or not to be reached, there is none.
fn show_failed(opened: &Queue, id: &JobId, as_json: bool) -> Option<Result<Exit>> {
    let filter = Filter { id: Some(id), ..Filter::default() };
    let failed = match opened.failed().list(&filter) {
        Ok(found) => found.into_iter().next()?,
        Err(error) if error.is_schema() || error.is_config() => return None,
        Err(error) => return Some(Err(error)),
    };
    match as_json {
        true => print::json(&failed),
        false => failed::show(&failed),
    }
    Some(Ok(Exit::Fine))
}

pub(super) fn cancel_command() -> Command {
    Command::new("queue:cancel")
        .about("Remove jobs that no worker holds: they are not run")
        .arg(ids().required(true).num_args(1..).help("The jobs, by id or uuid"))
        .arg(driver())
        .arg(connection())
        .arg(json())
        .after_long_help(
            "Examples:\n  \
             craft queue:cancel 41 42\n\n\
             A job that a worker holds stays, and the status is 1: it may be running. Of what was cancelled nothing is\n\
             kept; a job that was pushed with a unique key frees it.",
        )
}

pub(super) fn cancel(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let ids = given_ids(matches);
    let answers = open(invocation, matches, "cancel a job")?.cancel(None, &ids)?;
    if matches.get_flag("json") {
        #[derive(Serialize)]
        struct Answer<'a> {
            id: &'a JobId,
            cancelled: Cancelled,
        }
        let answers = ids.iter().zip(&answers);
        print::json(&answers.map(|(id, cancelled)| Answer { id, cancelled: *cancelled }).collect::<Vec<_>>());
    } else {
        for (id, answer) in ids.iter().zip(&answers) {
            match answer {
                Cancelled::Removed => print::line(format!("Cancelled job #{id}.")),
                Cancelled::Held => print::note(format!("error: job #{id} stays: a worker holds it")),
                Cancelled::Unknown => print::note(format!("error: no job #{id} waits or runs")),
            }
        }
    }
    let all = answers.iter().all(|answer| *answer == Cancelled::Removed);
    if answers.contains(&Cancelled::Unknown) && !matches.get_flag("json") {
        print::help("craft queue:list lists those that do");
    }
    Ok(if all { Exit::Fine } else { Exit::Status(1) })
}
