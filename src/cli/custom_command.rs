//! A command that the program adds with [`App::command`](crate::App::command).

use std::cell::{OnceCell, RefCell};
use std::error::Error as StdError;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::invocation::Invocation;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::queue::Queue;

/// What a command of a program answers. Any error converts into the box, `anyhow::Error` too.
pub(super) type Answer = std::result::Result<ExitCode, Box<dyn StdError + Send + Sync>>;

pub(super) type Run = Box<dyn FnOnce(&Call) -> Answer>;

/// A command that the program adds.
pub(super) struct CustomCommand {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) run: Run,
}

/// A call of a command that the program added with [`App::command`](crate::App::command).
pub struct Call {
    arguments: Vec<String>,
    config: Config,
    /// Until the queue is opened.
    invocation: RefCell<Option<Invocation>>,
    queue: OnceCell<Queue>,
}

impl Call {
    /// What stands behind the command's name. The options that every command has (`--config`, `-v`, `-q`,
    /// `--color`) are not among it, as far as they stand before the first other word.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The queue, opened as every other command does it: with the configuration, the jobs, the drivers and
    /// the listener of this program.
    ///
    /// # Errors
    /// As [`Queue::open`], when it is asked for the first time.
    pub fn queue(&self) -> Result<Queue> {
        if let Some(queue) = self.queue.get() {
            return Ok(queue.clone());
        }
        let invocation =
            self.invocation.take().ok_or_else(|| Error::config("the queue could not be opened before"))?;
        let queue = invocation.queue(self.config.clone())?;
        Ok(self.queue.get_or_init(|| queue).clone())
    }

    /// The configuration of the queue.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl CustomCommand {
    pub(super) fn command(&self) -> Command {
        Command::new(self.name.clone()).about(self.about.clone()).disable_help_flag(true).arg(
            Arg::new("arguments")
                .value_name("ARGUMENTS")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true),
        )
    }

    /// Takes the command of this name.
    pub(super) fn take(commands: Vec<Self>, name: &str) -> Option<Self> {
        commands.into_iter().find(|command| command.name == name)
    }

    /// # Errors
    /// A name is no word, or is there twice, among the `taken` ones too.
    pub(super) fn check(commands: &[Self], taken: impl Iterator<Item = String>) -> Result<()> {
        let mut names: Vec<String> = taken.collect();
        for Self { name, .. } in commands {
            let is_word = !name.is_empty() && !name.starts_with('-') && !name.contains(char::is_whitespace);
            if !is_word {
                return Err(Error::config(format!("a command cannot be called {name:?}: that is no word")));
            }
            if names.contains(name) {
                return Err(Error::config(format!("there are two commands named {name}"))
                    .with_help("give the one that App::command adds another name"));
            }
            names.push(name.clone());
        }
        Ok(())
    }

    pub(super) fn run(self, invocation: Invocation, matches: &ArgMatches) -> Result<ExitCode> {
        let arguments = matches.get_many::<String>("arguments").into_iter().flatten().cloned().collect();
        let config = invocation.base_config()?;
        let call =
            Call { arguments, config, invocation: RefCell::new(Some(invocation)), queue: OnceCell::new() };
        (self.run)(&call).map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::other(crate::error::chain(&*error)),
        })
    }
}
