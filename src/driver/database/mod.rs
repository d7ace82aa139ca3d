//! Jobs wait in a table of a SQL database.
//!
//! What all databases share is here: the driver, the failed jobs, the migrations. What differs is an
//! [`Adapter`] for each, and its SQL in `sql/`. A finished job's row leaves the table; nothing holds a
//! transaction open while a job runs.

mod adapter;
mod failed;
mod sqlite;
mod statements;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::adapter::{Adapter, PutBack, Take};
use self::statements::{Dialect, Statements};
use crate::config::{Config, Connection, Durability};
use crate::driver::{
    Backend, Bell, Driver, Receipt, Reserved, Settled, Settlement, Size, Suspects, Taken, Verdict, Want,
};
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedJobs};
use crate::message::{Message, Pushed};
use crate::push::Enlist;
use crate::time::{Timestamp, Zone};

/// A database with a table of jobs, of failed jobs, or both.
#[derive(Clone)]
pub struct Database {
    name: String,
    connection: Connection,
    dialect: Dialect,
    durability: Durability,
    zone: Zone,
    /// A statement may take this long; less than a third of the lease.
    patience: Duration,
    jobs: Option<String>,
    failed: Option<String>,
    statements: Arc<Statements>,
}

impl Database {
    /// The database driver of a configuration: its jobs, and its failed jobs where they share the
    /// connection.
    ///
    /// # Errors
    /// The connection is not configured, or its kind is not compiled in.
    pub fn of_jobs(config: &Config, connection: &str) -> Result<Self> {
        let settings = &config.database.settings;
        let shared = settings.failed_connection.as_deref().is_none_or(|name| name == connection);
        let failed = settings.failed_table.clone().filter(|_| shared);
        Self::named(config, connection, Some(config.database.table.clone()), failed)
    }

    /// A table of failed jobs on a connection.
    ///
    /// # Errors
    /// The connection is not configured, or its kind is not compiled in.
    pub fn of_failed(config: &Config, connection: &str, table: &str) -> Result<Self> {
        Self::named(config, connection, None, Some(table.to_owned()))
    }

    fn named(config: &Config, name: &str, jobs: Option<String>, failed: Option<String>) -> Result<Self> {
        let connection = config.connection(name)?.clone();
        let settings = &config.database.settings;
        let dialect = Dialect::of(&connection)?;
        let statements = Statements::new(
            dialect,
            jobs.as_deref().unwrap_or("jobs"),
            failed.as_deref().unwrap_or("failed_jobs"),
        );
        Ok(Self {
            name: name.to_owned(),
            connection,
            dialect,
            durability: config.database.durability,
            zone: settings.tz.clone(),
            patience: (settings.lease / 4).min(Duration::from_secs(5)),
            jobs,
            failed,
            statements: Arc::new(statements),
        })
    }

    /// Makes the tables that are missing, and leaves those that are there.
    ///
    /// # Errors
    /// The database can't be reached or written, or has a table of that name that does not fit.
    pub fn install(&self) -> Result<()> {
        let mut adapter = self.connect(Open::Create)?;
        let tables = [
            (self.jobs.is_some(), "check_jobs", "create_jobs"),
            (self.failed.is_some(), "check_failed_jobs", "create_failed_jobs"),
        ];
        for (wanted, check, create) in tables {
            if wanted && adapter.query(check, &[]).is_err_and(|error| error.is_schema()) {
                adapter.begin()?;
                let made = match adapter.query(check, &[]) {
                    // Another process made it while this one waited for the lock.
                    Ok(_) => Ok(()),
                    Err(_) => adapter.run_script(self.statements.get(create)),
                };
                made.and_then(|()| adapter.commit()).inspect_err(|_| adapter.rollback())?;
            }
        }
        self.check_tables(&mut *adapter, true)
    }

    /// Whether it has a table of failed jobs beside the jobs.
    pub fn keeps_failed(&self) -> bool {
        self.jobs.is_some() && self.failed.is_some()
    }

    /// Adds messages within a transaction of the caller's.
    ///
    /// # Errors
    /// The transaction is on another kind of database, or was refused.
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
        let statement = |name: &str| self.statements.get(name).to_owned();
        transaction.insert(&statement, messages, created_at).map_err(|error| match error.is_schema() {
            true => self.explain_missing(error, self.jobs.as_deref().unwrap_or("jobs"), "check_jobs"),
            false => error,
        })
    }

    fn connect(&self, open: Open) -> Result<Box<dyn Adapter>> {
        match &self.connection {
            Connection::Sqlite { database } => {
                sqlite::open(database, open, self.statements.clone(), self.durability, self.patience)
            }
            Connection::Postgres { .. } | Connection::Mysql { .. } => Err(not_compiled_in()),
        }
        .map_err(|error| error.context(format!("cannot open connection \"{}\"", self.name)))
    }

    /// Checks that the tables are there and fit this version. A worker whose table of failed jobs goes
    /// missing works on: it is checked at the start, when that table is opened by itself.
    fn check_tables(&self, adapter: &mut dyn Adapter, failed_too: bool) -> Result<()> {
        let failed = self.failed.as_ref().filter(|_| failed_too);
        for (table, statement) in [(self.jobs.as_ref(), "check_jobs"), (failed, "check_failed_jobs")] {
            if let Some(table) = table {
                adapter
                    .query(statement, &[])
                    .map_err(|error| self.explain_missing(error, table, statement))?;
            }
        }
        Ok(())
    }

    fn connect_and_check(&self, failed_too: bool) -> Result<Box<dyn Adapter>> {
        if let Connection::Sqlite { database } = &self.connection
            && !database.exists()
        {
            let (table, check) = match &self.jobs {
                Some(jobs) => (jobs.as_str(), "check_jobs"),
                None => (self.failed.as_deref().unwrap_or_default(), "check_failed_jobs"),
            };
            return Err(self.explain_missing(Error::schema("no such file"), table, check));
        }
        let mut adapter = self.connect(Open::Existing)?;
        self.check_tables(&mut *adapter, failed_too)?;
        Ok(adapter)
    }

    fn explain_missing(&self, error: Error, table: &str, statement: &str) -> Error {
        if !error.is_schema() {
            return error.context(format!("cannot use connection \"{}\"", self.name));
        }
        let make = if statement == "check_jobs" { "queue:table" } else { "queue:failed" };
        let text = error.to_string();
        match text.contains("column") {
            true => Error::schema(format!(
                "table \"{table}\" of connection \"{}\" does not fit this version: {text}",
                self.name
            ))
            .with_help("it was made by another program or version: set another table in queue.toml"),
            false => Error::schema(format!("connection \"{}\" has no table \"{table}\"", self.name))
                .with_help(format!("craft {make} && craft migrate      (or craft queue:install)")),
        }
    }
}

fn not_compiled_in() -> Error {
    Error::config("this build has no driver for PostgreSQL or MySQL")
}

/// Whether a file that is missing is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Create,
    Existing,
}

impl Backend for Database {
    fn open(&self, bell: Bell) -> Result<Box<dyn Driver>> {
        let mut adapter = self.connect_and_check(false)?;
        adapter.watch(bell)?;
        Ok(Box::new(JobsTable { adapter, buries: self.failed.is_some(), zone: self.zone.clone() }))
    }

    fn describe(&self) -> String {
        match &self.connection {
            Connection::Sqlite { database } => format!("sqlite {}", database.display()),
            Connection::Postgres { .. } => "postgres".into(),
            Connection::Mysql { .. } => "mysql".into(),
        }
    }
}

impl FailedBackend for Database {
    fn open(&self) -> Result<Box<dyn FailedJobs>> {
        let adapter = self.connect_and_check(true)?;
        let shares_jobs = self.jobs.is_some();
        Ok(Box::new(failed::FailedTable { adapter, shares_jobs, zone: self.zone.clone() }))
    }
}

/// An open table of jobs: the contract of [`Driver`] in terms of an adapter's statements.
struct JobsTable {
    adapter: Box<dyn Adapter>,
    buries: bool,
    zone: Zone,
}

impl Driver for JobsTable {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        let created_at = self.zone.format(Timestamp::now());
        self.transaction(|table| table.adapter.insert(messages, &created_at))
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        let (taken, due) = self.look(want)?;
        if !due {
            return Ok(taken);
        }
        self.transaction(|table| table.take(want))
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        if settled.is_empty() {
            return Ok(Settlement::default());
        }
        self.transaction(|table| table.write_down(settled))
    }

    fn settle_and_reserve(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        if settled.is_empty() {
            return Ok((Settlement::default(), self.reserve(want)?));
        }
        self.transaction(|table| Ok((table.write_down(settled)?, table.take(want)?)))
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        let receipts: Vec<_> = held.iter().map(|job| job.receipt).collect();
        self.transaction(|table| table.adapter.extend(&receipts, lease))
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        let rows = self.adapter.query("size", &[adapter::list(queues)])?;
        let mut sizes: Vec<Size> = rows
            .into_iter()
            .map(|row| Size {
                queue: row.text(0),
                waiting: Some(row.count(1)),
                delayed: Some(row.count(2)),
                running: Some(row.count(3)),
                oldest_wait: row.millis(4),
            })
            .collect();
        for queue in queues {
            if !sizes.iter().any(|size| size.queue == *queue) {
                sizes.push(Size {
                    queue: queue.clone(),
                    waiting: Some(0),
                    delayed: Some(0),
                    running: Some(0),
                    oldest_wait: None,
                });
            }
        }
        Ok(sizes)
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        self.adapter.execute("clear", &[queue.into()])
    }

    fn buries(&self) -> bool {
        self.buries
    }
}

impl JobsTable {
    fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.adapter.begin()?;
        match work(self).and_then(|done| self.adapter.commit().map(|()| done)) {
            Ok(done) => Ok(done),
            Err(error) => {
                self.adapter.rollback();
                Err(error)
            }
        }
    }

    /// Finds out, without taking the write lock, whether a take would find anything.
    fn look(&mut self, want: &Want<'_>) -> Result<(Taken, bool)> {
        let due_in = match want.fresh {
            0 => None,
            _ => self.adapter.first_due(want.queues)?,
        };
        let hold_ends = match want.suspects {
            Suspects::Ignore => None,
            _ => self.adapter.first_lease(want.queues)?,
        };
        let suspects_due = hold_ends == Some(Duration::ZERO);
        let take_suspects = suspects_due && matches!(want.suspects, Suspects::Take(n) if n > 0);
        let taken = Taken {
            jobs: Vec::new(),
            suspects_due,
            next_due: [due_in, hold_ends].into_iter().flatten().min(),
        };
        Ok((taken, due_in == Some(Duration::ZERO) || take_suspects))
    }

    fn take(&mut self, want: &Want<'_>) -> Result<Taken> {
        let hold = Take {
            queues: want.queues,
            token: new_token(),
            lease: want.lease,
            held_until: Instant::now() + want.lease,
        };
        let mut taken = Taken::default();
        if let Suspects::Take(most @ 1..) = want.suspects {
            taken.jobs = self.adapter.take_suspects(&hold, most)?;
        }
        if want.fresh > 0 {
            taken.jobs.extend(self.adapter.take(&hold, want.fresh)?);
        }
        if want.suspects != Suspects::Ignore {
            taken.suspects_due = self.adapter.first_lease(want.queues)? == Some(Duration::ZERO);
        }
        Ok(taken)
    }

    fn write_down(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let mut done = Vec::with_capacity(settled.len());
        let mut back = Vec::new();
        let mut dead = HashMap::new();
        for Settled { job, verdict } in settled {
            let receipt = job.receipt;
            match verdict {
                Verdict::Done => done.push(receipt),
                Verdict::Again { after, counted, error } => {
                    back.push(PutBack::Again { receipt, after: *after, counted: *counted, error });
                }
                Verdict::Unknown { after } => {
                    back.push(PutBack::Unrun { receipt, after: *after, unknown: true });
                }
                Verdict::Unstarted { after } => {
                    back.push(PutBack::Unrun { receipt, after: *after, unknown: false });
                }
                Verdict::Bury(failure) => {
                    done.push(receipt);
                    dead.insert(receipt, (*job, failure));
                }
            }
        }
        let mut settlement = Settlement::default();
        if !done.is_empty() {
            settlement.lost = self.adapter.delete(&done)?;
        }
        if !back.is_empty() {
            settlement.lost.extend(self.adapter.put_back(&back, new_token())?);
        }
        // The fenced delete comes first: only what it removed is recorded.
        for receipt in &settlement.lost {
            dead.remove(receipt);
        }
        for (receipt, (job, failure)) in dead {
            if let Some(id) = failed::record(&mut *self.adapter, job, failure, &self.zone)? {
                settlement.buried.push((receipt, id));
            }
        }
        Ok(settlement)
    }
}

/// A token that no other reservation has, made here so that a batch needs no answer to know it. 63 bits,
/// as SQL has no unsigned numbers.
fn new_token() -> i64 {
    fastrand::i64(1..)
}
