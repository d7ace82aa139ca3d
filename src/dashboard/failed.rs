//! Failed jobs: a page of them, their groups, one of them; retrying and forgetting.

use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::route::{Act, job_id};
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::failed::{self, FailedJob, Filter, Search, first_line};
use crate::message::JobId;
use crate::queue::{FailedJobsHandle, Retried, Retry};

/// How many failed jobs a page has.
const PAGE: usize = 50;

/// How many groups are shown.
const GROUPS: usize = 100;

/// How many failed jobs a search goes through for a page where fields are hidden.
const JUDGED: usize = 500;

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
#[derive(Debug, Default, Deserialize)]
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
            // One that is empty is that of an empty error.
            first_line: request.any_parameter("first_line").map(str::to_owned),
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
    let (jobs, next) = find(shared, driver, &matching, before, PAGE)?;
    let failed = jobs.into_iter().map(|failed| Shown::new(failed, shared)).collect();
    Ok(Response::json(&Page { failed, next: next.map(|id| id.to_string()) }))
}

/// The failed jobs that match, up to a limit, and where to go on: the same for what is shown and for what is acted on.
fn find(
    shared: &Shared,
    driver: &str,
    matching: &Matching,
    before: Option<JobId>,
    limit: usize,
) -> Result<(Vec<FailedJob>, Option<JobId>)> {
    let handle = shared.queue.failed().driver(driver);
    let search = matching.search_in(driver, before.as_ref(), limit);
    let Some(text) = matching.search.as_deref().filter(|_| !shared.mask.is_empty()) else {
        let failed::Page { jobs, next } = handle.search(&search)?;
        return Ok((jobs, next));
    };
    // The back end would search in hidden values too, and what it finds would tell of them: each is judged as it is shown.
    let rows = handle.search(&Search { text: None, limit: JUDGED, ..search })?;
    let (mut found, mut next) = (Vec::new(), rows.next);
    for failed in rows.jobs {
        if found.len() == limit {
            next = found.last().map(|last: &FailedJob| last.id.clone());
            break;
        }
        let whole = whole(&handle, &failed)?;
        if is_seen(whole.as_ref().unwrap_or(&failed), shared, text) {
            found.push(failed);
        }
    }
    Ok((found, next))
}

/// The failed job with all of its payload and exception, where a search cuts them.
fn whole(handle: &FailedJobsHandle, failed: &FailedJob) -> Result<Option<FailedJob>> {
    let is_cut = failed.payload.chars().count() >= failed::PAYLOAD_SHOWN
        || failed.exception.chars().count() >= failed::EXCEPTION_SHOWN;
    let filter = Filter { id: Some(&failed.id), ..Filter::default() };
    if is_cut { Ok(handle.list(&filter)?.pop()) } else { Ok(None) }
}

/// Whether a text stands in what is shown of a failed job.
fn is_seen(failed: &FailedJob, shared: &Shared, text: &str) -> bool {
    let text = text.to_lowercase();
    let payload = shared.mask.apply(&failed.payload).0;
    let found = |shown: &String| shown.to_lowercase().contains(&text);
    [&failed.name, &failed.exception, &payload, &failed.uuid].into_iter().any(found)
        || failed.overrides.as_ref().is_some_and(found)
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

/// # Errors
/// The payload is for other than one failed job, or for one of which fields are hidden: they would be lost.
fn check_edit(shared: &Shared, handle: &FailedJobsHandle, chosen: &Chosen) -> Result<()> {
    let ([id], None) = (&chosen.ids[..], &chosen.all) else {
        return Err(Error::invalid("a payload is for one failed job").with_help("choose one, by its id"));
    };
    let id = job_id(id);
    let failed = handle.list(&Filter { id: Some(&id), ..Filter::default() })?.pop();
    match failed.is_some_and(|failed| shared.mask.apply(&failed.payload).1) {
        false => Ok(()),
        true => {
            Err(Error::invalid(format!("failed job {id} has hidden fields, which an edit here would lose"))
                .with_help(format!("craft queue:retry {id} --payload JSON takes a whole payload")))
        }
    }
}

pub(super) fn act(shared: &Shared, request: &Request, act: Act) -> Result<(Response, String)> {
    let chosen: Chosen = request.json()?;
    let driver = shared.driver(chosen.driver.as_deref())?;
    let failed = shared.queue.failed().driver(driver);
    if chosen.payload.is_some() {
        check_edit(shared, &failed, &chosen)?;
    }
    let (ids, next) = match &chosen.all {
        None => (chosen.ids.iter().map(|id| job_id(id)).collect(), None),
        Some(matching) => {
            let before = chosen.before.as_deref().map(job_id);
            let (jobs, next) = find(shared, driver, matching, before, AT_ONCE)?;
            (jobs.into_iter().map(|job| job.id).collect::<Vec<_>>(), next)
        }
    };
    let mut done = Done { next: next.map(|id| id.to_string()), ..Done::default() };
    // No id at all would mean every failed job.
    if ids.is_empty() {
        return Ok((Response::json(&done), "found no failed job to act on".into()));
    }
    let many = ids.len();
    let first_ids: Vec<_> = ids.iter().take(REASONS).map(JobId::to_string).collect();
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
    let audit = match &chosen.all {
        Some(matching) => {
            format!("{verb} {} of {many} failed jobs of driver {driver}: {matching:?}", done.done)
        }
        None => format!("{verb} {} of {many} failed jobs of driver {driver}: {:?}", done.done, first_ids),
    };
    Ok((Response::json(&done), audit))
}
