//! The configuration as users meet it: a text and an environment in, values or a message out.

mod connections;
mod finding;
mod messages;
mod precedence;
mod program;
mod slips;
mod sources;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::env::interpolate::Environment;
use super::model::SECTIONS;
use super::*;
use crate::error::Result;

fn environment<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
    move |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
}

fn parse(text: &str) -> Result<Config> {
    parse_with(text, &[])
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
    Config::parse(text, "queue.toml", environment(variables))
}

/// The message without its help.
fn message(text: &str) -> String {
    let error = parse(text).expect_err(text);
    assert!(error.is_config(), "{error:?}");
    error.to_string()
}

/// What `config:check` would print for a key, and its source.
fn entry(config: &Config, key: &str) -> String {
    let entry = config.entries().into_iter().find(|entry| entry.key == key);
    entry.map_or("no such key".into(), |entry| format!("{} ({})", entry.value, entry.source))
}
