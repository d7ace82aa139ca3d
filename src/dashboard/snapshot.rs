//! One look a second at a back end serves all viewers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::queue::{Queue, QueueStatus};

/// Where a count stops. A back end counts so many in some tens of milliseconds.
pub(super) const MOST: u64 = 500_000;

/// How old a snapshot may be that is shown.
const AGE: Duration = Duration::from_secs(1);

/// What was seen of a driver, and when.
struct Snapshot {
    at: Instant,
    queues: Arc<Vec<QueueStatus>>,
}

/// The last snapshot of each driver.
#[derive(Default)]
pub(super) struct Snapshots(Mutex<HashMap<String, Snapshot>>);

impl Snapshots {
    /// The queues of a driver, as of this second. Viewers that come at once wait for one look.
    pub(super) fn get(&self, queue: &Queue, driver: &str) -> Result<Arc<Vec<QueueStatus>>> {
        // An entry is replaced whole, so that a panic elsewhere spoils nothing.
        let mut snapshots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = snapshots.get(driver).filter(|snapshot| snapshot.at.elapsed() < AGE) {
            return Ok(snapshot.queues.clone());
        }
        let queues = Arc::new(queue.status(Some(driver), &[], Some(MOST))?);
        snapshots.insert(driver.to_owned(), Snapshot { at: Instant::now(), queues: queues.clone() });
        Ok(queues)
    }

    /// Forgets them: what was done is seen at once.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
