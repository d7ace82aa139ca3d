//! How a command ends, and the errors of a wrong use.

use crate::error::Error;

/// How a command ended, when it did not end in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Fine,
    /// Another status, whose reason is printed already.
    Status(u8),
}

/// A wrong use that only the command itself can see; clap would exit with the same status.
pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::invalid(message).of_usage()
}

/// An error about a name of the command line that nothing can have is a wrong use.
pub(super) fn misnamed(error: Error) -> Error {
    if error.is_invalid() { error.of_usage() } else { error }
}
