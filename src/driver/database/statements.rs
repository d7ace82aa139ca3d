//! The SQL of each database, read from `sql/`, with the configured table names put in.

use std::collections::HashMap;

use super::lexer::{Piece, pieces};
use crate::config::Connection;
use crate::error::{Error, Result};

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
            other => Err(not_compiled_in(other)),
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

    /// A name as code has it that a word of the language may equal.
    pub(crate) fn quoted(self, name: &str) -> String {
        let quote = match self {
            #[cfg(feature = "mysql")]
            Self::Mysql => '`',
            #[allow(unreachable_patterns, reason = "a build may have MySQL alone")]
            _ => '"',
        };
        format!("{quote}{}{quote}", self.folded(name))
    }

    /// A name as the database's catalog has it. PostgreSQL folds a name without quotes to small letters; ours
    /// is the same with and without.
    fn folded(self, name: &str) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => name.to_ascii_lowercase(),
            #[allow(unreachable_patterns, reason = "a build may have PostgreSQL alone")]
            _ => name.to_owned(),
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

pub(super) fn not_compiled_in(connection: &Connection) -> Error {
    let driver = connection.driver();
    Error::unsupported(format!("this build has no driver for {driver}"))
        .with_help(format!("build craft-queue with the feature \"{driver}\""))
}

/// The statements of one dialect for one pair of tables.
pub(crate) struct Statements(HashMap<&'static str, String>);

impl Statements {
    pub(crate) fn new(dialect: Dialect, jobs: &str, failed: &str) -> Self {
        let named = |(name, text): &(&'static str, &str)| (*name, with_names(text, dialect, jobs, failed));
        Self(dialect.files().iter().map(named).collect())
    }

    /// The text of a statement. An unknown name gives an empty one, which every database refuses.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Puts table names in where the files say `jobs` and `failed_jobs`, alone or at the beginning of an
/// index's name. The files stay valid SQL, to be pasted into a shell.
///
/// A name that was chosen may be a word of the language, so it is put in quotes; within a text, where a
/// catalog is asked for it, it stands as the catalog has it.
fn with_names(sql: &str, dialect: Dialect, jobs: &str, failed: &str) -> String {
    let mut named = String::with_capacity(sql.len());
    for piece in pieces(sql) {
        let is_text = matches!(piece, Piece::Text(_));
        let mut rest = piece.text();
        while let Some(first) = rest.chars().next() {
            let length = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (part, after) = match is_word(first) {
                true => rest.split_at(length(is_word)),
                false => rest.split_at(length(|c| !is_word(c))),
            };
            let derived = |word: &'static str| {
                let ending = part.strip_prefix(word)?;
                (ending.is_empty() || ending.starts_with('_')).then_some((word, ending))
            };
            match ["failed_jobs", "jobs"].into_iter().find_map(derived) {
                Some((word, ending)) => {
                    let name = if word == "jobs" { jobs } else { failed };
                    match is_text {
                        true => named.push_str(&dialect.folded(&format!("{name}{ending}"))),
                        false if name == word => named.push_str(part),
                        false => named.push_str(&dialect.quoted(&format!("{name}{ending}"))),
                    }
                }
                None => named.push_str(part),
            }
            rest = after;
        }
    }
    named
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The files that every dialect has, and those that one needs beside them.
macro_rules! files {
    ($folder:literal $($own:literal)*) => {
        files!(@ $folder
            "create_jobs" "create_failed_jobs" "check_jobs" "check_jobs_1" "jobs_version" "upgrade_jobs" "downgrade_jobs" "check_failed_jobs"
            "push" "find_pushed" "replace" "free_keys" "first_due" "take" "first_lease" "take_suspects"
            "done" "again" "give_back" "extend" "size" "clear"
            "record" "recorded" "find_buried" "last_failed" "unmark" "list_failed" "count_failed" "forget" "lock_failed"
            "lock_unmarked" "mark_retried" "forget_retried"
            "create_signals" "check_signals" "list_signals" "pause" "resume" "restart"
            "create_migrations" "check_migrations" "old_columns" "old_migrations" "take_old_migrations" "list_migrations" "note_migration" "next_batch" "last_batch" "forget_migration"
            "drop_jobs" "drop_failed_jobs" "missing_indexes"
            "list_jobs" "show_job" "find_job" "find_failed_job" "cancel" "list_queues" "size_up_to" "count_failed_up_to"
            "find_odd" "lock_one" "search_failed_end" "search_failed" "group_failed"
            $($own)*
        )
    };
    (@ $folder:literal $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../sql/", $folder, "/", $name, ".sql")))),*]
    };
}

#[cfg(feature = "sqlite")]
const SQLITE: &[(&str, &str)] = files!("sqlite" "find_stray" "mend_date" "due_ids" "due_suspects" "take_one");

#[cfg(feature = "postgres")]
const POSTGRES: &[(&str, &str)] = files!("postgres" "which_database" "crowd" "take_turn" "push_many" "push_new" "done_and_take" "bury" "record_many"
    "due_ids" "due_suspects" "take_one" "read_job" "take_raw" "free_suspect" "free_held" "still_held" "skip_ids");

#[cfg(feature = "mysql")]
const MYSQL: &[(&str, &str)] = files!("mysql" "which_database" "next_priority" "hold" "held" "bury" "find_failed"
    "upgrade_failed_jobs" "take_turn" "end_turn" "find_due" "lock_due" "read_held" "free_suspect" "free_held" "still_held");

#[cfg(all(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_put_in_and_other_words_stay() {
        let sql =
            "CREATE INDEX jobs_ready ON jobs (a); -- failed_jobs, my_jobs, jobsite, `jobs`\n'jobs_ready'";
        let named = |dialect, jobs: &str, failed: &str| with_names(sql, dialect, jobs, failed);
        assert_eq!(named(Dialect::Sqlite, "jobs", "failed_jobs"), sql, "those of the files stay as they are");
        assert_eq!(
            named(Dialect::Sqlite, "Order", "dead"),
            "CREATE INDEX \"Order_ready\" ON \"Order\" (a); -- \"dead\", my_jobs, jobsite, `\"Order\"`\n'Order_ready'"
        );
        assert_eq!(
            named(Dialect::Postgres, "Order", "failed_jobs"),
            "CREATE INDEX \"order_ready\" ON \"order\" (a); -- failed_jobs, my_jobs, jobsite, `\"order\"`\n'order_ready'"
        );
        assert!(
            named(Dialect::Mysql, "Order", "dead").starts_with("CREATE INDEX `Order_ready` ON `Order` (a);")
        );
        assert_eq!(with_names("failed_jobs_uuid", Dialect::Mysql, "tasks", "dead"), "`dead_uuid`");
    }
}
