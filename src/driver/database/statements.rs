//! The SQL of each database, read from `sql/`, with the configured table names put in.

use std::collections::HashMap;

use crate::config::Connection;
use crate::error::Result;

/// Which folder of `sql/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    Mysql,
}

impl Dialect {
    /// # Errors
    /// The kind of connection is not compiled in.
    pub(crate) fn of(connection: &Connection) -> Result<Self> {
        match connection {
            #[cfg(feature = "sqlite")]
            Connection::Sqlite { .. } => Ok(Self::Sqlite),
            #[cfg(feature = "postgres")]
            Connection::Postgres { .. } => Ok(Self::Postgres),
            #[cfg(feature = "mysql")]
            Connection::Mysql { .. } => Ok(Self::Mysql),
            #[allow(unreachable_patterns, reason = "with all three drivers nothing is left")]
            other => Err(super::not_compiled_in(other)),
        }
    }

    /// As a connection's `driver` is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres => "postgres",
            #[cfg(feature = "mysql")]
            Self::Mysql => "mysql",
        }
    }

    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => SQLITE,
            #[cfg(feature = "postgres")]
            Self::Postgres => POSTGRES,
            #[cfg(feature = "mysql")]
            Self::Mysql => MYSQL,
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

/// The files that every dialect has, and those that one needs beside them.
macro_rules! files {
    ($folder:literal $($own:literal)*) => {
        files!(@ $folder
            "create_jobs" "create_failed_jobs" "check_jobs" "check_failed_jobs"
            "push" "find_pushed" "first_due" "take" "first_lease" "take_suspects"
            "done" "again" "give_back" "extend" "size" "clear"
            "record" "withdraw" "list_failed" "count_failed" "forget" "lock_failed"
            "lock_unmarked" "mark_retried" "forget_retried"
            "create_signals" "check_signals" "list_signals" "pause" "resume" "restart"
            "create_migrations" "list_migrations" "note_migration" "next_batch" "last_batch" "forget_migration"
            "drop_jobs" "drop_failed_jobs" "missing_indexes"
            $($own)*
        )
    };
    (@ $folder:literal $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../sql/", $folder, "/", $name, ".sql")))),*]
    };
}

#[cfg(feature = "sqlite")]
const SQLITE: &[(&str, &str)] = files!("sqlite");

#[cfg(feature = "postgres")]
const POSTGRES: &[(&str, &str)] = files!("postgres" "push_many" "push_new" "done_and_take");

#[cfg(feature = "mysql")]
const MYSQL: &[(&str, &str)] = files!("mysql" "next_priority" "hold" "held");

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
