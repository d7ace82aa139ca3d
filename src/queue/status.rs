//! What each queue of a driver has, in one look.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Queue;
use crate::driver::Size;
use crate::error::Result;

/// One queue. What a back end cannot know is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QueueStatus {
    /// Its name.
    pub queue: String,
    /// Due now and not held.
    pub waiting: Option<u64>,
    /// Due later.
    pub delayed: Option<u64>,
    /// Held by a worker, or by one that died.
    pub running: Option<u64>,
    /// Failed jobs that were taken from it.
    pub failed: Option<u64>,
    /// How long the first one in line has been due, in seconds.
    pub oldest_wait_s: Option<f64>,
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// Which of the counts stopped at their bound: there may be more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capped: Vec<&'static str>,
}

impl Queue {
    /// What these queues of a driver have, or all its queues when none is named, by name: also those that have failed jobs
    /// alone, or are paused. Counts stop at `most`; `None` counts all, however long that takes.
    ///
    /// # Errors
    /// There is no such driver, or it can't be reached. Failed jobs and pauses that can't be read are left out.
    pub fn status(
        &self,
        driver: Option<&str>,
        queues: &[String],
        most: Option<u64>,
    ) -> Result<Vec<QueueStatus>> {
        let mut sizes = self.sizes(driver, queues, most)?;
        let ours = driver.unwrap_or(&self.config().default);
        let handle = self.failed().driver(ours);
        // Without a table of failed jobs there is nothing to count, which is not this call's trouble. Nor is it
        // when the control table is in another database, which cannot be reached.
        let counted = match most {
            None => handle.count(),
            Some(most) => handle.count_up_to(most),
        };
        let mut failed_capped = false;
        let failed: Option<BTreeMap<String, u64>> = counted.ok().map(|counts| {
            // Of all queues together.
            failed_capped = Some(counts.iter().map(|count| count.count).sum::<u64>()) == most;
            let ours = counts.into_iter().filter(|count| count.driver == *ours);
            ours.map(|count| (count.queue, count.count)).collect()
        });
        let paused = self.paused(driver).ok();
        let unseen = |name: &&String| queues.is_empty() && !sizes.iter().any(|size| size.queue == **name);
        let others = failed.iter().flat_map(BTreeMap::keys).chain(paused.iter().flatten());
        let more: Vec<String> = others.filter(unseen).cloned().collect();
        if !more.is_empty() {
            sizes.extend(self.sizes(driver, &more, most)?);
        }
        let mut statuses = BTreeMap::new();
        for Size { queue, waiting, delayed, running, oldest_wait } in sizes {
            let failed = failed.as_ref().map(|failed| failed.get(&queue).copied().unwrap_or(0));
            let paused = paused.as_ref().map(|paused| paused.contains(&queue));
            let mut capped = Vec::new();
            for (name, count) in [("waiting", waiting), ("delayed", delayed), ("running", running)] {
                capped.extend((most.is_some() && count == most).then_some(name));
            }
            capped.extend(failed_capped.then_some("failed"));
            let oldest_wait_s = oldest_wait.map(|span| span.as_secs_f64());
            let name = queue.clone();
            let status =
                QueueStatus { queue, waiting, delayed, running, failed, oldest_wait_s, paused, capped };
            statuses.insert(name, status);
        }
        Ok(statuses.into_values().collect())
    }

    fn sizes(&self, driver: Option<&str>, queues: &[String], most: Option<u64>) -> Result<Vec<Size>> {
        match most {
            None => self.size(driver, queues),
            Some(most) => self.size_up_to(driver, queues, most),
        }
    }
}
