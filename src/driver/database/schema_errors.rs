//! What an error about a table says of it.

use crate::error::Error;

/// Whether there is no such table.
pub(super) fn is_missing(error: &Error) -> bool {
    error.is_schema() && !is_about_a_column(error)
}

/// Whether a table is there and lacks a column, in the words of each database.
pub(super) fn is_about_a_column(error: &Error) -> bool {
    let text = error.to_string();
    text.starts_with("column ") || text.contains("no such column") || text.starts_with("Unknown column")
}
