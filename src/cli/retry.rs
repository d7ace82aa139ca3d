//! `queue:retry`: puts failed jobs back onto a queue.

use std::collections::BTreeMap;

use clap::{ArgAction, ArgMatches, Command};

use super::arguments::{connection, driver, given_ids, given_queues, ids, option, switch, text};
use super::exit::{Exit, misnamed, usage};
use super::invocation::Invocation;
use super::print;
use super::progress::Progress;
use super::push::SHOWN;
use crate::error::Result;
use crate::queue::{Retried, Retry};

/// What to do where there is no failed job of an id.
pub(super) const LISTS_THEM: &str = "craft queue:failed-list lists them";

pub(super) fn command() -> Command {
    Command::new("queue:retry")
        .about("Put failed jobs back onto the queue")
        .arg(ids().help("Only these failed jobs, by id or uuid [default: all of the driver]"))
        .arg(driver())
        .arg(option("queue", "NAME", "The queue to put them back onto [default: each its own]"))
        .arg(connection())
        .arg(option("from", "A[,B]", "Only failures of these queues").action(ArgAction::Append))
        .arg(option("job", "NAME", "Only jobs of this name"))
        .arg(option("payload", "JSON", "Another payload, for the one failed job that is named"))
        .arg(switch("dry-run", "Say what would be done, and do nothing"))
        .after_long_help("Examples:\n  craft queue:retry\n  craft queue:retry 7 9\n  craft queue:retry --from invoices --queue slow\n  craft queue:retry --job SendEmail --dry-run\n\nOf more than 100 it prints the counts; with -v each.")
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let from = given_queues(matches, "from");
    if from.len() > 1 && matches.contains_id("ids") {
        return Err(usage("--from with several queues takes no ids"));
    }
    let retry = Retry {
        ids: given_ids(matches),
        from: None,
        job: text(matches, "job").map(str::to_owned),
        onto: text(matches, "queue").map(str::to_owned),
        dry_run: matches.get_flag("dry-run"),
        payload: text(matches, "payload").map(str::to_owned),
    };
    if retry.payload.is_some() && retry.ids.len() != 1 {
        return Err(usage("--payload is for one failed job: name it by its id"));
    }
    let most = if invocation.verbosity > 0 { usize::MAX } else { SHOWN };
    let mut progress = Progress::new("Retrying failed jobs", None, invocation.quiet);
    let queue = invocation.open(matches)?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (mut trouble, mut unknown) = (false, false);
    let (mut told, mut refused, mut untold) = (0, 0, 0_u64);
    let mut tell = |line: String| match told < most {
        true => {
            told += 1;
            print::line(line);
        }
        false => untold += 1,
    };
    let mut became = |retried| {
        progress.add(1);
        match retried {
            Retried::Back { failed, queue, id } => {
                let now = id.map(|id| format!(", now job #{id}")).unwrap_or_default();
                tell(format!("  #{} {} onto {queue}{now}", failed.id, failed.name));
                *counts.entry(queue).or_default() += 1;
            }
            Retried::Kept { failed, holder } => {
                trouble = true;
                tell(format!("  #{} {} kept: job #{holder} with the same key waits", failed.id, failed.name));
            }
            // Those that are refused are named before all others.
            Retried::Refused { failed, why } => {
                trouble = true;
                refused += 1;
                let line = format!("  #{} {} kept: {why}", failed.id, failed.name);
                if refused <= most { print::line(line) } else { tell(line) }
            }
            Retried::Taken(failed) => {
                tell(format!("  #{} {} is being put back by another process", failed.id, failed.name));
            }
            Retried::Unknown(id) => {
                (trouble, unknown) = (true, true);
                print::note(format!("error: there is no failed job #{id}"));
            }
        }
    };
    let asked = match &from[..] {
        [] => vec![retry.clone()],
        queues => queues.iter().map(|queue| Retry { from: Some(queue.clone()), ..retry.clone() }).collect(),
    };
    let ended = asked.iter().try_for_each(|retry| queue.failed().retry(retry, &mut became));
    drop(progress);
    if untold > 0 {
        print::line(format!("  … and {untold} more; -v lists each"));
    }
    if unknown {
        print::help(LISTS_THEM);
    }
    let total: u64 = counts.values().sum();
    match total {
        0 if !trouble && ended.is_ok() => print::line("No failed jobs found."),
        0 => {}
        _ => {
            let would = if retry.dry_run { "Would add" } else { "Added" };
            print::line(format!("{would} {total} failed job(s) back to the queue"));
            for (queue, count) in &counts {
                print::line(format!("  {queue}: {count}"));
            }
        }
    }
    // The jobs that were put back are reported, also when an error follows.
    ended.map_err(misnamed)?;
    Ok(if trouble { Exit::Status(1) } else { Exit::Fine })
}
