//! The command line of a program of the user's: what it adds to ours, and what it calls itself.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::error::Error as StdError;
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Arg, Command};

use super::app;
use crate::config::Config;
use crate::driver::Backend;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::failed::FailedBackend;
use crate::queue::{Queue, QueueBuilder};
use crate::registry::Jobs;

/// The command line of a program that knows its jobs, with what the program brings itself.
///
/// [`craft_queue::main`](crate::main) is this with nothing added. Make it first in `main`: with
/// `mode = "multiprocess"` each child process is this program once more, and [`App::new`] is where it
/// becomes a child.
///
/// ```no_run
/// use std::process::ExitCode;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use craft_queue::{App, Config, Event, Jobs};
///
/// static DEAD_JOBS: AtomicU64 = AtomicU64::new(0);
///
/// fn main() -> ExitCode {
///     App::new(Jobs::new())
///         .name("shop")
///         .version(env!("CARGO_PKG_VERSION"))
///         .config(Config::sqlite("shop.sqlite3"))
///         .listener(|event| {
///             if let Event::Buried { .. } = event {
///                 DEAD_JOBS.fetch_add(1, Ordering::Relaxed);
///             }
///         })
///         .command("orders:import", "Read orders from a file", |call| {
///             let path = call.arguments().first().ok_or("which file?")?;
///             let orders = std::fs::read_to_string(path)?;
///             for order in orders.lines() {
///                 call.queue()?.options().push_json("CreateInvoice", order, 1)?;
///             }
///             Ok(ExitCode::SUCCESS)
///         })
///         .run()
/// }
/// ```
#[must_use = "nothing is run until `run` is called"]
pub struct App {
    jobs: Jobs,
    identity: Identity,
    own: Own,
    commands: Vec<OwnCommand>,
}

/// What of a program a queue is opened with.
#[derive(Default)]
pub(super) struct Own {
    pub(super) config: Option<Config>,
    /// Adds drivers and a listener.
    additions: Vec<Box<dyn FnOnce(QueueBuilder) -> QueueBuilder>>,
}

impl Own {
    pub(super) fn open(self, config: Config, jobs: Jobs) -> Result<Queue> {
        self.additions.into_iter().fold(Queue::builder(config, jobs), |builder, add| add(builder)).open()
    }
}

/// What a command of a program answers. Any error converts into the box, `anyhow::Error` too.
type Answer = std::result::Result<ExitCode, Box<dyn StdError + Send + Sync>>;

type Run = Box<dyn FnOnce(&Call) -> Answer>;

/// A command that the program adds.
pub(super) struct OwnCommand {
    name: String,
    about: String,
    run: Run,
}

/// A call of a command that the program added with [`App::command`].
pub struct Call {
    arguments: Vec<String>,
    config: Config,
    /// Until the queue is opened.
    app: RefCell<Option<app::App>>,
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
        let app = self.app.take().ok_or_else(|| Error::config("the queue could not be opened before"))?;
        let queue = app.queue(self.config.clone())?;
        Ok(self.queue.get_or_init(|| queue).clone())
    }

    /// The configuration of the queue.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl App {
    /// A command line with these jobs. In a child process of a worker it never returns: what is written
    /// before it in `main` is done by every child, too.
    pub fn new(jobs: Jobs) -> Self {
        let jobs = jobs.serve_if_child_with(crate::bench::known_to_children);
        Self { jobs, identity: Identity::default(), own: Own::default(), commands: Vec::new() }
    }

    /// What the program is called in its help and in what its errors advise. Without it, the name of the
    /// file that was started.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.identity.name = Some(name.into());
        self
    }

    /// The program's own version, for `--version`. Without it that of craft-queue is shown, as such.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.identity.version = Some(version.into());
        self
    }

    /// One line that says what the program is, for its help.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.identity.about = Some(about.into());
        self
    }

    /// A configuration that takes the place of `queue.toml` and of the environment; there is no option
    /// `--config` then. The flags of a command go on top of it. To change only some of what is configured,
    /// change what [`Config::load`] answers.
    pub fn config(mut self, config: Config) -> Self {
        self.own.config = Some(config);
        self
    }

    /// Is told every event of every worker, beside what `queue:work` prints; see [`QueueBuilder::listener`].
    pub fn listener(self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.adding(|builder| builder.listener(listener))
    }

    /// Adds a driver of one's own, for `--driver NAME`, `default = "NAME"` and pushes; see
    /// [`QueueBuilder::add_driver`].
    pub fn driver(self, name: impl Into<String>, backend: impl Backend + 'static) -> Self {
        let name = name.into();
        self.adding(|builder| builder.add_driver(name, backend))
    }

    /// Keeps failed jobs in a place of one's own; see [`QueueBuilder::failed_jobs`].
    pub fn failed_jobs(self, backend: impl FailedBackend + 'static) -> Self {
        self.adding(|builder| builder.failed_jobs(backend))
    }

    fn adding(mut self, add: impl FnOnce(QueueBuilder) -> QueueBuilder + 'static) -> Self {
        self.own.additions.push(Box::new(add));
        self
    }

    /// Adds a command of one's own, in the list and the help beside ours. Behind its name it is given all
    /// words as they are, `--help` and other options too. An error is printed, and the status is 1, or 78
    /// where the configuration is wrong.
    pub fn command(
        mut self,
        name: impl Into<String>,
        about: impl Into<String>,
        run: impl FnOnce(&Call) -> Answer + 'static,
    ) -> Self {
        self.commands.push(OwnCommand { name: name.into(), about: about.into(), run: Box::new(run) });
        self
    }

    /// Runs what the process's arguments ask for. `main` should return what this returns at once: after a
    /// stop, threads may still run that must not run on.
    pub fn run(self) -> ExitCode {
        let Self { jobs, identity, own, commands } = self;
        // The first command line of a process counts.
        let _ = IDENTITY.set(identity);
        super::run(jobs, own, commands, std::env::args_os())
    }
}

/// How the program calls itself.
#[derive(Default)]
struct Identity {
    name: Option<String>,
    version: Option<String>,
    about: Option<String>,
}

static IDENTITY: OnceLock<Identity> = OnceLock::new();

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

fn put_name<'a>(text: &'a str, name: &str) -> Cow<'a, str> {
    const CALLED: &str = "craft ";
    let is_command = |rest: &str| {
        let word = rest.split_whitespace().next().unwrap_or_default();
        let word = word.trim_end_matches([',', '.', ')', ';', '"', '`']);
        let known = super::ENTRIES.iter().any(|entry| (entry.command)().get_name() == word);
        known || super::meta::NAMES.contains(&word) || matches!(word, "<COMMAND>" | "alone")
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

impl OwnCommand {
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
    /// A name is no word, or is there twice.
    pub(super) fn check(commands: &[Self]) -> Result<()> {
        let ours = super::ENTRIES.iter().map(|entry| (entry.command)().get_name().to_owned());
        let mut names: Vec<String> = ours.chain(super::meta::NAMES.map(str::to_owned)).collect();
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

    pub(super) fn run(self, app: app::App, matches: &clap::ArgMatches) -> Result<ExitCode> {
        let arguments = matches.get_many::<String>("arguments").into_iter().flatten().cloned().collect();
        let config = app.base_config()?;
        let call = Call { arguments, config, app: RefCell::new(Some(app)), queue: OnceCell::new() };
        (self.run)(&call).map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::other(crate::error::chain(&*error)),
        })
    }
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
