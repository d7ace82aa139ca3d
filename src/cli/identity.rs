//! What the program is called in its help, its errors and its advice.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

/// How the program calls itself.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) about: Option<String>,
}

static IDENTITY: OnceLock<Identity> = OnceLock::new();

impl Identity {
    /// The first command line of a process counts.
    pub(super) fn apply(self) {
        let _ = IDENTITY.set(self);
    }
}

fn identity(field: fn(&Identity) -> &Option<String>) -> Option<&'static str> {
    field(IDENTITY.get()?).as_deref()
}

/// The program's name.
pub(super) fn name() -> &'static str {
    static STARTED: OnceLock<String> = OnceLock::new();
    identity(|identity| &identity.name).unwrap_or_else(|| {
        STARTED.get_or_init(|| {
            let started = std::env::args_os().next();
            let stem = started.as_deref().map(Path::new).and_then(Path::file_stem);
            stem.map_or_else(|| "craft".to_owned(), |stem| stem.to_string_lossy().into_owned())
        })
    })
}

/// Its version; that of this crate says whose it is.
pub(super) fn version() -> &'static str {
    identity(|identity| &identity.version).unwrap_or(concat!("(craft-queue ", env!("CARGO_PKG_VERSION"), ")"))
}

pub(super) fn about() -> &'static str {
    let ours = "Background jobs: workers, failed jobs, and the tables they need";
    identity(|identity| &identity.about).unwrap_or(ours)
}

/// A text of ours, with the program's name where `craft` is called in it.
pub(super) fn named(text: &str) -> Cow<'_, str> {
    put_name(text, name())
}

/// The commands whose names have no colon.
const WITHOUT_COLON: [&str; 6] = ["dashboard", "migrate", "job", "help", "completions", "man"];

pub(super) fn put_name<'a>(text: &'a str, name: &str) -> Cow<'a, str> {
    const CALLED: &str = "craft ";
    let is_command = |rest: &str| {
        let word = rest.split_whitespace().next().unwrap_or_default();
        let word = word.trim_end_matches([',', '.', ')', ';', '"', '`']);
        word.trim_end_matches(':').contains(':')
            || WITHOUT_COLON.contains(&word)
            || matches!(word, "<COMMAND>" | "alone")
    };
    if name == "craft" || !text.contains(CALLED) {
        return Cow::Borrowed(text);
    }
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(CALLED) {
        let (before, from) = rest.split_at(at);
        let after = &from[CALLED.len()..];
        named.push_str(before);
        let is_word = !named.ends_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
        named.push_str(if is_word && is_command(after) { name } else { "craft" });
        named.push(' ');
        rest = after;
    }
    named.push_str(rest);
    Cow::Owned(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_calls_the_program_by_its_name() {
        let advice = "craft queue:table && craft migrate      (or craft queue:install)";
        assert_eq!(put_name(advice, "shop"), "shop queue:table && shop migrate      (or shop queue:install)");
        for other in ["build craft-queue with the feature", "witchcraft migrate", "the craft of it", "craft "]
        {
            assert_eq!(put_name(other, "shop"), other);
        }
        assert_eq!(put_name(advice, "craft"), advice);
    }
}
