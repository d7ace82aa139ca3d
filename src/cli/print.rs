//! Printing for people. A reader who has gone (EPIPE) is no error: what could be said was said.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use crate::error::{Error, Result};

static COLOR: OnceLock<Color> = OnceLock::new();

#[derive(Clone, Copy)]
struct Color {
    out: bool,
    err: bool,
}

/// How a word looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Good,
    Bad,
    Warning,
    Faint,
}

pub(super) fn set_color(matches: &ArgMatches) {
    let wanted = matches.get_one::<String>("color").map_or("auto", String::as_str);
    // https://no-color.org: any value but an empty one.
    let auto = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let when = |terminal: bool| match wanted {
        "always" => true,
        "never" => false,
        _ => auto && terminal,
    };
    let color =
        Color { out: when(std::io::stdout().is_terminal()), err: when(std::io::stderr().is_terminal()) };
    // The first command line of a process counts.
    let _ = COLOR.set(color);
}

/// A word for stdout.
pub(super) fn styled(text: &str, style: Style) -> String {
    paint(text, style, COLOR.get().is_some_and(|color| color.out))
}

fn paint(text: &str, style: Style, colored: bool) -> String {
    let code = match style {
        Style::Good => "32",
        Style::Bad => "31",
        Style::Warning => "33",
        Style::Faint => "2",
    };
    if colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A line of the result.
pub(super) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line that is no result: a prompt, a note.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub(super) fn flush() {
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
}

/// A value as one line of JSON.
pub(super) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(cause) => note(format!("error: cannot write JSON: {cause}")),
    }
}

/// An error and what to do next. What is wrong with a configuration explains itself with its line.
pub(super) fn error(error: &Error) {
    let err = COLOR.get().is_some_and(|color| color.err);
    let head = paint("error:", Style::Bad, err);
    match error.is_config() && error.to_string().contains("\n  --> ") {
        true => note(error),
        false => note(format!("{head} {error}")),
    }
    if let Some(help) = error.help() {
        note(format!("  {} {help}", paint("help:", Style::Good, err)));
    }
}

/// What clap has to say: a refusal (status 2), or the help and the version that were asked for (0).
pub(super) fn refusal(refused: &clap::Error) -> u8 {
    let text = |kind| match refused.get(kind) {
        Some(ContextValue::String(one)) => Some(one),
        // The most similar one comes last.
        Some(ContextValue::Strings(several)) => several.last(),
        _ => None,
    };
    match text(ContextKind::InvalidSubcommand) {
        // With so many names that begin alike, clap would offer most of them.
        Some(wrong) if refused.kind() == ErrorKind::InvalidSubcommand => {
            note(format!("error: unrecognized subcommand '{wrong}'"));
            match text(ContextKind::SuggestedSubcommand) {
                Some(similar) => note(format!("  tip: a similar subcommand exists: '{similar}'")),
                None => note("  tip: craft alone lists all commands"),
            }
        }
        _ => drop(refused.print()),
    }
    u8::try_from(refused.exit_code()).unwrap_or(2)
}

/// All commands by namespace, for `craft` alone.
pub(super) fn overview(root: &Command) {
    line(format!("craft {}  {}\n", env!("CARGO_PKG_VERSION"), root.get_about().cloned().unwrap_or_default()));
    line("Usage: craft <COMMAND> [OPTIONS]\n");
    let mut last = None;
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let space = name.split(':').next().unwrap_or_default();
        if last.is_some_and(|last| last != space) {
            line("");
        }
        last = Some(space);
        line(format!("  {name:<20} {}", command.get_about().cloned().unwrap_or_default()));
    }
    line("\ncraft <COMMAND> -h explains a command, --help with examples.");
}

/// Asks before something is destroyed. Without a terminal nobody can answer: then `--force` must be given.
///
/// # Errors
/// There is no terminal, or the answer is no.
pub(super) fn confirm(question: &str, force: bool) -> Result<()> {
    if force {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::invalid(format!("{question} Nobody can answer here"))
            .with_help("add --force to do it without a question"));
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(Error::invalid("nothing was done")),
    }
}
