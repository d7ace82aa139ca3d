//! What Prometheus reads: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use super::http::Response;
use super::shared::Shared;
use crate::error::Result;
use crate::queue::QueueStatus;

/// The version of the format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric of each queue: its name, what it says, and its value.
type Metric = (&'static str, &'static str, fn(&QueueStatus) -> Option<f64>);

/// Counts are exact far beyond what a float of 64 bits rounds.
#[allow(clippy::cast_precision_loss, reason = "a queue has fewer than 2^53 jobs")]
fn count(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

const METRICS: [Metric; 6] = [
    ("craft_queue_waiting_jobs", "Jobs that are due and not held.", |queue| count(queue.waiting)),
    ("craft_queue_delayed_jobs", "Jobs that are due later.", |queue| count(queue.delayed)),
    ("craft_queue_running_jobs", "Jobs that a worker holds.", |queue| count(queue.running)),
    ("craft_queue_failed_jobs", "Failed jobs that are kept.", |queue| count(queue.failed)),
    ("craft_queue_oldest_wait_seconds", "How long the first job in line has been due.", |queue| {
        queue.oldest_wait_s.or((queue.waiting == Some(0)).then_some(0.0))
    }),
    ("craft_queue_paused", "Whether the queue is paused.", |queue| {
        queue.paused.map(|paused| f64::from(u8::from(paused)))
    }),
];

pub(super) fn show(shared: &Shared) -> Result<Response> {
    let mut looks = Vec::new();
    for driver in &shared.drivers {
        looks.push((driver.as_str(), shared.snapshots.get(&shared.queue, driver)?));
    }
    let looks: Vec<_> = looks.iter().map(|(driver, queues)| (*driver, &queues[..])).collect();
    Ok(Response::new(200, CONTENT_TYPE, text(&looks)))
}

fn text(looks: &[(&str, &[QueueStatus])]) -> String {
    let mut text = String::new();
    for (name, help, value) in METRICS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (driver, queues) in looks {
            for queue in *queues {
                let Some(value) = value(queue) else { continue };
                let (driver, queue) = (escaped(driver), escaped(&queue.queue));
                let _ = writeln!(text, "{name}{{driver=\"{driver}\",queue=\"{queue}\"}} {value}");
            }
        }
    }
    text
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_its_numbers_and_what_is_unknown_is_left_out() {
        let queue = QueueStatus {
            queue: "a\"\\\n".into(),
            waiting: Some(1_000_000),
            delayed: None,
            running: Some(0),
            failed: Some(2),
            oldest_wait_s: Some(1.5),
            paused: Some(true),
            capped: Vec::new(),
        };
        let text = text(&[("database", &[queue])]);
        let labels = r#"{driver="database",queue="a\"\\\n"}"#;
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            ("waiting_jobs", "1000000"),
            ("running_jobs", "0"),
            ("failed_jobs", "2"),
            ("oldest_wait_seconds", "1.5"),
            ("paused", "1"),
        ];
        assert_eq!(lines, expected.map(|(name, value)| format!("craft_queue_{name}{labels} {value}")));
        assert_eq!(text.matches("# TYPE craft_queue_delayed_jobs gauge").count(), 1);
    }
}
