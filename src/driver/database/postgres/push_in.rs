//! Adding jobs, also inside a transaction of the caller's.

use std::collections::HashMap;

use ::postgres::{Row, SimpleQueryMessage, Transaction};
use uuid::Uuid;

use super::errors::explain;
use super::read::get;
use super::session::{Parameter, Session};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed};
use crate::push::Enlist;
use crate::time::whole_millis;

/// How often a job is pushed again that was kept out by one that is gone when it is looked for.
const ROUNDS: usize = 10;

/// The job exists exactly when the transaction commits.
impl Enlist for Transaction<'_> {
    fn dialect(&self) -> &'static str {
        "postgres"
    }

    fn database_of(&mut self, _: &str) -> Result<Option<String>> {
        let said = self.simple_query("SELECT current_database()").map_err(|cause| explain(&cause))?;
        Ok(said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    fn insert(
        &mut self,
        statement: &dyn Fn(&str) -> String,
        messages: &[Message],
        created_at: &str,
    ) -> Result<Vec<Pushed>> {
        let mut run = |name: &str, values: &[&Parameter<'_>]| {
            self.query(&statement(name), values).map_err(|cause| explain(&cause))
        };
        insert_by(&mut run, messages, created_at)
    }
}

/// Adds messages in the transaction that is open.
pub(super) fn insert(session: &mut Session, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
    insert_by(&mut |name, values| session.query(name, values), messages, created_at)
}

/// Adds messages in a transaction of its own, for which one statement is enough.
pub(super) fn push(session: &mut Session, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
    // To look for what is there already takes a third of the time. Without unique keys only a push that is
    // tried again finds any.
    if messages.len() > 1
        && messages.iter().all(|message| message.unique_key.is_none())
        && let Some(pushed) = push_new(session, messages, created_at)?
    {
        return Ok(pushed);
    }
    insert(session, messages, created_at)
}

/// Adds all of them, or none when one is there already.
fn push_new(session: &mut Session, messages: &[Message], created_at: &str) -> Result<Option<Vec<Pushed>>> {
    let uuids = uuids(messages)?;
    let columns = Columns::of(messages.iter().zip(&uuids))?;
    let Some(rows) = session.query_unless_there("push_new", &columns.without_keys(&created_at))? else {
        return Ok(None);
    };
    let row = rows.first().ok_or_else(|| Error::other("PostgreSQL did not say what it added"))?;
    let ids: HashMap<Uuid, i64> = get::<Vec<_>>(row, 1)?.into_iter().zip(get::<Vec<_>>(row, 0)?).collect();
    let added = |uuid| ids.get(uuid).map(|id| Pushed::Added(JobId::Number(*id)));
    Ok(uuids.iter().map(added).collect())
}

type Run<'a> = dyn FnMut(&str, &[&Parameter<'_>]) -> Result<Vec<Row>> + 'a;

fn insert_by(run: &mut Run<'_>, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
    let uuids = uuids(messages)?;
    let mut pushed: Vec<Option<Pushed>> = vec![None; messages.len()];
    for round in 0..ROUNDS {
        let open: Vec<usize> = (0..messages.len()).filter(|at| pushed[*at].is_none()).collect();
        if open.is_empty() {
            break;
        }
        // Neither its uuid nor its key was in the way, as far as anybody can see: then it was its id.
        if round > 0 {
            run("skip_ids", &[])?;
        }
        let mut added = add(run, messages, &uuids, &open, created_at)?;
        for at in open {
            pushed[at] = match added.remove(&uuids[at]) {
                Some(id) => Some(Pushed::Added(JobId::Number(id))),
                // One that is pushed again is there itself, and replaces nothing.
                None => match find(run, &messages[at], uuids[at])? {
                    Some(Pushed::Duplicate(holder)) => {
                        let replaced = replace(run, &messages[at], created_at)?;
                        Some(replaced.unwrap_or(Pushed::Duplicate(holder)))
                    }
                    found => found,
                },
            };
        }
    }
    let missing = || {
        Error::unavailable(match messages.iter().any(|message| message.unique_key.is_some()) {
            true => "jobs with the same unique key come and go too quickly",
            false => "the ids that are next belong to rows that were inserted by hand",
        })
    };
    pushed.into_iter().map(|pushed| pushed.ok_or_else(missing)).collect()
}

fn add(
    run: &mut Run<'_>,
    messages: &[Message],
    uuids: &[Uuid],
    open: &[usize],
    created_at: &str,
) -> Result<HashMap<Uuid, i64>> {
    if let [at] = *open {
        return add_one(run, &messages[at], uuids[at], created_at);
    }
    let columns = Columns::of(open.iter().map(|at| (&messages[*at], &uuids[*at])))?;
    ids(&run("push_many", &columns.all(&created_at))?)
}

/// Messages as arrays, one for each column.
struct Columns<'a> {
    uuids: Vec<&'a Uuid>,
    names: Vec<&'a str>,
    queues: Vec<&'a str>,
    payloads: Vec<&'a str>,
    priorities: Vec<i16>,
    delays: Vec<i64>,
    unique_keys: Vec<Option<&'a str>>,
    options: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(jobs: impl Iterator<Item = (&'a Message, &'a Uuid)> + Clone) -> Result<Self> {
        let messages = || jobs.clone().map(|(message, _)| message);
        Ok(Self {
            uuids: jobs.clone().map(|(_, uuid)| uuid).collect(),
            names: messages().map(|message| &*message.name).collect(),
            queues: messages().map(|message| &*message.queue).collect(),
            payloads: messages().map(text).collect::<Result<_>>()?,
            priorities: messages().map(|message| i16::from(message.priority)).collect(),
            delays: messages().map(|message| whole_millis(message.delay)).collect(),
            unique_keys: messages().map(|message| message.unique_key.as_deref()).collect(),
            options: messages().map(|message| message.overrides.as_deref()).collect(),
        })
    }

    /// The parameters of `push_many.sql`.
    fn all<'p>(&'p self, created_at: &'p &str) -> [&'p Parameter<'p>; 9] {
        let Self { uuids, names, queues, payloads, priorities, delays, unique_keys, options } = self;
        [uuids, names, queues, payloads, priorities, delays, unique_keys, options, created_at]
    }

    /// Those of `push_new.sql`.
    fn without_keys<'p>(&'p self, created_at: &'p &str) -> [&'p Parameter<'p>; 8] {
        let Self { uuids, names, queues, payloads, priorities, delays, unique_keys: _, options } = self;
        [uuids, names, queues, payloads, priorities, delays, options, created_at]
    }
}

/// A single row is pushed about a fifth faster without arrays.
fn add_one(run: &mut Run<'_>, message: &Message, uuid: Uuid, created_at: &str) -> Result<HashMap<Uuid, i64>> {
    let rows = run(
        "push",
        &[
            &uuid,
            &&*message.name,
            &&*message.queue,
            &text(message)?,
            &i16::from(message.priority),
            &whole_millis(message.delay),
            &message.unique_key.as_deref(),
            &message.overrides.as_deref(),
            &created_at,
        ],
    )?;
    ids(&rows)
}

fn ids(rows: &[Row]) -> Result<HashMap<Uuid, i64>> {
    rows.iter().map(|row| Ok((get(row, 1)?, get(row, 0)?))).collect()
}

/// Puts a message in the place of the job that waits with its key, where it asks for that and there is one.
fn replace(run: &mut Run<'_>, message: &Message, created_at: &str) -> Result<Option<Pushed>> {
    if !message.replaces {
        return Ok(None);
    }
    let rows = run(
        "replace",
        &[
            &message.unique_key.as_deref(),
            &&*message.name,
            &&*message.queue,
            &text(message)?,
            &i16::from(message.priority),
            &whole_millis(message.delay),
            &created_at,
            &message.overrides.as_deref(),
        ],
    )?;
    rows.first().map(|row| Ok(Pushed::Replaced(JobId::Number(get(row, 0)?)))).transpose()
}

/// The job that kept a message from being added: itself under the same uuid, or another with its key.
/// `None` when it is gone meanwhile.
fn find(run: &mut Run<'_>, message: &Message, uuid: Uuid) -> Result<Option<Pushed>> {
    let rows = run("find_pushed", &[&uuid, &message.unique_key.as_deref()])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let id = JobId::Number(get(row, 0)?);
    Ok(Some(if get(row, 1)? { Pushed::Added(id) } else { Pushed::Duplicate(id) }))
}

fn uuids(messages: &[Message]) -> Result<Vec<Uuid>> {
    let read = |message: &Message| {
        message.uuid.parse().map_err(|_| {
            Error::invalid(format!("\"{}\" is no uuid, and PostgreSQL keeps jobs by theirs", message.uuid))
        })
    };
    messages.iter().map(read).collect()
}

fn text(message: &Message) -> Result<&str> {
    match std::str::from_utf8(&message.payload) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(Error::invalid(format!(
            "the payload of {} is no text: PostgreSQL keeps UTF-8 without NUL only",
            message.name
        ))),
    }
}
