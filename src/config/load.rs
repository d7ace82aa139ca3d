//! Finds queue.toml.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Config;
use super::environment::{self, Environment};
use super::file::{self, FromFile};
use super::provenance::Document;
use crate::error::{Error, Result};

/// Where a queue.toml is looked for when none is named.
const PLACES: [&str; 2] = ["queue.toml", "config/queue.toml"];

/// The configuration of a program that runs in `folder`.
pub(super) fn load(folder: &Path, environment: &Environment<'_>) -> Result<Config> {
    if let Some(path) = (environment.0)("CRAFT_CONFIG").filter(|path| !path.is_empty()) {
        let path = Path::new(&path);
        let text = fs::read_to_string(path).map_err(|error| {
            unreadable(path, &error).with_help("the variable CRAFT_CONFIG names this file")
        })?;
        return parse_at(text, path, environment);
    }
    for place in PLACES {
        match fs::read_to_string(folder.join(place)) {
            Ok(text) => return parse_at(text, &folder.join(place), environment),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(unreadable(&folder.join(place), &error)),
        }
    }
    let config = Config::default();
    complete(FromFile { config, takes_database_url: None }, environment)
}

/// The configuration of a file that was named.
pub(super) fn load_from(path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    parse_at(text, path, environment)
}

/// As [`parse`], with the paths of jobs made absolute: they must not depend on where a job runs. Those of
/// databases and the like are as people write them, when the file lies in the working folder.
fn parse_at(text: String, path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let of_jobs = match folder.as_os_str().is_empty() {
        true => std::path::absolute("."),
        false => std::path::absolute(folder),
    };
    let of_jobs = of_jobs.map_err(|error| Error::config("cannot find the current folder").because(&error))?;
    let is_working_folder = folder.as_os_str().is_empty() || folder == Path::new(".");
    let others = if is_working_folder { PathBuf::new() } else { of_jobs.clone() };
    parse_in(text, path, Folders { of_jobs: &of_jobs, others: &others }, environment)
}

/// Where relative paths of a file start: both are the folder of that file.
#[derive(Clone, Copy)]
pub(super) struct Folders<'a> {
    pub(super) of_jobs: &'a Path,
    /// Of databases, certificates, migrations.
    pub(super) others: &'a Path,
}

/// The configuration of a text, as if it stood in the file `path`.
pub(super) fn parse(text: String, path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let folder = path.parent().filter(|folder| *folder != Path::new(".")).unwrap_or(Path::new(""));
    parse_in(text, path, Folders { of_jobs: folder, others: folder }, environment)
}

fn parse_in(
    text: String,
    path: &Path,
    folders: Folders<'_>,
    environment: &Environment<'_>,
) -> Result<Config> {
    // As people write it in messages.
    let path = path.strip_prefix(".").unwrap_or(path);
    let document = Document { path: path.to_owned(), text };
    complete(file::read(document, folders, environment)?, environment)
}

fn complete(from_file: FromFile, environment: &Environment<'_>) -> Result<Config> {
    let FromFile { mut config, takes_database_url } = from_file;
    environment::apply(&mut config, environment, takes_database_url.as_deref())?;
    let shown = config.shown();
    config.origins.seal(shown);
    // Whether a driver can be used that a flag may still choose is asked when it is used.
    config.check_values()?;
    Ok(config)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("cannot read {}", path.display())).because(error)
}
