//! Single jobs that wait or run, and bounded counts.

use super::Queue;
use super::drivers::ConfiguredDriver;
use crate::driver::{Cancelled, Driver, JobDetails, JobFilter, QueuedJob, Size};
use crate::error::{Error, Result};
use crate::message::JobId;

impl Queue {
    /// As [`Queue::size`], but a database stops counting at `most` and answers that, so that a long queue is counted as
    /// quickly as a short one. Back ends that know their numbers answer those.
    ///
    /// # Errors
    /// As [`Queue::size`].
    pub fn size_up_to(&self, driver: Option<&str>, queues: &[String], most: u64) -> Result<Vec<Size>> {
        match &self.0.0.recorder {
            Some(recorder) => Ok(recorder.size(queues)),
            None => self.0.0.configured(driver)?.open()?.size_up_to(queues, most),
        }
    }

    /// The jobs of a driver that wait or run, by id, without their payloads. For the next page, set `after` to
    /// the last id.
    ///
    /// ```no_run
    /// # use craft_queue::driver::{JobFilter, JobState};
    /// # let queue = craft_queue::Queue::open(craft_queue::Config::load()?, craft_queue::Jobs::new())?;
    /// let filter = JobFilter { queue: Some("mail"), state: Some(JobState::Delayed), limit: 50, ..JobFilter::default() };
    /// let page = queue.jobs(None, &filter)?;
    /// let next_page = JobFilter { after: page.last().map(|job| &job.id), ..filter };
    /// # let _ = next_page;
    /// # Ok::<(), craft_queue::Error>(())
    /// ```
    ///
    /// # Errors
    /// There is no such driver, it can't be reached, or it cannot show single jobs
    /// ([`is_unsupported`](Error::is_unsupported)): a broker shows a message only to its consumer.
    pub fn jobs(&self, driver: Option<&str>, filter: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        self.inspect(driver, "list the jobs", |open| open.jobs(filter))
    }

    /// One job that waits or runs, by its id or its uuid, with its payload; `None` when it is done, dead, or
    /// never was.
    ///
    /// # Errors
    /// As [`Queue::jobs`].
    pub fn job(&self, driver: Option<&str>, id: &JobId) -> Result<Option<JobDetails>> {
        self.inspect(driver, "show a job", |open| open.job(id))
    }

    /// Removes jobs, by id or uuid, each only if no worker holds it at that moment: a removed job did not run, and
    /// never will. Answers for each, in order. The hook `failed` is not called.
    ///
    /// # Errors
    /// As [`Queue::jobs`]; then some may have been removed.
    pub fn cancel(&self, driver: Option<&str>, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        self.inspect(driver, "cancel a job", |open| open.cancel(ids))
    }

    fn inspect<T>(
        &self,
        driver: Option<&str>,
        what: &str,
        look: impl FnOnce(&mut dyn Driver) -> Result<T>,
    ) -> Result<T> {
        let configured: &ConfiguredDriver = self.0.0.configured(driver)?;
        look(&mut *configured.open()?).map_err(|error: Error| match error.is_unsupported() {
            true => error.context(format!("cannot {what} of driver \"{}\"", configured.name)),
            false => error,
        })
    }
}
