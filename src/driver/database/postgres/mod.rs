//! PostgreSQL 13 and later.
//!
//! A busy worker needs one statement for each turn (`done_and_take.sql`), a batcher one for each batch.

mod burial;
mod done_and_take;
mod errors;
mod odd_rows;
mod push_in;
mod raw;
mod read;
mod remote;
mod session;
mod turns;
mod values;

use std::sync::Arc;
use std::time::Duration;

use ::postgres::Row as ServerRow;

use self::remote::Remote;
use self::session::Session;
use self::turns::Turns;
use super::adapter::{Adapter, Kind, Odd, PutBack, Row, Survives, Take, Value, list};
use super::cursor::Cursor;
use super::dead::{Buried, Dead};
use super::receipts::row_and_token;
use super::statements::Statements;
use crate::config::Server;
use crate::driver::{Extended, Receipt, Reserved};
use crate::error::Result;
use crate::message::{Message, PRIORITY_LIMIT, Pushed};
use crate::payload;
use crate::time::whole_millis;

/// An open connection.
struct Postgres {
    session: Remote,
    in_transaction: bool,
    cursor: Cursor<read::Place>,
    /// The ids that takes pass over.
    passed_over: Vec<i64>,
    /// Where several are named.
    host: Option<String>,
    turns: Turns,
}

/// Connects. `patience` is how long it may take, `limit` how long each statement may.
///
/// # Errors
/// The server can't be reached, does not let us in, or is too old.
pub(super) fn open(
    server: Server,
    statements: Arc<Statements>,
    patience: Duration,
    limit: Option<Duration>,
) -> Result<Box<dyn Adapter>> {
    let config = session::configure(&server.url, server.one_of_several.is_some(), patience)?;
    let tls = server.tls;
    let session = Remote::open(move || Session::open(config, &tls, statements, limit), patience, limit)?;
    Ok(Box::new(Postgres {
        session,
        in_transaction: false,
        cursor: Cursor::default(),
        passed_over: Vec::new(),
        host: server.one_of_several,
        turns: Turns::new(limit),
    }))
}

impl Postgres {
    fn run(&self, sql: &'static str) -> Result<()> {
        self.session.call(move |session| session.run(sql))
    }

    /// Runs a fenced statement, which answers the id and token of what it changed, and answers the rest.
    fn fenced(
        &self,
        held: Vec<Receipt>,
        run: impl FnOnce(&mut Session, &[i64], &[i64]) -> Result<Vec<ServerRow>> + Send + 'static,
    ) -> Result<Vec<Receipt>> {
        let (ids, tokens) = columns(&held);
        let rows = self.session.call(move |session| run(session, &ids, &tokens))?;
        if rows.len() == held.len() {
            return Ok(Vec::new());
        }
        let kept: Vec<_> = rows.iter().map(|row| read::receipt(row, 0, 1)).collect::<Result<_>>()?;
        Ok(held.into_iter().filter(|receipt| !kept.contains(receipt)).collect())
    }

    /// Of holds that a statement left out because they are lost, or because somebody else has them locked.
    fn lost_or_locked(&self, left_out: Vec<Receipt>) -> Result<Extended> {
        if left_out.is_empty() {
            return Ok(Extended::default());
        }
        let lost = self
            .fenced(left_out.clone(), |session, ids, tokens| session.query("still_held", &[&ids, &tokens]))?;
        let locked = left_out.into_iter().filter(|receipt| !lost.contains(receipt)).collect();
        Ok(Extended { lost, locked, ..Extended::default() })
    }
}

/// Ids and tokens.
fn columns(receipts: &[Receipt]) -> (Vec<i64>, Vec<i64>) {
    receipts.iter().copied().map(row_and_token).unzip()
}

/// The lines to look into: of each queue each priority, the highest first.
fn lines(queues: &[String]) -> (Vec<String>, Vec<i16>) {
    let priorities = || (0..=i16::from(PRIORITY_LIMIT)).rev();
    queues.iter().flat_map(|queue| priorities().map(|priority| (queue.clone(), priority))).unzip()
}

fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

impl Adapter for Postgres {
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn begin(&mut self, _: Survives) -> Result<()> {
        // Leaving a take's sync to a later commit gained nothing here: the round trips to say so cost as much.
        self.run("BEGIN")?;
        self.in_transaction = true;
        Ok(())
    }

    fn begin_schema(&mut self) -> Result<()> {
        self.begin(Survives::PowerCut)?;
        // Any number will do, as long as every version of this crate takes the same.
        self.run("SELECT pg_advisory_xact_lock(7166023116)")
    }

    fn commit(&mut self) -> Result<()> {
        self.in_transaction = false;
        self.run("COMMIT")
    }

    fn rollback(&mut self) {
        self.in_transaction = false;
        // A connection on which it fails is dropped, and the server rolls back by itself.
        let _ = self.run("ROLLBACK");
    }

    fn insert(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        let (messages, created_at) = (messages.to_vec(), created_at.to_owned());
        self.session.call(move |session| push_in::insert(session, &messages, &created_at))
    }

    fn push(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        let (messages, created_at) = (messages.to_vec(), created_at.to_owned());
        self.session.call(move |session| push_in::push(session, &messages, &created_at))
    }

    fn first_due(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        let (queues, priorities) = lines(queues);
        let passed_over = self.passed_over.clone();
        let rows = self
            .session
            .call(move |session| session.query("first_due", &[&queues, &priorities, &passed_over]))?;
        Ok(read::rows(&rows)?.first().and_then(|row| row.millis(0)))
    }

    fn first_lease(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        let rows = self.query("first_lease", &[list(queues), list(&self.passed_over)])?;
        Ok(rows.first().and_then(|row| row.millis(0)))
    }

    fn take(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let (queues, priorities) = lines(take.queues);
        let (token, lease, most) = (take.token, whole_millis(take.lease), count(most));
        let passed_over = self.passed_over.clone();
        let rows = self.session.call(move |session| {
            session.query("take", &[&queues, &priorities, &token, &lease, &most, &passed_over])
        })?;
        read::reserved(&rows, take)
    }

    fn take_suspects(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let queues = take.queues.to_vec();
        let (token, lease, most, charged) = (take.token, whole_millis(take.lease), count(most), take.charged);
        let passed_over = self.passed_over.clone();
        let rows = self.session.call(move |session| {
            session.query("take_suspects", &[&queues, &token, &lease, &most, &charged, &passed_over])
        })?;
        read::reserved(&rows, take)
    }

    fn has_free_suspect(&mut self, queues: &[String]) -> Result<bool> {
        let (queues, passed_over) = (queues.to_vec(), self.passed_over.clone());
        let rows =
            self.session.call(move |session| session.query("free_suspect", &[&queues, &passed_over]))?;
        Ok(!rows.is_empty())
    }

    fn pass_over(&mut self, ids: &[i64]) {
        self.passed_over = ids.to_vec();
    }

    fn due_ids(&mut self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>> {
        self.ids_of_due(take, kind, most)
    }

    fn find_odd(&mut self, take: &Take<'_>, most: usize) -> Result<Odd> {
        Ok(Odd { ids: self.ids_of_odd(take, most)?, mended: false })
    }

    fn take_one(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>> {
        self.take_by_id(take, kind, id)
    }

    fn take_unreadable(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        self.take_raw(take, most)
    }

    fn delete(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        self.fenced(receipts.to_vec(), |session, ids, tokens| session.query("done", &[&ids, &tokens]))
    }

    fn delete_and_take(
        &mut self,
        done: &[Receipt],
        take: &Take<'_>,
        most: usize,
    ) -> Result<(Vec<Receipt>, Vec<Reserved>)> {
        self.done_and_take(done, take, most)
    }

    fn take_is_a_look(&self) -> bool {
        true
    }

    fn put_back(&mut self, jobs: &[PutBack<'_>], fresh_token: i64) -> Result<Vec<Receipt>> {
        let (mut ran, mut afters, mut taken_back, mut errors) = (vec![], vec![], vec![], vec![]);
        let (mut unrun, mut delays, mut unknowns, mut suspects) = (vec![], vec![], vec![], vec![]);
        for job in jobs {
            match *job {
                PutBack::Again { receipt, after, uncounted, error } => {
                    ran.push(receipt);
                    afters.push(whole_millis(after));
                    taken_back.push(uncounted);
                    errors.push(payload::storable_text(error));
                }
                PutBack::Unrun { receipt, after, unknown, suspect } => {
                    unrun.push(receipt);
                    delays.push(whole_millis(after));
                    unknowns.push(unknown);
                    suspects.push(suspect);
                }
            }
        }
        // They may go back further to the front.
        self.cursor.forget();
        let mut lost = Vec::new();
        if !ran.is_empty() {
            lost = self.fenced(ran, move |session, ids, tokens| {
                session.query("again", &[&ids, &tokens, &afters, &taken_back, &errors])
            })?;
        }
        if !unrun.is_empty() {
            lost.extend(self.fenced(unrun, move |session, ids, tokens| {
                session.query("give_back", &[&ids, &tokens, &delays, &unknowns, &fresh_token, &suspects])
            })?);
        }
        Ok(lost)
    }

    fn extend(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Extended> {
        let lease = whole_millis(lease);
        let rest = self.fenced(receipts.to_vec(), move |session, ids, tokens| {
            session.query("extend", &[&ids, &tokens, &lease])
        })?;
        self.lost_or_locked(rest)
    }

    fn locked(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        let rest = self
            .fenced(receipts.to_vec(), |session, ids, tokens| session.query("free_held", &[&ids, &tokens]))?;
        Ok(self.lost_or_locked(rest)?.locked)
    }

    fn bury(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Buried>> {
        self.bury_many(dead)
    }

    fn record_new(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Option<i64>>> {
        self.record_many(dead)
    }

    fn storable(&mut self, text: &str) -> Result<String> {
        self.storable_text(text)
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Row>> {
        let (statement, values) = (statement.to_owned(), values.to_vec());
        // A failed statement spoils a whole transaction here; a check may fail and the work goes on.
        let guarded = self.in_transaction && statement.starts_with("check_");
        let rows = self.session.call(move |session| {
            let values: Vec<_> = values.iter().map(|value| value as &session::Parameter<'_>).collect();
            match guarded {
                true => session.guarded(|session| session.query(&statement, &values)),
                false => session.query(&statement, &values),
            }
        })?;
        read::rows(&rows)
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64> {
        let (statement, values) = (statement.to_owned(), values.to_vec());
        self.session.call(move |session| {
            let values: Vec<_> = values.iter().map(|value| value as &session::Parameter<'_>).collect();
            session.execute(&statement, &values)
        })
    }

    fn run_script(&mut self, sql: &str) -> Result<()> {
        let sql = sql.to_owned();
        self.session.call(move |session| session.run(&sql))
    }
}
