//! Which version a table of jobs has, and the way from an older one to today's.

use std::time::{Duration, Instant};

use super::Database;
use super::adapter::{Adapter, schema_transaction};
use super::open::LONG;
use super::schema_errors::is_about_a_column;
use crate::error::{Error, Result};

/// The version that this program works with. Version 1 is that of craft-queue 0.1.0.
pub(super) const VERSION: i64 = 2;

/// How long others work between two tries of an upgrade that they are in the way of.
const PAUSE: Duration = Duration::from_secs(1);

/// What a table of the name of ours is.
#[derive(Debug)]
pub(super) enum JobsVersion {
    Today,
    Old,
    New(i64),
    /// It is missing, or another program's: why.
    None(Error),
}

impl Database {
    pub(super) fn jobs_version(&self, adapter: &mut dyn Adapter) -> Result<JobsVersion> {
        let mismatch = match adapter.query("check_jobs", &[]) {
            Err(error) if !error.is_schema() => return Err(error),
            Err(error) if !is_about_a_column(&error) => return Ok(JobsVersion::None(error)),
            checked => checked.err(),
        };
        let named = adapter.query("jobs_version", &[])?.first().and_then(|row| row.number(0));
        let is_old = mismatch.is_some() && adapter.query("check_jobs_1", &[]).is_ok();
        Ok(version(named.unwrap_or(0), mismatch, is_old))
    }

    /// Checks that the table of jobs is there and of today's version.
    ///
    /// # Errors
    /// It is not, or the database can't be read.
    pub(super) fn check_jobs(&self, adapter: &mut dyn Adapter) -> Result<()> {
        let version =
            self.jobs_version(adapter).map_err(|error| self.explain_missing(error, "check_jobs"))?;
        let (found, help) = match version {
            JobsVersion::Today => return Ok(()),
            JobsVersion::None(error) => return Err(self.explain_missing(error, "check_jobs")),
            JobsVersion::Old => (
                1,
                "craft migrate upgrades it, and keeps its jobs; craft queue:table writes the SQL to look at first",
            ),
            JobsVersion::New(version) => (version, "a newer craft-queue has upgraded it: use that one"),
        };
        Err(Error::config(format!(
            "table \"{}\" of {} has version {found}, and this program works with version {VERSION}",
            self.jobs.as_deref().unwrap_or("jobs"),
            self.label
        ))
        .with_help(help))
    }

    /// Brings an old table of jobs to today's version, as a whole or not at all; says whether there was one. Of two
    /// processes at once one waits.
    ///
    /// # Errors
    /// The database can't be reached, or did not allow it.
    pub(super) fn upgrade_jobs(&self, adapter: &mut dyn Adapter) -> Result<bool> {
        if !matches!(self.jobs_version(adapter)?, JobsVersion::Old) {
            return Ok(false);
        }
        let deadline = Instant::now() + LONG;
        let upgraded = loop {
            let tried = schema_transaction(adapter, |adapter| {
                let is_old = matches!(self.jobs_version(adapter)?, JobsVersion::Old);
                if is_old {
                    self.upgrade_scripts().into_iter().try_for_each(|script| adapter.run_script(script))?;
                }
                Ok(is_old)
            });
            // A transaction that only reads, such as a dump, is in the way; workers go on until it has ended.
            // A server that still answers has not gone away.
            let was_busy = tried.as_ref().is_err_and(Error::is_unavailable);
            if !was_busy || Instant::now() >= deadline || self.jobs_version(adapter).is_err() {
                break tried;
            }
            std::thread::sleep(PAUSE);
        };
        upgraded.map_err(|error| {
            let table = self.jobs.as_deref().unwrap_or("jobs");
            error.context(format!("cannot upgrade table \"{table}\" of {}", self.label))
        })
    }

    /// The last one makes the table today's, so that an upgrade which was cut off is done again.
    pub(super) fn upgrade_scripts(&self) -> Vec<&str> {
        let failed = self.failed.as_ref().map_or("", |_| self.statements.get("upgrade_failed_jobs"));
        [failed, self.statements.get("upgrade_jobs")].into_iter().filter(|sql| !sql.is_empty()).collect()
    }
}

/// `named` is the highest version that the table names, `mismatch` how it differs from today's, and `is_old` whether it
/// has what the first version had.
fn version(named: i64, mismatch: Option<Error>, is_old: bool) -> JobsVersion {
    match mismatch {
        _ if named > VERSION => JobsVersion::New(named),
        None => JobsVersion::Today,
        Some(_) if is_old => JobsVersion::Old,
        Some(error) => JobsVersion::None(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let mismatch = || Some(Error::schema("no such column: progress"));
        let found = |named, mismatch, is_old| format!("{:?}", version(named, mismatch, is_old));
        assert_eq!(found(2, None, false), "Today");
        // A server that keeps no constraints names none.
        assert_eq!(found(0, None, false), "Today");
        assert_eq!(found(0, mismatch(), true), "Old");
        assert_eq!(found(3, None, false), "New(3)");
        assert_eq!(found(3, mismatch(), true), "New(3)");
        assert!(found(0, mismatch(), false).starts_with("None("));
    }
}
