//! Finds queue.toml.

mod document;

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use self::document::{Folders, FromFile};
use super::diagnostics::provenance::Document;
use super::env::{self, interpolate::Environment};
use super::model::Config;
use crate::error::{Error, Result};

impl Config {
    /// Reads the file that `CRAFT_CONFIG` names, else `queue.toml`, else `config/queue.toml`, else none;
    /// then applies the environment: `CRAFT_DRIVER`, `CRAFT_QUEUE`, `CRAFT_CONNECTION`, `CRAFT_POLL`,
    /// `CRAFT_ATTEMPTS`, `CRAFT_WORKERS`, `DATABASE_URL` and `AMQP_URL`. A variable that is set to
    /// nothing counts as not set.
    ///
    /// A relative path in the file starts at the folder of the file: an SQLite database, a certificate, the
    /// program of a job.
    ///
    /// `CRAFT_QUEUE`, `_POLL`, `_ATTEMPTS` and `_WORKERS` hold for every driver, `CRAFT_CONNECTION` for
    /// the database driver. `DATABASE_URL` takes the place of the connection that the file gives to the
    /// database driver, unless a connection of the file takes `${DATABASE_URL}` itself.
    ///
    /// # Errors
    /// A file that is named can't be read, or a value is wrong; the message shows the file, the line and
    /// what was expected. [`Error::is_config`] is true for all of them.
    pub fn load() -> Result<Self> {
        load(Path::new(""), &Environment(&|name| std::env::var_os(name)))
    }

    /// As [`Config::load`], from this file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(path: impl AsRef<Path>) -> Result<Self> {
        load_from(path.as_ref(), &Environment(&|name| std::env::var_os(name)))
    }

    /// As [`Config::load`], from a text and an environment. `file_name` is where the text stands: it is
    /// shown in messages, and relative paths start at its folder.
    ///
    /// ```
    /// use craft_queue::Config;
    ///
    /// let text = "[amqp]\nhost = \"${BROKER:-localhost}\"";
    /// let config = Config::parse(text, "queue.toml", |_| None)?;
    /// assert_eq!(config.amqp.host, "localhost");
    /// # Ok::<(), craft_queue::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        file_name: impl AsRef<Path>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        parse(text.to_owned(), file_name.as_ref(), &Environment(&environment))
    }
}

/// The paths of queue.toml when none is named.
const PLACES: [&str; 2] = ["queue.toml", "config/queue.toml"];

/// The configuration of a program that runs in `folder`.
pub(crate) fn load(folder: &Path, environment: &Environment<'_>) -> Result<Config> {
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
pub(crate) fn load_from(path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    parse_at(text, path, environment)
}

/// As [`parse`], with the paths of jobs made absolute: they must not depend on where a job runs. Those of
/// databases and the like are as people write them, when the file is in the working folder.
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

/// The configuration of a text, as if it stood in the file `path`.
pub(crate) fn parse(text: String, path: &Path, environment: &Environment<'_>) -> Result<Config> {
    let folder = path.parent().filter(|folder| *folder != Path::new(".")).unwrap_or(Path::new(""));
    parse_in(text, path, Folders { of_jobs: folder, others: folder }, environment)
}

fn parse_in(
    text: String,
    path: &Path,
    folders: Folders<'_>,
    environment: &Environment<'_>,
) -> Result<Config> {
    // Messages show the path without a leading "./".
    let path = path.strip_prefix(".").unwrap_or(path);
    let document = Document { path: path.to_owned(), text };
    complete(document::read(document, folders, environment)?, environment)
}

fn complete(from_file: FromFile, environment: &Environment<'_>) -> Result<Config> {
    let FromFile { mut config, takes_database_url } = from_file;
    env::apply(&mut config, environment, takes_database_url.as_deref())?;
    let shown = config.shown();
    config.origins.seal(shown);
    // A flag may still choose another driver, so the default one is checked when it is used.
    config.check_values()?;
    Ok(config)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::config(format!("cannot read {}", path.display())).because(error)
}
