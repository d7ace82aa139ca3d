//! Signals that workers and their jobs are sent, or have inherited: none of them is charged to a job, ends a worker
//! amid its jobs, or is read as something else.

use std::process::{Command, Stdio};

use crate::process_site::{Site, children_of, is_alive};
use crate::programs::{Running, craft, example, ledger, run, test_jobs};
use crate::support::wait_until;

const MODES: [&str; 2] = ["threading", "multiprocess"];

/// A site with one job, which is a shell script.
fn site(mode: &str, script: &str, more: &str) -> Site {
    let command = format!("[jobs.Script]\ncommand = [\"sh\", \"-c\", '''{script}''']\n{more}");
    Site::new(&format!("mode = \"{mode}\"\nworkers = 2"), &command)
}

fn send(signal: &str, process: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), process.trim()]).status().unwrap();
    assert!(status.success(), "cannot send {signal} to {process}");
}

fn rows(site: &Site) -> Vec<String> {
    site.sql("SELECT count(*), coalesce(max(attempts), 0), count(token) FROM jobs")
}

/// A command in a shell, which first does this.
fn after(first: &str, mut command: Command) -> Command {
    // Not every sh lets this one be ignored.
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(command.get_program());
    shell.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null());
    shell
}

/// As systemd and a container do it: every process of the unit gets the signal, each when its turn comes.
#[test]
fn a_program_that_the_same_signal_ends_was_not_run() {
    let scripts =
        ["echo $$ > program; exec sleep 1000", "trap 'exit 143' TERM; echo $$ > program; sleep 1000 & wait"];
    for mode in MODES {
        for script in scripts {
            for signal in ["TERM", "INT"] {
                if signal == "INT" && script.starts_with("trap") {
                    continue;
                }
                let site = site(mode, script, "");
                site.push("Script", "{}");
                let worker = Running::start(craft(&site.folder, &["queue:work"]));
                wait_until("the program's start", || !site.read("program").is_empty());
                send(signal, &site.read("program"));
                wait_until("the program's end", || !is_alive(&site.read("program")));
                worker.signal(signal);
                let told = worker.wait_for("event=stopped");
                assert!(told.contains("returned=1") && told.contains("failed=0"), "{told}");
                assert_eq!(worker.wait().0, Some(0));
                assert_eq!(rows(&site), ["1", "0", "0"], "{mode}, {signal}: it waits, unattempted");
                assert!(site.failed().is_empty(), "{:?}", site.failed());
            }
        }
    }
}

#[test]
fn a_program_that_is_ended_alone_is_charged() {
    for mode in MODES {
        let site = site(mode, "kill -TERM $$; sleep 1000", "");
        site.push("Script", "{}");
        assert_eq!(site.work_off_programs(&[]).status, 0);
        assert_eq!(site.failed(), [(1, "killed by SIGTERM (15)".to_owned())], "{mode}");
    }
}

#[test]
fn a_job_whose_child_the_same_signal_ends_was_not_run() {
    let site = Site::of_processes("workers = 2");
    let never = site.file("never");
    site.push_ledgers(0..1, &format!(",\"until\":{never:?}"));
    let worker = Running::start(test_jobs(&site.folder, &["queue:work"]));
    let file = site.file("ledger");
    wait_until("its run", || ledger(&file).len() == 1);
    let child = ledger(&file)[&0][0].process.to_string();
    assert_ne!(child, worker.id().to_string());
    send("TERM", &child);
    wait_until("its end", || !is_alive(&child));
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    assert_eq!(rows(&site), ["1", "0", "0"], "it waits, unattempted");
    // And alone it is a death as any other.
    std::fs::remove_file(&file).unwrap();
    let worker = Running::start(test_jobs(&site.folder, &["queue:work"]));
    wait_until("its second run", || ledger(&file).len() == 1);
    send("TERM", &ledger(&file)[&0][0].process.to_string());
    worker.wait_for("event=dead");
    assert_eq!(site.reason(), "killed by SIGTERM (15)");
}

#[test]
fn whoever_hangs_up_or_quits_has_the_worker_finish_what_runs() {
    for signal in ["HUP", "QUIT"] {
        let site = Site::new("", "");
        let gate = site.file("gate");
        site.push_ledgers(0..6, &format!(",\"until\":{gate:?}"));
        let worker = site.worker(&[]);
        wait_until("four runs", || ledger(&site.file("ledger")).len() == 4);
        worker.signal(signal);
        worker.wait_for("event=stopping running=4");
        std::fs::write(&gate, "").unwrap();
        assert_eq!(worker.wait(), (Some(0), None), "{signal}");
        assert_eq!(rows(&site), ["2", "0", "0"], "{signal}");
    }
}

#[test]
fn under_nohup_a_worker_works_on() {
    let site = Site::new("", "");
    let worker = Running::start(after("trap '' HUP", test_jobs(&site.folder, &["queue:work"])));
    worker.wait_for("event=started");
    worker.signal("HUP");
    site.push_ledgers(0..1, "");
    wait_until("a job after it", || site.ended() == 1);
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(0), None));
}

/// `trap '' CHLD` in a script is inherited by all that it starts.
#[test]
fn where_the_ends_of_children_are_ignored_they_are_told_all_the_same() {
    for mode in MODES {
        for (script, expected) in [("exit 0", None), ("exit 3", Some("exited with status 3"))] {
            let site = site(mode, script, "");
            site.push("Script", "{}");
            let work = craft(&site.folder, &["queue:work", "--stop-when-empty"]);
            let said = run(after("trap '' CHLD", work));
            assert_eq!(said.status, 0, "{}", said.err);
            let expected: Vec<_> = expected.map(|why| (1, why.to_owned())).into_iter().collect();
            assert_eq!(site.failed(), expected, "{mode}: {script}");
            assert_eq!(site.left(), 0);
        }
    }
    let site = Site::of_processes("");
    site.push("Die", "\"Abort\"");
    site.push_innocent(1);
    let said = run(after("trap '' CHLD", test_jobs(&site.folder, &["queue:work", "--stop-when-empty"])));
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(site.reason(), "killed by SIGABRT (6)");
    assert_eq!(site.ended(), 1);
    // A library changes no signal of its host: it says what is wrong.
    let said = run(after("trap '' CHLD", test_jobs(&site.folder, &["pool:deaths"])));
    assert_ne!(said.status, 0);
    assert!(said.err.contains("this process ignores SIGCHLD"), "{}", said.err);
}

/// A program that is in the background of a terminal is stopped when it reads from it, for ever.
#[test]
fn a_job_that_wants_the_terminal_is_not_stopped_for_ever() {
    for mode in MODES {
        let site = site(mode, "read x </dev/tty", "");
        site.push("Script", "{}");
        site.push("Script", "{}");
        let craft = env!("CARGO_BIN_EXE_craft");
        let mut script = Command::new("script");
        let command = format!("{craft} queue:work --stop-when-empty --workers 1");
        script.args(["-qec", &command, "/dev/null"]).current_dir(site.folder.path());
        script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut terminal = script.spawn().unwrap();
        // Its input stays open: nobody types anything.
        let input = terminal.stdin.take();
        assert!(terminal.wait().unwrap().success());
        drop(input);
        let failed = site.failed();
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(failed.iter().all(|(_, why)| why.contains("wanted to use the terminal")), "{failed:?}");
    }
    let site = Site::of_processes("");
    site.push("Odd", "\"ReadTerminal\"");
    let command = format!("{} queue:work --stop-when-empty", example("test_jobs").display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(site.folder.path());
    script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut terminal = script.spawn().unwrap();
    let input = terminal.stdin.take();
    assert!(terminal.wait().unwrap().success());
    drop(input);
    assert!(site.reason().starts_with("No such device"), "{}", site.reason());
}

/// As the first process of a container, which is given all orphans in it.
#[test]
fn a_worker_that_is_given_orphans_leaves_no_zombies() {
    for mode in MODES {
        // One that is killed with its group, one that leaves it, and one that runs into the timeout.
        let script = "sleep 1000 & setsid sh -c 'sleep 0.05 & echo > left' & \
                      [ $CRAFT_JOB_ID = 2 ] && sleep 1000; sleep 0.1";
        let site = site(mode, script, "timeout = 0.5");
        site.push("Script", "{}");
        site.push("Script", "{}");
        let mut adopts = Command::new("python3");
        let program = "import ctypes, os, sys\n\
                       ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n\
                       os.execv(sys.argv[1], sys.argv[1:])";
        adopts.args(["-c", program, env!("CARGO_BIN_EXE_craft"), "queue:work", "--workers", "1"]);
        adopts.current_dir(site.folder.path());
        let worker = Running::start(adopts);
        wait_until("the end of both", || site.left() == 0);
        assert_eq!(site.failed(), [(1, "timed out after 500ms".to_owned())], "{mode}");
        let dead = || {
            let all = children_of(worker.id());
            all.into_iter().filter(|id| !is_alive(&id.to_string())).collect::<Vec<_>>()
        };
        wait_until("the end of all zombies", || dead().is_empty());
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
}

/// Programs of other languages leave SIGPIPE at its default, which ends the process.
#[test]
fn a_host_that_heeds_sigpipe_is_not_ended_by_a_program_that_reads_nothing() {
    for mode in MODES {
        let site = site(mode, "exec <&-; sleep 0.1; exit 0", "");
        for _ in 0..3 {
            site.push("Script", &format!("\"{}\"", "x".repeat(1 << 20)));
        }
        let mut work = test_jobs(&site.folder, &["queue:work", "--stop-when-empty"]);
        work.env("SIGPIPE_DEFAULT", "1");
        let said = run(work);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(site.failed().is_empty(), "{:?}", site.failed());
        assert_eq!(site.left(), 0);
    }
}

#[test]
fn a_binary_that_is_deleted_still_has_children() {
    let site = Site::of_processes("workers = 2");
    let program = site.file("program");
    std::fs::copy(example("test_jobs"), &program).unwrap();
    let gate = site.file("gate");
    site.push_ledgers(0..1, &format!(",\"until\":{gate:?}"));
    let mut command = Command::new(&program);
    command.arg("queue:work").current_dir(site.folder.path());
    let worker = Running::start(command);
    wait_until("the first job", || ledger(&site.file("ledger")).len() == 1);
    // A deploy puts another in its place; the second child is to be started only now.
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "#!/bin/sh\nexit 9\n").unwrap();
    site.push_innocent(1);
    wait_until("a job in a second child", || site.ended() == 1);
    std::fs::write(&gate, "").unwrap();
    wait_until("the end of all", || site.left() == 0);
    worker.signal("TERM");
    assert_eq!(worker.wait().0, Some(0));
    assert!(site.failed().is_empty());
}
