//! The tables: `queue:table`, `queue:failed`, `queue:install`, `migrate`, `migrate:status`.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

use super::app::App;
use super::arguments::{connection, option, switch, text};
use super::{Exit, print};
use crate::config::Config;
use crate::driver::database::{Database, Table};
use crate::error::{Error, Result};
use crate::time::Timestamp;

const FOLDER: &str = "databases/migrations";

fn directory() -> clap::Arg {
    option("directory", "DIR", "The folder of the migrations [default: databases/migrations]")
}

fn folder(matches: &ArgMatches) -> PathBuf {
    text(matches, "directory").unwrap_or(FOLDER).into()
}

pub(super) fn table_command() -> Command {
    Command::new("queue:table")
        .about("Write the migration for the table of jobs")
        .arg(directory().short('d'))
        .arg(connection())
}

pub(super) fn table(app: App, matches: &ArgMatches) -> Result<Exit> {
    let config = app.config(matches)?;
    write(&config, Table::Jobs, &folder(matches))?;
    Ok(Exit::Fine)
}

pub(super) fn failed_command() -> Command {
    Command::new("queue:failed")
        .about("Write the migration for the table of failed jobs")
        .arg(directory().short('d'))
        .arg(connection())
}

pub(super) fn failed(app: App, matches: &ArgMatches) -> Result<Exit> {
    let config = app.config(matches)?;
    write(&config, Table::Failed, &folder(matches))?;
    print::line("craft queue:failed-list shows the failed jobs, once there are any.");
    Ok(Exit::Fine)
}

pub(super) fn install_command() -> Command {
    Command::new("queue:install")
        .about("Do queue:table, queue:failed and migrate in one go")
        .arg(directory().short('d'))
        .arg(connection())
}

pub(super) fn install(app: App, matches: &ArgMatches) -> Result<Exit> {
    let config = app.config(matches)?;
    let folder = folder(matches);
    if config.default != "amqp" {
        write(&config, Table::Jobs, &folder)?;
    }
    if config.failed_place(&config.default).is_some() {
        write(&config, Table::Failed, &folder)?;
    }
    apply(&config, &folder)?;
    Ok(Exit::Fine)
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
fn database(config: &Config) -> Result<Database> {
    match config.failed_place("amqp") {
        Some((connection, table)) if config.default == "amqp" => {
            Database::of_failed(config, connection, table)
        }
        _ => Database::of_jobs(config, &config.database.connection),
    }
}

fn apply(config: &Config, folder: &Path) -> Result<()> {
    let count = database(config)?.migrate(folder, |name| print::line(format!("Applied {name}")))?;
    if count == 0 {
        print::line("Nothing to migrate.");
    }
    Ok(())
}

/// Writes a migration, unless an equal one is there.
fn write(config: &Config, table: Table, folder: &Path) -> Result<()> {
    let database = match (table, &config.database.settings.failed_connection) {
        (Table::Failed, Some(connection)) => {
            let name = config.database.settings.failed_table.as_deref().unwrap_or("failed_jobs");
            Database::of_failed(config, connection, name)?
        }
        _ => database(config)?,
    };
    if config.default == "amqp" && table == Table::Jobs {
        return Err(Error::config("driver \"amqp\" needs no table of jobs: they wait in RabbitMQ")
            .with_help("craft queue:failed makes the table of its failed jobs"));
    }
    let Some(sql) = database.creation(table) else {
        return Err(Error::config("failed_table = false keeps no failed jobs, so there is no table to make")
            .with_help("set failed_table = \"failed_jobs\" in queue.toml"));
    };
    let ending = match table {
        Table::Jobs => "create_queue_jobs_table.sql",
        Table::Failed => "create_failed_jobs_table.sql",
    };
    if let Some(equal) = find_equal(folder, ending, &sql) {
        print::line(format!("{} is there already.", equal.display()));
        return Ok(());
    }
    let stamp = config.database.settings.tz.format_stamp(Timestamp::now());
    let file = folder.join(format!("{stamp}_{ending}"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, sql))
        .map_err(|cause| Error::other(format!("cannot write {}", file.display())).because(&cause))?;
    print::line(format!("Wrote {}", file.display()));
    Ok(())
}

fn find_equal(folder: &Path, ending: &str, sql: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    files
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .find(|path| std::fs::read_to_string(path).is_ok_and(|text| text == sql))
}
