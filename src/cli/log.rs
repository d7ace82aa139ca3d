//! Log lines of the library, on stderr.

use clap::ArgMatches;
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::print;

struct ToStderr;

impl Log for ToStderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates' chatter is not the user's.
        metadata.target().starts_with("craft_queue") || metadata.level() <= Level::Warn
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
        log::set_max_level(level);
    }
}
