//! Why a value can't be taken.

use crate::error::Error;

/// What is wrong with a value, said by code that does not know where the value stands. Whoever knows
/// makes an [`Error`] of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValueError {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// What an error says, to be said again later.
    pub(super) fn of(error: &Error) -> Self {
        Self { message: error.to_string(), help: error.help().map(str::to_owned) }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The error for a value that stands at `place`: a key, a variable, or a flag.
    pub(super) fn at(self, place: &str) -> Error {
        self.into_error(|message| format!("{place}: {message}"))
    }

    /// The error, with its sentence completed by `complete`.
    pub(super) fn into_error(self, complete: impl FnOnce(&str) -> String) -> Error {
        let error = Error::config(complete(&self.message));
        match self.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}
