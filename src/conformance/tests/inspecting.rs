//! Faults in how single jobs are shown and cancelled, each with the rule that it breaks.

use std::time::Duration;

use super::faults::Fault;
use crate::driver::{Cancelled, JobFilter, JobState, Suspects, Want};

#[rustfmt::skip] // a table
pub(super) const INSPECTING: &[(&str, Fault)] = &[
    ("inspecting: jobs are shown by id with what they do", Fault::Jobs(|driver, filter| {
        let mut jobs = driver.jobs(filter)?;
        jobs.reverse();
        Ok(jobs)
    })),
    ("inspecting: jobs are shown by id with what they do", Fault::Jobs(|driver, filter| {
        let mut jobs = driver.jobs(filter)?;
        jobs.iter_mut().for_each(|job| job.state = JobState::Waiting);
        Ok(jobs)
    })),
    ("inspecting: a filter shows what it names", Fault::Jobs(|driver, filter| {
        driver.jobs(&JobFilter { state: None, ..*filter })
    })),
    ("inspecting: names and queues that differ by case or spaces are told apart", Fault::Jobs(|driver, filter| {
        driver.jobs(&JobFilter { job: filter.job.map(str::trim_end), ..*filter })
    })),
    ("inspecting: pages follow each other", Fault::Jobs(|driver, filter| {
        driver.jobs(&JobFilter { limit: 0, ..*filter })
    })),
    ("inspecting: a job is shown with its payload by its id and its uuid", Fault::NoUuids),
    ("inspecting: what is shown can be taken as before", Fault::Jobs(|driver, filter| {
        let queues: Vec<_> = filter.queue.map(str::to_owned).into_iter().collect();
        let lease = Duration::from_secs(3_600);
        driver.reserve(&Want { queues: &queues, fresh: 9, suspects: Suspects::Ignore, lease })?;
        driver.jobs(filter)
    })),
    ("inspecting: a cancelled job is gone", Fault::Cancel(|_, ids| Ok(vec![Cancelled::Removed; ids.len()]))),
    ("inspecting: a held job is not cancelled", Fault::Cancel(|driver, ids| {
        let answers = driver.cancel(ids)?;
        Ok(answers.into_iter().map(|answer| if answer == Cancelled::Held { Cancelled::Removed } else { answer }).collect())
    })),
    ("inspecting: a key is free when its job is cancelled", Fault::Cancel(|_, ids| {
        Ok(vec![Cancelled::Removed; ids.len()])
    })),
];
