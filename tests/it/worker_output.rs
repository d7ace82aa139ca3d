//! How much a worker tells, and what small words of the command line mean.

use serde_json::Value;

use crate::programs::{craft, out, say};
use crate::support::Folder;
use crate::terminal::run_at_a_terminal;

fn with_two_jobs() -> Folder {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    out(&folder, &["queue:push", "Echo", "1"]);
    out(&folder, &["queue:push", "Fail", "\"why\""]);
    folder
}

const WORK: [&str; 4] = ["queue:work", "--stop-when-empty", "--attempts", "1"];

#[test]
fn a_quiet_worker_tells_failures_only() {
    let told = out(&with_two_jobs(), &[&["-q"], &WORK[..]].concat());
    let events: Vec<_> = told.lines().filter(|line| line.contains(" event=")).collect();
    assert!(matches!(events[..], [only] if only.contains("event=dead ")), "{told}");
    let told = say(&with_two_jobs(), &[&["-q"], &WORK[..], &["--json"]].concat());
    let events: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(&events[..], [only] if only["event"] == "dead"), "{}", told.out);
    let terminal =
        run_at_a_terminal(craft(&with_two_jobs(), &[&["-q", "--color", "never"], &WORK[..]].concat()));
    assert_eq!(terminal.out.matches(" FAIL\n").count(), 1, "{}", terminal.out);
    for routine in ["DONE", "Jobs known", "No more jobs", "RUNNING"] {
        assert!(!terminal.out.contains(routine), "{}", terminal.out);
    }
}

#[test]
fn at_a_terminal_the_jobs_that_are_programs_are_named_too() {
    let folder = with_two_jobs();
    std::fs::write(folder.join("queue.toml"), "[jobs.Resize]\ncommand = [\"true\"]\n").unwrap();
    let terminal = run_at_a_terminal(craft(&folder, &[&["--color", "never"], &WORK[..]].concat()));
    assert!(terminal.out.contains("Jobs known: Echo, Fail, Resize."), "{}", terminal.out);
}

#[test]
fn with_v_a_line_tells_when_a_job_begins() {
    let told = say(&with_two_jobs(), &[&WORK[..], &["-v", "--json"]].concat());
    let events: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: i64| {
        events.iter().filter(move |event| event["id"] == id).map(|event| event["event"].as_str().unwrap())
    };
    assert_eq!(of(1).collect::<Vec<_>>(), ["began", "done"]);
    assert_eq!(of(2).collect::<Vec<_>>(), ["began", "dead"]);
    let began = events.iter().find(|event| event["event"] == "began").unwrap();
    assert!(began["waited_ms"].as_f64().is_some_and(|waited| waited >= 0.0), "{began}");

    let terminal =
        run_at_a_terminal(craft(&with_two_jobs(), &[&WORK[..], &["-v", "--color", "never"]].concat()));
    let line = terminal
        .out
        .lines()
        .find(|line| line.ends_with(" RUNNING"))
        .unwrap_or_else(|| panic!("{}", terminal.out));
    assert!(line.contains(" Echo #1 ........ waited "), "{line}");
    let plain = run_at_a_terminal(craft(&with_two_jobs(), &[&WORK[..], &["--color", "never"]].concat()));
    assert!(plain.out.contains(" DONE\n") && !plain.out.contains("RUNNING"), "{}", plain.out);
}

/// The one that every command has; a folder is still found by the word of the chapter, and no driver becomes one.
#[test]
fn d_is_the_driver_and_no_driver_becomes_a_folder() {
    let folder = Folder::new();
    for command in ["queue:table", "queue:failed", "queue:install"] {
        assert!(!out(&folder, &[command, "--help"]).contains("-d,"), "{command}");
        let said = say(&folder, &[command, "-d", "database"]);
        let error =
            "error: \"database\" is a driver, and this command is about a folder: its -d is --directory\n";
        assert!(said.status == 2 && said.err.starts_with(error), "{}", said.err);
        assert!(!folder.join("database").exists());
    }
    assert!(out(&folder, &["queue:table", "-d", "sql/made"]).starts_with("Wrote sql/made/2"));
    assert!(out(&folder, &["queue:failed", "--directory", "./database"]).starts_with("Wrote ./database/2"));
    assert!(out(&folder, &["queue:work", "--help"]).contains("-d, --driver"));
}

#[test]
fn a_first_job_says_how_the_program_gets_to_know_it() {
    let folder = Folder::new();
    let advice =
        "Add `mod jobs;` to src/main.rs, and give `jobs::all()` to `craft_queue::main` or `Queue::open`.\n";
    assert!(out(&folder, &["job", "CreateInvoice"]).ends_with(advice));
    std::fs::write(folder.join("src/main.rs"), "fn main() {}\n").unwrap();
    assert!(out(&folder, &["job", "SendEmail"]).ends_with(advice), "it is still not part of the program");
    std::fs::write(folder.join("src/main.rs"), "mod jobs;\n\nfn main() {}\n").unwrap();
    assert!(out(&folder, &["job", "SendReport"]).ends_with("Registered SendReport in src/jobs/mod.rs\n"));
}
