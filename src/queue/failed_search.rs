//! A search through the failed jobs, the newest first, and their groups by what went wrong.

use super::FailedJobsHandle;
use crate::error::Result;
use crate::failed::{FailedGroup, Page, Search};
#[cfg(feature = "dashboard")]
use crate::message::JobId;

impl FailedJobsHandle {
    /// A page of the failed jobs, the newest first, with long texts cut. The search's `driver` is ignored: this driver's are
    /// found. For the next page, set `before` to the page's `next`.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn search(&self, search: &Search<'_>) -> Result<Page> {
        let (configured, mut open) = self.open()?;
        open.search(&Search { driver: &configured.name, ..*search })
    }

    /// The failed jobs by name and the first line of their exception, those that failed last in front. A database groups
    /// the newest 100,000.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn groups(&self, most: usize) -> Result<Vec<FailedGroup>> {
        let (configured, mut open) = self.open()?;
        open.groups(&configured.name, most)
    }

    /// The ids of a page, and where the next one begins.
    #[cfg(feature = "dashboard")]
    pub(crate) fn ids(&self, search: &Search<'_>) -> Result<(Vec<JobId>, Option<JobId>)> {
        let Page { jobs, next } = self.search(search)?;
        Ok((jobs.into_iter().map(|job| job.id).collect(), next))
    }
}
