//! Where each value comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One value of the configuration, for people: a line of `craft config:check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// `database.poll`, `connections.mysql`.
    pub key: String,
    /// As people read it, spans in seconds; secrets are masked; `none` when it is not set.
    pub value: String,
    /// The source of the value.
    pub source: ConfigSource,
}

/// The source of a value. Printed, it is `queue.toml:4`, `CRAFT_POLL`, `--poll`, or words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// The default.
    BuiltIn,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
    /// The program, which changed a field.
    Program,
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
            Self::Program => f.write_str("the program"),
        }
    }
}

/// A queue.toml as it was read.
pub(crate) struct Document {
    /// As messages name it.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Document {
    fn source(&self, span: &Range<usize>) -> ConfigSource {
        ConfigSource::File { path: self.path.clone(), line: line_number(&self.text, span.start) }
    }
}

/// The number of the line, from 1, of the byte at `offset`.
pub(super) fn line_number(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// The origin of each value that is not built in.
#[derive(Clone, Default)]
pub(crate) struct Origins {
    document: Option<Arc<Document>>,
    by_key: BTreeMap<String, Origin>,
}

#[derive(Clone)]
struct Origin {
    source: ConfigSource,
    /// Where in the document it stands.
    span: Range<usize>,
    /// The value when loading ended; a present value that differs was set by the program.
    shown: Option<String>,
    /// Whether a secret went into it by a variable.
    secret: bool,
}

impl Origins {
    pub(crate) fn of(document: Arc<Document>) -> Self {
        Self { document: Some(document), by_key: BTreeMap::new() }
    }

    /// The file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.document.as_ref().map(|document| &*document.path)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// Notes that `key` comes from the document.
    pub(crate) fn note_span(&mut self, key: &str, span: Range<usize>, secret: bool) {
        let source = self.document.as_ref().map_or(ConfigSource::BuiltIn, |document| document.source(&span));
        self.by_key.insert(key.to_owned(), Origin { source, span, shown: None, secret });
    }

    /// Notes that `key` comes from a variable or a flag.
    pub(crate) fn note(&mut self, key: &str, source: ConfigSource) {
        self.by_key.insert(key.to_owned(), Origin { source, span: 0..0, shown: None, secret: false });
    }

    /// Notes that the value of `key` may hold a secret.
    pub(crate) fn keep_secret(&mut self, key: &str) {
        if let Some(origin) = self.by_key.get_mut(key) {
            origin.secret = true;
        }
    }

    /// Notes that `key` follows from `from`.
    pub(crate) fn note_consequence(&mut self, key: &str, from: &str) {
        if let Some(origin) = self.by_key.get(from) {
            self.by_key.insert(key.to_owned(), origin.clone());
        }
    }

    /// Keeps the values, to notice later changes by the program.
    pub(crate) fn seal(&mut self, shown: impl IntoIterator<Item = (String, Option<String>)>) {
        for (key, shown) in shown {
            if let Some(origin) = self.by_key.get_mut(&key) {
                origin.shown = shown;
            }
        }
    }

    /// The source of the present value of `key`. `built_in` is its default.
    pub(crate) fn source(
        &self,
        key: &str,
        now: &Option<String>,
        built_in: Option<&Option<String>>,
    ) -> ConfigSource {
        match self.by_key.get(key) {
            Some(origin) if origin.shown == *now => origin.source.clone(),
            None if built_in == Some(now) => ConfigSource::BuiltIn,
            _ => ConfigSource::Program,
        }
    }

    /// Whether `key` comes from a variable of the environment.
    #[cfg(feature = "database")]
    pub(crate) fn is_of_variable(&self, key: &str) -> bool {
        self.by_key.get(key).is_some_and(|origin| matches!(origin.source, ConfigSource::Environment(_)))
    }

    /// Whether the value of `key` must be masked although its kind is not secret.
    pub(crate) fn is_secret(&self, key: &str) -> bool {
        self.by_key.get(key).is_some_and(|origin| origin.secret)
    }

    /// The place of the value of `key` in the document.
    pub(super) fn place(&self, key: &str) -> Option<(&Document, Range<usize>)> {
        Some((self.document.as_deref()?, self.by_key.get(key)?.span.clone()))
    }
}

/// Without the document's text, which may hold secrets.
impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.by_key.iter().map(|(key, origin)| (key, &origin.source))).finish()
    }
}
