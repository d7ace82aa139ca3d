//! MySQL 8.0.13 and later, MariaDB 10.6 and later: one dialect.
//!
//! Neither can take rows and answer them in one statement, so a take locks them (`take.sql`), writes its
//! hold down (`hold.sql`) and commits.

mod burial;
mod connect;
mod errors;
mod leases;
mod odd_rows;
mod push_in;
mod read;
mod session;
mod size;
mod take_in_turn;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use ::mysql::{Params, Value as ServerValue};

use self::session::{HIGHEST, Session, micros};
use self::turns::Turns;
use super::adapter::{Adapter, Kind, Odd, PutBack, Row, Survives, Take, Value, transaction};
use super::cursor::Cursor;
use super::dead::{Buried, Dead};
use super::open::LONG;
use super::receipts::{by_token, of_row, row_and_token};
use super::statements::Statements;
use crate::config::Server;
use crate::driver::{Extended, Receipt, Reserved, Size};
use crate::error::{Error, Result};
use crate::message::{Message, Pushed};
use crate::payload;

/// How often a step is tried that others were in the way of.
const TRIES: usize = 5;

/// What is given up sooner than this was no wait for a lock, which takes a second at least: those who hold jobs
/// can't wait for one several times.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Before all dates, also one of zeros, which a lenient session can write.
const BEFORE_ALL: ServerValue = ServerValue::Date(0, 0, 0, 0, 0, 0, 0);

/// An open connection.
struct Mysql {
    session: Session,
    /// By when a job was due.
    cursor: Cursor<ServerValue>,
    /// The ids that takes pass over, with commas between them.
    passed_over: String,
    /// Where several are named.
    host: Option<String>,
    turns: Turns,
}

/// Connects. `patience` is how long it may take, `limit` how long each statement may.
///
/// # Errors
/// The server can't be reached, does not let us in, or is too old.
pub(super) fn open(
    server: &Server,
    statements: Arc<Statements>,
    patience: Duration,
    limit: Option<Duration>,
) -> Result<Box<dyn Adapter>> {
    let session = Session::open(server, statements, patience, limit)?;
    let host = server.one_of_several.clone();
    let turns = Turns::new(limit);
    Ok(Box::new(Mysql { session, cursor: Cursor::default(), passed_over: String::new(), host, turns }))
}

impl Mysql {
    /// Tries a step again that the server gave up because of others: a deadlock, or a lock that was held
    /// for long. It had rolled back what the step did. `patience` is how long it goes on trying.
    fn retry<T>(&mut self, patience: Duration, mut step: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let began = Instant::now();
        for _ in 1..TRIES {
            match step(self) {
                Err(_) if self.session.is_lock_conflict() && began.elapsed() < patience => {}
                done => return done,
            }
        }
        step(self)
    }

    /// The priorities of a queue that have a clean job, the highest first.
    fn next_priority(&mut self, queue: &str, below: i64) -> Result<Option<i64>> {
        let rows = self.session.rows("next_priority", (queue, queue.len(), below))?;
        Ok(rows.first().and_then(|row| row.number(0)))
    }

    fn take_from(&mut self, queue: &str, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let mut jobs = Vec::new();
        let mut below = HIGHEST;
        while jobs.len() < most {
            let Some(priority) = self.next_priority(queue, below)? else { break };
            let room = most - jobs.len();
            let from = self.cursor.get(queue, priority).unwrap_or(BEFORE_ALL);
            let rows =
                self.session.select("take", (queue, queue.len(), priority, from, &self.passed_over, room))?;
            if let Some(last) = rows.last().and_then(|row| row.get(read::AVAILABLE_AT)) {
                self.cursor.found(queue, priority, last);
            }
            for row in rows {
                jobs.push(read::reserved(row, take, |_| 1)?);
            }
            below = priority;
        }
        Ok(jobs)
    }

    /// Takes jobs from where the cursor is.
    fn take_on(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let mut jobs = Vec::new();
        for queue in take.queues {
            jobs.extend(self.take_from(queue, take, most - jobs.len())?);
        }
        self.hold(&jobs, take)?;
        Ok(jobs)
    }

    /// Takes jobs in a transaction of its own. A busy worker goes on where its last take ended.
    fn take_from_cursor(&mut self, take: &Take<'_>, most: usize, is_busy: bool) -> Result<Vec<Reserved>> {
        self.retry(AT_ONCE, |mysql| {
            mysql.cursor.begin(is_busy);
            let began = Instant::now();
            let jobs = match mysql.take_in_turn(take, most)? {
                Some(jobs) => jobs,
                None => transaction(mysql, Survives::Crash, |mysql| mysql.take_on(take, most))?,
            };
            mysql.cursor.end(jobs.len() == most, began.elapsed());
            Ok(jobs)
        })
    }

    /// Writes a hold down for rows that are locked.
    fn hold(&mut self, jobs: &[Reserved], take: &Take<'_>) -> Result<()> {
        let ids: Vec<_> = jobs.iter().map(|job| row_and_token(job.receipt).0).collect();
        self.hold_ids(&ids, take)
    }

    fn hold_ids(&mut self, ids: &[i64], take: &Take<'_>) -> Result<()> {
        let charged = i64::from(take.charged);
        match ids.is_empty() {
            true => Ok(()),
            false => self
                .session
                .fenced("hold", ids, &[charged, charged, take.token, micros(take.lease)])
                .map(drop),
        }
    }

    /// A server closes a connection that sends more than it takes.
    fn check_size(&self, values: &[Value]) -> Result<()> {
        let size = |value: &Value| match value {
            Value::Text(text) => text.len() + 16,
            Value::Null | Value::Number(_) => 16,
        };
        let bytes: usize = values.iter().map(size).sum();
        match bytes + 64 > self.session.packet {
            false => Ok(()),
            true => Err(Error::invalid(format!(
                "{bytes} bytes are more than MySQL takes at once (max_allowed_packet, {})",
                self.session.packet
            ))),
        }
    }
}

impl Adapter for Mysql {
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn begin(&mut self, _: Survives) -> Result<()> {
        self.session.run("BEGIN")
    }

    fn begin_schema(&mut self) -> Result<()> {
        // The server commits with each statement that makes a table, so that a transaction keeps nobody
        // out. The lock is freed when the connection ends.
        let seconds = LONG.as_secs();
        let lock = format!("SELECT GET_LOCK(CONCAT('craft_queue.', LEFT(DATABASE(), 40)), {seconds})");
        match self.session.attempt(|connection| connection.query_first::<Option<i64>, _>(lock))? {
            Some(Some(1)) => self.begin(Survives::PowerCut),
            _ => Err(Error::unavailable("another process changes tables of this database")),
        }
    }

    fn commit(&mut self) -> Result<()> {
        self.session.run("COMMIT")
    }

    fn rollback(&mut self) {
        // What was taken is there again.
        self.cursor.forget();
        // A connection on which it fails is dropped, and the server rolls back by itself.
        let _ = self.session.run_quietly("ROLLBACK");
    }

    fn insert(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        push_in::insert(&mut self.session, messages, created_at)
    }

    fn push(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        self.retry(Duration::MAX, |mysql| {
            match push_in::push_new(&mut mysql.session, messages, created_at)? {
                Some(pushed) => Ok(pushed),
                None => transaction(mysql, Survives::PowerCut, |mysql| mysql.insert(messages, created_at)),
            }
        })
    }

    fn first_due(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        let mut first = None;
        for queue in queues {
            let mut below = HIGHEST;
            while let Some(priority) = self.next_priority(queue, below)? {
                let rows =
                    self.session.rows("first_due", (queue, queue.len(), priority, &self.passed_over))?;
                first = [first, rows.first().and_then(|row| row.millis(0))].into_iter().flatten().min();
                below = priority;
            }
        }
        Ok(first)
    }

    fn first_lease(&mut self, queues: &[String]) -> Result<Option<Duration>> {
        let mut first = None;
        for queue in queues {
            let rows = self.session.rows("first_lease", (queue, queue.len(), &self.passed_over))?;
            first = [first, rows.first().and_then(|row| row.millis(0))].into_iter().flatten().min();
        }
        Ok(first)
    }

    fn take(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        self.cursor.forget();
        self.take_on(take, most)
    }

    fn take_suspects(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let jobs = self.lock_suspects(take, most)?;
        self.hold(&jobs, take)?;
        Ok(jobs)
    }

    fn has_free_suspect(&mut self, queues: &[String]) -> Result<bool> {
        for queue in queues {
            let values = (queue, queue.len(), &self.passed_over);
            if !self.session.rows("free_suspect", values)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn pass_over(&mut self, ids: &[i64]) {
        self.passed_over = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    }

    fn due_ids(&mut self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>> {
        self.ids_of_due(take, kind, most)
    }

    fn find_odd(&mut self, take: &Take<'_>, _: usize) -> Result<Odd> {
        Ok(Odd { ids: self.ids_of_odd(take)?, mended: false })
    }

    fn take_one(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>> {
        self.take_by_id(take, kind, id)
    }

    /// It is the first step of its transaction: when some are lost, it begins anew and removes the others,
    /// as the server doesn't say which it removed.
    fn delete(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        let groups = by_token(receipts);
        let mut all = true;
        for (token, ids) in &groups {
            all &= self.session.fenced("done", ids, &[*token])? == ids.len() as u64;
        }
        if all {
            return Ok(Vec::new());
        }
        self.rollback();
        self.begin(Survives::PowerCut)?;
        let mut lost = Vec::new();
        for (token, mut ids) in groups {
            let gone = self.lost_of(token, &ids)?;
            ids.retain(|id| !gone.contains(id));
            if !ids.is_empty() {
                self.session.fenced("done", &ids, &[token])?;
            }
            lost.extend(gone.iter().map(|id| of_row(*id, token)));
        }
        Ok(lost)
    }

    fn delete_and_take(
        &mut self,
        done: &[Receipt],
        take: &Take<'_>,
        most: usize,
    ) -> Result<(Vec<Receipt>, Vec<Reserved>)> {
        if done.is_empty() {
            return Ok((Vec::new(), self.take_from_cursor(take, most, false)?));
        }
        // By itself: what it locks would be in the way of those who take.
        let lost =
            self.retry(AT_ONCE, |mysql| transaction(mysql, Survives::PowerCut, |mysql| mysql.delete(done)))?;
        if most == 0 {
            return Ok((lost, Vec::new()));
        }
        // What was removed is to be told; the next take meets the same error, or a connection that is given up.
        Ok((lost, self.take_from_cursor(take, most, true).unwrap_or_default()))
    }

    fn put_back(&mut self, jobs: &[PutBack<'_>], fresh_token: i64) -> Result<Vec<Receipt>> {
        // They may go back further to the front.
        self.cursor.forget();
        let mut lost = Vec::new();
        for job in jobs {
            let (changed, receipt) = match *job {
                PutBack::Again { receipt, after, uncounted, error } => {
                    let (id, token) = row_and_token(receipt);
                    let error = payload::storable_text(error);
                    let values = (micros(after), i64::from(uncounted), error, id, token);
                    (self.session.execute("again", values)?, receipt)
                }
                PutBack::Unrun { receipt, after, unknown, suspect } => {
                    let (id, token) = row_and_token(receipt);
                    let values = (fresh_token, micros(after), unknown, suspect, id, token);
                    (self.session.execute("give_back", values)?, receipt)
                }
            };
            if changed == 0 {
                lost.push(receipt);
            }
        }
        Ok(lost)
    }

    fn extend(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Extended> {
        self.extend_around(receipts, lease)
    }

    fn locked(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        self.locked_by_others(receipts)
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        self.session.execute("clear", (queue, queue.len()))
    }

    fn size_up_to(&mut self, queues: &[String], most: u64) -> Result<Vec<Size>> {
        self.sizes_up_to(queues, most)
    }

    fn bury(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Buried>> {
        self.bury_many(dead)
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Row>> {
        self.check_size(values)?;
        self.session.rows(statement, parameters(values))
    }

    fn free_keys(&mut self, ids: &[i64], token: i64) -> Result<()> {
        self.session.fenced("free_keys", ids, &[token]).map(drop)
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64> {
        self.check_size(values)?;
        self.session.execute(statement, parameters(values))
    }

    fn run_script(&mut self, sql: &str) -> Result<()> {
        super::lexer::statements(sql).into_iter().try_for_each(|statement| self.session.run(statement))
    }
}

fn parameters(values: &[Value]) -> Params {
    if values.is_empty() {
        return Params::Empty;
    }
    Params::Positional(values.iter().map(ServerValue::from).collect())
}
