//! The events of a worker for a log: one line each, as `key=value` or as JSON.

use std::fmt::{self, Write as _};
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::super::stdout::{self, Results};
use super::super::{escape, print};
use super::view::{Reporter, View, is_routine};
use crate::event::{Event, JobInfo};
use crate::message::JobId;
use crate::time::Timestamp;
use crate::worker::Report;

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    KeyValue,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    #[serde(flatten)]
    fields: Fields<'a>,
}

/// The fields of each event. What is unknown is null in JSON, and left out of `key=value`.
#[derive(Serialize)]
#[serde(untagged)]
enum Fields<'a> {
    Started {
        driver: &'a str,
        connection: &'a str,
        queue: String,
        workers: usize,
        pid: u32,
    },
    Began {
        #[serde(flatten)]
        job: JobFields<'a>,
        attempt: u32,
        attempts: u32,
        waited_ms: Option<f64>,
    },
    Ended {
        #[serde(flatten)]
        job: JobFields<'a>,
        driver: &'a str,
        connection: &'a str,
        attempt: u32,
        attempts: u32,
        duration_ms: Option<f64>,
        error: Option<&'a str>,
        will_retry: bool,
        retry_at: Option<String>,
    },
    Polled {
        found: usize,
    },
    Queue {
        queue: &'a str,
    },
    Host {
        host: &'a str,
    },
    Restarting {
        running: usize,
    },
    Stopping {
        running: usize,
        grace_s: f64,
    },
    Trouble {
        error: &'a str,
    },
    Stopped {
        done: u64,
        failed: u64,
        retried: u64,
        returned: u64,
        lost: u64,
        put_aside: u64,
        unsettled: u64,
        duration_ms: f64,
    },
    None {},
}

/// The fields that name a job.
#[derive(Serialize)]
struct JobFields<'a> {
    id: &'a JobId,
    uuid: &'a str,
    job: &'a str,
    queue: &'a str,
}

impl<'a> JobFields<'a> {
    fn of(job: JobInfo<'a>) -> Self {
        let message = &job.job.message;
        Self { id: &job.job.id, uuid: &message.uuid, job: &message.name, queue: &message.queue }
    }
}

/// The fields of a line in their order; a map of serde_json sorts its keys.
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a line")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A line of JSON as `key=value`, the time alone at the beginning as logs have it.
fn key_value(json: &str) -> serde_json::Result<String> {
    let Ordered(fields) = serde_json::from_str(json)?;
    let mut text = String::with_capacity(json.len());
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let separator = if text.is_empty() { "" } else { " " };
        let _ = match value {
            Value::String(time) if key == "ts" => write!(text, "{time}"),
            Value::String(word) if is_plain(word) => write!(text, "{separator}{key}={word}"),
            other => write!(text, "{separator}{key}={other}"),
        };
    }
    Ok(text)
}

/// Whether a value needs no quotes.
fn is_plain(word: &str) -> bool {
    let needs_quotes = |c: char| c.is_whitespace() || c == '"' || c == '=';
    !word.is_empty() && !word.contains(needs_quotes) && escape::is_plain(word)
}

/// Milliseconds with two digits behind the point.
fn milliseconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e5).round() / 100.0
}

pub(super) struct Structured {
    view: View,
    output: Output,
    disconnected: bool,
}

struct Output {
    form: Form,
    /// Flushed before the worker sleeps, so that a busy worker writes in large steps.
    out: BufWriter<Results>,
}

impl Output {
    fn event(&mut self, view: &View, event: &str, fields: Fields<'_>) {
        let worker = view.name.as_deref();
        let line = Line { ts: view.zone.format(Timestamp::now()), event, worker, fields };
        let json = serde_json::to_string(&line);
        let text = json.and_then(|json| match self.form {
            Form::Json => Ok(json),
            Form::KeyValue => key_value(&json),
        });
        match text {
            // A closed pipe does not stop the worker.
            Ok(text) => drop(writeln!(self.out, "{}", escape::json(&text))),
            Err(cause) => print::note(format!("error: cannot write an event: {cause}")),
        }
    }
}

impl Structured {
    pub(super) fn new(view: View, form: Form) -> Self {
        let out = BufWriter::with_capacity(1 << 16, stdout::results());
        Self { view, output: Output { form, out }, disconnected: false }
    }

    fn event(&mut self, event: &str, fields: Fields<'_>) {
        self.output.event(&self.view, event, fields);
    }

    fn job(&mut self, event: &str, job: JobInfo<'_>, error: Option<&str>, retry_in: Option<Duration>) {
        let retry_at = retry_in.map(|after| self.view.zone.format(Timestamp::now().plus(after)));
        let fields = Fields::Ended {
            job: JobFields::of(job),
            driver: &self.view.driver,
            connection: &self.view.connection,
            attempt: job.job.attempt,
            attempts: job.attempts,
            duration_ms: job.took.map(milliseconds),
            error,
            will_retry: retry_in.is_some(),
            retry_at,
        };
        self.output.event(&self.view, event, fields);
    }
}

impl Reporter for Structured {
    fn tell(&mut self, event: &Event<'_>) {
        match event {
            event if self.view.quiet && is_routine(event) => {}
            Event::Began { job, waited } => {
                let fields = Fields::Began {
                    job: JobFields::of(*job),
                    attempt: job.job.attempt,
                    attempts: job.attempts,
                    waited_ms: waited.map(|waited| (waited.as_secs_f64() * 1e3).round()),
                };
                self.event("began", fields);
            }
            Event::Done(job) => self.job("done", *job, None, None),
            Event::Again { job, after, counted, error } => {
                let name = if *counted { "failed" } else { "postponed" };
                self.job(name, *job, Some(error), Some(*after));
            }
            Event::Buried { job, error, .. } => self.job("dead", *job, Some(error), None),
            // The write is tried again, not the job.
            Event::PutAside { job, error, .. } => self.job("put_aside", *job, Some(error), None),
            Event::Returned(job) => self.job("returned", *job, None, Some(Duration::ZERO)),
            Event::Lost(job) => self.job("lost", *job, None, None),
            Event::Started => {
                let fields = Fields::Started {
                    driver: &self.view.driver,
                    connection: &self.view.connection,
                    queue: self.view.queues.join(","),
                    workers: self.view.workers,
                    pid: std::process::id(),
                };
                self.output.event(&self.view, "started", fields);
            }
            Event::Polled { found } => {
                if self.view.verbosity >= 2 {
                    self.event("polled", Fields::Polled { found: *found });
                }
                if *found == 0 {
                    let _ = self.output.out.flush();
                }
                return;
            }
            // Reported once, not at each try.
            Event::Disconnected { error, .. } if !self.disconnected => {
                self.disconnected = true;
                self.event("disconnected", Fields::Trouble { error: &error.to_string() });
            }
            Event::Disconnected { .. } => {}
            Event::Reconnected => {
                self.disconnected = false;
                self.event("reconnected", Fields::None {});
            }
            Event::Connected { host } => self.event("connected", Fields::Host { host }),
            Event::Paused { queue } => self.event("paused", Fields::Queue { queue }),
            Event::Resumed { queue } => self.event("resumed", Fields::Queue { queue }),
            Event::Restarting { running } => {
                self.event("restarting", Fields::Restarting { running: *running })
            }
            Event::Stopping { running, grace } => {
                let grace_s = grace.as_secs_f64();
                self.event("stopping", Fields::Stopping { running: *running, grace_s });
            }
            Event::Warning(text) => self.event("warning", Fields::Trouble { error: text }),
        }
        if !matches!(event, Event::Done(_)) {
            let _ = self.output.out.flush();
        }
    }

    fn ended(&mut self, report: &Report, took: Duration) {
        if self.view.quiet {
            let _ = self.output.out.flush();
            return print::flush();
        }
        let fields = Fields::Stopped {
            done: report.done,
            failed: report.failed,
            retried: report.retried,
            returned: report.returned,
            lost: report.lost,
            put_aside: report.put_aside,
            unsettled: report.unsettled_in_all,
            duration_ms: milliseconds(took),
        };
        self.event("stopped", fields);
        let _ = self.output.out.flush();
        print::flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_fields_in_order_as_json_and_as_key_value() {
        let (id, retry_at) = (JobId::Number(7), None);
        let job = JobFields { id: &id, uuid: "u", job: "Send", queue: "a b" };
        let ended = Fields::Ended {
            job,
            driver: "database",
            connection: "",
            attempt: 1,
            attempts: 3,
            duration_ms: Some(12.31),
            error: Some("no \"x\""),
            will_retry: false,
            retry_at,
        };
        let table = [
            (
                "dead",
                Some("w1"),
                ended,
                r#"{"ts":"now","event":"dead","worker":"w1","id":7,"uuid":"u","job":"Send","queue":"a b","driver":"database","connection":"","attempt":1,"attempts":3,"duration_ms":12.31,"error":"no \"x\"","will_retry":false,"retry_at":null}"#,
                r#"now event=dead worker=w1 id=7 uuid=u job=Send queue="a b" driver=database connection="" attempt=1 attempts=3 duration_ms=12.31 error="no \"x\"" will_retry=false"#,
            ),
            (
                "stopping",
                None,
                Fields::Stopping { running: 2, grace_s: 25.0 },
                r#"{"ts":"now","event":"stopping","running":2,"grace_s":25.0}"#,
                "now event=stopping running=2 grace_s=25.0",
            ),
            (
                "reconnected",
                None,
                Fields::None {},
                r#"{"ts":"now","event":"reconnected"}"#,
                "now event=reconnected",
            ),
        ];
        for (event, worker, fields, json, pairs) in table {
            let line = serde_json::to_string(&Line { ts: "now".into(), event, worker, fields }).unwrap();
            assert_eq!(line, json);
            assert_eq!(key_value(&line).unwrap(), pairs);
        }
    }
}
