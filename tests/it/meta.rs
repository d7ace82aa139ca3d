//! What the command line tells of itself: help, completions, manual pages.

use std::process::Command;

use crate::programs::{out, run, say};
use crate::support::Folder;

#[test]
fn a_command_is_explained_by_its_name_also_in_two_words() {
    let folder = Folder::new();
    let help = out(&folder, &["queue:work", "--help"]);
    assert_eq!(out(&folder, &["help", "queue:work"]), help);
    assert_eq!(out(&folder, &["help", "queue", "work"]), help);
    assert_eq!(out(&folder, &["help"]), out(&folder, &[]));
    for signal in ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] {
        assert!(help.contains(signal), "{help}");
    }
    let slip = say(&folder, &["help", "queue:wrok"]);
    assert_eq!(
        (slip.status, &*slip.err),
        (2, "error: there is no command 'queue:wrok'\n  help: did you mean queue:work?\n")
    );
}

/// Completes a line as bash would, which parts words at the colon.
fn complete(folder: &Folder, words: &[&str]) -> Vec<String> {
    let script = "source ./craft.bash
        COMP_WORDS=(\"$@\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _craft craft \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).args(words).current_dir(folder.path());
    let said = run(bash);
    assert_eq!((said.status, &*said.err), (0, ""));
    said.out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_with_and_without_the_colon() {
    let folder = Folder::new();
    std::fs::write(folder.join("craft.bash"), out(&folder, &["completions", "bash"])).unwrap();
    assert!(complete(&folder, &["craft", "queue:wo"]).contains(&"queue:work".to_owned()));
    assert_eq!(complete(&folder, &["craft", "queue", ":", "wo"]), ["work"]);
    assert_eq!(complete(&folder, &["craft", "queue", "wo"]), ["work"]);
    assert_eq!(complete(&folder, &["craft", "queue", ":", "work", "--pid"]), ["--pid-file"]);
    assert_eq!(complete(&folder, &["craft", "migrate", "--dry"]), ["--dry-run"]);
    assert_eq!(complete(&folder, &["craft", "migrate", ":", "ro"]), ["rollback"]);
}

#[test]
fn other_shells_know_every_command() {
    let folder = Folder::new();
    assert!(out(&folder, &["completions", "zsh"]).contains("'queue\\:work:Run jobs until it is stopped'"));
    for shell in ["fish", "elvish", "powershell"] {
        assert!(out(&folder, &["completions", shell]).contains("queue:work"), "{shell}");
    }
    let wrong = say(&folder, &["completions", "tcsh"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.err.contains("[possible values: bash, elvish, fish, powershell, zsh]"), "{}", wrong.err);
}

#[test]
fn manual_pages_are_printed_or_written() {
    let folder = Folder::new();
    let program = out(&folder, &["man"]);
    assert!(program.contains(".TH craft 1") && program.contains("craft\\-queue:work(1)"), "{program}");
    let command = out(&folder, &["man", "queue", "work"]);
    assert!(
        command.contains(".TH craft-queue:work 1") && command.contains("\\-\\-stop\\-when\\-empty"),
        "{command}"
    );
    let wrote = out(&folder, &["man", "--directory", "man1"]);
    assert!(
        wrote.contains("Wrote man1/craft.1\n") && wrote.contains("Wrote man1/craft-queue:work.1\n"),
        "{wrote}"
    );
    assert_eq!(std::fs::read_to_string(folder.join("man1/craft-queue:work.1")).unwrap(), command);
}
