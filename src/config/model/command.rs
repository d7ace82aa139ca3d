//! `[jobs.*]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::schema::{Field, debug, value_types};

/// `[jobs.*]`: a job that runs a program.
#[derive(Clone, Default, PartialEq)]
pub struct CommandJob {
    /// The program and its arguments; at least the program. A relative program with a slash in its path
    /// was made relative to the folder of queue.toml; one without is searched in `PATH`.
    pub command: Vec<String>,
    /// The folder it runs in; from a file, that of queue.toml unless it says otherwise.
    pub cwd: Option<PathBuf>,
    /// Variables that are added to its environment.
    pub env: BTreeMap<String, String>,
    /// How often it is attempted; at least 1.
    pub attempts: Option<u32>,
    /// How long to wait between attempts.
    pub backoff: Option<Backoff>,
    /// How long one attempt may take; at least 1 millisecond.
    pub timeout: Option<Duration>,
    /// The queue it goes to when the push names none.
    pub queue: Option<String>,
}

/// Masks the values of its environment.
impl fmt::Debug for CommandJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "CommandJob", &self.clone().fields())
    }
}

impl CommandJob {
    pub(crate) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { command, cwd, env, attempts, backoff, timeout, queue } = self;
        vec![
            Field::new("command", command, value_types::COMMAND),
            Field::optional("timeout", timeout, value_types::TIMEOUT),
            Field::optional("cwd", cwd, value_types::FOLDER),
            Field::new("env", env, value_types::VARIABLES),
            Field::optional("attempts", attempts, value_types::ATTEMPTS),
            Field::optional("backoff", backoff, value_types::BACKOFF),
            Field::optional("queue", queue, value_types::QUEUE),
        ]
    }

    /// Makes relative paths start at the folder of queue.toml, so that a job runs the same program
    /// wherever its worker was started. Arguments follow the folder that the program runs in.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if folder.as_os_str().is_empty() {
            return;
        }
        self.cwd = Some(self.cwd.take().map_or_else(|| folder.to_owned(), |cwd| folder.join(cwd)));
        if let Some(program) = self.command.first_mut().filter(|program| program.contains('/')) {
            *program = folder.join(&program).to_string_lossy().into_owned();
        }
    }
}
