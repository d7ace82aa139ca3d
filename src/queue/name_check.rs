//! What the jobs of this program say of a push by name, before it is made.

use super::Queue;

/// What is known of a job by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The payload is one of this job.
    Fits,
    /// The job could not be made of this payload, for this reason.
    Misfit(String),
    /// This program has no such job; another may have.
    Unknown,
}

impl Queue {
    /// Whether a job of this program can be made of a payload.
    pub(crate) fn know(&self, name: &str, payload: &[u8]) -> Known {
        match self.0.0.job_types.get(name).map(|job_type| job_type.check(payload)) {
            None => Known::Unknown,
            Some(Ok(())) => Known::Fits,
            Some(Err(why)) => Known::Misfit(why),
        }
    }

    /// The names of the jobs that this program knows, those that are programs included.
    pub(crate) fn known_names(&self) -> Vec<&str> {
        self.0.0.job_types.keys().map(|name| &**name).collect()
    }
}
