//! A push within a transaction of the caller's, which must be on the database that has the jobs.

use std::path::Path;

use super::Database;
use super::open::Open;
use crate::config::Connection;
use crate::driver::Backend;
use crate::error::{Error, Result};
use crate::message::{Message, Pushed};
use crate::push::Enlist;

impl Database {
    /// Adds messages within a transaction of the caller's.
    ///
    /// # Errors
    /// The transaction is on another database, or was refused.
    pub(crate) fn push_in(
        &self,
        transaction: &mut dyn Enlist,
        messages: &[Message],
        created_at: &str,
    ) -> Result<Vec<Pushed>> {
        let dialect = self.dialect.name();
        if transaction.dialect() != dialect {
            return Err(Error::invalid(format!(
                "cannot push within a {} transaction: connection \"{}\" is {dialect}",
                transaction.dialect(),
                self.name
            )));
        }
        // Elsewhere there may be a table of that name, and no worker that ever looks into it.
        let table = self.jobs.as_deref().unwrap_or("jobs");
        if let Some(found) = transaction.database_of(table)?
            && !is_on(self, &found)?
        {
            return Err(elsewhere(self, &found));
        }
        let statement = |name: &str| self.statements.get(name).to_owned();
        transaction.insert(&statement, messages, created_at).map_err(|error| match error.is_schema() {
            true => self.explain_missing(error, "check_jobs"),
            false => error,
        })
    }
}

/// Whether the database that a transaction found is that of the jobs.
///
/// # Errors
/// It has another name than the connection's, and the server can't be asked what it calls that one.
fn is_on(database: &Database, found: &str) -> Result<bool> {
    let url = match &database.connection {
        Connection::Sqlite { database } => return Ok(is_same_file(Path::new(found), database)),
        Connection::Postgres { url } | Connection::Mysql { url } => url,
    };
    let named = url.split('?').next().and_then(|url| url.rsplit('/').next());
    if named.is_some_and(|named| named.eq_ignore_ascii_case(found)) {
        return Ok(true);
    }
    // What stands between may know it by another name, which is asked for once.
    let own = match database.own_name.get() {
        Some(own) => own,
        None => {
            let rows = database.connect(Open::Existing)?.query("which_database", &[])?;
            let own = rows.first().map(|row| row.text(0)).unwrap_or_default();
            database.own_name.get_or_init(|| own)
        }
    };
    Ok(own.eq_ignore_ascii_case(found))
}

/// Whether two paths lead to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn elsewhere(database: &Database, found: &str) -> Error {
    let found = if found.is_empty() { "a database in memory".to_owned() } else { format!("\"{found}\"") };
    Error::invalid(format!(
        "cannot push within this transaction: it is on {found}, and the jobs are in {} (connection \"{}\")",
        Backend::describe(database),
        database.name
    ))
    .with_help("begin it on that database; or push once it has committed, which is not the same in a crash")
}
