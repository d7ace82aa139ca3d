//! Failed jobs: a page of them, their groups, one of them; retrying and forgetting.

use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::route::{Act, job_id};
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::failed::{self, FailedJob, Filter, Search, first_line};
use crate::message::JobId;
use crate::queue::{Retried, Retry};

/// How many failed jobs a page has.
const PAGE: usize = 50;

/// How many groups are shown.
const GROUPS: usize = 100;

/// How many failed jobs one act handles at most; the page goes on with the next ones.
const AT_ONCE: usize = 500;

/// A failed job as the page shows it.
#[derive(Serialize)]
struct Shown {
    id: String,
    uuid: String,
    job: String,
    queue: String,
    connection: String,
    attempts: u32,
    failed_at: String,
    first_line: String,
    exception: String,
    payload: String,
    masked: bool,
    options: Option<String>,
}

impl Shown {
    fn new(failed: FailedJob, shared: &Shared) -> Self {
        let (payload, masked) = shared.mask.apply(&failed.payload);
        Self {
            id: failed.id.to_string(),
            uuid: failed.uuid,
            job: failed.name,
            queue: failed.queue,
            connection: failed.connection,
            attempts: failed.attempts,
            failed_at: failed.failed_at,
            first_line: first_line(&failed.exception),
            exception: failed.exception,
            payload,
            masked,
            options: failed.overrides,
        }
    }
}

/// Which failed jobs are meant.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    queue: Option<String>,
    job: Option<String>,
    first_line: Option<String>,
    search: Option<String>,
}

impl Matching {
    fn of(request: &Request) -> Self {
        let parameter = |name| request.parameter(name).map(str::to_owned);
        Self {
            queue: parameter("queue"),
            job: parameter("job"),
            first_line: parameter("first_line"),
            search: parameter("search"),
        }
    }

    fn search_in<'a>(&'a self, driver: &'a str, before: Option<&'a JobId>, limit: usize) -> Search<'a> {
        Search {
            queue: self.queue.as_deref(),
            job: self.job.as_deref(),
            first_line: self.first_line.as_deref(),
            text: self.search.as_deref(),
            before,
            ..Search::new(driver, limit)
        }
    }
}

pub(super) fn list(shared: &Shared, driver: &str, request: &Request) -> Result<Response> {
    #[derive(Serialize)]
    struct Page {
        failed: Vec<Shown>,
        /// Where the next page begins. A search may find nothing in one, and more in the next.
        next: Option<String>,
    }
    let matching = Matching::of(request);
    let before = request.parameter("before").map(job_id);
    let search = matching.search_in(driver, before.as_ref(), PAGE);
    let failed::Page { jobs, next } = shared.queue.failed().driver(driver).search(&search)?;
    let found = |shown: &Shown| matching.search.as_deref().is_none_or(|search| is_seen(shown, search));
    let failed = jobs.into_iter().map(|failed| Shown::new(failed, shared)).filter(found).collect();
    Ok(Response::json(&Page { failed, next: next.map(|id| id.to_string()) }))
}

/// Whether the text that was searched for stands in what is shown: a value that is masked is not found either.
fn is_seen(shown: &Shown, search: &str) -> bool {
    if !shown.masked {
        return true;
    }
    let search = search.to_lowercase();
    let texts = [&shown.job, &shown.exception, &shown.payload, &shown.uuid];
    let found = |text: &String| text.to_lowercase().contains(&search);
    texts.into_iter().any(found) || shown.options.as_ref().is_some_and(found)
}

pub(super) fn groups(shared: &Shared, driver: &str) -> Result<Response> {
    Ok(Response::json(&shared.queue.failed().driver(driver).groups(GROUPS)?))
}

pub(super) fn show(shared: &Shared, driver: &str, id: &JobId) -> Result<Response> {
    let filter = Filter { id: Some(id), ..Filter::default() };
    match shared.queue.failed().driver(driver).list(&filter)?.pop() {
        Some(failed) => Ok(Response::json(&Shown::new(failed, shared))),
        None => {
            Err(Error::not_found(format!("there is no failed job {id}"))
                .with_help("it was retried or forgotten"))
        }
    }
}

/// Which failed jobs to act on: those that are named, or all that match.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    driver: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
    all: Option<Matching>,
    /// Where to go on, of all that match.
    before: Option<String>,
    /// Another payload for the one job that is retried.
    payload: Option<String>,
}

#[derive(Default, Serialize)]
struct Done {
    /// How many are on their queue again, or removed.
    done: usize,
    /// How many stay, with the reason of the first ones.
    stayed: usize,
    reasons: Vec<String>,
    /// Where to go on with all that match.
    next: Option<String>,
}

/// How many reasons are shown.
const REASONS: usize = 5;

impl Done {
    fn stays(&mut self, id: &JobId, why: &str) {
        self.stayed += 1;
        if self.reasons.len() < REASONS {
            self.reasons.push(format!("failed job {id} stays: {why}"));
        }
    }

    fn retried(&mut self, retried: &Retried) {
        match retried {
            Retried::Back { .. } => self.done += 1,
            Retried::Kept { failed, holder } => {
                self.stays(&failed.id, &format!("job {holder} has its unique key"));
            }
            Retried::Refused { failed, why } => self.stays(&failed.id, why),
            Retried::Taken(failed) => self.stays(&failed.id, "another retry puts it back"),
            Retried::Unknown(id) => self.stays(id, "it is gone"),
        }
    }
}

pub(super) fn act(shared: &Shared, request: &Request, act: Act) -> Result<(Response, String)> {
    let chosen: Chosen = request.json()?;
    let driver = shared.driver(chosen.driver.as_deref())?;
    let failed = shared.queue.failed().driver(driver);
    let (ids, next) = match &chosen.all {
        None => (chosen.ids.iter().map(|id| job_id(id)).collect(), None),
        Some(matching) => {
            let before = chosen.before.as_deref().map(job_id);
            failed.ids(&matching.search_in(driver, before.as_ref(), AT_ONCE))?
        }
    };
    let mut done = Done { next: next.map(|id| id.to_string()), ..Done::default() };
    // No id at all would mean every failed job.
    if ids.is_empty() {
        return Ok((Response::json(&done), "found no failed job to act on".into()));
    }
    let many = ids.len();
    let verb = match act {
        Act::Forget => {
            done.done = usize::try_from(failed.forget(&ids)?).unwrap_or(usize::MAX);
            "forgot"
        }
        _ => {
            let retry = Retry { ids, payload: chosen.payload, ..Retry::default() };
            failed.retry(&retry, |retried| done.retried(&retried))?;
            "retried"
        }
    };
    shared.snapshots.forget();
    let audit = format!("{verb} {} of {many} failed jobs of driver {driver}", done.done);
    Ok((Response::json(&done), audit))
}
