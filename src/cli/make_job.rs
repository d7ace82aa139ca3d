//! `job NAME` writes a job's file; `job:list` lists the jobs that the program knows.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::exit::{Exit, usage};
use super::invocation::Invocation;
use super::print;
use crate::error::{Error, Result};

const FOLDER: &str = "src/jobs";

/// `src/jobs/mod.rs`, before there is any job.
const REGISTRY: &str = "//! The jobs of this program.

use craft_queue::Jobs;

/// Every job of this program; for `Queue::open` and `craft_queue::main`.
pub fn all() -> Jobs {
    Jobs::new()
}
";

pub(super) fn command() -> Command {
    Command::new("job")
        .about("Write the file of a new job")
        .arg(Arg::new("name").value_name("NAME").required(true).help("Its name, such as CreateInvoice"))
        .arg(
            Arg::new("force")
                .short('f')
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Write over the file that is there"),
        )
}

pub(super) fn run(_: Invocation, matches: &ArgMatches) -> Result<Exit> {
    let name = matches.get_one::<String>("name").map_or("", String::as_str);
    let is_type =
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_type {
        return Err(usage(format!("\"{name}\" is no name for a job"))
            .with_help("write it as a Rust type: CreateInvoice"));
    }
    let module = snake(name);
    let folder = Path::new(FOLDER);
    let file = folder.join(format!("{module}.rs"));
    if file.exists() && !matches.get_flag("force") {
        return Err(Error::invalid(format!("{} exists already", file.display()))
            .with_help("add --force to write over it"));
    }
    let registry = folder.join("mod.rs");
    let registered = match std::fs::read_to_string(&registry) {
        Ok(text) => register(&text, name, &module),
        Err(_) => register(REGISTRY, name, &module),
    };
    let unwritable =
        |cause: std::io::Error| Error::other(format!("cannot write {}", file.display())).because(&cause);
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    std::fs::write(&file, template(name)).map_err(unwritable)?;
    print::line(format!("Wrote {}", file.display()));
    match registered {
        Some(text) => {
            std::fs::write(&registry, text).map_err(unwritable)?;
            print::line(format!("Registered {name} in {}", registry.display()));
        }
        None => print::line(format!(
            "Add `mod {module};` and `.add::<{module}::{name}>()` to {} yourself: it has no `Jobs::new()`",
            registry.display()
        )),
    }
    if !is_part_of_the_program(folder) {
        print::line(
            "Add `mod jobs;` to src/main.rs, and give `jobs::all()` to `craft_queue::main` or `Queue::open`.",
        );
    }
    Ok(Exit::Fine)
}

/// Whether the crate's root has the module.
fn is_part_of_the_program(folder: &Path) -> bool {
    let roots = ["main.rs", "lib.rs"].map(|root| folder.with_file_name(root));
    let has_it = |root: &std::path::PathBuf| std::fs::read_to_string(root).is_ok_and(|text| declares(&text));
    roots.iter().any(has_it)
}

fn declares(root: &str) -> bool {
    let declared = |line: &str| {
        let line = line.trim();
        let item = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
        item.starts_with("mod jobs;")
    };
    root.lines().any(declared)
}

/// `CreateInvoice` is `create_invoice`, `SendHTTPCall` is `send_http_call`.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let after_small = index > 0 && !letters[index - 1].is_ascii_uppercase();
        let before_small = letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && index > 0 && (after_small || before_small) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The registry with this job in it; `None` when it is not of a shape that can be added to.
fn register(text: &str, name: &str, module: &str) -> Option<String> {
    let add = format!(".add::<{name}>()");
    if text.contains(&add) {
        return Some(text.to_owned());
    }
    let start = text.find("Jobs::new()")? + "Jobs::new()".len();
    let with_call = format!("{}\n        {add}{}", &text[..start], &text[start..]);
    // The modules stand after the imports, before the first item.
    let item = with_call.find("\n/// ").or_else(|| with_call.find("\npub fn "))?;
    let module = format!("\nmod {module};\npub use {module}::{name};\n");
    Some(format!("{}{module}{}", &with_call[..item], &with_call[item..]))
}

fn template(name: &str) -> String {
    format!(
        "use craft_queue::{{Context, JobResult, Queueable}};
use serde::{{Deserialize, Serialize}};

/// Its fields are what is kept on the queue; keep them small.
#[derive(Serialize, Deserialize)]
pub struct {name} {{}}

impl Queueable for {name} {{
    const NAME: &'static str = \"{name}\";

    fn handle(&self, _job: &Context) -> JobResult {{
        Ok(())
    }}
}}
"
    )
}

pub(super) fn list_command() -> Command {
    Command::new("job:list").about("List the jobs that this program knows")
}

pub(super) fn list(invocation: Invocation, matches: &ArgMatches) -> Result<Exit> {
    for name in invocation.job_names() {
        print::line(format!("  {name}"));
    }
    for (name, command) in &invocation.config(matches)?.commands {
        print::line(format!("  {name}   {}", command.command.join(" ")));
    }
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_become_names_of_files() {
        for (name, file) in [
            ("CreateInvoice", "create_invoice"),
            ("A", "a"),
            ("SendHTTPCall", "send_http_call"),
            ("Top10", "top10"),
        ] {
            assert_eq!(snake(name), file);
        }
    }

    #[test]
    fn a_root_declares_the_module_or_not() {
        for (root, declared) in [
            ("mod jobs;", true),
            ("use x;\n\npub mod jobs; // all\n", true),
            ("pub(crate) mod jobs;", true),
            ("// mod jobs;\nmod jobs_of_mine;\nfn main() {}", false),
            ("", false),
        ] {
            assert_eq!(declares(root), declared, "{root}");
        }
    }

    #[test]
    fn jobs_are_registered_once() {
        let one = register(REGISTRY, "CreateInvoice", "create_invoice").unwrap();
        let two = register(&one, "SendEmail", "send_email").unwrap();
        assert_eq!(register(&two, "SendEmail", "send_email"), Some(two.clone()));
        for line in [
            "mod create_invoice;",
            "pub use create_invoice::CreateInvoice;",
            "mod send_email;",
            "        .add::<CreateInvoice>()",
            "        .add::<SendEmail>()",
        ] {
            assert_eq!(two.lines().filter(|other| *other == line).count(), 1, "{line}\n{two}");
        }
        assert_eq!(register("fn main() {}", "A", "a"), None);
    }
}
