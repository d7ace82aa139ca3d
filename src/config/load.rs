//! Finds queue.toml.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Config;
use super::environment::{self, Environment};
use super::file::{self, FromFile};
use super::source::Document;
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
    complete(FromFile { config: Config::default(), takes_database_url: None }, environment)
}

/// The configuration of a file that was named.
pub(super) fn load_from(path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    parse_at(text, path, environment)
}

/// As [`parse`], with the paths of jobs made absolute: they must not depend on where a job runs.
fn parse_at(text: String, path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::path::absolute(folder)
        .map_err(|error| Error::config("cannot find the current folder").because(&error))?;
    parse_in(text, path, &folder, environment)
}

/// The configuration of a text, as if it stood in the file `path`.
pub(super) fn parse(text: String, path: &Path, environment: &Environment<'_>) -> Result<Config> {
    parse_in(text, path, path.parent().unwrap_or(Path::new("")), environment)
}

fn parse_in(text: String, path: &Path, folder: &Path, environment: &Environment<'_>) -> Result<Config> {
    // As people write it in messages.
    let path = path.strip_prefix(".").unwrap_or(path);
    let document = Document { path: path.to_owned(), text };
    complete(file::read(document, folder, environment)?, environment)
}

fn complete(from_file: FromFile, environment: &Environment<'_>) -> Result<Config> {
    let FromFile { mut config, takes_database_url } = from_file;
    environment::apply(&mut config, environment, takes_database_url.as_deref())?;
    let shown = config.shown();
    config.origins.seal(shown);
    config.check()?;
    Ok(config)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("cannot read {}", path.display())).because(error)
}
