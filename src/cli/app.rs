//! What every command has: the configuration and the jobs.

use crate::jobs::Jobs;

/// What a command works with.
pub(super) struct App {
    pub(super) jobs: Jobs,
}
