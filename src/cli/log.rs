//! Log lines of the library, on stderr.

use std::sync::OnceLock;

use clap::ArgMatches;
use log::{LevelFilter, Log, Metadata, Record};

use super::print;
#[cfg(feature = "amqp")]
use crate::driver::amqp::LOG_TARGET;

struct ToStderr;

static LEVEL: OnceLock<LevelFilter> = OnceLock::new();

impl Log for ToStderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = LEVEL.get().copied().unwrap_or(LevelFilter::Warn);
        // Other crates' chatter is not the user's; what jobs print is.
        match metadata.target() {
            "craft_queue::job" => level >= LevelFilter::Warn,
            ours if ours.starts_with("craft_queue") => metadata.level() <= level,
            // Our own messages report what matters, and its debug messages hold the password.
            #[cfg(feature = "amqp")]
            client if client.starts_with(LOG_TARGET) => {
                level >= LevelFilter::Debug && metadata.level() <= LevelFilter::Info
            }
            _ => metadata.level() <= level.min(LevelFilter::Warn),
        }
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            print::note(format!("{}: {}", record.level().as_str().to_lowercase(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Starts the log: warnings, with `-v` more, with `-q` errors only.
pub(super) fn start(matches: &ArgMatches) {
    let level = match (matches.get_flag("quiet"), matches.get_count("verbose")) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, _) => LevelFilter::Debug,
    };
    // A program that has a logger keeps it.
    if log::set_logger(&ToStderr).is_ok() {
        let _ = LEVEL.set(level);
        log::set_max_level(level.max(LevelFilter::Info));
    }
}
