//! What is wrong with a value, what was probably meant, and where the value stands.

pub(crate) mod provenance;
mod snippet;
mod visible;

use strsim::osa_distance;

use crate::error::Error;

/// What is wrong with a value, from code that does not know where the value stands; the caller that knows makes an
/// [`Error`] of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl ValueError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The message and the help of an error, to be reported later.
    pub(crate) fn of(error: &Error) -> Self {
        Self { message: error.to_string(), help: error.help().map(str::to_owned) }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The error for a value at `place`: a key, a variable, or a flag.
    pub(crate) fn at(self, place: &str) -> Error {
        self.into_error(|message| format!("{place}: {message}"))
    }

    /// The error, with its sentence completed by `complete`.
    pub(crate) fn into_error(self, complete: impl FnOnce(&str) -> String) -> Error {
        let error = Error::config(complete(&self.message));
        match self.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}

/// The known name that `name` is most likely a slip of, or its first letters.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |candidate: &&str| {
        let slips = osa_distance(name, candidate);
        let is_start = name.len() >= 3 && candidate.starts_with(name);
        (is_start || slips <= candidate.len().div_ceil(3)).then_some(slips)
    };
    known.iter().filter_map(|candidate| Some((close(candidate)?, *candidate))).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_find_their_word() {
        let known = ["connection", "table", "poll", "tz", "workers"];
        let table = [
            ("tabel", Some("table")),
            ("pol", Some("poll")),
            ("conection", Some("connection")),
            ("worker", Some("workers")),
            ("tx", Some("tz")),
            ("con", Some("connection")),
            ("wo", None),
            ("colour", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }
}
