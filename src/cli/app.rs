//! The command line of a program, with what the program adds to it.

use std::process::ExitCode;

use super::custom_command::{Answer, Call, CustomCommand};
use super::dispatch;
use super::identity::Identity;
use super::invocation::QueueSetup;
use crate::config::Config;
use crate::driver::Backend;
use crate::event::Event;
use crate::failed::FailedBackend;
use crate::queue::QueueBuilder;
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
    setup: QueueSetup,
    commands: Vec<CustomCommand>,
}

impl App {
    /// A command line with these jobs. In a child process of a worker it never returns: what is written
    /// before it in `main` is done by every child, too.
    pub fn new(jobs: Jobs) -> Self {
        let jobs = jobs.serve_if_child_with(crate::bench::known_to_children);
        Self { jobs, identity: Identity::default(), setup: QueueSetup::default(), commands: Vec::new() }
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
        self.setup.config = Some(config);
        self
    }

    /// Calls this with every event of every worker, beside what `queue:work` prints; see [`QueueBuilder::listener`].
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
        self.setup.additions.push(Box::new(add));
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
        self.commands.push(CustomCommand { name: name.into(), about: about.into(), run: Box::new(run) });
        self
    }

    /// Runs what the process's arguments ask for. `main` should return what this returns at once: after a
    /// stop, threads may still run that must not run on.
    pub fn run(self) -> ExitCode {
        let Self { jobs, identity, setup, commands } = self;
        identity.apply();
        dispatch::run(jobs, setup, commands, std::env::args_os())
    }
}
