//! What a database must be able to do: the seam that SQLite, PostgreSQL and MySQL each fill.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::dead::{Buried, Dead};
pub(crate) use super::value::{Row, Value, list};
use crate::driver::{Extended, Notifier, Receipt, Reserved, Size};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::error::Error;
use crate::error::Result;
use crate::message::{Message, Pushed};

/// An open connection. The statements it runs by name are those of its folder in `sql/`.
pub(crate) trait Adapter: Send {
    /// Which of several servers this is; `None` where one alone is named.
    fn host(&self) -> Option<&str> {
        None
    }

    /// Begins a transaction that will write.
    fn begin(&mut self, survives: Survives) -> Result<()>;

    /// Begins a transaction that makes tables, and that no other makes tables beside.
    fn begin_schema(&mut self) -> Result<()> {
        self.begin(Survives::PowerCut)
    }

    fn commit(&mut self) -> Result<()>;

    /// Ends a transaction that failed. It must not fail: a connection that can't roll back is dropped by
    /// its holder anyway.
    fn rollback(&mut self);

    /// Rings the notifier when somebody else wrote, where the database can tell cheaply. Else does nothing.
    fn watch(&mut self, notifier: Notifier) -> Result<()> {
        let _ = notifier;
        Ok(())
    }

    /// Adds messages within the transaction that is open.
    fn insert(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>>;

    /// Adds messages in a transaction of its own. Provided; overridden where one statement is enough.
    fn push(&mut self, messages: &[Message], created_at: &str) -> Result<Vec<Pushed>> {
        transaction(self, Survives::PowerCut, |adapter| adapter.insert(messages, created_at))
    }

    /// In how long the first clean job of these queues is due; zero when one is due now.
    fn first_due(&mut self, queues: &[String]) -> Result<Option<Duration>>;

    /// In how long the first hold in these queues ends; zero when one has ended.
    fn first_lease(&mut self, queues: &[String]) -> Result<Option<Duration>>;

    /// Takes at most `most` clean jobs, in the order in which they should be begun.
    fn take(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>>;

    /// Takes at most `most` jobs whose hold has ended.
    fn take_suspects(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>>;

    /// Lets the unique keys of jobs go that were taken under this token.
    fn free_keys(&mut self, ids: &[i64], token: i64) -> Result<()> {
        self.execute("free_keys", &[list(ids), Value::Number(token)]).map(drop)
    }

    /// Whether any of the jobs whose hold has ended can be taken: none that somebody else has locked.
    /// Provided: all; a file has no such locks.
    fn has_free_suspect(&mut self, queues: &[String]) -> Result<bool> {
        let _ = queues;
        Ok(true)
    }

    /// Which rows takes and looks pass over from now on. None of them keeps others from being found.
    fn pass_over(&mut self, ids: &[i64]);

    /// The ids of at most `most` rows that a take would find and nobody has locked: of clean jobs, or of those whose
    /// hold has ended.
    fn due_ids(&mut self, take: &Take<'_>, kind: Kind, most: usize) -> Result<Vec<i64>>;

    /// Finds at most about `most` rows that no take would ever find: due or held until no instant, in a queue that
    /// is no text. Some may be mended meanwhile.
    fn find_odd(&mut self, take: &Take<'_>, most: usize) -> Result<Odd>;

    /// Takes one row, in a transaction of its own; `None` when it is not, or not any more, of this kind and in these
    /// queues, or when somebody else has it locked.
    ///
    /// # Errors
    /// The database refuses it, also where it says nothing and leaves the row as it is ([`skipped`]).
    fn take_one(&mut self, take: &Take<'_>, kind: Kind, id: i64) -> Result<Option<Reserved>>;

    /// After a take that the database refused because of a value: takes the rows that it can't read, as far
    /// as it can. Provided: none; overridden where values are converted while they are read.
    fn take_unreadable(&mut self, take: &Take<'_>, most: usize) -> Result<Vec<Reserved>> {
        let _ = (take, most);
        Ok(Vec::new())
    }

    /// Removes held jobs, and answers those that were not held by these receipts.
    fn delete(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>>;

    /// Whether a take that finds nothing costs no more than a look, so that no look need come before it.
    fn take_is_a_look(&self) -> bool {
        false
    }

    /// Removes held jobs, then takes clean ones, in a transaction of its own. It is what a busy worker does
    /// most. Provided; overridden where one statement is enough.
    fn delete_and_take(
        &mut self,
        done: &[Receipt],
        take: &Take<'_>,
        most: usize,
    ) -> Result<(Vec<Receipt>, Vec<Reserved>)> {
        let survives = if done.is_empty() { Survives::Crash } else { Survives::PowerCut };
        transaction(self, survives, |adapter| {
            let lost = if done.is_empty() { Vec::new() } else { adapter.delete(done)? };
            Ok((lost, if most == 0 { Vec::new() } else { adapter.take(take, most)? }))
        })
    }

    /// Puts held jobs back, and answers those that were not held by these receipts. `fresh_token` keeps
    /// suspects held until they are due.
    fn put_back(&mut self, jobs: &[PutBack<'_>], fresh_token: i64) -> Result<Vec<Receipt>>;

    /// Renews holds, and answers those that were not held by these receipts, and those that somebody else has
    /// locked. It does not wait for these.
    fn extend(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Extended>;

    /// Which of these holds somebody else has locked, so that a settle would wait for them. Asked outside of a
    /// transaction. Provided: none; a file has no such locks.
    fn locked(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        let _ = receipts;
        Ok(Vec::new())
    }

    /// Removes clean jobs of a queue, and says how many; a server removes at most 10,000 at a time.
    fn clear(&mut self, queue: &str) -> Result<u64> {
        self.execute("clear", &[queue.into()])
    }

    /// Counts what waits in these queues, or in all, no count beyond `most`. Provided; overridden where one
    /// statement cannot do it for all.
    fn size_up_to(&mut self, queues: &[String], most: u64) -> Result<Vec<Size>> {
        let all = match queues {
            [] => self.query("list_queues", &[])?.iter().map(|row| row.text(0)).collect(),
            named => named.to_vec(),
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(self.query("size_up_to", &[list(&all), most.into()])?.iter().map(Row::size).collect())
    }

    /// Moves dead jobs to the failed ones, and answers for each, in order. It is the first step of its transaction.
    /// Provided; overridden where one statement does it for many, which copies the payload as it is.
    fn bury(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Buried>> {
        self.bury_each(dead)
    }

    /// The same, one after another.
    fn bury_each(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Buried>> {
        let receipts: Vec<_> = dead.iter().map(|dead| dead.job.receipt).collect();
        // The fenced delete comes first: only what it removed is recorded.
        let lost: HashSet<_> = self.delete(&receipts)?.into_iter().collect();
        let kept: Vec<_> = dead.iter().filter(|dead| !lost.contains(&dead.job.receipt)).cloned().collect();
        let mut ids = self.record_new(&kept)?.into_iter();
        let mut answer = |dead: &Dead<'_>| match lost.contains(&dead.job.receipt) {
            true => Buried::Lost,
            false => ids.next().flatten().map_or(Buried::Taken, Buried::As),
        };
        Ok(dead.iter().map(&mut answer).collect())
    }

    /// Adds dead jobs to the failed ones, and answers their ids, in order; `None` for one whose uuid is there.
    /// Provided: one after another.
    fn record_new(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Option<i64>>> {
        let mut record = |dead: &Dead<'_>| {
            let rows = self.query("record", &dead.values(&dead.job.message.uuid))?;
            Ok(rows.first().and_then(|row| row.number(0)))
        };
        dead.iter().map(&mut record).collect()
    }

    /// As much of a text as the database can keep, with `?` for the rest. Asked outside of a transaction. Provided:
    /// all of it; overridden where a database may have another character set.
    fn storable(&mut self, text: &str) -> Result<String> {
        Ok(text.to_owned())
    }

    /// Runs a statement that answers rows.
    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Row>>;

    /// Runs a statement and says how many rows it changed.
    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64>;

    /// Runs SQL text of any length, as a migration file holds it.
    fn run_script(&mut self, sql: &str) -> Result<()>;
}

/// An adapter, or what has one.
pub(crate) trait HasAdapter {
    type Adapter: Adapter + ?Sized;

    fn adapter(&mut self) -> &mut Self::Adapter;
}

impl<A: Adapter + ?Sized> HasAdapter for A {
    type Adapter = A;

    fn adapter(&mut self) -> &mut A {
        self
    }
}

/// Runs steps that are kept all or none.
pub(crate) fn transaction<O: HasAdapter + ?Sized, T>(
    owner: &mut O,
    survives: Survives,
    steps: impl FnOnce(&mut O) -> Result<T>,
) -> Result<T> {
    owner.adapter().begin(survives)?;
    finish(owner, steps)
}

/// The same for steps that make or remove tables: of two processes at once one waits.
pub(crate) fn schema_transaction<O: HasAdapter + ?Sized, T>(
    owner: &mut O,
    steps: impl FnOnce(&mut O) -> Result<T>,
) -> Result<T> {
    owner.adapter().begin_schema()?;
    finish(owner, steps)
}

fn finish<O: HasAdapter + ?Sized, T>(owner: &mut O, steps: impl FnOnce(&mut O) -> Result<T>) -> Result<T> {
    let done = steps(owner).and_then(|done| owner.adapter().commit().map(|()| done));
    if done.is_err() {
        owner.adapter().rollback();
    }
    done
}

/// What a commit must survive, as far as the configured durability goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survives {
    PowerCut,
    /// Nothing beyond the end of this process: a take that is lost costs nothing, as nobody has the job then.
    Crash,
}

/// The hold that a take puts on jobs.
pub(crate) struct Take<'a> {
    pub(crate) queues: &'a [String],
    pub(crate) token: i64,
    pub(crate) lease: Duration,
    pub(crate) held_until: Instant,
    /// Whether suspects stay suspects while they are held.
    pub(crate) charged: bool,
}

/// What a row is that is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A clean job that is due.
    Fresh,
    /// A job whose hold has ended.
    Suspect,
    /// What no take would ever find.
    Odd,
}

impl Kind {
    /// As the statements call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Suspect => "suspect",
            Self::Odd => "odd",
        }
    }
}

/// Rows that no take would ever find.
#[derive(Default)]
pub(crate) struct Odd {
    /// The ids of those that are to be buried.
    pub(crate) ids: Vec<i64>,
    /// Whether others can be found from now on.
    pub(crate) mended: bool,
}

/// Why a row that is due and locked by us can't be taken, though no statement failed.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn skipped() -> Error {
    Error::invalid(
        "the database leaves the row as it is and says nothing, as a trigger does by RETURN NULL or RAISE(IGNORE)",
    )
}

/// A job that goes back to its queue.
pub(crate) enum PutBack<'a> {
    /// It ran: no suspect any more. So many attempts are taken back; below 0, they are added.
    Again { receipt: Receipt, after: Duration, uncounted: i32, error: &'a str },
    /// It did not run to an end: its attempt is taken back, and what was taken as a suspect stays one.
    Unrun { receipt: Receipt, after: Duration, unknown: bool, suspect: bool },
}
