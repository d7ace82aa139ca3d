//! Single jobs, looked at where they wait or run, and cancelled.

use serde::Serialize;

use crate::message::JobId;

/// Which jobs to show. Everything that is set must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobFilter<'a> {
    /// Only of this queue.
    pub queue: Option<&'a str>,
    /// Only of this name.
    pub job: Option<&'a str>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only what comes after this id.
    pub after: Option<&'a JobId>,
    /// At most this many; 0 means no limit.
    pub limit: usize,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It is due, and nobody holds it.
    Waiting,
    /// It is due later.
    Delayed,
    /// A worker holds it, or one that died did; until another one takes it, nobody knows.
    Running,
}

impl JobState {
    /// As it is written: `waiting`, `delayed`, `running`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delayed => "delayed",
            Self::Running => "running",
        }
    }

    /// Reads what [`JobState::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Delayed, Self::Running].into_iter().find(|state| state.as_str() == text)
    }
}

/// A job that waits or runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueuedJob {
    /// What to call it in `queue:show` and `queue:cancel`.
    pub id: JobId,
    /// Its uuid; empty when it has none.
    pub uuid: String,
    /// Its name.
    #[serde(rename = "job")]
    pub name: String,
    /// The queue.
    pub queue: String,
    /// Where it is.
    pub state: JobState,
    /// How often it was attempted; the attempt that runs counts.
    pub attempts: u32,
    /// 0 to 9, higher first.
    pub priority: u8,
    /// In how many milliseconds it is due, by the back end's clock; negative since then. `None` when it is
    /// not known, or never.
    pub due_in_ms: Option<i64>,
    /// When it was pushed, as its back end keeps it: RFC 3339, unless another program wrote it.
    pub created_at: String,
    /// In how many milliseconds the hold on it ends, if it is not renewed; negative when it has ended and no
    /// worker has taken the job since.
    pub hold_ends_in_ms: Option<i64>,
    /// Whether a worker died, or was cut off, while it held the job.
    pub suspect: bool,
    /// For how many milliseconds it has been put back because no worker that took it knows its name.
    pub unknown_for_ms: Option<i64>,
}

/// A job with all that is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobDetails {
    /// The job.
    #[serde(flatten)]
    pub job: QueuedJob,
    /// The payload as text; bytes that are no text are kept as `base64:…`.
    pub payload: String,
    /// What its push overrode, as JSON ([`Overrides`](crate::Overrides)).
    pub options: Option<String>,
    /// See [`Message::unique_key`](crate::Message::unique_key).
    pub unique_key: Option<String>,
    /// What the last attempt died of.
    pub last_error: Option<String>,
}

/// What became of a job that was to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cancelled {
    /// It is gone, and was not run.
    Removed,
    /// It stays: a worker holds it, or one that died did.
    Held,
    /// There is none of this id.
    Unknown,
}
