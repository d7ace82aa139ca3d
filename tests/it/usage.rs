//! A command that is called wrongly ends with 2, also where only the command itself can see it, and says which word
//! is wrong; what is wrong in the file or in the environment ends with 78.

use crate::programs::{craft, out, run, say};
use crate::support::Folder;

/// Commands, and options or words that can't be meant, each alone.
const WRONG: &[(&[&str], &[&[&str]])] = &[
    (
        &["queue:push", "Echo", "1"],
        &[
            &["--delay", "soon"],
            &["--delay", "-5"],
            &["--delay", "36601 days"],
            &["--timeout", "0"],
            &["--timeout", "x"],
            &["--backoff", "x"],
            &["--backoff", "-1"],
            &["--priority", "10"],
            &["--priority", "-1"],
            &["--priority", "300"],
            &["--attempts", "0"],
            &["--count", "0"],
            &["--queue", "a,b"],
            &["--queue", " a"],
            &["--queue", "*"],
            &["--queue", ""],
            &["--replace"],
            &["--unique", ""],
            &["--driver", "nope"],
            &["--connection", "nope"],
        ],
    ),
    (&["queue:push"], &[&["", "1"], &["a\nb", "1"], &["Echo", "{"]]),
    (
        &["queue:work", "--stop-when-empty"],
        &[
            &["--poll", "x"],
            &["--poll", "-1"],
            &["--attempts", "0"],
            &["--workers", "0"],
            &["--workers", "many"],
            &["--mode", "fibers"],
            &["--max-jobs", "0"],
            &["--max-time", "x"],
            &["--memory", "0"],
            &["--timeout", "x"],
            &["--backoff", "x"],
            &["--grace", "-1h"],
            &["--max-jobs-per-child", "0"],
            &["--child-memory", "x"],
            &["--driver", "nope"],
            &["--connection", "nope"],
            &["--queue", "*"],
        ],
    ),
    (&["queue:list"], &[&["--state", "x"], &["--limit", "x"], &["--limit", "-1"], &["--driver", "nope"]]),
    (
        &["queue:failed-list"],
        &[&["--since", "x"], &["--since", "-1h"], &["--limit", "x"], &["--connection", "nope"]],
    ),
    (&["queue:flush", "--force"], &[&["--hours", "x"], &["--hours", "-1"]]),
    (&["queue:prune-failed", "--force"], &[&["--hours", "NaN"], &["--driver", "nope"]]),
    (&["queue:retry"], &[&["--from", "a,b", "7"], &["--queue", "a,b"], &["--driver", "nope"]]),
    (
        &["queue:status"],
        &[&["--watch", "x"], &["--watch", "-1h"], &["--driver", "nope"], &["--connection", "nope"]],
    ),
    (&["queue:monitor", "a"], &[&["--max", "x"], &["--max", "-1"], &["--max-wait", "x"]]),
    (&["queue:bench"], &[&["--jobs", "0"], &["--workers", "0"], &["--threads", "x"], &["--poll", "x"]]),
    (&["queue:pause"], &[&["*"], &["\"a,b\""], &["a", "--driver", "nope"]]),
    (&["queue:resume", "a"], &[&["--connection", "nope"]]),
    (&["queue:restart"], &[&["--driver", "nope"]]),
    (&["queue:clear", "--force"], &[&["--driver", "nope"], &["--connection", "nope"]]),
    (&["queue:show", "1"], &[&["--driver", "nope"]]),
    (&["queue:cancel", "1"], &[&["--driver", "nope"]]),
    (&["queue:forget", "1"], &[&["--driver", "nope"]]),
    (&["queue:table"], &[&["-d", "database"], &["--connection", "nope"]]),
    (&["queue:failed"], &[&["-d", "amqp"]]),
    (&["queue:install"], &[&["-d", "async"], &["--connection", "nope"]]),
    (&["migrate"], &[&["--connection", "nope"]]),
    (&["migrate:rollback"], &[&["--connection", "nope"]]),
    (&["migrate:status"], &[&["--connection", "nope"]]),
    (&["job"], &[&["send mail"], &["sendMail"], &[""]]),
    (&["help"], &[&["nope"]]),
    (&["man"], &[&["nope"]]),
];

#[test]
fn what_can_not_be_meant_ends_with_2_and_changes_nothing() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    let mut others = Vec::new();
    for (command, wrong) in WRONG {
        for words in *wrong {
            let said = say(&folder, &[*command, *words].concat());
            if said.status != 2 || !said.err.contains("error: ") || !said.out.is_empty() {
                others.push(format!("{command:?} {words:?}: {} {}{}", said.status, said.out, said.err));
            }
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert_eq!(out(&folder, &["queue:status"]), "No jobs.\n");
    assert!(!folder.join("src").exists());
}

#[test]
fn what_is_wrong_elsewhere_does_not() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    for (variable, value) in
        [("CRAFT_DRIVER", "nope"), ("CRAFT_CONNECTION", "nope"), ("CRAFT_POLL", "x"), ("CRAFT_ATTEMPTS", "0")]
    {
        for arguments in [&["queue:status"][..], &["queue:work", "--stop-when-empty", "--max-time", "5"]] {
            let mut command = craft(&folder, arguments);
            command.env(variable, value);
            let said = run(command);
            assert_eq!(said.status, 78, "{variable} {arguments:?}: {}", said.err);
        }
    }
    for (arguments, status) in [
        (&["queue:flush"][..], 1),
        (&["queue:show", "7"], 1),
        (&["queue:retry", "7"], 1),
        (&["queue:push", "Echo", "@no-such-file"], 1),
    ] {
        assert_eq!(say(&folder, arguments).status, status, "{arguments:?}");
    }
}
