//! The migrations: `migrate`, `migrate:rollback`, `migrate:status`.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};

use super::app::App;
use super::arguments::{connection, force, option, switch, text};
use super::{Exit, print};
use crate::config::Config;
use crate::driver::database::Database;
use crate::error::Result;

const FOLDER: &str = "databases/migrations";

pub(super) fn directory() -> Arg {
    option("directory", "DIR", "The folder of the migrations [default: databases/migrations]")
}

pub(super) fn folder(matches: &ArgMatches) -> PathBuf {
    text(matches, "directory").unwrap_or(FOLDER).into()
}

pub(super) fn migrate_command() -> Command {
    Command::new("migrate")
        .about("Apply the migrations that are pending")
        .arg(connection())
        .arg(directory())
        .arg(switch("dry-run", "Say what is pending, and do nothing"))
}

pub(super) fn migrate(app: App, matches: &ArgMatches) -> Result<Exit> {
    let config = app.config(matches)?;
    let folder = folder(matches);
    if !matches.get_flag("dry-run") {
        apply(&config, &folder)?;
        return Ok(Exit::Fine);
    }
    let pending: Vec<_> =
        database(&config)?.migrations(&folder)?.into_iter().filter(|migration| !migration.applied).collect();
    match pending.is_empty() {
        true => print::line("Nothing to migrate."),
        false => pending.iter().for_each(|migration| print::line(format!("Would apply {}", migration.name))),
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
             2026_01_31_120000_shop.sql is undone by the SQL in 2026_01_31_120000_shop.down.sql, which stands\n\
             beside it; queue:table and queue:failed write both. The last one is undone first.",
        )
}

pub(super) fn rollback(app: App, matches: &ArgMatches) -> Result<Exit> {
    let database = database(&app.config(matches)?)?;
    let batch = database.last_batch(&folder(matches))?;
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

pub(super) fn status(app: App, matches: &ArgMatches) -> Result<Exit> {
    let config = app.config(matches)?;
    for migration in database(&config)?.migrations(&folder(matches))? {
        let state = if migration.applied { "applied" } else { "pending" };
        print::line(format!("  {state}   {}", migration.name));
    }
    Ok(Exit::Fine)
}

/// The database whose tables are made: the driver's. The amqp driver has one for its failed jobs only.
pub(super) fn database(config: &Config) -> Result<Database> {
    match config.failed_place("amqp") {
        Some((connection, table)) if config.default == "amqp" => {
            Database::of_failed(config, connection, table)
        }
        _ => Database::of_jobs(config, &config.database.connection),
    }
}

pub(super) fn apply(config: &Config, folder: &Path) -> Result<()> {
    let count = database(config)?.migrate(folder, |name| print::line(format!("Applied {name}")))?;
    if count == 0 {
        print::line("Nothing to migrate.");
    }
    Ok(())
}
