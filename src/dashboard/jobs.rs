//! Jobs that wait or run: a page of them, one of them, and removing some.

use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::route::job_id;
use super::shared::Shared;
use crate::driver::{Cancelled, JobFilter, JobState, QueuedJob};
use crate::error::{Error, Result};
use crate::message::JobId;
use crate::time::Timestamp;

/// How many jobs a page has.
const PAGE: usize = 50;

/// How many jobs one act removes at most; the page goes on with the next ones.
const AT_ONCE: usize = 500;

/// A job as the page shows it. Ids are texts: numbers of 64 bits are not whole in a browser.
#[derive(Serialize)]
struct Shown {
    id: String,
    uuid: String,
    job: String,
    queue: String,
    state: JobState,
    attempts: u32,
    priority: u8,
    /// Milliseconds since 1970.
    due_at: Option<i64>,
    created_at: String,
    /// Milliseconds since 1970.
    hold_ends_at: Option<i64>,
    suspect: bool,
    unknown_for_ms: Option<i64>,
}

impl Shown {
    fn new(job: QueuedJob, now: Timestamp) -> Self {
        let at = |span: Option<i64>| span.map(|span| now.as_millis().saturating_add(span));
        Self {
            id: job.id.to_string(),
            uuid: job.uuid,
            job: job.name,
            queue: job.queue,
            state: job.state,
            attempts: job.attempts,
            priority: job.priority,
            due_at: at(job.due_in_ms),
            created_at: job.created_at,
            hold_ends_at: at(job.hold_ends_in_ms),
            suspect: job.suspect,
            unknown_for_ms: job.unknown_for_ms,
        }
    }
}

pub(super) fn list(shared: &Shared, driver: &str, request: &Request) -> Result<Response> {
    #[derive(Serialize)]
    struct Page {
        jobs: Vec<Shown>,
        /// Where the next page begins.
        next: Option<String>,
    }
    let after = request.parameter("after").map(job_id);
    let filter = JobFilter {
        queue: request.parameter("queue"),
        job: request.parameter("job"),
        state: state(request.parameter("state"))?,
        after: after.as_ref(),
        // One more, which says whether there are more.
        limit: PAGE + 1,
    };
    let now = Timestamp::now();
    let mut jobs = shared.queue.jobs(Some(driver), &filter)?;
    let has_more = jobs.len() > PAGE;
    jobs.truncate(PAGE);
    let next = jobs.last().filter(|_| has_more).map(|job| job.id.to_string());
    let jobs = jobs.into_iter().map(|job| Shown::new(job, now)).collect();
    Ok(Response::json(&Page { jobs, next }))
}

fn state(given: Option<&str>) -> Result<Option<JobState>> {
    let Some(given) = given else { return Ok(None) };
    match JobState::parse(given) {
        Some(state) => Ok(Some(state)),
        None => Err(Error::invalid(format!("there is no state {given:?}"))
            .with_help("waiting, delayed and running are states")),
    }
}

pub(super) fn show(shared: &Shared, driver: &str, id: &JobId) -> Result<Response> {
    #[derive(Serialize)]
    struct Details {
        #[serde(flatten)]
        job: Shown,
        payload: String,
        masked: bool,
        options: Option<String>,
        unique_key: Option<String>,
        last_error: Option<String>,
    }
    let now = Timestamp::now();
    let Some(found) = shared.queue.job(Some(driver), id)? else {
        return Err(Error::not_found(format!("job {id} does not wait or run"))
            .with_help("it is done, or among the failed jobs"));
    };
    let (payload, masked) = shared.mask.apply(&found.payload);
    Ok(Response::json(&Details {
        job: Shown::new(found.job, now),
        payload,
        masked,
        options: found.options,
        unique_key: found.unique_key,
        last_error: found.last_error,
    }))
}

/// Which jobs to remove: those that are named, or all that match.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    driver: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
    all: Option<Matching>,
    /// Where to go on, of all that match.
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    queue: Option<String>,
    job: Option<String>,
    state: Option<String>,
}

pub(super) fn cancel(shared: &Shared, request: &Request) -> Result<(Response, String)> {
    #[derive(Serialize)]
    struct Done {
        removed: usize,
        /// A worker holds them.
        held: usize,
        /// They are done, or were removed before.
        gone: usize,
        /// Where to go on with all that match.
        next: Option<String>,
    }
    let chosen: Chosen = request.json()?;
    let driver = shared.driver(chosen.driver.as_deref())?;
    let (ids, next) = match &chosen.all {
        None => (chosen.ids.iter().map(|id| job_id(id)).collect(), None),
        Some(matching) => {
            let after = chosen.after.as_deref().map(job_id);
            let filter = JobFilter {
                queue: matching.queue.as_deref(),
                job: matching.job.as_deref(),
                state: state(matching.state.as_deref())?,
                after: after.as_ref(),
                limit: AT_ONCE,
            };
            let jobs = shared.queue.jobs(Some(driver), &filter)?;
            let next = jobs.last().filter(|_| jobs.len() == AT_ONCE).map(|job| job.id.to_string());
            (jobs.into_iter().map(|job| job.id).collect::<Vec<_>>(), next)
        }
    };
    let answers = shared.queue.cancel(Some(driver), &ids)?;
    let count = |what| answers.iter().filter(|answer| **answer == what).count();
    let done = Done {
        removed: count(Cancelled::Removed),
        held: count(Cancelled::Held),
        gone: count(Cancelled::Unknown),
        next,
    };
    shared.snapshots.forget();
    let first_ids: Vec<_> = ids.iter().take(5).map(JobId::to_string).collect();
    let of = chosen.all.as_ref().map_or(format!("{first_ids:?}"), |matching| format!("{matching:?}"));
    let audit = format!("removed {} of {} jobs of driver {driver}: {of}", done.removed, ids.len());
    Ok((Response::json(&done), audit))
}
