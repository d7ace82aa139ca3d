//! The command line of a program that brings a name, a configuration, drivers, a listener and commands.

use std::process::Command;

use crate::programs::{Said, run, test_jobs};
use crate::support::Folder;

fn shop(folder: &Folder, kind: &str, arguments: &[&str]) -> Said {
    let mut command: Command = test_jobs(folder, arguments);
    command.env("SHOP", kind);
    run(command)
}

#[test]
fn a_program_goes_by_its_own_name() {
    let folder = Folder::new();
    let version = shop(&folder, "", &["--version"]);
    assert_eq!((version.status, version.out.trim()), (0, "shop 2.1"));
    let overview = shop(&folder, "", &[]).out;
    for line in ["shop 2.1  Sells things", "Usage: shop <COMMAND>", "  orders:import        Read orders"] {
        assert!(overview.contains(line), "{overview}");
    }
    let help = shop(&folder, "", &["queue:work", "--help"]).out;
    assert!(help.contains("Usage: shop queue:work") && help.contains("  shop queue:work --queue"), "{help}");
    let advice = shop(&folder, "", &["queue:work", "--stop-when-empty"]);
    assert!(advice.err.contains("shop queue:table && shop migrate"), "{}", advice.err);
    let completions = shop(&folder, "", &["completions", "--help"]).out;
    assert!(completions.contains("bash-completion/completions/shop\n"), "{completions}");
    for said in [overview, help, advice.err, completions] {
        assert!(!said.replace("craft-queue", "").contains("craft"), "{said}");
    }
    // One that says nothing is called as its file is, and tells whose version it has.
    let version = run(test_jobs(&folder, &["--version"]));
    assert_eq!(version.out.trim(), format!("test_jobs (craft-queue {})", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_program_brings_configuration_commands_and_a_listener() {
    let folder = Folder::new();
    assert_eq!(shop(&folder, "own config", &["queue:install"]).status, 0);
    assert!(folder.join("own.sqlite3").exists());
    std::fs::write(folder.join("order"), "{}").unwrap();
    let imported = shop(&folder, "own config", &["orders:import", "order", "3"]);
    assert_eq!((imported.status, imported.out.trim()), (7, "3 of database"), "{}", imported.err);
    let worked = shop(&folder, "own config", &["queue:work", "--stop-when-empty"]);
    assert!(worked.out.contains("event=done") && worked.status == 0, "{}", worked.err);
    let heard = std::fs::read_to_string(folder.join("heard")).unwrap();
    assert_eq!(heard.matches("Nothing false").count(), 3, "{heard}");
    assert_eq!(heard.matches("Nothing true").count(), 3, "{heard}");
    // Its errors are told as ours are.
    let wrong = shop(&folder, "own config", &["orders:import", "--help"]);
    assert_eq!((wrong.status, wrong.err.trim()), (1, "error: which file, and how many?"));
    let wrong = shop(&folder, "own config", &["orders:queue"]);
    assert_eq!(wrong.status, 78);
    assert!(wrong.err.contains("help: this program has: amqp, async, database, shelf"), "{}", wrong.err);
    let refused = shop(&folder, "own config", &["--config", "x.toml", "queue:status"]);
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("reads no file"), "{}", refused.err);
}

#[test]
fn a_program_brings_drivers_which_every_command_knows() {
    let folder = Folder::new();
    let status = shop(&folder, "", &["queue:status", "--driver", "shelf"]);
    assert_eq!(status.status, 0, "{}", status.err);
    let pushed = shop(&folder, "", &["queue:push", "Nothing", "--driver", "shelf"]);
    assert_eq!((pushed.status, pushed.out.trim()), (0, "1"), "{}", pushed.err);
    let twice = shop(&folder, "twice", &["queue:status"]);
    assert_eq!(twice.status, 78);
    assert!(twice.err.contains("two commands named queue:work"), "{}", twice.err);
}
