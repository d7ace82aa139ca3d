//! What a connection is opened for, and how long it waits for others then.

use std::time::Duration;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Existing,
    /// To make or change tables: a file that is missing is made, and a statement may take as long as it needs.
    Migrate,
}

/// How long a process that changes tables waits for another one.
pub(super) const LONG: Duration = Duration::from_secs(3_600);
