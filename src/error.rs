//! The one error of this crate: opaque, with predicates for what a program must tell apart.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What could not be done, with what, why, and what to do next.
///
/// Printed with `{}` it is one sentence, the cause included. [`Error::help`] is the next step, where
/// there is one.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    help: Option<String>,
    /// The back end said that nothing was done.
    undone: bool,
    /// What was asked for on the command line can't be meant.
    usage: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Config,
    Invalid,
    NotFound,
    Schema,
    Unavailable,
    Unsupported,
    OutcomeUnknown,
    Stuck,
    JobFailed,
    Other,
}

#[cfg(unix)]
impl Kind {
    const ALL: [Self; 10] = [
        Self::Config,
        Self::Invalid,
        Self::NotFound,
        Self::Schema,
        Self::Unavailable,
        Self::Unsupported,
        Self::OutcomeUnknown,
        Self::Stuck,
        Self::JobFailed,
        Self::Other,
    ];
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), help: None, undone: false, usage: false }))
    }

    /// A value in the configuration is wrong.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// What the caller handed in can't be used: a name too long, a payload that is not JSON.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// What was named does not exist: a failed job, a driver, a file.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// A table is missing or older than this crate.
    pub fn schema(message: impl Into<String>) -> Self {
        Self::new(Kind::Schema, message)
    }

    /// The back end can't be reached or is busy now, and may answer later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The back end can't do this at all.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// The connection was lost before the answer came: it may have been done, or not.
    pub fn outcome_unknown(message: impl Into<String>) -> Self {
        Self::new(Kind::OutcomeUnknown, message)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Kind::Other, message)
    }

    /// A job that was run in the pushing thread (`blocking`) failed.
    pub(crate) fn job_failed(message: impl Into<String>) -> Self {
        Self::new(Kind::JobFailed, message)
    }

    /// A thread is still inside a job whose time is over.
    pub(crate) fn stuck(message: impl Into<String>) -> Self {
        Self::new(Kind::Stuck, message)
    }

    /// The kind as a number, to be sent to another process of this program.
    #[cfg(unix)]
    pub(crate) fn code(&self) -> u8 {
        self.0.kind as u8
    }

    /// An error of another process of this program.
    #[cfg(unix)]
    pub(crate) fn from_code(code: u8, message: impl Into<String>) -> Self {
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == code);
        Self::new(kind.unwrap_or(Kind::Other), message)
    }

    /// It certainly was not done: the back end undid it, or it was never sent.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql", test))]
    #[must_use]
    pub(crate) fn undone(mut self) -> Self {
        self.0.undone = true;
        self
    }

    /// A part of it was done.
    #[cfg(feature = "database")]
    #[must_use]
    pub(crate) fn done_in_part(mut self) -> Self {
        self.0.undone = false;
        self
    }

    /// Whether it certainly was not done. Where this is false it may have been.
    pub(crate) fn is_undone(&self) -> bool {
        self.0.undone
    }

    /// The same where no second try mends it.
    #[cfg(feature = "amqp")]
    #[must_use]
    pub(crate) fn of_config(mut self) -> Self {
        self.0.kind = Kind::Config;
        self
    }

    /// A command was called wrongly.
    #[must_use]
    pub(crate) fn of_usage(mut self) -> Self {
        self.0.usage = true;
        self
    }

    #[cfg(feature = "cli")]
    pub(crate) fn is_of_usage(&self) -> bool {
        self.0.usage
    }

    /// The same error for somebody else.
    pub(crate) fn again(&self) -> Self {
        let Inner { kind, message, help, undone, usage } = &*self.0;
        let (message, help) = (message.clone(), help.clone());
        Self(Box::new(Inner { kind: *kind, message, help, undone: *undone, usage: *usage }))
    }

    /// Adds what to do next: a command, or a change.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds the error that caused this one, and what caused that, to the sentence.
    #[must_use]
    pub fn because(mut self, cause: &dyn StdError) -> Self {
        self.0.message = format!("{}: {}", self.0.message, chain(cause));
        self
    }

    /// Puts what could not be done in front of the message; kind and help stay.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// What to do next, where there is something.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The configuration is wrong; nothing was started.
    pub fn is_config(&self) -> bool {
        self.0.kind == Kind::Config
    }

    /// The caller's input can't be used; trying again with the same changes nothing.
    pub fn is_invalid(&self) -> bool {
        self.0.kind == Kind::Invalid
    }

    /// What was named does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// A table is missing or too old.
    pub fn is_schema(&self) -> bool {
        self.0.kind == Kind::Schema
    }

    /// The back end is away or busy; trying again later may succeed.
    pub fn is_unavailable(&self) -> bool {
        self.0.kind == Kind::Unavailable
    }

    /// This driver can't do what was asked.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// The push may have arrived, or not: the connection was lost before the answer.
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.kind == Kind::OutcomeUnknown
    }

    /// A worker ended because a thread is stuck in a job past its timeout.
    pub fn is_stuck(&self) -> bool {
        self.0.kind == Kind::Stuck
    }

    /// A job that ran in the pushing thread failed.
    pub fn is_job_failed(&self) -> bool {
        self.0.kind == Kind::JobFailed
    }
}

/// An error and its causes as one sentence: "cannot read: permission denied".
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many libraries already repeat the cause in their own message.
        if !sentence.ends_with(&cause_text) {
            sentence = format!("{sentence}: {cause_text}");
        }
        source = cause.source();
    }
    sentence
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        match self.help() {
            Some(help) => write!(f, " (help: {help})"),
            None => Ok(()),
        }
    }
}

// No `source`: the sentence holds the causes already, and reporters would print them twice.
impl StdError for Error {}
