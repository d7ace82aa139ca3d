//! Whatever somebody could push or insert, no command prints what a terminal obeys.

use rusqlite::params;
use serde_json::Value;

use crate::programs::{craft, out, run, say};
use crate::support::Folder;
use crate::terminal::run_at_a_terminal;

/// Clears the screen, sets the title, goes back over the line, begins a forged one, reorders the rest.
const HOSTILE: &str =
    "x\x1b[2J\x1b]0;owned\x07\rerror: forged\nevent=done id=7\u{9b}31m\u{85}\u{202e}\u{2066}\u{7f}\u{e0041}";

fn assert_harmless(what: &str, text: &str) {
    let harmful = text.chars().find(|c| {
        let reorders = matches!(*c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}'..='\u{2029}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && *c != '\n') || reorders || ('\u{e0000}'..='\u{e007f}').contains(c)
    });
    assert_eq!(harmful, None, "{what} printed {text:?}");
    let forged =
        text.lines().find(|line| line.starts_with("event=done id=7") || line.starts_with("error: forged"));
    assert_eq!(forged, None, "{what} printed {text:?}");
}

/// A table with a job and failed jobs whose every text is hostile.
fn site() -> Folder {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    let payload = serde_json::to_string(&format!("{HOSTILE} payload")).unwrap();
    for (name, queue) in [(HOSTILE, "default"), ("Fail", "default"), ("Echo", "default"), ("Fail", HOSTILE)] {
        let insert = "INSERT INTO jobs (name, queue, payload, last_error) VALUES (?1, ?2, ?3, ?4)";
        file.execute(insert, params![name, queue, payload, HOSTILE]).unwrap();
    }
    for id in 1..=3 {
        file.execute(
            "INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at)
            VALUES (?1 || ?2, 'database', ?2, ?2, ?2, ?2, ?2, 1, ?2, ?2)",
            params![id, HOSTILE],
        )
        .unwrap();
    }
    folder
}

#[test]
fn no_command_prints_what_a_terminal_obeys() {
    let folder = site();
    let commands: &[&[&str]] = &[
        &["queue:failed-list"],
        &["queue:failed-list", "1"],
        &["queue:failed-list", "--json"],
        &["queue:failed-list", HOSTILE],
        &["queue:failed-list", "--limit", HOSTILE],
        &["queue:list"],
        &["queue:list", "--json"],
        &["queue:list", "--state", HOSTILE],
        &["queue:show", "1"],
        &["queue:show", "1", "--json"],
        &["queue:show", HOSTILE],
        &["queue:cancel", HOSTILE, "99"],
        &["queue:status"],
        &["queue:status", "--json"],
        &["queue:status", HOSTILE],
        &["queue:monitor", HOSTILE],
        &["queue:monitor", HOSTILE, "--json"],
        &["queue:pause", HOSTILE],
        &["queue:resume", HOSTILE],
        &["queue:clear", "--queue", HOSTILE],
        &["queue:push", HOSTILE],
        &["queue:push", "Echo", HOSTILE],
        &["queue:push", "Echo", "1", "--queue", HOSTILE],
        &["queue:push", "Echo", "1", "--delay", HOSTILE],
        &["queue:push", "Echo", &format!("@{HOSTILE}")],
        &["queue:retry", "--dry-run"],
        &["queue:retry", "1"],
        &["queue:retry", HOSTILE],
        &["queue:forget", "2", HOSTILE],
        &["queue:work", "--driver", HOSTILE],
        &["queue:work", "--connection", HOSTILE],
        &["queue:work", "--queue", &format!("default,{HOSTILE}"), "--once"],
        &["queue:work", "--stop-when-empty", "--attempts", "1"],
        &["job", HOSTILE],
        &["migrate", "--directory", HOSTILE],
        &["config:check"],
        &["--config", HOSTILE, "config:check"],
        &[HOSTILE],
        &["queue:work", HOSTILE],
        &[&format!("--{HOSTILE}")],
    ];
    for arguments in commands {
        let said = say(&folder, arguments);
        assert_harmless(&format!("{arguments:?}"), &said.out);
        assert_harmless(&format!("{arguments:?}"), &said.err);
    }
}

#[test]
fn a_worker_tells_of_hostile_jobs_without_harm() {
    for json in [false, true] {
        let folder = site();
        let mut arguments =
            vec!["queue:work", "--stop-when-empty", "--attempts", "1", "-v", "--name", HOSTILE];
        arguments.extend(json.then_some("--json"));
        let said = say(&folder, &arguments);
        assert_harmless("the worker", &said.out);
        assert_harmless("the worker", &said.err);
        if json {
            let lines: Vec<Value> =
                said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(lines.iter().all(|line| line["worker"] == HOSTILE), "it says the same: {}", said.out);
            assert!(said.err.contains("payload"), "what Echo prints is no part of the JSON: {}", said.err);
        }
    }
    let folder = site();
    let said = run_at_a_terminal(craft(
        &folder,
        &["queue:work", "--color", "never", "--stop-when-empty", "--attempts", "1"],
    ));
    assert!(said.out.contains("Fail #2") && said.out.contains("FAIL"), "{}", said.out);
    assert_harmless("the worker at a terminal", &said.out);
}

#[test]
fn the_help_of_an_error_keeps_its_lines() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    file.execute_batch("DROP TABLE jobs_signals").unwrap();
    let said = run(craft(&folder, &["queue:pause", "mail"]));
    assert!(said.err.contains("\nCREATE TABLE jobs_signals (\n"), "{}", said.err);
}
