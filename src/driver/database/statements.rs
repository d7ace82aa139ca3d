//! The SQL of each database, read from `sql/`, with the configured table names put in.

use std::collections::HashMap;

use crate::config::Connection;
use crate::error::Result;

/// Which folder of `sql/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
}

impl Dialect {
    /// # Errors
    /// The kind of connection is not compiled in.
    pub(crate) fn of(connection: &Connection) -> Result<Self> {
        match connection {
            Connection::Sqlite { .. } => Ok(Self::Sqlite),
            Connection::Postgres { .. } | Connection::Mysql { .. } => Err(super::not_compiled_in()),
        }
    }

    /// As a connection's `driver` is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
        }
    }

    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Sqlite => SQLITE,
        }
    }
}

/// The statements of one dialect for one pair of tables.
pub(crate) struct Statements(HashMap<&'static str, String>);

impl Statements {
    pub(crate) fn new(dialect: Dialect, jobs: &str, failed: &str) -> Self {
        let named = |(name, text): &(&'static str, &str)| (*name, with_names(text, jobs, failed));
        Self(dialect.files().iter().map(named).collect())
    }

    /// The text of a statement. An unknown name gives an empty one, which every database refuses.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Puts table names in where the files say `jobs` and `failed_jobs`, alone or at the beginning of an
/// index's name. The files stay valid SQL, to be pasted into a shell.
pub(crate) fn with_names(sql: &str, jobs: &str, failed: &str) -> String {
    let mut named = String::with_capacity(sql.len());
    let mut rest = sql;
    let in_word = |text: &str| text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    while !rest.is_empty() {
        let found = ["failed_jobs", "jobs"].into_iter().find_map(|word| {
            let after = rest.strip_prefix(word)?;
            let ends = after.starts_with('_') || !after.starts_with(|c: char| c.is_ascii_alphanumeric());
            (ends && !in_word(&named)).then_some((word, after))
        });
        match found {
            Some((word, after)) => {
                named.push_str(if word == "jobs" { jobs } else { failed });
                rest = after;
            }
            None => {
                let mut chars = rest.chars();
                named.extend(chars.next());
                rest = chars.as_str();
            }
        }
    }
    named
}

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../sql/", $folder, "/", $name, ".sql")))),*]
    };
}

const SQLITE: &[(&str, &str)] = files!("sqlite":
    "create_jobs" "create_failed_jobs" "check_jobs" "check_failed_jobs"
    "push" "find_pushed" "first_due" "take" "first_lease" "take_suspects"
    "done" "again" "give_back" "extend" "size" "clear"
    "record" "withdraw" "list_failed" "count_failed" "forget" "lock_failed"
    "lock_unmarked" "mark_retried" "forget_retried"
);

#[cfg(test)]
mod tests {
    use super::with_names;

    #[test]
    fn table_names_are_put_in_and_other_words_stay() {
        let sql = "CREATE INDEX jobs_ready ON jobs (a); -- failed_jobs, my_jobs, jobsite, 'jobs'";
        assert_eq!(
            with_names(sql, "tasks", "dead"),
            "CREATE INDEX tasks_ready ON tasks (a); -- dead, my_jobs, jobsite, 'tasks'"
        );
        assert_eq!(with_names("failed_jobs_uuid", "tasks", "dead"), "dead_uuid");
    }
}
