//! Migrations: SQL files of a folder, applied once each, in the order of their names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::adapter::{Adapter, Value};
use super::{Database, Open};
use crate::error::{Error, Result};
use crate::time::Timestamp;

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

impl Database {
    /// The SQL that makes a table, under its configured name; `None` when there shall be none.
    pub(crate) fn creation(&self, table: Table) -> Option<String> {
        let (configured, statement) = match table {
            Table::Jobs => (&self.jobs, "create_jobs"),
            Table::Failed => (&self.failed, "create_failed_jobs"),
        };
        configured.as_ref().map(|_| self.statements.get(statement).to_owned())
    }

    /// The migrations of a folder, in order.
    ///
    /// # Errors
    /// The folder or the database can't be read.
    pub(crate) fn migrations(&self, folder: &Path) -> Result<Vec<Migration>> {
        let files = files(folder)?;
        let mut adapter = self.connect(Open::Create)?;
        self.create_migrations(&mut *adapter)?;
        let applied = applied(&mut *adapter)?;
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
        let mut adapter = self.connect(Open::Create)?;
        self.create_migrations(&mut *adapter)?;
        let mut count = 0;
        for file in files {
            let name = name(&file);
            let sql = std::fs::read_to_string(&file).map_err(|cause| unreadable(&file, &cause))?;
            adapter.begin_schema()?;
            let ran = self.apply(&mut *adapter, &name, &sql);
            match ran.and_then(|ran| adapter.commit().map(|()| ran)) {
                Ok(true) => {
                    count += 1;
                    tell(&name);
                }
                Ok(false) => {}
                Err(error) => {
                    adapter.rollback();
                    return Err(error.context(format!("cannot apply {}", file.display())));
                }
            }
        }
        Ok(count)
    }

    fn create_migrations(&self, adapter: &mut dyn Adapter) -> Result<()> {
        adapter.begin_schema()?;
        let made = adapter.run_script(self.statements.get("create_migrations"));
        made.and_then(|()| adapter.commit()).inspect_err(|_| adapter.rollback())
    }

    /// Applies one file, unless another process has while this one waited for the lock.
    fn apply(&self, adapter: &mut dyn Adapter, name: &str, sql: &str) -> Result<bool> {
        if applied(adapter)?.contains(name) {
            return Ok(false);
        }
        adapter.run_script(sql)?;
        let now = self.zone.format(Timestamp::now());
        adapter.execute("note_migration", &[Value::from(name), Value::from(&*now)])?;
        Ok(true)
    }
}

fn applied(adapter: &mut dyn Adapter) -> Result<BTreeSet<String>> {
    let rows = adapter.query("list_migrations", &[])?;
    Ok(rows.iter().map(|row| row.text(0)).collect())
}

/// The SQL files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|cause| {
        unreadable(folder, &cause).with_help("craft queue:table makes the folder and the first file")
    })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    Ok(files)
}

fn name(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::not_found(format!("cannot read {}", path.display())).because(cause)
}
