//! What a worker's lines show: its settings, and which events are hidden.

use std::io::IsTerminal;
use std::time::Duration;

use clap::ArgMatches;

use super::super::arguments::{given_queues, text};
use super::super::invocation::Invocation;
use crate::config::{Config, DriverKind, Mode};
use crate::error::Result;
use crate::event::Event;
use crate::time::Zone;
use crate::worker::Report;

/// How the events of a worker are printed, and its settings that they show.
pub(super) struct View {
    pub(super) json: bool,
    pub(super) terminal: bool,
    pub(super) quiet: bool,
    pub(super) verbosity: u8,
    pub(super) driver: String,
    pub(super) connection: String,
    pub(super) queues: Vec<String>,
    pub(super) name: Option<String>,
    pub(super) workers: usize,
    pub(super) processes: bool,
    pub(super) poll: Duration,
    pub(super) attempts: u32,
    pub(super) zone: Zone,
}

impl View {
    pub(super) fn new(invocation: &Invocation, matches: &ArgMatches, config: &Config) -> Result<Self> {
        let settings = config.settings(&config.default);
        let queues = match given_queues(matches, "queue") {
            none if none.is_empty() => vec![settings.queue.clone()],
            some => some,
        };
        Ok(Self {
            json: matches.get_flag("json"),
            terminal: std::io::stdout().is_terminal(),
            quiet: invocation.quiet,
            verbosity: invocation.verbosity,
            driver: config.default.clone(),
            connection: match config.default_kind() {
                DriverKind::Database => config.database.connection.clone(),
                _ => String::new(),
            },
            queues,
            name: text(matches, "name").map(str::to_owned),
            workers: settings.workers,
            processes: settings.mode == Mode::Multiprocess,
            poll: settings.poll,
            attempts: settings.attempts,
            zone: settings.tz.clone(),
        })
    }
}

/// Whether `--quiet` hides the event.
pub(super) fn is_routine(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Started
            | Event::Connected { .. }
            | Event::Began { .. }
            | Event::Done(_)
            | Event::Polled { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Restarting { .. }
            | Event::Stopping { .. }
    )
}

/// Prints the events of a worker.
pub(super) trait Reporter: Send {
    fn tell(&mut self, event: &Event<'_>);
    fn ended(&mut self, report: &Report, took: Duration);
}
