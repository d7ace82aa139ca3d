//! Migrations: SQL files of a folder, applied once each, in the order of their names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::adapter::{Adapter, Value, schema_transaction};
use super::{Database, Open};
use crate::driver::{Backend, Bell};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// How the name of a file ends that undoes the migration of the same name.
pub(crate) const DOWN: &str = ".down.sql";

/// A table of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Jobs,
    Failed,
}

/// A migration file, and whether it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    pub(crate) name: String,
    pub(crate) applied: bool,
}

/// A migration of the last batch, and the SQL that undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undo {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl Database {
    /// The SQL that makes a table, under its configured name, and the SQL that removes it; `None` when there
    /// shall be none.
    pub(crate) fn creation(&self, table: Table) -> Option<(String, String)> {
        let sql = |name| self.statements.get(name);
        match table {
            Table::Jobs => self.jobs.as_ref().map(|_| {
                (format!("{}\n{}", sql("create_jobs"), sql("create_signals")), sql("drop_jobs").to_owned())
            }),
            Table::Failed => self
                .failed
                .as_ref()
                .map(|_| (sql("create_failed_jobs").to_owned(), sql("drop_failed_jobs").to_owned())),
        }
    }

    /// The migrations of a folder, in order.
    ///
    /// # Errors
    /// The folder or the database can't be read.
    pub(crate) fn migrations(&self, folder: &Path) -> Result<Vec<Migration>> {
        let files = files(folder)?;
        let applied = applied(&mut *self.connect_to_migrate()?)?;
        Ok(files
            .iter()
            .map(|file| name(file))
            .map(|name| Migration { applied: applied.contains(&name), name })
            .collect())
    }

    /// Applies what is pending, each file in a transaction, and tells each. Of two at once one waits.
    ///
    /// # Errors
    /// A file can't be read, or one of its statements failed: nothing of that file was applied, and what
    /// came before it was.
    pub(crate) fn migrate(&self, folder: &Path, mut tell: impl FnMut(&str)) -> Result<usize> {
        let files = files(folder)?;
        let mut adapter = self.connect_to_migrate()?;
        let batch = adapter.query("next_batch", &[])?.first().and_then(|row| row.number(0)).unwrap_or(1);
        let mut count = 0;
        for file in files {
            let name = name(&file);
            let sql = std::fs::read_to_string(&file).map_err(|cause| unreadable(&file, &cause))?;
            let ran = schema_transaction(&mut *adapter, |adapter| self.apply(adapter, &name, &sql, batch))
                .map_err(|error| error.context(format!("cannot apply {}", file.display())))?;
            if ran {
                count += 1;
                tell(&name);
            }
        }
        Ok(count)
    }

    /// What the last migrate applied, the last one first. Nothing is changed.
    ///
    /// # Errors
    /// One has no file beside it that undoes it; or the database can't be read.
    pub(crate) fn last_batch(&self, folder: &Path) -> Result<Vec<Undo>> {
        let rows = self.connect_to_migrate()?.query("last_batch", &[])?;
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
        let mut adapter = self.connect_to_migrate()?;
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
        let dropped = format!("DROP TABLE {}", self.jobs.as_deref().unwrap_or("jobs"));
        let drops = |undo: &Undo| undo.sql.lines().any(|line| line.trim_end_matches(';') == dropped);
        if !batch.iter().any(drops) {
            return Ok(0);
        }
        let sizes = match self.open(Bell::silent()).and_then(|mut jobs| jobs.size(&[])) {
            // Somebody has dropped the table already.
            Err(error) if error.is_schema() => return Ok(0),
            sizes => sizes?,
        };
        Ok(sizes.iter().flat_map(|size| [size.waiting, size.delayed, size.running]).flatten().sum())
    }

    fn connect_to_migrate(&self) -> Result<Box<dyn Adapter>> {
        let mut adapter = self.connect(Open::Create)?;
        let create = self.statements.get("create_migrations");
        schema_transaction(&mut *adapter, |adapter| adapter.run_script(create))?;
        Ok(adapter)
    }

    /// Applies one file, unless another process has while this one waited for the lock.
    fn apply(&self, adapter: &mut dyn Adapter, name: &str, sql: &str, batch: i64) -> Result<bool> {
        if applied(adapter)?.contains(name) {
            return Ok(false);
        }
        adapter.run_script(sql)?;
        let now = self.zone.format(Timestamp::now());
        adapter.execute("note_migration", &[Value::from(name), batch.into(), Value::from(&*now)])?;
        Ok(true)
    }
}

fn applied(adapter: &mut dyn Adapter) -> Result<BTreeSet<String>> {
    let rows = adapter.query("list_migrations", &[])?;
    Ok(rows.iter().map(|row| row.text(0)).collect())
}

/// The SQL files of a folder, in the order of their names, without those that undo another.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|cause| {
        unreadable(folder, &cause).with_help("craft queue:table makes the folder and the first file")
    })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".sql") && !name.ends_with(DOWN)
    });
    files.sort();
    Ok(files)
}

fn name(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::not_found(format!("cannot read {}", path.display())).because(cause)
}
