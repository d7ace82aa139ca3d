//! The keys that each section may have.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::command::CommandJob;
use super::connection::Parts;
use super::file::SECTIONS_OF_FILE;
use super::kind::Field;
use super::{AmqpConfig, AsyncConfig, DatabaseConfig};

/// Whether a word is a section or a key of one.
pub(super) fn is_known(word: &str) -> bool {
    static WORDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let sections: [&[&str]; 5] =
            [&["database"], &["amqp"], &["async"], &["connections", ""], &["jobs", ""]];
        let keys = sections.into_iter().flat_map(|section| keys(section).into_iter().map(|(key, _)| key));
        keys.chain(SECTIONS_OF_FILE.map(str::to_owned)).collect()
    });
    WORDS.contains(word)
}

/// The keys of a section, and whether their values may be shown.
pub(super) fn keys(section: &[&str]) -> Vec<(String, bool)> {
    match section {
        [] => vec![("default".to_owned(), true)],
        ["database"] => named(&DatabaseConfig::default().fields()),
        ["amqp"] => named(&AmqpConfig::default().fields()),
        ["async"] => named(&AsyncConfig::default().fields()),
        ["connections", _] => named(&Parts::default().fields()),
        ["jobs", _] => named(&CommandJob::default().fields()),
        _ => Vec::new(),
    }
}

fn named(fields: &[Field<'_>]) -> Vec<(String, bool)> {
    // What a program or a server is given may hold a password, though most do not.
    let is_given = |name: &str| name == "command" || name == "connection_options";
    let keys = fields.iter().map(|field| (field.name, field.is_secret()));
    // The chapter's other name of a key.
    let alias = keys.clone().find(|(name, _)| *name == "failed_table").map(|_| ("failed_jobs", false));
    keys.chain(alias).map(|(name, secret)| (name.to_owned(), !secret && !is_given(name))).collect()
}
