//! Migrations: SQL files of a folder, applied once each, in the order of their names.

mod file;
mod old;

use std::collections::BTreeSet;
use std::path::Path;

pub(crate) use self::file::{DOWN, File, Table, files};

use self::file::unreadable;
use super::Database;
use super::adapter::{Adapter, Value, schema_transaction};
use super::lexer::{statements, table_of};
use super::open::Open;
use super::schema_errors::{is_about_a_column, is_missing};
use super::value::{Row, list};
use super::version::JobsVersion;
use crate::error::Result;
use crate::time::Timestamp;

/// How far a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Applied,
    Pending,
    /// Applied, and what it made was removed by hand.
    Gone,
}

/// What became of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Migrated {
    Applied,
    /// Once more: what it had made was removed by hand.
    Again,
    /// It was only noted: what it makes is there.
    Noted,
    /// No file: an older table of jobs is of today's version now.
    Upgraded,
}

/// A migration of the last batch, and the SQL that undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undo {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl Database {
    /// How far these migrations are.
    ///
    /// # Errors
    /// The database can't be read.
    pub(crate) fn migrations(&self, files: &[&File]) -> Result<Vec<(String, State)>> {
        let mut adapter = self.connect_to_migrate(files)?;
        let applied = applied(&mut *adapter)?;
        let state = |file: &&File| {
            let state = match applied.contains(&file.name) {
                false => State::Pending,
                true if self.missing(&mut *adapter, file)?.is_empty() => State::Applied,
                true => State::Gone,
            };
            Ok((file.name.clone(), state))
        };
        files.iter().map(state).collect()
    }

    /// Applies what is pending, each file in a transaction, and tells each. Of two at once one waits. What
    /// makes a table of ours that is there already is noted; what made one that is gone is applied again. A table of
    /// jobs that is of an older version after that is upgraded.
    ///
    /// # Errors
    /// One of a file's statements failed: nothing of that file was applied, and what came before it was.
    pub(crate) fn migrate(&self, files: &[&File], mut tell: impl FnMut(&str, Migrated)) -> Result<usize> {
        let mut adapter = self.connect_to_migrate(files)?;
        let batch = adapter.query("next_batch", &[])?.first().and_then(|row| row.number(0)).unwrap_or(1);
        let mut count = 0;
        for file in files {
            let told = schema_transaction(&mut *adapter, |adapter| self.apply(adapter, file, batch))
                .map_err(|error| error.context(format!("cannot apply {}", file.path.display())))?;
            if let Some(told) = told {
                count += 1;
                tell(&file.name, told);
            }
        }
        if let Some(jobs) = &self.jobs
            && self.upgrade_jobs(&mut *adapter)?
        {
            count += 1;
            tell(jobs, Migrated::Upgraded);
        }
        Ok(count)
    }

    /// The table of jobs, if it is of an older version.
    ///
    /// # Errors
    /// The database can't be read.
    pub(crate) fn old_jobs_table(&self) -> Result<Option<&str>> {
        let Some(jobs) = &self.jobs else { return Ok(None) };
        let is_old = matches!(self.jobs_version(&mut *self.connect(Open::Migrate)?)?, JobsVersion::Old);
        Ok(is_old.then_some(jobs))
    }

    /// What the last migrate applied, the last one first. Nothing is changed.
    ///
    /// # Errors
    /// One has no file beside it that undoes it; or the database can't be read.
    pub(crate) fn last_batch(&self, folder: &Path) -> Result<Vec<Undo>> {
        let files = files(folder).unwrap_or_default();
        let rows = self.connect_to_migrate(&files.iter().collect::<Vec<_>>())?.query("last_batch", &[])?;
        let mut names: Vec<_> = rows.iter().map(|row| row.text(0)).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        let undo = |name: String| {
            let file = folder.join(format!("{name}{DOWN}"));
            let sql = std::fs::read_to_string(&file).map_err(|cause| {
                unreadable(&file, &cause)
                    .context(format!("cannot roll back {name}"))
                    .with_help("write the SQL there that undoes it; nothing was changed")
            })?;
            Ok(Undo { name, sql })
        };
        names.into_iter().map(undo).collect()
    }

    /// Undoes these, each in a transaction, and tells each. Of two at once one waits.
    ///
    /// # Errors
    /// A statement failed: that migration is still applied, and what was undone before it is not.
    pub(crate) fn roll_back(&self, batch: &[Undo], mut tell: impl FnMut(&str)) -> Result<()> {
        let mut adapter = self.connect_to_migrate(&[])?;
        for Undo { name, sql } in batch {
            let undone = schema_transaction(&mut *adapter, |adapter| {
                // Another process may have, while this one waited for the lock.
                let there = applied(adapter)?.contains(name);
                if there {
                    adapter.run_script(sql)?;
                    adapter.execute("forget_migration", &[Value::from(&**name)])?;
                }
                Ok(there)
            });
            if undone.map_err(|error| error.context(format!("cannot roll back {name}")))? {
                tell(name);
            }
        }
        Ok(())
    }

    /// How many jobs these would remove along with their table.
    ///
    /// # Errors
    /// The database can't be read.
    pub(crate) fn jobs_lost_by(&self, batch: &[Undo]) -> Result<u64> {
        let Some(jobs) = &self.jobs else { return Ok(0) };
        let drops = |statement: &str| {
            table_of(statement, "DROP").is_some_and(|dropped| dropped.eq_ignore_ascii_case(jobs))
        };
        if !batch.iter().any(|undo| statements(&undo.sql).into_iter().any(drops)) {
            return Ok(0);
        }
        // Whatever its version is.
        let sizes = match self.connect(Open::Existing)?.query("size", &[list::<&str>(&[])]) {
            // Somebody has dropped the table already.
            Err(error) if error.is_schema() => return Ok(0),
            sizes => sizes?,
        };
        let sizes = sizes.iter().map(Row::size);
        Ok(sizes.flat_map(|size| [size.waiting, size.delayed, size.running]).flatten().sum())
    }

    /// Connects, and makes the table of what was applied when there is none. `files` are those that the first
    /// version may have applied.
    fn connect_to_migrate(&self, files: &[&File]) -> Result<Box<dyn Adapter>> {
        let mut adapter = self.connect(Open::Migrate)?;
        let is_there = |adapter: &mut dyn Adapter| match adapter.query("check_migrations", &[]) {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error.context("the table craft_migrations is not ours")),
        };
        if is_there(&mut *adapter)? {
            return Ok(adapter);
        }
        schema_transaction(&mut *adapter, |adapter| {
            // Another process may have made it, while this one waited for the lock.
            if is_there(adapter)? {
                return Ok(());
            }
            adapter.run_script(self.statements.get("create_migrations"))?;
            old::take_over(adapter, files)
        })?;
        Ok(adapter)
    }

    /// Applies one file, unless another process has while this one waited for the lock.
    fn apply(&self, adapter: &mut dyn Adapter, file: &File, batch: i64) -> Result<Option<Migrated>> {
        let noted = applied(adapter)?.contains(&file.name);
        let parts = self.parts(file);
        let missing = self.missing(adapter, file)?;
        if noted && missing.is_empty() {
            return Ok(None);
        }
        if !noted {
            self.check_fit(adapter, &parts)?;
        }
        let is_done = self.upgrades(file) && matches!(self.jobs_version(adapter)?, JobsVersion::Today);
        if is_done {
            // By another way than this file.
        } else if parts.is_empty() || missing.len() == parts.len() {
            adapter.run_script(&file.sql)?;
        } else {
            for create in &missing {
                adapter.run_script(self.statements.get(create))?;
            }
        }
        let now = self.zone.format(Timestamp::now());
        if noted {
            adapter.execute("forget_migration", &[Value::from(&*file.name)])?;
        }
        adapter.execute("note_migration", &[Value::from(&*file.name), batch.into(), Value::from(&*now)])?;
        Ok(Some(match (noted, missing.is_empty()) {
            (true, _) => Migrated::Again,
            (false, true) if is_done || !parts.is_empty() => Migrated::Noted,
            (false, _) => Migrated::Applied,
        }))
    }

    /// The parts of our tables that a file makes.
    fn parts(&self, file: &File) -> Vec<(&'static str, &'static str)> {
        self.makes(file).into_iter().flat_map(|table| table.parts().iter().copied()).collect()
    }

    /// Which of them are not there: how they are made. One that is there and does not fit is not missing.
    fn missing(&self, adapter: &mut dyn Adapter, file: &File) -> Result<Vec<&'static str>> {
        let mut missing = Vec::new();
        for (check, create) in self.parts(file) {
            match adapter.query(check, &[]) {
                Err(error) if is_missing(&error) => missing.push(create),
                Err(error) if !error.is_schema() => return Err(error),
                _ => {}
            }
        }
        Ok(missing)
    }

    /// Fails for a table that is there and is not ours, or is of a newer version.
    fn check_fit(&self, adapter: &mut dyn Adapter, parts: &[(&'static str, &'static str)]) -> Result<()> {
        for (check, _) in parts {
            match adapter.query(check, &[]) {
                Err(_) if *check == "check_jobs" => match self.jobs_version(adapter)? {
                    JobsVersion::None(error) if is_missing(&error) => {}
                    JobsVersion::Old => {}
                    _ => self.check_jobs(adapter)?,
                },
                Err(error) if error.is_schema() && is_about_a_column(&error) => {
                    return Err(self.explain_missing(error, check));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn applied(adapter: &mut dyn Adapter) -> Result<BTreeSet<String>> {
    let rows = adapter.query("list_migrations", &[])?;
    Ok(rows.iter().map(|row| row.text(0)).collect())
}
