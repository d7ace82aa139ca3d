//! Jobs that are programs, with the stock binary and no Rust of one's own.

use crate::process_site::{Site, is_alive};
use crate::programs::{Running, craft};
use crate::support::wait_until;

/// A site with one job, which is a shell script, in either mode.
fn site(mode: &str, script: &str, more: &str) -> Site {
    let command = format!("[jobs.Script]\ncommand = [\"sh\", \"-c\", '''{script}''']\n{more}");
    let site = Site::new(&format!("mode = \"{mode}\"\nworkers = 2"), &command);
    std::fs::create_dir(site.file("folder")).unwrap();
    site
}

const MODES: [&str; 2] = ["threading", "multiprocess"];

#[test]
fn a_program_gets_the_payload_and_says_how_it_went() {
    for mode in MODES {
        let script = "cat > got; echo $CRAFT_JOB_ID $CRAFT_JOB_NAME $CRAFT_ATTEMPT $CRAFT_QUEUE $MORE >> got; \
                      pwd >> got; echo fine; echo \"not so fine\" >&2";
        let site = site(mode, script, "cwd = \"folder\"\nenv = { MORE = \"of it\" }");
        site.push("Script", "{\"size\": 7}");
        let said = site.work_off_programs(&[]);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(site.failed().is_empty(), "{:?}", site.failed());
        let folder = site.file("folder").canonicalize().unwrap();
        let expected = format!("{{\"size\": 7}}1 Script 1 default of it\n{}\n", folder.display());
        assert_eq!(site.read("folder/got"), expected);
        for line in ["info: Script #1: fine\n", "info: Script #1: not so fine\n"] {
            assert!(said.err.contains(line), "{}", said.err);
        }
    }
}

#[test]
fn each_status_has_its_meaning() {
    for mode in MODES {
        let table = [
            ("exit 0", None),
            ("exit 1", Some((2, "exited with status 1"))),
            ("echo no disk >&2; exit 1", Some((2, "exited with status 1: no disk"))),
            ("echo bad order >&2; exit 65", Some((1, "exited with status 65: bad order"))),
            ("kill -9 $$", Some((2, "killed by SIGKILL (9)"))),
            // Not yet, the first time: that attempt does not count.
            ("test -e seen && exit 1; touch seen; exit 75", Some((2, "exited with status 1"))),
            ("printf 'a\\377b' >&2; exit 4", Some((2, "exited with status 4: a\u{FFFD}b"))),
        ];
        for (script, expected) in table {
            let site = site(mode, script, "attempts = 2\nbackoff = 0.01");
            site.push("Script", "{}");
            let said = site.work_off_programs(&[]);
            assert_eq!(said.status, 0, "{script}: {}", said.err);
            let expected: Vec<_> =
                expected.map(|(attempts, why)| (attempts, why.to_owned())).into_iter().collect();
            assert_eq!(site.failed(), expected, "{mode}: {script}");
        }
    }
}

#[test]
fn a_program_that_reads_nothing_and_one_that_reads_a_megabyte() {
    for mode in MODES {
        for (script, expected) in [("exec <&-; exit 0", ""), ("wc -c > ../size", "1048578\n")] {
            let site = site(mode, script, "cwd = \"folder\"");
            site.push("Script", &format!("\"{}\"", "x".repeat(1 << 20)));
            let said = site.work_off_programs(&[]);
            assert_eq!(said.status, 0, "{}", said.err);
            assert!(site.failed().is_empty(), "{:?}", site.failed());
            assert_eq!(site.read("size").trim_start(), expected);
        }
    }
}

#[test]
fn the_end_of_long_errors_is_kept() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' 'x' | tee /dev/stderr; echo the end >&2; exit 3";
    let site = site("threading", script, "");
    site.push("Script", "{}");
    assert_eq!(site.work_off_programs(&[]).status, 0);
    let reason = site.reason();
    assert!(
        reason.starts_with("exited with status 3: xxx") && reason.ends_with("x\u{20}the end")
            || reason.ends_with("xthe end")
    );
    assert!((8_000..=8_300).contains(&reason.len()), "{} bytes", reason.len());
}

#[test]
fn a_timeout_ends_the_whole_group() {
    for mode in MODES {
        for script in [
            "sleep 1000 & echo $! > grandchild; wait",
            "trap '' TERM; sleep 1000 & echo $! > grandchild; while :; do wait; done",
        ] {
            let site = site(mode, script, "timeout = 0.3");
            site.push("Script", "{}");
            let said = site.work_off_programs(&["--grace", "0.1"]);
            assert_eq!(said.status, 0, "{}", said.err);
            assert_eq!(site.reason(), "timed out after 300ms");
            assert!(!is_alive(&site.read("grandchild")), "{mode}: {script}");
        }
    }
}

#[test]
fn a_job_is_over_when_its_program_is_and_what_that_left_is_ended() {
    for mode in MODES {
        // It holds the pipes, too.
        let site = site(mode, "sleep 1000 & echo $! > grandchild", "");
        site.push("Script", "{}");
        assert_eq!(site.work_off_programs(&[]).status, 0);
        assert!(site.failed().is_empty());
        assert!(!is_alive(&site.read("grandchild")), "{mode}");
    }
}

#[test]
fn a_program_that_is_missing_is_a_failed_attempt_with_a_clear_message() {
    let table = [
        ("command = [\"no-such-program\"]", "cannot start no-such-program: there is no such program in PATH"),
        ("command = [\"ls\"]\ncwd = \"gone\"", "cannot start ls: its folder FOLDER/gone does not exist"),
        ("command = [\"./queue.toml\"]", "cannot start FOLDER/./queue.toml: it may not be executed"),
    ];
    for (command, expected) in table {
        let site = Site::new("", &format!("[jobs.Script]\n{command}"));
        site.push("Script", "{}");
        assert_eq!(site.work_off_programs(&[]).status, 0);
        let folder = site.folder.path().display().to_string();
        let reason = site.reason().replace("/./", "/");
        let expected = expected.replace("FOLDER", &folder).replace("/./", "/");
        assert!(reason.starts_with(&expected), "{reason}");
    }
}

#[test]
fn a_killed_worker_leaves_no_program_behind() {
    for mode in MODES {
        let site =
            site(mode, "trap '' TERM HUP; sleep 1000 & echo $! > grandchild; echo $$ > program; wait", "");
        site.push("Script", "{}");
        let worker = Running::start(craft(&site.folder, &["queue:work"]));
        wait_until("the program's start", || !site.read("program").is_empty());
        worker.kill();
        wait_until("their end", || !is_alive(&site.read("program")) && !is_alive(&site.read("grandchild")));
    }
}

#[test]
fn stopped_at_once_a_worker_ends_its_programs() {
    for mode in MODES {
        let site = site(mode, "echo $$ > program; sleep 1000", "");
        site.push("Script", "{}");
        let worker = Running::start(craft(&site.folder, &["queue:work"]));
        wait_until("the program's start", || !site.read("program").is_empty());
        worker.signal("TERM");
        worker.wait_for("event=stopping");
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(143));
        wait_until("its end", || !is_alive(&site.read("program")));
        let sizes = site.queue.size(None, &["default".into()]).unwrap();
        assert_eq!((sizes[0].running, sizes[0].delayed), (Some(0), Some(1)), "{mode}: given back");
    }
}

#[test]
fn a_name_that_is_a_program_and_registered_in_rust_is_an_error() {
    let site = Site::new("", "[jobs.Ledger]\ncommand = [\"true\"]");
    let said = site.work_off(&[]);
    assert_eq!(said.status, 78, "{}", said.err);
    let message = "the job \"Ledger\" is a program in [jobs.Ledger], and registered in Rust as well";
    assert!(said.err.contains(message), "{}", said.err);
}

/// `examples/programs`, as its queue.toml tells it.
#[test]
fn the_example_runs() {
    let site = Site::new("", "");
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/programs");
    std::fs::create_dir(site.file("jobs")).unwrap();
    for file in ["queue.toml", "jobs/greet.sh", "jobs/word_count.py"] {
        std::fs::copy(example.join(file), site.file(file)).unwrap();
    }
    site.push("Greet", "{\"name\": \"Ada\"}");
    site.push("Greet", "{}");
    site.push("WordCount", "{\"text\": \"to be or not to be\", \"least\": 2}");
    let said = site.work_off_programs(&[]);
    assert_eq!(said.status, 0, "{}", said.err);
    let greeting = "Greet #1: Hello, Ada! This is attempt 1 of Greet #1, from queue default.";
    for line in [greeting, "WordCount #3: 2 to", "WordCount #3: 2 be"] {
        assert!(said.err.contains(line), "{}", said.err);
    }
    let reason = "exited with status 65: whom should I greet? The payload has no name";
    assert_eq!(site.failed(), [(1, reason.to_owned())]);
}
