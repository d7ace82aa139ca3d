//! The tables: `queue:table`, `queue:failed`, `queue:install`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};

use super::arguments::connection;
use super::exit::{Exit, usage};
use super::invocation::Invocation;
use super::migrate::{apply, directory, folder};
use super::migration_targets::{Target, targets};
use super::{identity, print};
use crate::config::{Config, DriverKind};
use crate::driver::database::{DOWN, Table, files};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Everywhere else `-d` is the driver. Here it is the folder, as in Masonite, and is not advertised.
fn directory_with_d() -> Arg {
    directory().short_alias('d')
}

/// # Errors
/// The folder has a driver's name: `-d database` most likely means the driver.
fn checked_folder(config: &Config, matches: &ArgMatches) -> Result<PathBuf> {
    let folder = folder(config, matches);
    match folder.to_str() {
        Some(name) if DriverKind::of(name) != DriverKind::Custom => Err(usage(format!(
            "\"{name}\" is a driver, and this command is about a folder: its -d is --directory"
        ))
        .with_help(format!(
            "leave it out; CRAFT_DRIVER={name} chooses the driver, and ./{name} is a folder"
        ))),
        _ => Ok(folder),
    }
}

pub(super) fn table_command() -> Command {
    Command::new("queue:table")
        .about("Write the migration for the table of jobs")
        .arg(directory_with_d())
        .arg(connection())
}

pub(super) fn table(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    write(&config, Table::Jobs, &checked_folder(&config, matches)?)?;
    Ok(Exit::Fine)
}

pub(super) fn failed_command() -> Command {
    Command::new("queue:failed")
        .about("Write the migration for the table of failed jobs")
        .arg(directory_with_d())
        .arg(connection())
}

pub(super) fn failed(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    write(&config, Table::Failed, &checked_folder(&config, matches)?)?;
    print::line(identity::named("craft queue:failed-list shows the failed jobs, once there are any."));
    Ok(Exit::Fine)
}

pub(super) fn install_command() -> Command {
    Command::new("queue:install")
        .about("Do queue:table, queue:failed and migrate in one go")
        .arg(directory_with_d())
        .arg(connection())
}

pub(super) fn install(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let config = invocation.config(matches)?;
    let folder = checked_folder(&config, matches)?;
    if config.default_kind() != DriverKind::Amqp {
        write(&config, Table::Jobs, &folder)?;
    }
    if config.failed_place(&config.default).is_some() {
        write(&config, Table::Failed, &folder)?;
    }
    apply(&config, &folder)?;
    Ok(Exit::Fine)
}

/// Writes a migration, unless there is one that makes the same table; beside one that makes the table of jobs as an older
/// version did, the one that upgrades it.
fn write(config: &Config, table: Table, folder: &Path) -> Result<()> {
    if config.default_kind() == DriverKind::Amqp && table == Table::Jobs {
        return Err(Error::config("driver \"amqp\" needs no table of jobs: they wait in RabbitMQ")
            .with_help("craft queue:failed makes the table of its failed jobs"));
    }
    let targets = targets(config)?;
    let creation = |target: &Target| target.database.creation(table, target.main);
    // The failed jobs of a driver may have a connection of their own, which is the last one then.
    let Some((target, (sql, undo))) =
        targets.iter().rev().find_map(|target| Some((target, creation(target)?)))
    else {
        return Err(Error::config("failed_table = false keeps no failed jobs, so there is no table to make")
            .with_help("set failed_table = \"failed_jobs\" in queue.toml"));
    };
    std::fs::create_dir_all(folder)
        .map_err(|cause| Error::other(format!("cannot make {}", folder.display())).because(&cause))?;
    let database = &target.database;
    let mut now = Timestamp::now();
    loop {
        // Asked again where another process was writing the same.
        let files: Vec<_> =
            files(folder)?.into_iter().filter(|file| database.takes(file, target.main)).collect();
        let there = files.iter().find(|file| database.makes(file).contains(&table));
        let (title, sql, undo) = match there {
            Some(file) if database.makes_old(file) && !files.iter().any(|file| database.upgrades(file)) => {
                database.upgrade(target.main)
            }
            Some(file) => {
                print::line(format!("{} exists already.", file.path.display()));
                return Ok(());
            }
            None => (database.title(table), sql.clone(), undo.clone()),
        };
        let stamp = config.database.settings.tz.format_stamp(now);
        let up = folder.join(format!("{stamp}_{title}.sql"));
        let down = folder.join(format!("{stamp}_{title}{DOWN}"));
        // The one that undoes comes first: what can be applied can be rolled back.
        if create(&down, &undo)? && create(&up, &sql)? {
            print::line(format!("Wrote {}", down.display()));
            print::line(format!("Wrote {}", up.display()));
            return Ok(());
        }
        now = now.plus(Duration::from_secs(1));
    }
}

/// Writes a file as a whole; false when there is one of that name.
fn create(path: &Path, text: &str) -> Result<bool> {
    let wrong = |cause| Error::other(format!("cannot write {}", path.display())).because(&cause);
    let mut file = match File::create_new(path) {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Ok(false),
        file => file.map_err(wrong)?,
    };
    file.write_all(text.as_bytes()).map_err(wrong)?;
    Ok(true)
}
