//! Single jobs in memory, shown and cancelled.

use std::time::{Duration, Instant};

use super::job::Job;
use super::ready_queue::ReadyQueue;
use super::store::Store;
use crate::driver::{Cancelled, JobDetails, JobFilter, JobState, QueuedJob};
use crate::message::{JobId, PRIORITY_LIMIT};
use crate::payload;
use crate::time::Timestamp;

impl Store {
    pub(super) fn list(&self, filter: &JobFilter<'_>, now: Instant) -> Vec<QueuedJob> {
        let after = match filter.after {
            Some(JobId::Number(id)) => *id,
            Some(JobId::Text(_)) => return Vec::new(),
            None => i64::MIN,
        };
        let mut found: Vec<QueuedJob> = self
            .all()
            .filter(|(job, _)| job.id > after)
            .filter(|(job, _)| filter.queue.is_none_or(|queue| *job.message.queue == *queue))
            .filter(|(job, _)| filter.job.is_none_or(|name| *job.message.name == *name))
            .map(|(job, hold_ends)| shown(job, hold_ends, now))
            .filter(|job| filter.state.is_none_or(|state| job.state == state))
            .collect();
        found.sort_by_key(|job| match job.id {
            JobId::Number(id) => id,
            JobId::Text(_) => 0,
        });
        if filter.limit > 0 {
            found.truncate(filter.limit);
        }
        found
    }

    pub(super) fn show(&self, id: &JobId, now: Instant) -> Option<JobDetails> {
        let (job, hold_ends) = self.all().find(|(job, _)| is(job, id))?;
        Some(JobDetails {
            job: shown(job, hold_ends, now),
            payload: payload::to_text(&job.message.payload).into_owned(),
            options: job.message.overrides.as_deref().map(str::to_owned),
            unique_key: job.message.unique_key.as_deref().map(str::to_owned),
            last_error: job.last_error.clone(),
        })
    }

    pub(super) fn cancel(&mut self, id: &JobId) -> Cancelled {
        if let Some(job) = self.queues.values_mut().find_map(|queue| queue.remove(|job| is(job, id))) {
            self.free_names(&job);
            return Cancelled::Removed;
        }
        match self.held.values().any(|held| is(&held.job, id)) {
            true => Cancelled::Held,
            false => Cancelled::Unknown,
        }
    }

    /// Every job, and when the hold on it ends.
    fn all(&self) -> impl Iterator<Item = (&Job, Option<Instant>)> {
        let waiting = self.queues.values().flat_map(ReadyQueue::jobs).map(|job| (job, None));
        waiting.chain(self.held.values().map(|held| (&held.job, Some(held.lease_ends))))
    }
}

fn is(job: &Job, id: &JobId) -> bool {
    match id {
        JobId::Number(number) => job.id == *number,
        JobId::Text(uuid) => job.message.uuid.eq_ignore_ascii_case(uuid),
    }
}

fn shown(job: &Job, hold_ends: Option<Instant>, now: Instant) -> QueuedJob {
    let due_in = millis_until(job.life.due, now);
    QueuedJob {
        id: JobId::Number(job.id),
        uuid: job.message.uuid.to_string(),
        name: job.message.name.to_string(),
        queue: job.message.queue.to_string(),
        state: match hold_ends {
            Some(_) => JobState::Running,
            None if due_in > 0 => JobState::Delayed,
            None => JobState::Waiting,
        },
        attempts: job.life.attempts,
        priority: job.message.priority.min(PRIORITY_LIMIT),
        due_in_ms: Some(due_in),
        created_at: pushed_at(&job.message.uuid).unwrap_or_default(),
        hold_ends_in_ms: hold_ends.map(|ends| millis_until(ends, now)),
        suspect: job.life.suspect,
        unknown_for_ms: job.life.unknown_since.map(|since| -millis_until(since, now)),
    }
}

/// Negative when it is past.
fn millis_until(at: Instant, now: Instant) -> i64 {
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match at.checked_duration_since(now) {
        Some(span) => millis(span),
        None => -millis(now.saturating_duration_since(at)),
    }
}

/// The store keeps no wall clock; a uuid of version 7 does.
fn pushed_at(uuid: &str) -> Option<String> {
    let (seconds, nanos) = uuid::Uuid::parse_str(uuid).ok()?.get_timestamp()?.to_unix();
    let millis =
        i64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(i64::from(nanos / 1_000_000))?;
    Some(crate::time::Zone::default().format(Timestamp::from_millis(millis)))
}
