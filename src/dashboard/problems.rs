//! What is wrong, in words. Pure: counts in, sentences out.

use serde::Serialize;

use crate::queue::QueueStatus;
use crate::time::{format_duration, seconds_to_span};

/// A queue whose first job in line has been due for longer has too few workers, or none.
const LONG_WAIT: f64 = 300.0;

/// What a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// What is wrong.
    pub(super) text: String,
    /// What to do about it.
    pub(super) help: &'static str,
    /// The queue that it is about.
    pub(super) queue: Option<String>,
}

/// The problems that the counts show.
pub(super) fn problems(queues: &[QueueStatus], keeps_failed: bool) -> Vec<Problem> {
    let mut problems: Vec<_> = queues.iter().filter_map(of_queue).collect();
    if !keeps_failed {
        problems.push(Problem {
            text: "Failed jobs are not kept: a job that fails for good is gone.".into(),
            help: "Set failed_table in queue.toml.",
            queue: None,
        });
    }
    problems
}

fn of_queue(queue: &QueueStatus) -> Option<Problem> {
    let wait = queue.oldest_wait_s.filter(|wait| *wait > LONG_WAIT)?;
    let span = seconds_to_span(wait.round()).map(format_duration)?;
    let name = &queue.queue;
    let (text, help) = match (queue.paused, queue.running) {
        (Some(true), _) => (
            format!("Queue {name} is paused, and its first job has been due for {span}."),
            "Resume it when the reason for the pause is gone.",
        ),
        (_, Some(0)) => (
            format!("No worker runs a job of queue {name}, whose first job has been due for {span}."),
            "Start a worker for it: craft queue:work --queue NAME.",
        ),
        _ => (
            format!("The first job of queue {name} has been due for {span}."),
            "Start more workers, or see what its jobs wait for.",
        ),
    };
    Some(Problem { text, help, queue: Some(name.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(oldest_wait_s: Option<f64>, running: u64, paused: bool) -> QueueStatus {
        QueueStatus {
            queue: "mail".into(),
            waiting: Some(1),
            delayed: Some(0),
            running: Some(running),
            failed: Some(9),
            oldest_wait_s,
            paused: Some(paused),
            capped: Vec::new(),
        }
    }

    #[test]
    fn a_long_wait_is_told_with_its_likely_cause() {
        for (queue, expected) in [
            (queue(None, 0, true), None),
            (queue(Some(300.0), 0, false), None),
            (
                queue(Some(900.4), 0, false),
                Some("No worker runs a job of queue mail, whose first job has been due for 15m."),
            ),
            (queue(Some(900.0), 2, false), Some("The first job of queue mail has been due for 15m.")),
            (
                queue(Some(900.0), 2, true),
                Some("Queue mail is paused, and its first job has been due for 15m."),
            ),
        ] {
            let found = problems(&[queue], true);
            assert_eq!(found.first().map(|problem| &*problem.text), expected);
        }
    }

    #[test]
    fn failed_jobs_that_are_not_kept_are_a_problem() {
        assert!(problems(&[], false)[0].text.starts_with("Failed jobs are not kept"));
    }
}
