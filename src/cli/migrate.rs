//! The migrations: `migrate`, `migrate:rollback`, `migrate:status`.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};

use super::arguments::{connection, force, option, switch, text};
use super::exit::Exit;
use super::invocation::Invocation;
use super::migration_targets::{database, states, targets};
use super::print;
use super::progress::Progress;
use crate::config::Config;
use crate::driver::database::{File, Migrated, State, files};
use crate::error::Result;

const FOLDER: &str = "databases/migrations";

pub(super) fn directory() -> Arg {
    option(
        "directory",
        "DIR",
        "The folder of the migrations [default: databases/migrations, beside queue.toml]",
    )
}

/// The folder that was named, else the usual one beside queue.toml.
pub(super) fn folder(config: &Config, matches: &ArgMatches) -> PathBuf {
    text(matches, "directory").map_or_else(|| config.folder().join(FOLDER), PathBuf::from)
}

pub(super) fn migrate_command() -> Command {
    Command::new("migrate")
        .about("Apply the migrations that are pending")
        .arg(connection())
        .arg(directory())
        .arg(switch("dry-run", "Say what is pending, and do nothing"))
        .after_long_help(
            "Examples:\n  \
             craft migrate --dry-run\n  \
             craft migrate --connection mysql\n\n\
             A file is for every database, unless it begins with a line that says which:\n  \
             -- craft-queue: postgres\n  \
             -- craft-queue: mysql, connection archive\n\
             Others are skipped. queue:table and queue:failed write that line.",
        )
}

pub(super) fn migrate(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    let folder = folder(&config, matches);
    if !matches.get_flag("dry-run") {
        apply(&config, &folder)?;
        return Ok(Exit::Fine);
    }
    let files = files(&folder)?;
    let targets = targets(&config)?;
    let mut pending = false;
    for (name, state) in states(&targets, &files)? {
        let again = match state {
            State::Applied => continue,
            State::Pending => "",
            State::Gone => " again: its tables are gone",
        };
        pending = true;
        print::line(format!("Would apply {name}{again}"));
    }
    for target in &targets {
        if let Some(table) = target.database.old_jobs_table()? {
            pending = true;
            print::line(format!("Would upgrade table \"{table}\""));
        }
    }
    if !pending {
        print::line("Nothing to migrate.");
    }
    Ok(Exit::Fine)
}

pub(super) fn rollback_command() -> Command {
    Command::new("migrate:rollback")
        .about("Undo what the last migrate applied")
        .arg(connection())
        .arg(directory())
        .arg(switch("dry-run", "Say what would be undone, and do nothing"))
        .arg(force())
        .after_long_help(
            "Examples:\n  \
             craft migrate:rollback --dry-run\n  \
             craft migrate:rollback --force\n\n\
             2026_01_31_120000_shop.sql is undone by the SQL in 2026_01_31_120000_shop.down.sql, which is\n\
             beside it; queue:table and queue:failed write both. The last one is undone first.\n\
             Only one database is rolled back: that of the jobs, or that of --connection.",
        )
}

pub(super) fn rollback(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    let database = database(&config)?;
    let batch = database.last_batch(&folder(&config, matches))?;
    let names: Vec<_> = batch.iter().map(|undo| &*undo.name).collect();
    if names.is_empty() {
        print::line("Nothing to roll back.");
        return Ok(Exit::Fine);
    }
    if matches.get_flag("dry-run") {
        names.iter().for_each(|name| print::line(format!("Would roll back {name}")));
        return Ok(Exit::Fine);
    }
    let lost = match database.jobs_lost_by(&batch)? {
        0 => String::new(),
        jobs => format!(" {jobs} job(s) that wait or run are lost."),
    };
    print::confirm(&format!("Roll back {}?{lost}", names.join(", ")), matches.get_flag("force"))?;
    database.roll_back(&batch, |name| print::line(format!("Rolled back {name}")))?;
    Ok(Exit::Fine)
}

pub(super) fn status_command() -> Command {
    Command::new("migrate:status")
        .about("Show which migrations are applied")
        .arg(connection())
        .arg(directory())
}

pub(super) fn status(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    let files = files(&folder(&config, matches))?;
    let states = states(&targets(&config)?, &files)?;
    for file in &files {
        match states.get(&file.name) {
            Some(State::Applied) => print::line(format!("  applied   {}", file.name)),
            Some(State::Pending) => print::line(format!("  pending   {}", file.name)),
            Some(State::Gone) => print::line(format!("  gone      {}   its tables were removed", file.name)),
            None => print::line(format!("  skipped   {}   it is for {}", file.name, file.purpose())),
        }
    }
    Ok(Exit::Fine)
}

pub(super) fn apply(config: &Config, folder: &Path) -> Result<()> {
    let files = files(folder)?;
    let targets = targets(config)?;
    let mut count = 0;
    let mut progress = Progress::new("Applying the migrations", None, false);
    for target in &targets {
        count += target.database.migrate(&target.own(&files), |name, told| {
            print::line(match told {
                Migrated::Applied => format!("Applied {name}"),
                Migrated::Again => format!("Applied {name} again: its tables were gone"),
                Migrated::Noted => format!("Noted {name}: its tables exist"),
                Migrated::Upgraded => format!("Upgraded table \"{name}\""),
            });
            progress.add(1);
        })?;
    }
    let is_for_none = |file: &&File| !targets.iter().any(|target| target.database.takes(file, target.main));
    for file in files.iter().filter(is_for_none) {
        print::line(format!("Skipped {}: it is for {}", file.name, file.purpose()));
    }
    if count == 0 {
        print::line("Nothing to migrate.");
    }
    Ok(())
}
