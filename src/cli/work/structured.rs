//! What a worker does, for a log: one line an event, as `key=value` or as JSON.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::stdout::{self, Results};
use super::super::{escape, print};
use super::{Reporter, View, is_routine};
use crate::event::{Event, JobInfo};
use crate::time::Timestamp;
use crate::worker::Report;

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    KeyValue,
}

pub(super) struct Structured {
    view: View,
    form: Form,
    /// Written out whenever the worker is about to sleep: a busy one writes in large steps.
    out: BufWriter<Results>,
    disconnected: bool,
}

impl Structured {
    pub(super) fn new(view: View, form: Form) -> Self {
        Self { view, form, out: BufWriter::with_capacity(1 << 16, stdout::results()), disconnected: false }
    }

    fn event(&mut self, event: &str, more: &[(&str, Value)]) {
        let mut fields = Vec::with_capacity(more.len() + 3);
        fields.push(("ts", self.view.zone.format(Timestamp::now()).into()));
        fields.push(("event", event.into()));
        if let Some(name) = &self.view.name {
            fields.push(("worker", name.as_str().into()));
        }
        fields.extend(more.iter().cloned());
        self.write(&fields);
    }

    fn job(&mut self, event: &str, job: JobInfo<'_>, error: Option<&str>, retry_in: Option<Duration>) {
        let reserved = job.job;
        let retry_at = retry_in.map(|after| self.view.zone.format(Timestamp::now().plus(after)));
        let took = job.took.map(|took| (took.as_secs_f64() * 1e5).round() / 100.0);
        let fields = [
            ("id", json!(reserved.id)),
            ("uuid", json!(&*reserved.message.uuid)),
            ("job", json!(&*reserved.message.name)),
            ("queue", json!(&*reserved.message.queue)),
            ("driver", json!(self.view.driver)),
            ("connection", json!(self.view.connection)),
            ("attempt", json!(reserved.attempt)),
            ("attempts", json!(job.attempts)),
            ("duration_ms", json!(took)),
            ("error", json!(error)),
            ("will_retry", json!(retry_in.is_some())),
            ("retry_at", json!(retry_at)),
        ];
        self.event(event, &fields);
    }

    fn began(&mut self, job: JobInfo<'_>, waited_ms: Option<f64>) {
        let reserved = job.job;
        let fields = [
            ("id", json!(reserved.id)),
            ("uuid", json!(&*reserved.message.uuid)),
            ("job", json!(&*reserved.message.name)),
            ("queue", json!(&*reserved.message.queue)),
            ("attempt", json!(reserved.attempt)),
            ("attempts", json!(job.attempts)),
            ("waited_ms", json!(waited_ms)),
        ];
        self.event("began", &fields);
    }

    fn write(&mut self, fields: &[(&str, Value)]) {
        let mut text = String::with_capacity(256);
        match self.form {
            Form::Json => {
                // A map of serde_json would sort its keys.
                for (index, (key, value)) in fields.iter().enumerate() {
                    let separator = if index == 0 { '{' } else { ',' };
                    let _ = write!(text, "{separator}\"{key}\":{value}");
                }
                text.push('}');
            }
            Form::KeyValue => {
                for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    let separator = if text.is_empty() { "" } else { " " };
                    let _ = match value {
                        // The time stands alone at the beginning, as logs have it.
                        Value::String(time) if *key == "ts" => write!(text, "{time}"),
                        Value::String(word) if is_plain(word) => write!(text, "{separator}{key}={word}"),
                        other => write!(text, "{separator}{key}={other}"),
                    };
                }
            }
        }
        // A reader who has gone is no reason to stop working.
        let _ = writeln!(self.out, "{}", escape::json(&text));
    }
}

/// Whether a value needs no quotes.
fn is_plain(word: &str) -> bool {
    let needs_quotes = |c: char| c.is_whitespace() || c == '"' || c == '=';
    !word.is_empty() && !word.contains(needs_quotes) && escape::is_plain(word)
}

impl Reporter for Structured {
    fn tell(&mut self, event: &Event<'_>) {
        match event {
            event if self.view.quiet && is_routine(event) => {}
            Event::Began { job, waited } => {
                let waited = waited.map(|waited| (waited.as_secs_f64() * 1e3).round());
                self.began(*job, waited);
            }
            Event::Done(job) => self.job("done", *job, None, None),
            Event::Again { job, after, counted, error } => {
                let name = if *counted { "failed" } else { "postponed" };
                self.job(name, *job, Some(error), Some(*after));
            }
            Event::Buried { job, error, .. } => self.job("dead", *job, Some(error), None),
            // What is tried again is not the job.
            Event::PutAside { job, error, .. } => self.job("put_aside", *job, Some(error), None),
            Event::Returned(job) => self.job("returned", *job, None, Some(Duration::ZERO)),
            Event::Lost(job) => self.job("lost", *job, None, None),
            Event::Started => {
                let queues = self.view.queues.join(",");
                let fields = [
                    ("driver", json!(self.view.driver)),
                    ("connection", json!(self.view.connection)),
                    ("queue", json!(queues)),
                    ("workers", json!(self.view.workers)),
                    ("pid", json!(std::process::id())),
                ];
                self.event("started", &fields);
            }
            Event::Polled { found } => {
                if self.view.verbosity >= 2 {
                    self.event("polled", &[("found", json!(found))]);
                }
                if *found == 0 {
                    let _ = self.out.flush();
                }
                return;
            }
            // Told once, and not at each try.
            Event::Disconnected { error, .. } if !self.disconnected => {
                self.disconnected = true;
                self.event("disconnected", &[("error", json!(error.to_string()))]);
            }
            Event::Disconnected { .. } => {}
            Event::Reconnected => {
                self.disconnected = false;
                self.event("reconnected", &[]);
            }
            Event::Paused { queue } => self.event("paused", &[("queue", json!(queue))]),
            Event::Resumed { queue } => self.event("resumed", &[("queue", json!(queue))]),
            Event::Restarting { running } => self.event("restarting", &[("running", json!(running))]),
            Event::Stopping { running, grace } => {
                let fields = [("running", json!(running)), ("grace_s", json!(grace.as_secs_f64()))];
                self.event("stopping", &fields);
            }
            Event::Warning(text) => self.event("warning", &[("error", json!(text))]),
        }
        if !matches!(event, Event::Done(_)) {
            let _ = self.out.flush();
        }
    }

    fn ended(&mut self, report: &Report, took: Duration) {
        if self.view.quiet {
            let _ = self.out.flush();
            return print::flush();
        }
        let fields = [
            ("done", json!(report.done)),
            ("failed", json!(report.failed)),
            ("retried", json!(report.retried)),
            ("returned", json!(report.returned)),
            ("lost", json!(report.lost)),
            ("put_aside", json!(report.put_aside)),
            ("unsettled", json!(report.unsettled_in_all)),
            ("duration_ms", json!((took.as_secs_f64() * 1e5).round() / 100.0)),
        ];
        self.event("stopped", &fields);
        let _ = self.out.flush();
        print::flush();
    }
}
