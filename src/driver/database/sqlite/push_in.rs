//! Adding jobs, also inside a transaction of the caller's.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, ffi, params};

use super::errors::explain;
use crate::error::Result;
use crate::message::{JobId, Message, Pushed};
use crate::push::Enlist;
use crate::time::whole_millis;

/// The job exists exactly when the transaction commits. Begin it with
/// [`TransactionBehavior::Immediate`](rusqlite::TransactionBehavior::Immediate): a deferred one that has
/// read before can be refused the write lock, and no waiting helps it.
impl Enlist for Transaction<'_> {
    fn dialect(&self) -> &'static str {
        "sqlite"
    }

    fn database_of(&mut self, table: &str) -> Result<Option<String>> {
        // As SQLite looks for a name: first what is temporary, then the main file, then the attached ones.
        let sql = "SELECT list.file
            FROM pragma_database_list AS list
            JOIN pragma_table_list AS found ON found.schema = list.name
            WHERE found.name = ?1 COLLATE NOCASE
            ORDER BY list.name <> 'temp', list.seq
            LIMIT 1";
        let path = self.path().unwrap_or_default().to_owned();
        let found = self.prepare_cached(sql).and_then(|mut find| {
            find.query_row([table], |row| Ok(row.get::<_, Option<String>>(0)?.unwrap_or_default())).optional()
        });
        found.map_err(|cause| explain(&cause, Path::new(&path)))
    }

    fn insert(
        &mut self,
        statement: &dyn Fn(&str) -> String,
        messages: &[Message],
        created_at: &str,
    ) -> Result<Vec<Pushed>> {
        let path = self.path().unwrap_or_default().to_owned();
        insert(self, statement, messages, created_at).map_err(|cause| explain(&cause, Path::new(&path)))
    }
}

/// Adds messages within the transaction that is open.
pub(in super::super) fn insert(
    connection: &Connection,
    statement: &dyn Fn(&str) -> String,
    messages: &[Message],
    created_at: &str,
) -> rusqlite::Result<Vec<Pushed>> {
    let mut push = connection.prepare_cached(&statement("push"))?;
    let mut pushed = Vec::with_capacity(messages.len());
    for message in messages {
        let added = push.execute(params![
            message.uuid,
            message.name,
            message.queue,
            payload(message),
            message.priority,
            whole_millis(message.delay),
            created_at,
            message.unique_key,
            message.overrides,
        ]);
        let added = added.map_err(|cause| check_ids(connection, cause))?;
        pushed.push(match added {
            // One that is pushed again is there itself, and replaces nothing.
            0 => match find(connection, statement, message)? {
                Pushed::Duplicate(holder) => replace(connection, statement, message, created_at)?
                    .map_or(Pushed::Duplicate(holder), Pushed::Replaced),
                found => found,
            },
            _ => Pushed::Added(JobId::Number(connection.last_insert_rowid())),
        });
    }
    Ok(pushed)
}

/// A retried job of a foreign program may be no text; SQLite keeps any bytes.
fn payload(message: &Message) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match std::str::from_utf8(&message.payload) {
        Ok(text) => ValueRef::Text(text.as_bytes()),
        Err(_) => ValueRef::Blob(&message.payload),
    })
}

/// Puts a message in the place of the job that waits with its key, where it asks for that and there is one.
fn replace(
    connection: &Connection,
    statement: &dyn Fn(&str) -> String,
    message: &Message,
    created_at: &str,
) -> rusqlite::Result<Option<JobId>> {
    if !message.replaces {
        return Ok(None);
    }
    let values = params![
        message.unique_key,
        message.name,
        message.queue,
        payload(message),
        message.priority,
        whole_millis(message.delay),
        created_at,
        message.overrides,
    ];
    let mut replace = connection.prepare_cached(&statement("replace"))?;
    replace.query_row(values, |row| row.get(0).map(JobId::Number)).optional()
}

/// SQLite tells that the disk is full also when the greatest id is used, which nobody but by hand can.
fn check_ids(connection: &Connection, cause: rusqlite::Error) -> rusqlite::Error {
    let is_used = "SELECT 1 FROM sqlite_sequence WHERE seq = 9223372036854775807";
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) if connection.query_row(is_used, [], |_| Ok(())).is_ok() => {
            let message = "the table has no ids left, as a row was inserted by hand with the greatest one: \
                           give that row another id, and lower seq in the table sqlite_sequence";
            rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(message.to_owned()))
        }
        _ => cause,
    }
}

/// The job that kept a message from being added: itself under the same uuid, or another with its key.
fn find(
    connection: &Connection,
    statement: &dyn Fn(&str) -> String,
    message: &Message,
) -> rusqlite::Result<Pushed> {
    let found = connection
        .prepare_cached(&statement("find_pushed"))?
        .query_row(params![message.uuid, message.unique_key], |row| {
            Ok((JobId::Number(row.get(0)?), row.get::<_, bool>(1)?))
        })
        .optional()?;
    match found {
        Some((id, true)) => Ok(Pushed::Added(id)),
        Some((id, false)) => Ok(Pushed::Duplicate(id)),
        None => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}
