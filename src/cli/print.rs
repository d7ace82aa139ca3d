//! Printing for people. A reader who has gone (EPIPE) is no error: what could be said was said.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{escape, identity, progress, stdout};
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

/// A line to print. Whatever it is made of is escaped; only its styles are ours.
#[derive(Default)]
pub(super) struct Text(Vec<(String, Option<Style>)>);

impl Text {
    pub(super) fn and(mut self, text: impl Display) -> Self {
        self.0.push((escape::line(&text.to_string()).into_owned(), None));
        self
    }

    pub(super) fn styled(mut self, text: impl Display, style: Style) -> Self {
        self.0.push((escape::line(&text.to_string()).into_owned(), Some(style)));
        self
    }

    /// A text of several lines, whose line breaks are its author's.
    fn and_lines(mut self, text: impl Display) -> Self {
        self.0.push((escape::lines(&text.to_string()).into_owned(), None));
        self
    }

    /// How many columns it takes, where each character takes one.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| text.chars().count()).sum()
    }

    #[cfg(test)]
    pub(super) fn unstyled(&self) -> String {
        self.0.iter().map(|(text, _)| text.as_str()).collect()
    }

    fn write(self, stream: &mut dyn Write, colored: bool) {
        let mut line = String::new();
        for (text, style) in self.0 {
            let code = match style {
                Some(Style::Good) => "32",
                Some(Style::Bad) => "31",
                Some(Style::Warning) => "33",
                Some(Style::Faint) => "2",
                None => "",
            };
            match colored && !code.is_empty() {
                true => line.extend(["\x1b[", code, "m", &text, "\x1b[0m"]),
                false => line.push_str(&text),
            }
        }
        line.push('\n');
        // In one piece: lines of threads and processes that print beside each other stay whole.
        let _ = stream.write_all(line.as_bytes());
    }
}

impl<T: Display> From<T> for Text {
    fn from(text: T) -> Self {
        Self::default().and(text)
    }
}

/// A word that stands out.
pub(super) fn styled(text: impl Display, style: Style) -> Text {
    Text::default().styled(text, style)
}

/// Prepares for what the command prints: its colours, and with `--json` a stdout for JSON alone.
pub(super) fn start(matches: &ArgMatches) {
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
    let own = matches.subcommand().map(|(_, own)| own);
    if own.is_some_and(|own| own.try_get_one("json").ok().flatten() == Some(&true)) {
        stdout::keep_for_results();
    }
}

/// A line of the result.
pub(super) fn line(text: impl Into<Text>) {
    progress::erase();
    text.into().write(&mut stdout::results(), COLOR.get().is_some_and(|color| color.out));
}

/// A text of ours, with its line breaks.
pub(super) fn block(text: impl Display) {
    line(Text::default().and_lines(text.to_string().trim_end()));
}

/// What is for a program and not for a person, as it is.
pub(super) fn raw(text: &[u8]) {
    let _ = stdout::results().write_all(text);
}

/// A line that is no result: a prompt, a note.
pub(super) fn note(text: impl Into<Text>) {
    progress::erase();
    text.into().write(&mut std::io::stderr(), COLOR.get().is_some_and(|color| color.err));
}

/// A line for what a person should know, though the command goes on.
pub(super) fn warning(text: impl Display) {
    note(styled("warning:", Style::Warning).and(format_args!(" {text}")));
}

/// A text of several lines, each behind an indent.
pub(super) fn indented(indent: &str, text: &str) {
    for part in text.lines() {
        line(format!("{indent}{}", part.replace('\t', "    ")));
    }
}

pub(super) fn flush() {
    let _ = stdout::results().flush();
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
}

/// A value as one line of JSON.
pub(super) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => drop(writeln!(stdout::results(), "{}", escape::json(&text))),
        Err(cause) => note(format!("error: cannot write JSON: {cause}")),
    }
}

/// An array as one line of JSON, written as it comes.
#[derive(Default)]
pub(super) struct JsonList {
    text: String,
    has_begun: bool,
}

impl JsonList {
    pub(super) fn add(&mut self, value: &impl serde::Serialize) {
        self.text.push(if self.has_begun { ',' } else { '[' });
        self.has_begun = true;
        match serde_json::to_string(value) {
            Ok(text) => self.text.push_str(&escape::json(&text)),
            Err(cause) => note(format!("error: cannot write JSON: {cause}")),
        }
        if self.text.len() > 1 << 16 {
            raw(self.text.as_bytes());
            self.text.clear();
        }
    }

    pub(super) fn end(mut self) {
        self.text.push_str(if self.has_begun { "]\n" } else { "[]\n" });
        raw(self.text.as_bytes());
    }
}

/// An error and what to do next. What is wrong with a configuration explains itself with its line.
pub(super) fn error(error: &Error) {
    match error.is_config() && error.to_string().contains("\n  --> ") {
        true => note(Text::default().and_lines(error)),
        false => note(styled("error:", Style::Bad).and(format_args!(" {error}"))),
    }
    error.help().into_iter().for_each(help);
}

/// What to do about an error that was printed before.
pub(super) fn help(text: &str) {
    note(Text::from("  ").styled("help:", Style::Good).and(" ").and_lines(identity::named(text)));
}

/// What clap has to say: a refusal (status 2), or the help and the version that were asked for (0).
pub(super) fn refusal(mut refused: clap::Error) -> u8 {
    // Its line breaks are its own; those of what was typed, or was put there by a script, are escaped.
    let typed: Vec<_> = refused.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in typed {
        if let ContextValue::String(text) = value {
            refused.insert(kind, ContextValue::String(escape::line(&text).into_owned()));
        }
    }
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
                None => note(identity::named("  tip: craft alone lists all commands")),
            }
        }
        _ if refused.use_stderr() => note(Text::default().and_lines(refused.render().to_string().trim_end())),
        _ => block(refused.render()),
    }
    u8::try_from(refused.exit_code()).unwrap_or(2)
}

/// Asks before something is destroyed. Without a terminal `--force` must be given.
///
/// # Errors
/// There is no terminal, or the answer is no.
pub(super) fn confirm(question: &str, force: bool) -> Result<()> {
    if force {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::invalid(format!("{question} There is no terminal to answer on"))
            .with_help("add --force to do it without a question"));
    }
    let _ = write!(std::io::stderr(), "{} [y/N] ", escape::line(question));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(Error::invalid("nothing was done")),
    }
}
