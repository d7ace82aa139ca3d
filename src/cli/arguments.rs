//! The arguments that every command has, and how they are parsed.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::exit::usage;
use super::identity;
use crate::error::Result;
use crate::message::JobId;
use crate::time::parse_span;

/// The whole command line.
pub(super) fn root(commands: impl Iterator<Item = Command>) -> Command {
    let global = |arg: Arg| arg.global(true).help_heading("Everywhere");
    let root = Command::new(identity::name())
        .bin_name(identity::name())
        .version(identity::version())
        .about(identity::about())
        .override_usage(format!("{} <COMMAND> [OPTIONS]", identity::name()))
        .disable_help_subcommand(true)
        .arg(global(
            Arg::new("config").long("config").value_name("FILE").help("Read this file [default: queue.toml]"),
        ))
        .arg(global(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .action(ArgAction::Count)
                .help("Print more; twice: each poll"),
        ))
        .arg(global(
            Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("Print errors only"),
        ))
        .arg(global(
            Arg::new("color")
                .long("color")
                .value_name("WHEN")
                .value_parser(["auto", "always", "never"])
                .default_value("auto")
                .hide_possible_values(true)
                .help("Colour: auto, always or never"),
        ));
    // Of an option that is given twice the last one counts, as scripts that add to a command expect.
    root.subcommands(commands.map(|command| {
        let command = command.args_override_self(true);
        match command.get_after_long_help().map(ToString::to_string) {
            Some(help) => command.after_long_help(identity::named(&help).into_owned()),
            None => command,
        }
    }))
}

pub(super) fn parse(
    root: Command,
    names: &[String],
    arguments: impl IntoIterator<Item = OsString>,
) -> std::result::Result<ArgMatches, clap::Error> {
    root.try_get_matches_from(joined(names, arguments))
}

/// `queue work` means `queue:work`: shells split words at the colon when they complete.
fn joined(names: &[String], arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    for index in 1..arguments.len().saturating_sub(1) {
        let (Some(first), Some(second)) = (arguments[index].to_str(), arguments[index + 1].to_str()) else {
            continue;
        };
        let name = format!("{first}:{second}");
        if names.contains(&name) {
            arguments.splice(index..=index + 1, [OsString::from(name)]);
            break;
        }
        // Only what stands where a command stands is one.
        if !first.starts_with('-') {
            break;
        }
    }
    arguments
}

/// A span of time, if it was given.
pub(super) fn span(matches: &ArgMatches, name: &str) -> Result<Option<Duration>> {
    let span = text(matches, name).map(parse_span).transpose();
    span.map_err(|error| error.context(format!("--{name}")).of_usage())
}

/// An option with a value.
pub(super) fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    // A negative number is a value, too: the option itself says why it is wrong.
    Arg::new(name).long(name).value_name(value).help(help).allow_negative_numbers(true)
}

/// An option with a span of time. A negative one, in words too, is a value that says why it is wrong.
pub(super) fn span_option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    option(name, value, help).allow_hyphen_values(true)
}

/// A whole number from `least`, if it was given.
pub(super) fn whole<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    matches: &ArgMatches,
    name: &str,
    least: N,
) -> Result<Option<N>> {
    let Some(given) = text(matches, name) else { return Ok(None) };
    match given.parse().ok().filter(|number| *number >= least) {
        Some(number) => Ok(Some(number)),
        None => Err(usage(format!("--{name}: \"{given}\" is not a whole number from {least}"))),
    }
}

/// An option without a value.
pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// The value of an option, if it was given.
pub(super) fn text<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    matches.get_one::<String>(name).map(String::as_str)
}

/// An option that names queues: a list with commas, or given several times.
pub(super) fn queues(help: &'static str) -> Arg {
    option("queue", "A[,B]", help).action(ArgAction::Append)
}

/// The queues that an argument names, in order, each once.
pub(super) fn given_queues(matches: &ArgMatches, argument: &str) -> Vec<String> {
    let lists = matches.get_many::<String>(argument).into_iter().flatten();
    let mut queues: Vec<String> = Vec::new();
    for name in lists.flat_map(|list| names(list)) {
        if !queues.contains(&name) {
            queues.push(name);
        }
    }
    queues
}

/// The names of a list with commas. One in double quotes is taken as it is: no queue is called so that is
/// pushed to today, but rows that others wrote may be.
fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|inside| inside.split_once('"'));
        let quoted = quoted.filter(|(_, after)| after.is_empty() || after.trim_start().starts_with(','));
        let (name, after) = match quoted {
            Some((name, after)) => (name, after.trim_start().trim_start_matches(',')),
            None => {
                let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
                (name.trim(), after)
            }
        };
        if !name.is_empty() {
            names.push(name.to_owned());
        }
        rest = after.trim_start();
    }
    names
}

/// Queues by their names, at least one.
pub(super) fn named_queues() -> Arg {
    Arg::new("queues").value_name("QUEUE").action(ArgAction::Append).num_args(1..).required(true)
}

/// Failed jobs by their ids.
pub(super) fn ids() -> Arg {
    Arg::new("ids").value_name("ID").action(ArgAction::Append).num_args(0..)
}

pub(super) fn given_ids(matches: &ArgMatches) -> Vec<JobId> {
    matches.get_many::<String>("ids").into_iter().flatten().map(|id| job_id(id)).collect()
}

pub(super) fn job_id(text: &str) -> JobId {
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits.parse().map_or_else(|_| JobId::Text(text.into()), JobId::Number)
}

pub(super) fn driver() -> Arg {
    option("driver", "NAME", "The driver: async, database, amqp, or one of your own").short('d')
}

pub(super) fn connection() -> Arg {
    option("connection", "NAME", "The connection, a name under [connections]").short('c')
}

pub(super) fn json() -> Arg {
    switch("json", "Print JSON")
}

pub(super) fn force() -> Arg {
    switch("force", "Do not ask")
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn lists_of_queues() {
        let table: [(&str, &[&str]); 8] = [
            ("a", &["a"]),
            (" a , b,,c ", &["a", "b", "c"]),
            ("\"a,b\"", &["a,b"]),
            ("c,\" a\" ,d", &["c", " a", "d"]),
            ("a b", &["a b"]),
            ("\"a\"b,c", &["\"a\"b", "c"]),
            ("\"a", &["\"a"]),
            (" , ", &[]),
        ];
        for (list, expected) in table {
            assert_eq!(names(list), expected, "{list:?}");
        }
    }
}
