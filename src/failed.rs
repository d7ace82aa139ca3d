//! Where failed jobs are kept: the traits of a place for them.
//!
//! Where that place shares a connection with the jobs, a failed job moves in one transaction. Elsewhere it takes three
//! steps: the worker proves its hold by renewing it, records the job, and settles it as done. A worker that dies
//! between the last two leaves a record of a job that runs again; the next worker that runs the job withdraws the
//! record, or replaces it. Two workers can leave a record of a job that was done elsewhere meanwhile: one that is
//! stopped for longer than its lease between the proof and the record, and one that runs such a job and finds the
//! failed jobs away again and again, which it logs. Look before you retry what failed while a machine was frozen.

use std::time::Duration;

use serde::Serialize;

use crate::driver::Reserved;
use crate::error::Result;
use crate::message::{JobId, Message, Pushed};
use crate::payload;
use crate::time::Timestamp;

/// A configured place for failed jobs. It is cheap, and holds nothing open.
pub trait FailedBackend: Send + Sync {
    /// Opens the place. The caller calls this again after an error, and waits between tries.
    ///
    /// # Errors
    /// The place can't be reached, or has no such table.
    fn open(&self) -> Result<Box<dyn FailedJobs>>;
}

/// The failed jobs, open. Used by one thread at a time.
pub trait FailedJobs: Send {
    /// Keeps a failed job, and answers under which id. A new record takes the place of an older one of the same job,
    /// under a new id: the worker that made the old record, and has lost the job since, must not withdraw the new one.
    /// Another job that happens to have the same uuid stays, and this one is kept beside it. An exception that the
    /// place can't keep as it is is kept in part.
    ///
    /// # Errors
    /// The job may have been kept; recording it again is safe. Or the place refuses this very job, and would refuse it
    /// again ([`is_invalid`](crate::Error::is_invalid)).
    fn record(&mut self, job: &Reserved, failure: &Failure) -> Result<Record>;

    /// Keeps several, and answers in order. Provided: one after another.
    ///
    /// # Errors
    /// Some may have been kept; recording them again is safe. Or one of them is refused
    /// ([`is_invalid`](crate::Error::is_invalid)).
    fn record_all(&mut self, dead: &[(&Reserved, &Failure)]) -> Result<Vec<Record>> {
        dead.iter().map(|(job, failure)| self.record(job, failure)).collect()
    }

    /// After an error: whether this handle may still do what it was asked for. The worker then asks this handle again,
    /// because a new one would do it once more. Provided: no.
    fn is_under_way(&self) -> bool {
        false
    }

    /// Answers the records of this job of a driver. A worker that holds a job asks for what its predecessors recorded
    /// and did not settle.
    ///
    /// # Errors
    /// The back end did not answer.
    fn records_of(&mut self, job: &Message, driver: &str) -> Result<Vec<JobId>>;

    /// Removes these records, and none that was made since. Records that are gone already are no error.
    ///
    /// # Errors
    /// Some records may still be there.
    fn withdraw(&mut self, records: &[JobId]) -> Result<()>;

    /// Lists failed jobs by id, the oldest first.
    ///
    /// # Errors
    /// The back end did not answer.
    fn list(&mut self, filter: &Filter<'_>) -> Result<Vec<FailedJob>>;

    /// Finds a page of failed jobs, the newest first, with long texts cut. Provided: by [`FailedJobs::list`].
    ///
    /// # Errors
    /// The back end did not answer.
    fn search(&mut self, search: &Search<'_>) -> Result<Page> {
        let filter =
            Filter { driver: Some(search.driver), queue: search.queue, job: search.job, ..Filter::default() };
        let mut all = self.list(&filter)?;
        all.reverse();
        // One that is gone meanwhile was retried or forgotten: what stays is found again.
        let is_before = |job: &FailedJob| search.before == Some(&job.id);
        let start = all.iter().position(is_before).map_or(0, |at| at + 1);
        let matching = all.into_iter().skip(start).filter(|job| search.matches(job));
        let mut jobs: Vec<_> = matching.take(search.limit + 1).collect();
        let more = jobs.len() > search.limit;
        jobs.truncate(search.limit);
        let next = jobs.last().filter(|_| more).map(|last| last.id.clone());
        jobs.iter_mut().for_each(FailedJob::cut);
        Ok(Page { jobs, next })
    }

    /// The failed jobs of a driver by name and the first line of their exception, those that failed last in front: at
    /// most `most` groups. Provided: by [`FailedJobs::list`].
    ///
    /// # Errors
    /// The back end did not answer.
    fn groups(&mut self, driver: &str, most: usize) -> Result<Vec<FailedGroup>> {
        let mut groups: Vec<FailedGroup> = Vec::new();
        for job in self.list(&Filter { driver: Some(driver), ..Filter::default() })?.into_iter().rev() {
            let first_line = first_line(&job.exception);
            match groups.iter_mut().find(|group| group.name == job.name && group.first_line == first_line) {
                Some(group) => group.count += 1,
                None => groups.push(FailedGroup { name: job.name, first_line, count: 1, last: job.id }),
            }
        }
        groups.truncate(most);
        Ok(groups)
    }

    /// Answers the last id of the list: jobs that fail from here on come after it. Provided: unknown.
    ///
    /// # Errors
    /// The back end did not answer.
    fn last(&mut self) -> Result<Option<JobId>> {
        Ok(None)
    }

    /// Removes these failed jobs, and answers how many were there.
    ///
    /// # Errors
    /// None was removed.
    fn forget(&mut self, ids: &[JobId]) -> Result<u64>;

    /// Counts the failed jobs by driver and queue.
    ///
    /// # Errors
    /// The back end did not answer.
    fn count(&mut self) -> Result<Vec<FailedCount>>;

    /// Counts up to `most` of them, where failed jobs are counted one by one. Provided: counts all.
    ///
    /// # Errors
    /// The back end did not answer.
    fn count_up_to(&mut self, most: u64) -> Result<Vec<FailedCount>> {
        let _ = most;
        self.count()
    }

    /// Puts failed jobs back onto their queue and forgets them, in one transaction, where the two tables
    /// share a connection; `None` where they don't. Answers for each, in order: `None` when it was not
    /// there any more. A job whose unique key another job holds is a duplicate, and stays.
    ///
    /// # Errors
    /// None was put back.
    fn put_back(&mut self, jobs: &[(JobId, Message)]) -> Result<Option<Vec<Option<Pushed>>>>;

    /// Marks these as being retried, before they are pushed elsewhere, and answers which of them the caller may
    /// push: not those that are gone, and not those that another caller marked within the last minute.
    ///
    /// # Errors
    /// None was marked.
    fn mark(&mut self, ids: &[JobId]) -> Result<Vec<JobId>>;

    /// Takes the marks off these, which could not be pushed. Provided: nothing; a mark ends by itself after a minute.
    ///
    /// # Errors
    /// They are still marked.
    fn unmark(&mut self, ids: &[JobId]) -> Result<()> {
        let _ = ids;
        Ok(())
    }

    /// Removes those of these that are still marked: they have not failed again meanwhile.
    ///
    /// # Errors
    /// None was removed.
    fn forget_marked(&mut self, ids: &[JobId]) -> Result<()>;
}

/// A job that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the failed jobs call it.
    pub id: JobId,
    /// Whether there was no record of the job before. Only then, and only by this id, may the record be taken back when
    /// another worker turns out to hold the job: otherwise that worker may count on the record.
    pub fresh: bool,
}

/// Why, when and where a job failed for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The configured name of the driver it ran on.
    pub driver: String,
    /// The connection of that driver; empty when it has none.
    pub connection: String,
    /// What went wrong, without NUL and at most 16 KiB.
    pub exception: String,
    /// When it failed.
    pub failed_at: Timestamp,
}

impl Failure {
    /// Makes a failure of this moment. The exception is cut to 16 KiB, its beginning and its end kept.
    pub fn now(driver: &str, connection: &str, exception: &str) -> Self {
        Self {
            driver: driver.to_owned(),
            connection: connection.to_owned(),
            exception: payload::storable_text(exception),
            failed_at: Timestamp::now(),
        }
    }
}

/// Which failed jobs to list. All fields that are set must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only this one.
    pub id: Option<&'a JobId>,
    /// Only of this driver.
    pub driver: Option<&'a str>,
    /// Only of this queue.
    pub queue: Option<&'a str>,
    /// Only this kind of job.
    pub job: Option<&'a str>,
    /// Only what failed this long ago or later.
    pub since: Option<Duration>,
    /// Only what failed this long ago or earlier.
    pub before: Option<Duration>,
    /// Only what comes after this id.
    pub after: Option<&'a JobId>,
    /// At most this many; 0 means no limit.
    pub limit: usize,
}

/// How many characters of a payload a search answers at least. `search_failed.sql` has the same number.
pub(crate) const PAYLOAD_SHOWN: usize = 200;

/// How many characters of an exception a search answers at least. `search_failed.sql` has the same number.
pub(crate) const EXCEPTION_SHOWN: usize = 2_000;

/// A search through the failed jobs, the newest first. Everything that is set must hold.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Search<'a> {
    /// Of this driver.
    pub driver: &'a str,
    /// Only of this queue.
    pub queue: Option<&'a str>,
    /// Only this kind of job.
    pub job: Option<&'a str>,
    /// Only with this [`first_line`] of the exception.
    pub first_line: Option<&'a str>,
    /// Only with this text in the name, the exception, the payload, the uuid or the options, whatever its case.
    pub text: Option<&'a str>,
    /// Only what failed before this one.
    pub before: Option<&'a JobId>,
    /// At most this many; from 1.
    pub limit: usize,
}

impl<'a> Search<'a> {
    /// The newest failed jobs of a driver.
    pub fn new(driver: &'a str, limit: usize) -> Self {
        let limit = limit.max(1);
        Self { driver, queue: None, job: None, first_line: None, text: None, before: None, limit }
    }

    fn matches(&self, job: &FailedJob) -> bool {
        let wanted = self.text.map(str::to_lowercase);
        let found = |text: &str| wanted.as_ref().is_none_or(|wanted| text.to_lowercase().contains(wanted));
        self.first_line.is_none_or(|line| first_line(&job.exception) == line)
            && ([&job.name, &job.exception, &job.payload, &job.uuid].into_iter().any(|text| found(text))
                || job.overrides.as_deref().is_some_and(found))
    }
}

/// What a [`Search`] has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The failed jobs, with at least 200 characters of the payload and 2,000 of the exception.
    pub jobs: Vec<FailedJob>,
    /// Where the next page begins: the [`before`](Search::before) of a further search; `None` at the end. A database goes
    /// through a bounded number of failed jobs for a page, so a page may have few, or none, and another one follow.
    pub next: Option<JobId>,
}

/// Failed jobs of one name that failed alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedGroup {
    /// Their name.
    #[serde(rename = "job")]
    pub name: String,
    /// The [`first_line`] of their exception.
    pub first_line: String,
    /// How many they are.
    pub count: u64,
    /// The one that failed last.
    pub last: JobId,
}

/// The first line of an exception, up to 200 characters: by it failed jobs are grouped.
pub fn first_line(exception: &str) -> String {
    exception.split('\n').next().unwrap_or_default().chars().take(200).collect()
}

/// A failed job, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedJob {
    /// The id that `queue:retry` and `queue:forget` take.
    pub id: JobId,
    /// The job's uuid; a retried job keeps it.
    pub uuid: String,
    /// The driver it ran on.
    pub driver: String,
    /// The connection of that driver.
    pub connection: String,
    /// The queue it was taken from.
    pub queue: String,
    /// The job's name.
    #[serde(rename = "job")]
    pub name: String,
    /// How often it was attempted.
    pub attempts: u32,
    /// What went wrong.
    pub exception: String,
    /// The payload as text; bytes that are no text are kept as `base64:…`.
    pub payload: String,
    /// When it failed, in the configured time zone.
    pub failed_at: String,
    /// The options of its push, as JSON.
    #[serde(skip)]
    pub overrides: Option<String>,
}

impl FailedJob {
    fn cut(&mut self) {
        let end = |text: &str, most| text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
        self.payload.truncate(end(&self.payload, PAYLOAD_SHOWN));
        self.exception.truncate(end(&self.exception, EXCEPTION_SHOWN));
    }
}

/// How many failed jobs one queue of one driver has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCount {
    /// The driver.
    pub driver: String,
    /// The queue.
    pub queue: String,
    /// How many failed jobs it has.
    pub count: u64,
}
