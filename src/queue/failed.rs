//! Failed jobs: list them, put them back, remove them.

use std::sync::Arc;
use std::time::Duration;

use super::drivers::ConfiguredDriver;
use super::inner::QueueInner;
use super::put_back::{self, Moved};
use crate::error::{Error, Result};
use crate::failed::{FailedCount, FailedJob, FailedJobs, Filter};
use crate::message::{JobId, Pushed, check_queue};

/// How many are handled at once: memory stays bounded whatever the number of failed jobs.
const PAGE: usize = 500;

/// The failed jobs of one driver.
pub struct FailedJobsHandle {
    inner: Arc<QueueInner>,
    driver: Option<String>,
}

/// Which failed jobs to put back, and where.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    /// Only these failed jobs; empty means all.
    pub ids: Vec<JobId>,
    /// Only failures of this queue.
    pub from: Option<String>,
    /// Only jobs of this name.
    pub job: Option<String>,
    /// The queue to put them onto; `None` means each onto its own.
    pub onto: Option<String>,
    /// Another payload, as JSON, for the one failed job that `ids` names.
    pub payload: Option<String>,
    /// Answers what would be done, and does nothing.
    pub dry_run: bool,
}

/// What happened to a failed job that was to be put back.
#[derive(Clone, Debug, PartialEq)]
pub enum Retried {
    /// The job is on the queue again.
    Back {
        /// The failed job as it was.
        failed: FailedJob,
        /// The queue that the job went to.
        queue: String,
        /// The id of the job in the back end; `None` in a dry run.
        id: Option<JobId>,
    },
    /// The failed job stays, because another job with its unique key waits or runs.
    Kept {
        /// The failed job.
        failed: FailedJob,
        /// The job that has the key.
        holder: JobId,
    },
    /// The failed job stays, because the driver refuses its options, or its worker has not let go of it yet.
    Refused {
        /// The failed job.
        failed: FailedJob,
        /// Why, in one sentence.
        why: String,
    },
    /// Another retry puts the job back, or has done so.
    Taken(FailedJob),
    /// There is no failed job of this id.
    Unknown(JobId),
}

impl FailedJobsHandle {
    pub(super) fn new(inner: Arc<QueueInner>) -> Self {
        Self { inner, driver: None }
    }

    /// Chooses the failed jobs of another driver than the default one.
    #[must_use]
    pub fn driver(mut self, name: impl Into<String>) -> Self {
        self.driver = Some(name.into());
        self
    }

    /// Lists failed jobs, the oldest first. The filter's `driver` is ignored: this driver's are listed.
    ///
    /// # Errors
    /// The driver keeps no failed jobs, or they can't be reached.
    pub fn list(&self, filter: &Filter<'_>) -> Result<Vec<FailedJob>> {
        let (configured, mut open) = self.open()?;
        open.list(&Filter { driver: Some(&configured.name), ..*filter })
    }

    /// Hands them on by pages of a size, the oldest first, and says how many they were: all of them may be more than
    /// fits into memory.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    #[cfg(feature = "cli")]
    pub(crate) fn list_by_pages(
        &self,
        filter: &Filter<'_>,
        size: usize,
        mut tell: impl FnMut(&[FailedJob]),
    ) -> Result<usize> {
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        // One look at all: a broker goes through all of its dead for each.
        let (configured, mut open) = self.open()?;
        let (mut listed, mut after) = (0, filter.after.cloned());
        while listed < limit {
            let wanted = size.min(limit - listed);
            let page =
                Filter { driver: Some(&configured.name), after: after.as_ref(), limit: wanted, ..*filter };
            let page = open.list(&page)?;
            tell(&page);
            listed += page.len();
            if page.len() < wanted {
                break;
            }
            after = page.last().map(|failed| failed.id.clone());
        }
        Ok(listed)
    }

    /// Counts failed jobs by driver and queue, of all drivers that share the table.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn count(&self) -> Result<Vec<FailedCount>> {
        self.open()?.1.count()
    }

    /// As [`count`](Self::count), but a database counts at most `most` of them, of all drivers together.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn count_up_to(&self, most: u64) -> Result<Vec<FailedCount>> {
        self.open()?.1.count_up_to(most)
    }

    /// Removes these failed jobs, and answers how many were there.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn forget(&self, ids: &[JobId]) -> Result<u64> {
        self.open()?.1.forget(ids)
    }

    /// Removes the failed jobs that failed at least this long ago, or with zero all that were there when this began,
    /// and answers how many.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn prune(&self, older_than: Duration) -> Result<u64> {
        self.prune_those(&Filter { before: Some(older_than), ..Filter::default() }, |_| {})
    }

    /// Removes the failed jobs that match the filter, and answers how many. `tell` is called with the count of each
    /// batch that was removed. The filter's `driver`, `after` and `limit` are ignored.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`]. The batches that `tell` was called with are removed.
    pub fn prune_those(&self, filter: &Filter<'_>, mut tell: impl FnMut(u64)) -> Result<u64> {
        let (configured, mut open) = self.open()?;
        let before = filter.before.filter(|span| !span.is_zero());
        let filter = Filter { driver: Some(&configured.name), before, after: None, limit: 0, ..*filter };
        let mut removed = 0;
        self.each_page(&mut *open, &filter, |open, page| {
            let ids: Vec<_> = page.into_iter().map(|failed| failed.id).collect();
            let count = open.forget(&ids)?;
            tell(count);
            removed += count;
            Ok(())
        })?;
        Ok(removed)
    }

    /// Puts failed jobs back onto the queue, each at its end, and calls `tell` with what happened to each.
    ///
    /// Where the failed jobs and the jobs share a connection, each job moves in one transaction. Elsewhere a job is
    /// marked, pushed under the same uuid, and removed: a crash between leaves it in both places, where the next retry
    /// finds it; on a driver that does not know uuids (AMQP) a second copy may run then.
    ///
    /// A retry of all means the failed jobs that are there when it begins, and not those that fail while it goes on. A
    /// job that the driver refuses stays, and keeps no other job from being put back.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`], and when the driver can't be reached. What `tell` was called with is done.
    pub fn retry(&self, retry: &Retry, mut tell: impl FnMut(Retried)) -> Result<()> {
        if let Some(queue) = &retry.onto {
            check_queue("name of the queue", queue)?;
        }
        if let Some(payload) = &retry.payload {
            check_payload(payload, retry.ids.len())?;
        }
        let (configured, mut open) = self.open()?;
        if !retry.ids.is_empty() {
            for page in retry.ids.chunks(PAGE) {
                let mut found = Vec::new();
                for id in page {
                    let filter = Filter { id: Some(id), ..self.filter(retry, &configured) };
                    match open.list(&filter)?.pop() {
                        Some(failed) => found.push(failed),
                        None => tell(Retried::Unknown(id.clone())),
                    }
                }
                self.retry_page(retry, &configured, &mut *open, found, &mut tell)?;
            }
            return Ok(());
        }
        self.each_page(&mut *open, &self.filter(retry, &configured), |open, page| {
            self.retry_page(retry, &configured, open, page, &mut tell)
        })
    }

    /// All that the filter finds and that was there when this began, in pages.
    fn each_page(
        &self,
        open: &mut dyn FailedJobs,
        filter: &Filter<'_>,
        mut handle: impl FnMut(&mut dyn FailedJobs, Vec<FailedJob>) -> Result<()>,
    ) -> Result<()> {
        let Some(last) = open.last()? else {
            // Nobody knows what is new there, nor what comes after one that is gone: all at once.
            let mut all = open.list(filter)?;
            while !all.is_empty() {
                let rest = all.split_off(all.len().min(PAGE));
                handle(open, std::mem::replace(&mut all, rest))?;
            }
            return Ok(());
        };
        let is_new = |failed: &FailedJob| match (&failed.id, &last) {
            (JobId::Number(id), JobId::Number(last)) => id > last,
            _ => false,
        };
        let mut after = None;
        loop {
            let mut page = open.list(&Filter { after: after.as_ref(), limit: PAGE, ..*filter })?;
            page.retain(|failed| !is_new(failed));
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            handle(open, page)?;
        }
    }

    fn filter<'a>(&self, retry: &'a Retry, configured: &'a ConfiguredDriver) -> Filter<'a> {
        Filter {
            driver: Some(&configured.name),
            queue: retry.from.as_deref(),
            job: retry.job.as_deref(),
            ..Filter::default()
        }
    }

    fn retry_page(
        &self,
        retry: &Retry,
        configured: &ConfiguredDriver,
        open: &mut dyn FailedJobs,
        page: Vec<FailedJob>,
        tell: &mut dyn FnMut(Retried),
    ) -> Result<()> {
        let (onto, payload) = (retry.onto.as_deref(), retry.payload.as_deref());
        let job = |failed: &FailedJob| (failed.id.clone(), put_back::message(failed, onto, payload));
        let jobs: Vec<_> = page.iter().map(job).collect();
        let queues: Vec<_> = jobs.iter().map(|(_, message)| message.queue.to_string()).collect();
        let answers = match retry.dry_run {
            true => jobs.iter().map(|_| Moved::No).collect(),
            false => match put_back::move_back(&self.inner, configured, open, jobs) {
                Ok(answers) => answers,
                // One of them can't be pushed: it stays alone.
                Err(error) if error.is_invalid() || error.is_unsupported() => {
                    let mut page = page;
                    if page.len() > 1 {
                        let rest = page.split_off(page.len() / 2);
                        self.retry_page(retry, configured, open, page, tell)?;
                        return self.retry_page(retry, configured, open, rest, tell);
                    }
                    let refused = |failed| Retried::Refused { failed, why: error.to_string() };
                    page.into_iter().map(refused).for_each(tell);
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
        };
        for ((failed, queue), answer) in page.into_iter().zip(queues).zip(answers) {
            tell(match answer {
                Moved::To(Pushed::Added(id)) => Retried::Back { failed, queue, id: Some(id) },
                Moved::To(Pushed::Duplicate(holder) | Pushed::Replaced(holder)) => {
                    Retried::Kept { failed, holder }
                }
                Moved::Held => Retried::Refused { failed, why: put_back::STILL_HELD.into() },
                Moved::No if retry.dry_run => Retried::Back { failed, queue, id: None },
                Moved::No => Retried::Taken(failed),
            });
        }
        Ok(())
    }

    pub(super) fn open(&self) -> Result<(Arc<ConfiguredDriver>, Box<dyn FailedJobs>)> {
        let configured = self.inner.configured(self.driver.as_deref())?.clone();
        let open = configured.failed.open(&configured.name)?;
        Ok((configured, open))
    }
}

fn check_payload(payload: &str, jobs: usize) -> Result<()> {
    if jobs != 1 {
        return Err(Error::invalid("a payload is for one failed job").with_help("name that job by its id"));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(payload)
        .map(drop)
        .map_err(|cause| Error::invalid("the payload is no JSON").because(&cause))
}
