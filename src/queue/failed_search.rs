//! A search through the failed jobs, the newest first, and their groups by what went wrong.

use super::FailedJobsHandle;
use crate::error::{Error, Result};
use crate::failed::{FailedGroup, Page, Search};

impl FailedJobsHandle {
    /// A page of the failed jobs, the newest first, with long texts cut. The search's `driver` is ignored: this driver's are
    /// found. For the next page, set `before` to the page's `next`.
    ///
    /// # Errors
    /// As [`FailedJobsHandle::list`].
    pub fn search(&self, search: &Search<'_>) -> Result<Page> {
        let texts = [search.queue, search.job, search.first_line, search.text];
        // To SQLite a pattern ends there, and finds everything.
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(Error::invalid("a search for a NUL character finds nothing that was meant")
                .with_help("search for the text before or after it"));
        }
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
}
