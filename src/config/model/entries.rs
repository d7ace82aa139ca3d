//! The keys of the configuration: their values, where each comes from, and the error at one.

use std::collections::BTreeMap;

use super::{Config, SECTIONS};
use crate::config::diagnostics::ValueError;
use crate::config::diagnostics::provenance::{ConfigEntry, ConfigSource};
use crate::config::redact::MASK;
use crate::config::schema::value::Value;
use crate::config::schema::{Field, value_types};
use crate::error::{Error, Result};

impl Config {
    /// Every value with its source, in the order of queue.toml, secrets masked.
    pub fn entries(&self) -> Vec<ConfigEntry> {
        let built_in: BTreeMap<_, _> = Self::default().shown().into_iter().collect();
        let is_set = |(key, now): &(String, Option<String>)| now.is_some() || !key.starts_with("jobs.");
        let entry = |(key, now): (String, Option<String>)| {
            let source = self.origins.source(&key, &now, built_in.get(&key));
            let secret = self.origins.is_secret(&key);
            let value = match now {
                Some(_) if secret => MASK.into(),
                Some(empty) if empty.is_empty() => "\"\"".into(),
                now => now.unwrap_or("none".into()),
            };
            ConfigEntry { key, value, source }
        };
        self.shown().into_iter().filter(is_set).map(entry).collect()
    }

    /// The error `key: message` that shows where the value of a key comes from: the line of the file,
    /// the variable or the flag. For what can only be judged later, such as the name of a driver.
    pub fn error_at(&self, key: &str, message: impl Into<String>) -> Error {
        self.error(key, ValueError::new(message))
    }

    pub(in crate::config) fn error(&self, key: &str, wrong: ValueError) -> Error {
        let source = self.entries().into_iter().find(|entry| entry.key == key).map(|entry| entry.source);
        let error = self.origins.error(key, source.as_ref().unwrap_or(&ConfigSource::Program), wrong);
        if matches!(source, Some(ConfigSource::Flag(_))) { error.of_usage() } else { error }
    }

    pub(in crate::config) fn set(&mut self, key: &str, value: &Value, source: ConfigSource) -> Result<()> {
        if let Some((_, mut field)) = self.fields().into_iter().find(|(path, _)| path == key) {
            field.set(value).map_err(|wrong| wrong.at(&source.to_string()))?;
        }
        self.origins.note(key, source);
        Ok(())
    }

    /// Every key but those of connections, with the field that it sets.
    pub(in crate::config) fn fields(&mut self) -> Vec<(String, Field<'_>)> {
        let Self { default, database, amqp, memory, dashboard, commands, .. } = self;
        let mut all = vec![("default".to_owned(), Field::new("default", default, value_types::NAME))];
        let sections = [database.fields(), amqp.fields(), memory.fields()];
        for (section, fields) in SECTIONS.into_iter().zip(sections) {
            all.extend(fields.into_iter().map(|field| (format!("{section}.{}", field.name), field)));
        }
        let of_dashboard = dashboard.fields().into_iter();
        all.extend(of_dashboard.map(|field| (format!("dashboard.{}", field.name), field)));
        for (name, job) in commands {
            all.extend(job.fields().into_iter().map(|field| (format!("jobs.{name}.{}", field.name), field)));
        }
        all
    }

    /// Every key with its value as people read it.
    pub(in crate::config) fn shown(&self) -> Vec<(String, Option<String>)> {
        let mut copy = self.clone();
        let fields = copy.fields().into_iter().map(|(key, field)| (key, field.show()));
        let connections = self.connections.iter();
        let unusable = self.unusable.keys().map(|name| (name, "can't be used".to_owned()));
        let connections = connections
            .filter(|(name, _)| !self.unusable.contains_key(*name))
            .map(|(name, connection)| (name, connection.to_string()))
            .chain(unusable)
            .map(|(name, shown)| (format!("connections.{name}"), Some(shown)));
        let (jobs, mut shown): (Vec<_>, Vec<_>) = fields.partition(|(key, _)| key.starts_with("jobs."));
        shown.extend(connections);
        shown.extend(jobs);
        shown
    }
}
