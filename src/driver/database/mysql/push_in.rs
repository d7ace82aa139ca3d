//! Adding jobs, also inside a transaction of the caller's.

use std::sync::Arc;

use ::mysql::prelude::Queryable;
use ::mysql::{Params, Transaction, Value};

use super::super::statements::Statements;
use super::errors::{explain, is_duplicate, is_duplicate_id};
use super::session::{Session, micros};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
use crate::push::Enlist;

/// Rows of one statement: each has nine values, and a statement at most 65,535.
const ROWS: usize = 1_000;

/// Bytes of one statement. Less than any server's `max_allowed_packet`; a larger job goes alone.
const BYTES: usize = 512 * 1024;

/// More bytes than a row has beside its texts: numbers, two short texts, nine lengths and types.
const REST: usize = 200;

/// How often a job is pushed again that was kept out by one that is gone when it is looked for.
const ROUNDS: usize = 10;

/// The job exists exactly when the transaction commits.
impl Enlist for Transaction<'_> {
    fn dialect(&self) -> &'static str {
        "mysql"
    }

    fn database_of(&mut self, _: &str) -> Result<Option<String>> {
        let found: Option<Option<String>> =
            self.query_first("SELECT DATABASE()").map_err(|cause| explain(&cause))?;
        Ok(found.flatten())
    }

    fn insert(
        &mut self,
        statement: &dyn Fn(&str) -> String,
        messages: &[Message],
        created_at: &str,
    ) -> Result<Vec<Pushed>> {
        let about = self.query_first("SELECT @@auto_increment_increment, @@max_allowed_packet");
        let about: Option<(i64, usize)> = about.map_err(|cause| explain(&cause))?;
        let (id_step, packet) = about.unwrap_or((1, usize::MAX));
        check(messages, packet)?;
        let (push, find, replace) = (statement("push"), statement("find_pushed"), statement("replace"));
        let sql = Sql { push: &push, find: &find, replace: &replace, id_step, created_at };
        insert_by(self, &sql, messages).map_err(|cause| explain(&cause))?.ok_or_else(too_quick)
    }
}

/// Adds messages within the transaction that is open.
pub(super) fn insert(session: &mut Session, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
    check(messages, session.packet)?;
    let statements = session.statements.clone();
    let sql = Sql::of(session, &statements, created_at);
    session.attempt(|connection| insert_by(connection, &sql, messages))?.ok_or_else(too_quick)
}

/// Adds messages in one statement, which is a transaction by itself. `None`, and none is added, when it takes
/// none or more than one, or one of them is there already.
pub(super) fn push_new(
    session: &mut Session,
    messages: &[Message],
    created_at: &str,
) -> Result<Option<Vec<Pushed>>> {
    check(messages, session.packet)?;
    if messages.is_empty() || chunk(messages) < messages.len() {
        return Ok(None);
    }
    let statements = session.statements.clone();
    let sql = Sql::of(session, &statements, created_at);
    session.attempt(|connection| match add(connection, &sql, messages) {
        Ok(ids) => Ok(Some(ids.into_iter().map(Pushed::Added).collect())),
        Err(cause) if is_duplicate(&cause) => Ok(None),
        Err(cause) => Err(cause),
    })
}

struct Sql<'a> {
    push: &'a str,
    find: &'a str,
    replace: &'a str,
    id_step: i64,
    created_at: &'a str,
}

impl<'a> Sql<'a> {
    fn of(session: &Session, statements: &'a Statements, created_at: &'a str) -> Self {
        let (push, find) = (statements.get("push"), statements.get("find_pushed"));
        Self { push, find, replace: statements.get("replace"), id_step: session.id_step, created_at }
    }
}

fn insert_by(
    connection: &mut impl Queryable,
    sql: &Sql<'_>,
    messages: &[Message],
) -> ::mysql::Result<Option<Vec<Pushed>>> {
    let mut pushed = Vec::with_capacity(messages.len());
    let mut rest = messages;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk(rest));
        rest = after;
        match add(connection, sql, chunk) {
            Ok(ids) => pushed.extend(ids.into_iter().map(Pushed::Added)),
            // The server took none of them and doesn't say which one it was about.
            Err(cause) if is_duplicate(&cause) => {
                for message in chunk {
                    match add_or_find(connection, sql, message)? {
                        Some(answer) => pushed.push(answer),
                        None => return Ok(None),
                    }
                }
            }
            Err(cause) => return Err(cause),
        }
    }
    Ok(Some(pushed))
}

/// How many of these fit into one statement; at least one.
fn chunk(messages: &[Message]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&Message| {
        bytes += size(message);
        bytes <= BYTES
    };
    messages.iter().take(ROWS).take_while(fits).count().max(1)
}

/// At most so many bytes of a statement.
fn size(Message { name, queue, payload, unique_key, overrides, .. }: &Message) -> usize {
    let length = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
    name.len() + queue.len() + payload.len() + length(unique_key) + length(overrides) + REST
}

/// Adds rows in one statement. The ids of one such statement follow each other.
fn add(connection: &mut impl Queryable, sql: &Sql<'_>, messages: &[Message]) -> ::mysql::Result<Vec<JobId>> {
    let mut values = Vec::with_capacity(messages.len() * 9);
    for message in messages {
        values.extend([
            Value::from(&*message.uuid),
            Value::from(&*message.name),
            Value::from(&*message.queue),
            Value::from(&*message.payload),
            Value::from(message.priority),
            Value::from(micros(message.delay)),
            Value::from(sql.created_at),
            Value::from(message.unique_key.as_deref()),
            Value::from(message.overrides.as_deref()),
        ]);
    }
    let push = repeat_row(sql.push, messages.len());
    let result = connection.exec_iter(push, Params::Positional(values))?;
    let first = result.last_insert_id().unwrap_or_default().cast_signed();
    Ok((0..).take(messages.len()).map(|at: i64| JobId::Number(first + at * sql.id_step)).collect())
}

fn add_or_find(
    connection: &mut impl Queryable,
    sql: &Sql<'_>,
    message: &Message,
) -> ::mysql::Result<Option<Pushed>> {
    for _ in 0..ROUNDS {
        match add(connection, sql, std::slice::from_ref(message)) {
            Ok(ids) => return Ok(ids.into_iter().next().map(Pushed::Added)),
            // The server never gives an id twice, but for the greatest.
            Err(cause) if is_duplicate(&cause) && !is_duplicate_id(&cause) => {}
            Err(cause) => return Err(cause),
        }
        let found = connection.exec_first(sql.find, (&*message.uuid, message.unique_key.as_deref()))?;
        match found {
            // One that is pushed again is there itself, and replaces nothing.
            Some((id, true)) => return Ok(Some(Pushed::Added(JobId::Number(id)))),
            Some((id, false)) => {
                let replaced = replace(connection, sql, message)?;
                return Ok(Some(replaced.unwrap_or(Pushed::Duplicate(JobId::Number(id)))));
            }
            // What kept it out is gone meanwhile.
            None => {}
        }
    }
    Ok(None)
}

/// Puts a message in the place of the job that waits with its key, where it asks for that and there is one.
fn replace(
    connection: &mut impl Queryable,
    sql: &Sql<'_>,
    message: &Message,
) -> ::mysql::Result<Option<Pushed>> {
    if !message.replaces {
        return Ok(None);
    }
    let values = vec![
        Value::from(&*message.name),
        Value::from(&*message.queue),
        Value::from(&*message.payload),
        Value::from(message.priority),
        Value::from(micros(message.delay)),
        Value::from(sql.created_at),
        Value::from(message.overrides.as_deref()),
        Value::from(message.unique_key.as_deref()),
    ];
    let result = connection.exec_iter(sql.replace, Params::Positional(values))?;
    let id = result.last_insert_id().filter(|_| result.affected_rows() > 0);
    Ok(id.map(|id| Pushed::Replaced(JobId::Number(id.cast_signed()))))
}

/// `push.sql` with as many brackets as there are rows.
fn repeat_row(push: &str, rows: usize) -> String {
    let Some((head, row)) = push.trim_end().trim_end_matches(';').rsplit_once("VALUES ") else {
        return push.to_owned();
    };
    format!("{head}VALUES {}", vec![row; rows].join(", "))
}

/// A server may hang up on a statement that is too large, which looks like a lost connection.
fn check(messages: &[Message], packet: usize) -> Result<()> {
    for message in messages {
        let (name, bytes) = (&message.name, message.payload.len());
        if size(message) > packet {
            return Err(Error::invalid(format!(
                "the payload of {name} has {bytes} bytes, and the server takes {packet} with the rest of the row \
                 (max_allowed_packet)"
            ))
            .with_help("raise max_allowed_packet, or store the data elsewhere and push a reference to it"));
        }
        if std::str::from_utf8(&message.payload).is_err() {
            return Err(Error::invalid(format!("the payload of {name} is no text: MySQL keeps UTF-8 only")));
        }
    }
    Ok(())
}

fn too_quick() -> Error {
    Error::unavailable("jobs with the same unique key come and go too quickly")
}
