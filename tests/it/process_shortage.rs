//! What a worker is short of is charged to no job; what a job has too much of does no harm.

use std::process::{Command, Stdio};

use crate::process_site::{Site, is_alive};
use crate::programs::{Said, craft, example, run, said};
use crate::support::{Folder, wait_until};

/// Works everything off with so few descriptors.
fn with_few_descriptors(program: &std::path::Path, count: u32, folder: &Folder, more: &[&str]) -> Said {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {count}; exec \"$0\" queue:work --stop-when-empty \"$@\""));
    command.arg(program).args(more).current_dir(folder.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    said(command.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn programs_wait_for_descriptors_and_use_no_attempt() {
    for mode in ["threading", "multiprocess"] {
        let site = Site::new(
            &format!("mode = \"{mode}\"\nworkers = 20"),
            "[jobs.Script]\ncommand = [\"sleep\", \"0.3\"]",
        );
        (0..30).for_each(|_| site.push("Script", "{}"));
        let craft = std::path::Path::new(env!("CARGO_BIN_EXE_craft"));
        let said = with_few_descriptors(craft, 60, &site.folder, &[]);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(said.out.contains("done=30 failed=0"), "{mode}: {}", said.out);
        let warnings = said.err.lines().filter(|line| line.contains("Too many open files")).count();
        assert_eq!(warnings, 1, "{mode}: {}", said.err);
    }
}

#[test]
fn children_wait_for_descriptors_and_use_no_attempt() {
    let site = Site::of_processes("workers = 30");
    site.push_ledgers(0..60, ",\"millis\":20");
    let said = with_few_descriptors(&example("test_jobs"), 30, &site.folder, &[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("done=60 failed=0"), "{} {}", said.out, said.err);
    let warnings = said.err.lines().filter(|line| line.contains("Too many open files")).count();
    assert_eq!(warnings, 1, "{}", said.err);
}

#[test]
fn an_error_of_megabytes_is_told_and_kept_by_its_ends() {
    let site = Site::new("", "");
    let error = format!("begin{}end", "x".repeat(5_000_000));
    site.push("Fail", &format!("\"{error}\""));
    site.push("Ledger", &format!("\"{error}\""));
    for program in [env!("CARGO_BIN_EXE_craft").into(), example("test_jobs")] {
        let mut command = Command::new(program);
        command.args(["queue:work", "--stop-when-empty"]).current_dir(site.folder.path());
        let said = run(command);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(said.out.len() + said.err.len() < 100_000, "{} bytes", said.out.len() + said.err.len());
    }
    let failed = site.failed();
    assert!(failed[0].1.starts_with("begin") || failed[0].1.contains("the payload is not a"), "{failed:?}");
    assert!(failed.iter().all(|(_, why)| why.len() <= 20_000), "{failed:?}");
}

/// In both modes, and with a child of Rust.
#[test]
fn what_has_left_its_group_ends_with_the_timeout_too() {
    let scripts = [
        "setsid sh -c 'echo $$ > grandchild; exec sleep 1000' & wait",
        // Nor does it heed SIGTERM.
        "setsid sh -c 'trap \"\" TERM; echo $$ > grandchild; sleep 1000; sleep 1000' & trap '' TERM; wait; wait",
    ];
    for mode in ["threading", "multiprocess"] {
        for script in scripts {
            let command = format!("[jobs.Script]\ncommand = [\"sh\", \"-c\", '''{script}''']\ntimeout = 0.5");
            let site = Site::new(&format!("mode = \"{mode}\""), &command);
            site.push("Script", "{}");
            assert_eq!(site.work_off_programs(&[]).status, 0);
            assert_eq!(site.reason(), "timed out after 500ms");
            wait_until("its end", || !is_alive(&site.read("grandchild")));
        }
    }
    let site = Site::of_processes("timeout = 0.5");
    let file = site.file("grandchild");
    site.push("Odd", &format!("{{\"LoopWithDaemon\":{file:?}}}"));
    assert_eq!(site.work_off(&[]).status, 0);
    assert_eq!(site.reason(), "timed out after 500ms");
    wait_until("its end", || !is_alive(&site.read("grandchild")));
}

/// It means the back end of the worker that runs it, whatever flags that was started with, and from any folder.
#[test]
fn a_craft_within_a_job_pushes_to_its_own_workers_back_end() {
    for mode in ["threading", "multiprocess"] {
        let program = env!("CARGO_BIN_EXE_craft");
        let other = Folder::new();
        let more = format!(
            "[connections.other]\ndriver = \"sqlite\"\ndatabase = {:?}\n\
             [jobs.Script]\ncommand = [\"sh\", \"-c\", \"cd / && {program} queue:push Echo '7'\"]\n",
            other.join("other.sqlite3")
        );
        let site = Site::new(&format!("mode = \"{mode}\""), &more);
        let on_other = |arguments: &[&str]| {
            let said = run(craft(&site.folder, &[arguments, &["--connection", "other"]].concat()));
            assert_eq!(said.status, 0, "{} {}", said.out, said.err);
            // What a child prints goes where the worker logs.
            said.out + &said.err
        };
        on_other(&["queue:install"]);
        on_other(&["queue:push", "Script", "{}"]);
        let said = on_other(&["queue:work", "--stop-when-empty"]);
        assert!(said.lines().any(|line| line == "7"), "{mode}: {said}");
        assert_eq!(site.left(), 0, "{mode}: nothing was pushed elsewhere");
    }
}
