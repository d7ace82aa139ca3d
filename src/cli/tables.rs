//! The tables: `queue:table`, `queue:failed`, `queue:install`.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

use super::app::App;
use super::arguments::connection;
use super::migrate::{apply, database, directory, folder};
use super::{Exit, print};
use crate::config::Config;
use crate::driver::database::{DOWN, Database, Table};
use crate::error::{Error, Result};
use crate::time::Timestamp;

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
    let Some((sql, undo)) = database.creation(table) else {
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
    let up = folder.join(format!("{stamp}_{ending}"));
    let down = folder.join(format!("{stamp}_{}{DOWN}", ending.trim_end_matches(".sql")));
    // The one that undoes comes first: what can be applied can be rolled back.
    for (file, sql) in [(down, undo), (up, sql)] {
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, sql))
            .map_err(|cause| Error::other(format!("cannot write {}", file.display())).because(&cause))?;
        print::line(format!("Wrote {}", file.display()));
    }
    Ok(())
}

fn find_equal(folder: &Path, ending: &str, sql: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    files
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .find(|path| std::fs::read_to_string(path).is_ok_and(|text| text == sql))
}
