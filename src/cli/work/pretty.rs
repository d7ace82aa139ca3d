//! The events of a worker, for a person at a terminal.

use std::time::Duration;

use super::super::identity;
use super::super::print::{Style, Text, indented, line, note};
use super::view::{Reporter, View, is_routine};
use crate::event::{Event, JobInfo};
use crate::time::{Timestamp, format_duration};
use crate::worker::{Report, StopReason};

/// Where a line of dots ends, in columns.
const WIDTH: usize = 80;

/// The indent of each line of a reason.
const REASON: &str = "           ";

pub(super) struct Pretty {
    view: View,
    disconnected: bool,
}

impl Pretty {
    pub(super) fn new(view: View, back_end: &str, jobs: &[String]) -> Self {
        if !view.quiet {
            header(&view, back_end, jobs);
        }
        Self { view, disconnected: false }
    }

    /// `  10:52:04 CreateInvoice #41 ......... 12.31ms DONE`, with a detail between dots where there is one.
    fn finish(&self, job: JobInfo<'_>, detail: &str, word: &str, style: Style) {
        let clock = self.view.zone.format_clock(Timestamp::now());
        let mut told = Text::from(format_args!("  {clock} {} #{} ", job.job.message.name, job.job.id));
        if !detail.is_empty() {
            told = told.and(format_args!("........ {detail} "));
        }
        let took = format!(" {} ", job.took.map(format_duration).unwrap_or_default());
        let used = told.width() + took.chars().count() + word.chars().count();
        let dots = ".".repeat(WIDTH.saturating_sub(used).max(1));
        line(told.styled(dots, Style::Faint).and(took).styled(word, style));
    }

    fn attempt(job: JobInfo<'_>) -> String {
        format!("attempt {} of {}", job.job.attempt, job.attempts)
    }
}

fn header(view: &View, back_end: &str, jobs: &[String]) {
    let plural = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let slots = match view.processes {
        true => plural(view.workers, "process", "processes"),
        false => plural(view.workers, "thread", "threads"),
    };
    line(format!(
        "  {} {}   {} · {back_end}   queue {}   {slots}   poll {}   attempts {}",
        identity::name(),
        identity::version(),
        view.driver,
        view.queues.join(","),
        format_duration(view.poll),
        view.attempts
    ));
    let known = if jobs.is_empty() { "none".to_owned() } else { jobs.join(", ") };
    let running = if view.workers == 1 { "the running job" } else { "the running jobs" };
    line(format!("  Jobs known: {known}.  Ctrl-C stops after {running}."));
    line("");
}

impl Reporter for Pretty {
    fn tell(&mut self, event: &Event<'_>) {
        match event {
            event if self.view.quiet && is_routine(event) => {}
            Event::Began { job, waited } => {
                let waited =
                    waited.map(|waited| format!("waited {}", format_duration(waited))).unwrap_or_default();
                self.finish(*job, &waited, "RUNNING", Style::Faint);
            }
            Event::Done(job) => self.finish(*job, "", "DONE", Style::Good),
            Event::Again { job, after, counted, error } => {
                let detail = match counted {
                    true => format!("{}, again in {}", Self::attempt(*job), format_duration(*after)),
                    false => format!("not counted, again in {}", format_duration(*after)),
                };
                let (word, style) = if *counted { ("FAIL", Style::Bad) } else { ("WAIT", Style::Warning) };
                self.finish(*job, &detail, word, style);
                indented(REASON, error);
            }
            Event::Buried { job, failed_id, error } => {
                let kept = match failed_id {
                    Some(id) => format!("stored as failed job #{id}"),
                    None => "not stored".to_owned(),
                };
                self.finish(*job, &format!("{}, {kept}", Self::attempt(*job)), "FAIL", Style::Bad);
                indented(REASON, error);
            }
            Event::PutAside { job, after, error } => {
                let wait = format_duration(*after);
                let detail = format!("{}, not stored yet, next try in {wait}", Self::attempt(*job));
                self.finish(*job, &detail, "FAIL", Style::Bad);
                indented(REASON, error);
            }
            Event::Returned(job) => self.finish(*job, "released", "BACK", Style::Warning),
            Event::Lost(job) => {
                self.finish(*job, "lease lost, another worker has the job", "LOST", Style::Warning);
            }
            Event::Disconnected { error, retry_in } if !self.disconnected => {
                self.disconnected = true;
                note(format!("  {error}; next try in {}", format_duration(*retry_in)));
            }
            Event::Reconnected => {
                self.disconnected = false;
                note("  Reconnected.");
            }
            Event::Connected { host } => note(format!("  Connected to {host}.")),
            Event::Stopping { running, grace } if *running > 0 => {
                let (jobs, them) = match running {
                    1 => ("1 running job".to_owned(), "it"),
                    many => (format!("{many} running jobs"), "them"),
                };
                line(format!(
                    "  Stopping: up to {} for {jobs}.  Press Ctrl-C again to stop now and release {them}.",
                    format_duration(*grace)
                ));
            }
            Event::Paused { queue } => note(format!("  Queue {queue} is paused.")),
            Event::Resumed { queue } => note(format!("  Queue {queue} is resumed.")),
            Event::Restarting { running } if *running > 0 => {
                note("  Restarting: ends after the running jobs; its supervisor starts it again.");
            }
            Event::Warning(text) => {
                note(Text::from("  ").styled("warning", Style::Warning).and(": ").and(text))
            }
            Event::Polled { found } if self.view.verbosity >= 2 => {
                let clock = self.view.zone.format_clock(Timestamp::now());
                note(format!("  {clock} polled: {found} found"));
            }
            _ => {}
        }
    }

    fn ended(&mut self, report: &Report, took: Duration) {
        if self.view.quiet {
            return;
        }
        let why = match report.ended {
            StopReason::Stopped | StopReason::StoppedNow => "Stopped.",
            StopReason::Restarted => "Restart requested.",
            StopReason::Empty => "No more jobs.",
            StopReason::JobLimit => "Job limit reached.",
            StopReason::TimeLimit => "Time limit reached.",
            StopReason::MemoryLimit => "Memory limit reached.",
        };
        let mut counts =
            format!("{} done, {} failed, {} retried", report.done, report.failed, report.retried);
        let unsettled = report.unsettled_in_all;
        let more = [
            (report.put_aside, "not stored yet"),
            (report.returned, "released"),
            (report.lost, "lost"),
            (unsettled, "not recorded"),
        ];
        for (count, word) in more {
            if count > 0 {
                counts.push_str(&format!(", {count} {word}"));
            }
        }
        line(format!("  {why}  {counts} in {}.", format_duration(took)));
    }
}
