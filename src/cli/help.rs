//! The command line about itself: `help`, `completions` for a shell, `man`.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::arguments::{option, text};
use super::exit::usage;
use super::{identity, print};
use crate::error::{Error, Result};

/// The names of these commands.
pub(super) const NAMES: [&str; 3] = ["help", "completions", "man"];

pub(super) fn commands() -> [Command; 3] {
    let named = |text: &str| identity::named(text).into_owned();
    let name = identity::name();
    let command = || Arg::new("command").value_name("COMMAND").action(ArgAction::Append).num_args(0..=2);
    [
        Command::new("help")
            .about("Explain a command")
            .arg(command().help("The command [default: all, in a list]")),
        Command::new("completions")
            .about("Print what makes a shell complete these commands")
            .arg(
                Arg::new("shell")
                    .value_name("SHELL")
                    .required(true)
                    .value_parser(clap::value_parser!(Shell))
                    .help("bash, zsh, fish, elvish or powershell"),
            )
            .after_long_help(format!(
                "Examples:\n  \
                 {name} completions bash > ~/.local/share/bash-completion/completions/{name}\n  \
                 {name} completions zsh > ~/.zfunc/_{name}      (a folder of $fpath)\n  \
                 {name} completions fish > ~/.config/fish/completions/{name}.fish",
            )),
        Command::new("man")
            .about("Print the manual page of the program, or of a command")
            .arg(command().help("The command [default: the program]"))
            .arg(option("directory", "DIR", "Write the pages of all commands into this folder"))
            .after_long_help(named(
                "Examples:\n  \
                 craft man | man -l -\n  \
                 craft man queue:work | man -l -\n  \
                 craft man --directory /usr/local/share/man/man1",
            )),
    ]
}

/// Runs one of these; `None` when it is none.
pub(super) fn run(root: &Command, name: &str, matches: &ArgMatches) -> Option<Result<()>> {
    let done = match name {
        "help" => help(root, matches),
        "completions" => completions(root, matches),
        "man" => man(root, matches),
        _ => return None,
    };
    Some(done)
}

fn help(root: &Command, matches: &ArgMatches) -> Result<()> {
    match asked(root, matches)? {
        Some(mut command) => print::block(command.render_long_help()),
        None => overview(root),
    }
    Ok(())
}

/// All commands by namespace, for `craft` alone.
pub(super) fn overview(root: &Command) {
    print::line(format!(
        "{} {}  {}",
        identity::name(),
        identity::version(),
        root.get_about().cloned().unwrap_or_default()
    ));
    print::line("");
    print::line(identity::named("Usage: craft <COMMAND> [OPTIONS]"));
    print::line("");
    let mut last = None;
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let space = match NAMES.contains(&name) {
            true => NAMES[0],
            false => name.split(':').next().unwrap_or_default(),
        };
        if last.is_some_and(|last| last != space) {
            print::line("");
        }
        last = Some(space);
        print::line(format!("  {name:<20} {}", command.get_about().cloned().unwrap_or_default()));
    }
    print::line("");
    print::line(identity::named("craft <COMMAND> -h explains a command, --help with examples."));
}

/// Fully spelt, with the options that every command has.
fn built(root: &Command) -> Command {
    let mut root = root.clone();
    root.build();
    root
}

/// The command that is asked for, also in two words.
fn asked(root: &Command, matches: &ArgMatches) -> Result<Option<Command>> {
    let words: Vec<&str> =
        matches.get_many::<String>("command").into_iter().flatten().map(String::as_str).collect();
    if words.is_empty() {
        return Ok(None);
    }
    let name = words.join(":");
    match built(root).get_subcommands().find(|command| command.get_name() == name) {
        Some(command) => Ok(Some(command.clone())),
        None => {
            let known: Vec<_> = root.get_subcommands().map(Command::get_name).collect();
            let help = match crate::config::nearest(&name, &known) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => "craft alone lists all commands".to_owned(),
            };
            Err(usage(format!("there is no command '{name}'")).with_help(help))
        }
    }
}

fn completions(root: &Command, matches: &ArgMatches) -> Result<()> {
    let Some(shell) = matches.get_one::<Shell>("shell").copied() else { return Ok(()) };
    let mut root = match shell {
        Shell::Bash => with_second_words(root),
        _ => root.clone(),
    };
    let name = identity::name();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut root, name, &mut script);
    if shell == Shell::Zsh {
        script = with_escaped_names(&root, script);
    }
    print::raw(&script);
    Ok(())
}

/// Zsh lists commands as `name:what it does`.
fn with_escaped_names(root: &Command, script: Vec<u8>) -> Vec<u8> {
    let names = root.get_subcommands().map(Command::get_name).filter(|name| name.contains(':'));
    let escape = |script: String, name: &str| {
        script.replace(&format!("'{name}:"), &format!("'{}:", name.replace(':', "\\:")))
    };
    names.fold(String::from_utf8_lossy(&script).into_owned(), escape).into_bytes()
}

/// Bash parts words at the colon, so that to it `queue:work` is `queue`, `:`, `work`: there each namespace is a
/// command that has commands.
fn with_second_words(root: &Command) -> Command {
    let mut spaces: Vec<(String, Vec<Command>)> = Vec::new();
    for command in root.get_subcommands() {
        let Some((space, word)) = command.get_name().split_once(':') else { continue };
        let second = command.clone().name(word.to_owned());
        match spaces.iter_mut().find(|(name, _)| name == space) {
            Some((_, seconds)) => seconds.push(second),
            None => spaces.push((space.to_owned(), vec![second])),
        }
    }
    let mut root = root.clone();
    for (space, seconds) in spaces {
        let has = root.get_subcommands().any(|command| command.get_name() == space);
        root = match has {
            true => root.mut_subcommand(space, |command| command.subcommands(seconds)),
            false => root.subcommand(Command::new(space).subcommands(seconds)),
        };
    }
    root
}

fn man(root: &Command, matches: &ArgMatches) -> Result<()> {
    let program = built(root);
    if let Some(folder) = text(matches, "directory") {
        let folder = Path::new(folder);
        let unwritable = |cause: std::io::Error| {
            Error::other(format!("cannot write {}", folder.display())).because(&cause)
        };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        let commands = program.get_subcommands().map(|command| page(command, Some(identity::name())));
        for (name, page) in std::iter::once(page(&program, None)).chain(commands) {
            let file = folder.join(format!("{name}.1"));
            std::fs::write(&file, page).map_err(unwritable)?;
            print::line(format!("Wrote {}", file.display()));
        }
        return Ok(());
    }
    let (_, page) = match asked(root, matches)? {
        Some(command) => page(&command, Some(identity::name())),
        None => page(&program, None),
    };
    print::raw(&page);
    Ok(())
}

/// A page and its name: `craft`, `craft-queue:work`. So its list of commands refers to them.
fn page(command: &Command, of: Option<&str>) -> (String, Vec<u8>) {
    let name = match of {
        Some(program) => format!("{program}-{}", command.get_name()),
        None => command.get_name().to_owned(),
    };
    let mut page = Vec::new();
    // A vector takes all that is written to it.
    let _ = Man::new(command.clone()).title(name.clone()).render(&mut page);
    (name, page)
}
