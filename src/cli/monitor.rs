//! `queue:monitor`: are queues too long? For cron and for monitoring systems.

use std::time::Duration;

use clap::{ArgMatches, Command};
use serde::Serialize;

use super::arguments::{
    connection, driver, given_queues, json, named_queues, option, span, span_option, whole,
};
use super::exit::Exit;
use super::invocation::Invocation;
use super::print;
use super::print::{Style, Text};
use super::status::{BOUND, shown};
use crate::driver::Size;
use crate::error::Result;
use crate::time::{format_duration, seconds_to_span};

/// Where no limit is given: a queue that anybody should look at.
const MANY: u64 = 1_000;

pub(super) fn command() -> Command {
    Command::new("queue:monitor")
        .about("Exit with 1 when too much waits in a queue, or for too long")
        .arg(named_queues().help("The queues"))
        .arg(driver())
        .arg(connection())
        .arg(option("max", "N", "So many jobs may wait [default: 1000, where no limit is given]"))
        .arg(span_option("max-wait", "SEC", "The first one in line may have waited so long"))
        .arg(json())
        .after_long_help(
            "Examples:\n  \
             craft queue:monitor default invoices --max 500\n  \
             craft queue:monitor mail --max-wait 5m --json\n\n\
             Jobs that are due later, or that run, do not count. What a back end cannot know is not taken for 0:\n\
             a limit that can't be checked is printed as such, and the status is 1.",
        )
}

pub(super) fn run(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let limits = Limits::of(matches)?;
    let opened = invocation.open(matches)?;
    let queues = given_queues(matches, "queues");
    let sizes = opened.size_up_to(None, &queues, limits.bound())?;
    let lines: Vec<Line> = queues
        .iter()
        .filter_map(|queue| sizes.iter().find(|size| size.queue == *queue))
        .map(|size| limits.check(size))
        .collect();
    match matches.get_flag("json") {
        true => print::json(&lines),
        false => lines.iter().for_each(|line| print::line(line.text(&limits))),
    }
    Ok(if lines.iter().all(|line| line.ok) { Exit::Fine } else { Exit::Status(1) })
}

struct Limits {
    max: Option<u64>,
    max_wait: Option<Duration>,
}

/// One queue.
#[derive(Serialize)]
struct Line {
    queue: String,
    waiting: Option<u64>,
    oldest_wait_s: Option<f64>,
    ok: bool,
    /// The limits that it is over.
    over: Vec<&'static str>,
    /// The limits that the back end can't tell about.
    unknown: Vec<&'static str>,
    /// Whether the count of waiting jobs stopped at its bound: there may be more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    capped: bool,
}

impl Limits {
    fn of(matches: &ArgMatches) -> Result<Self> {
        let max_wait = span(matches, "max-wait")?;
        let max = whole(matches, "max", 0)?.or(max_wait.is_none().then_some(MANY));
        Ok(Self { max, max_wait })
    }

    /// A count need not go on beyond what is over the limit anyhow.
    fn bound(&self) -> u64 {
        self.max.map_or(BOUND, |max| max.saturating_add(1).max(BOUND))
    }

    fn check(&self, size: &Size) -> Line {
        let (mut over, mut unknown) = (Vec::new(), Vec::new());
        match (self.max, size.waiting) {
            (Some(max), Some(waiting)) if waiting > max => over.push("max"),
            (Some(_), None) => unknown.push("max"),
            _ => {}
        }
        match (self.max_wait, size.oldest_wait) {
            (Some(max), Some(wait)) if wait > max => over.push("max-wait"),
            // Where nothing waits, there is no oldest wait to know.
            (Some(_), None) if size.waiting != Some(0) => unknown.push("max-wait"),
            _ => {}
        }
        Line {
            queue: size.queue.clone(),
            waiting: size.waiting,
            oldest_wait_s: size.oldest_wait.map(|wait| wait.as_secs_f64()),
            ok: over.is_empty() && unknown.is_empty(),
            over,
            unknown,
            capped: size.waiting == Some(self.bound()),
        }
    }
}

impl Line {
    /// `  invoices   12 waiting   oldest wait 3s   OK`
    fn text(&self, limits: &Limits) -> Text {
        let waiting = match self.waiting {
            None => "an unknown number".to_owned(),
            waiting => shown(waiting, self.capped),
        };
        let oldest = match (self.oldest_wait_s.and_then(seconds_to_span), self.waiting) {
            (Some(wait), _) => format_duration(wait),
            (None, Some(0)) => "-".to_owned(),
            (None, _) => "unknown".to_owned(),
        };
        let limit = |name: &&'static str| match (*name, limits.max, limits.max_wait) {
            ("max", Some(max), _) => format!("--max {max}"),
            (_, _, Some(wait)) => format!("--max-wait {}", format_duration(wait)),
            (name, ..) => format!("--{name}"),
        };
        let list = |names: &[&'static str]| names.iter().map(limit).collect::<Vec<_>>().join(" and ");
        let mut line = Text::from(format_args!(
            "  {:<24} {waiting:>9} waiting   oldest wait {oldest:<10}   ",
            self.queue
        ));
        if self.ok {
            return line.styled("OK", Style::Good);
        }
        if !self.over.is_empty() {
            line = line.styled(format_args!("OVER {}", list(&self.over)), Style::Bad);
        }
        if !self.over.is_empty() && !self.unknown.is_empty() {
            line = line.and(", ");
        }
        if !self.unknown.is_empty() {
            let told = format_args!("UNKNOWN: the driver cannot tell about {}", list(&self.unknown));
            line = line.styled(told, Style::Warning);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limits: &Limits, waiting: Option<u64>, oldest_wait: Option<Duration>) -> (bool, String) {
        let size = Size { queue: "mail".into(), waiting, delayed: None, running: None, oldest_wait };
        let line = limits.check(&size);
        (line.ok, line.text(limits).unstyled())
    }

    #[test]
    fn what_a_back_end_cannot_know_is_told_and_is_not_fine() {
        let both = Limits { max: Some(5), max_wait: Some(Duration::from_secs(60)) };
        let (ok, told) = check(&both, Some(3), None);
        assert!(!ok && told.ends_with("UNKNOWN: the driver cannot tell about --max-wait 1m"), "{told}");
        assert!(told.contains("oldest wait unknown"), "{told}");
        let (ok, told) = check(&both, Some(9), None);
        assert!(!ok && told.contains("OVER --max 5, UNKNOWN: "), "{told}");
        let (ok, told) = check(&both, None, None);
        assert!(!ok && told.ends_with("about --max 5 and --max-wait 1m"), "{told}");
        assert!(told.contains("an unknown number waiting"), "{told}");
        let (ok, told) = check(&both, Some(0), None);
        assert!(ok && told.ends_with("OK"), "where nothing waits, nothing is unknown: {told}");
        let max = Limits { max: Some(5), max_wait: None };
        assert!(check(&max, Some(3), None).0, "nobody asked");
        assert!(check(&max, Some(5), None).0, "a limit may be reached");
    }
}
