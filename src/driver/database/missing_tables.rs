//! Tables and files that are not there, or are not ours: why, and what to do.

use std::path::Path;

use super::Database;
use super::schema_errors::is_about_a_column;
use crate::config::Connection;
use crate::error::Error;

impl Database {
    /// Version 0.1.0 took relative paths from the current folder, whatever the folder of the file that had them.
    fn file_elsewhere(&self) -> Option<String> {
        let Connection::Sqlite { database } = &self.connection else { return None };
        let before = Path::new(database.file_name()?);
        (!database.exists() && database.is_absolute() && before.exists()).then(|| {
            format!(
                "{} is not there, and {} is in the current folder: a relative path starts at the folder of queue.toml; move that file, or write its whole path",
                database.display(),
                before.display()
            )
        })
    }

    pub(super) fn is_missing_file(&self) -> bool {
        matches!(&self.connection, Connection::Sqlite { database } if !database.exists())
    }

    /// Why the table of a check can't be used, and how it is made.
    pub(super) fn explain_missing(&self, error: Error, check: &str) -> Error {
        if !error.is_schema() {
            return error.context(format!("cannot use {}", self.label));
        }
        let jobs = self.jobs.as_deref().unwrap_or("jobs");
        let made_by = |command| format!("craft {command} && craft migrate      (or craft queue:install)");
        let (table, help) = match check {
            "check_jobs" => (jobs.to_owned(), made_by("queue:table")),
            "check_failed_jobs" => (self.failed.clone().unwrap_or_default(), made_by("queue:failed")),
            _ => (format!("{jobs}_signals"), self.how_to_make_signals()),
        };
        let text = error.to_string();
        match is_about_a_column(&error) {
            true => Error::schema(format!(
                "table \"{table}\" of {} does not fit this version: {text}",
                self.label
            ))
            .with_help("it was made by another program or version: set another table in queue.toml"),
            false => {
                let help = self.file_elsewhere().unwrap_or(help);
                Error::schema(format!("{} has no table \"{table}\"", self.label)).with_help(help)
            }
        }
    }

    /// Where the jobs were made by another version or program, no migration makes the table beside them.
    fn how_to_make_signals(&self) -> String {
        let sql = self.statements.get("create_signals");
        let code: Vec<_> = sql.lines().filter(|line| !line.starts_with("--")).collect();
        format!("make it, then start the workers again:\n{}", code.join("\n"))
    }
}
