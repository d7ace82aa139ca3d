//! Reads queue.toml.
//!
//! The document is walked key by key instead of being deserialized into structs: the list of fields that
//! sets a key from the file is then the same that sets it from the environment and from flags, and that
//! `config:check` prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::config::connection::{Connection, Parts};
use crate::config::diagnostics::provenance::{ConfigSource, Document, Origins};
use crate::config::diagnostics::{ValueError, nearest};
use crate::config::env::interpolate::Environment;
use crate::config::model::{CommandJob, Config, SECTIONS_OF_FILE};
use crate::config::schema::value::Value;
use crate::config::schema::{Field, value_types};
use crate::error::{Error, Result};
use crate::message::check_name;

/// The values of a file.
pub(super) struct FromFile {
    pub(super) config: Config,
    /// The connection whose URL is `${DATABASE_URL}`; the first of several.
    pub(super) takes_database_url: Option<String>,
}

/// Where relative paths of a file start: both are the folder of that file.
#[derive(Clone, Copy)]
pub(super) struct Folders<'a> {
    pub(super) of_jobs: &'a Path,
    /// Of databases, certificates, migrations.
    pub(super) others: &'a Path,
}

type Key<'i> = Spanned<DeString<'i>>;
type Found<'i> = Spanned<DeValue<'i>>;

/// Reads a document on top of the built-in values.
pub(super) fn read(
    document: Document,
    folders: Folders<'_>,
    environment: &Environment<'_>,
) -> Result<FromFile> {
    let document = Arc::new(document);
    let root = DeTable::parse(&document.text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        document.error_in_no_toml(error.span().unwrap_or(0..0), ValueError::new(message))
    })?;
    let origins = Origins::of(document.clone());
    let mut reader = Reader { document: &document, environment, origins, takes_database_url: None };
    let mut config = Config::default();
    for (key, value) in in_order(root.get_ref()) {
        match key.get_ref().as_ref() {
            "default" => {
                let mut field = Field::new("default", &mut config.default, value_types::NAME);
                reader.set("default", "default", &mut field, value)?;
            }
            "database" => reader.section("database", value, config.database.fields())?,
            "amqp" => {
                reader.section("amqp", value, config.amqp.fields())?;
                config.amqp.tls.resolve(folders.others);
            }
            "async" => reader.section("async", value, config.memory.fields())?,
            "dashboard" => reader.section("dashboard", value, config.dashboard.fields())?,
            "connections" => reader.connections(value, &mut config, folders.others)?,
            "jobs" => config.commands = reader.jobs(value, folders.of_jobs)?,
            _ => return Err(reader.unknown("", key, &SECTIONS_OF_FILE)),
        }
    }
    let Reader { origins, takes_database_url, .. } = reader;
    config.origins = origins;
    config.folder = folders.others.to_owned();
    choose_connection(&mut config, takes_database_url.as_deref());
    if !config.origins.has("connections") {
        // The built-in one, at its place beside the file.
        config.connections.values_mut().for_each(|connection| connection.resolve(folders.others));
        config.origins.note("connections.sqlite", ConfigSource::BuiltIn);
    }
    Ok(FromFile { config, takes_database_url })
}

struct Reader<'a> {
    document: &'a Document,
    environment: &'a Environment<'a>,
    origins: Origins,
    takes_database_url: Option<String>,
}

impl Reader<'_> {
    /// `[path]` with the fields that it may have.
    fn section(&mut self, path: &str, section: &Found<'_>, mut fields: Vec<Field<'_>>) -> Result<()> {
        for (key, value) in self.table(path, section)? {
            let written = key.get_ref().as_ref();
            // Both names of the key are in use.
            let name = if written == "failed_jobs" { "failed_table" } else { written };
            let Some(field) = fields.iter_mut().find(|field| field.name == name) else {
                let names: Vec<_> = fields.iter().map(|field| field.name).collect();
                return Err(self.unknown(path, key, &names));
            };
            let (written, name) = (format!("{path}.{written}"), format!("{path}.{name}"));
            if self.origins.has(&name) {
                let twice = ValueError::new(
                    "failed_table and failed_jobs are the same key, and only one may be given",
                );
                return Err(self.document.error(&written, key.span(), twice));
            }
            self.set(&written, &name, field, value)?;
        }
        Ok(())
    }

    /// Sets one key; messages call it as it is written.
    fn set(&mut self, written: &str, name: &str, field: &mut Field<'_>, found: &Found<'_>) -> Result<()> {
        let value = Value::of_file(found.get_ref(), self.environment);
        let value = value.map_err(|wrong| self.document.error(written, found.span(), wrong))?;
        field.set(&value).map_err(|wrong| self.document.error(written, found.span(), wrong))?;
        self.origins.note_span(name, found.span(), value.holds_secret());
        if let Some(connection) = name.strip_prefix("connections.").and_then(|name| name.strip_suffix(".url"))
            && value.takes("DATABASE_URL")
        {
            self.takes_database_url.get_or_insert(connection.to_owned());
        }
        Ok(())
    }

    /// `[connections.*]`; the one that is built in makes room for those of the file.
    fn connections(&mut self, section: &Found<'_>, config: &mut Config, folder: &Path) -> Result<()> {
        let mut connections: BTreeMap<String, Connection> = BTreeMap::new();
        for (key, value) in self.table("connections", section)? {
            let (name, path) = self.name("connections", key)?;
            let mut parts = Parts::default();
            self.section(&path, value, parts.fields())?;
            match parts.connection() {
                Ok(mut connection) => {
                    connection.resolve(folder);
                    connections.insert(name, connection);
                }
                Err((part, wrong)) => {
                    let error = match part {
                        "" => self.document.error(&path, key.span(), wrong),
                        _ => self.error(&format!("{path}.{part}"), wrong),
                    };
                    // The variable of the environment may be meant for another program.
                    if self.takes_database_url.as_ref() != Some(&name) {
                        return Err(error);
                    }
                    config.unusable.insert(name, ValueError::of(&error));
                }
            }
        }
        if !connections.is_empty() || !config.unusable.is_empty() {
            config.connections = connections;
            self.origins.note_span("connections", section.span(), false);
        }
        Ok(())
    }

    /// `[jobs.*]`.
    fn jobs(&mut self, section: &Found<'_>, folder: &Path) -> Result<BTreeMap<String, CommandJob>> {
        let mut jobs = BTreeMap::new();
        for (key, value) in self.table("jobs", section)? {
            let (name, path) = self.name("jobs", key)?;
            let mut job = CommandJob::default();
            self.section(&path, value, job.fields())?;
            if job.command.is_empty() {
                let missing = ValueError::new("command is missing")
                    .with_help("write command = [\"python3\", \"job.py\"]");
                return Err(self.document.error(&path, key.span(), missing));
            }
            job.resolve(folder);
            let cwd = format!("{path}.cwd");
            if !self.origins.has(&cwd) {
                self.origins.note_consequence(&cwd, &path);
            }
            jobs.insert(name, job);
        }
        Ok(jobs)
    }

    /// The entries of a table, in the order of the file, so that the first error is the uppermost.
    fn table<'t, 'i>(&self, path: &str, section: &'t Found<'i>) -> Result<Vec<(&'t Key<'i>, &'t Found<'i>)>> {
        match section.get_ref() {
            DeValue::Table(table) => Ok(in_order(table)),
            _ => {
                let wrong =
                    ValueError::new("expected a table").with_help(format!("write [{path}] above its keys"));
                Err(self.document.error(path, section.span(), wrong))
            }
        }
    }

    /// A name that is free to choose, and its path.
    fn name(&mut self, section: &str, key: &Key<'_>) -> Result<(String, String)> {
        let name = key.get_ref().to_string();
        let path = format!("{section}.{name}");
        if check_name("name", &name).is_err() {
            let wrong = ValueError::new("expected a name of 1 to 255 bytes without control characters");
            return Err(self.document.error(section, key.span(), wrong));
        }
        self.origins.note_span(&path, key.span(), false);
        Ok((name, path))
    }

    fn unknown(&self, path: &str, key: &Key<'_>, known: &[&str]) -> Error {
        let name = key.get_ref();
        let wrong = ValueError::new(format!("unknown field, expected one of {}", known.join(", ")));
        let wrong = match nearest(name, known) {
            Some(nearest) => wrong.with_help(format!("did you mean {nearest}?")),
            None => wrong,
        };
        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        self.document.error(&path, key.span(), wrong)
    }

    /// The error at a key that was read before.
    fn error(&self, key: &str, wrong: ValueError) -> Error {
        self.origins.error_in_file(key, wrong)
    }
}

fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Found<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Which connection the database driver uses when the file does not say: the one that takes
/// `${DATABASE_URL}`, else the only one. Of several, one that is called `sqlite` as the built-in one; if
/// none is, opening the database driver is an error.
fn choose_connection(config: &mut Config, takes_database_url: Option<&str>) {
    if config.origins.has("database.connection") {
        return;
    }
    let only = config.connections.keys().next();
    let only = only.filter(|_| config.connections.len() + config.unusable.len() == 1);
    let Some(chosen) = takes_database_url.map(str::to_owned).or(only.cloned()) else { return };
    let from = format!("connections.{chosen}");
    config.origins.note_consequence("database.connection", &from);
    config.database.connection = chosen;
}
