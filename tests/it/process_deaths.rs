//! Jobs that kill their process, and jobs that never end: each costs its own attempt, and nobody else's.

use crate::process_site::{Site, is_alive};
use crate::programs::{ledger, run, test_jobs};
use crate::support::{Folder, wait_until};

#[test]
fn each_death_is_told_with_its_cause_and_is_nobody_elses() {
    let deaths = [
        ("\"Abort\"", "killed by SIGABRT (6)"),
        ("\"Segfault\"", "killed by SIGSEGV (11)"),
        // Rust's own handler turns it into an abort.
        ("\"Overflow\"", "killed by SIGABRT (6)"),
        ("{\"Exit\":3}", "exited with status 3"),
        ("{\"Exit\":0}", "exited with status 0"),
    ];
    for (payload, cause) in deaths {
        let site = Site::of_processes("workers = 2");
        (0..20).for_each(|number| site.push_innocent(number));
        site.push("Die", payload);
        (20..40).for_each(|number| site.push_innocent(number));
        let said = site.work_off(&[]);
        assert_eq!(said.status, 0, "{payload}: {}", said.err);
        assert_eq!(site.failed(), [(1, cause.to_owned())], "{payload}");
        let runs = ledger(&site.file("ledger"));
        assert_eq!(runs.len(), 40, "{payload}: an innocent job was lost");
        assert!(runs.values().flatten().all(|run| run.attempt == 1), "{payload}: an innocent was charged");
    }
}

#[test]
fn five_hundred_jobs_of_which_every_tenth_kills_its_child() {
    let site = Site::of_processes("workers = 4");
    for number in 0..500 {
        match number % 10 {
            0 => site.push("Die", "\"Abort\""),
            _ => site.push_innocent(number),
        }
    }
    assert_eq!(site.work_off(&["--attempts", "2"]).status, 0);
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs.len(), 450);
    assert!(runs.values().flatten().all(|run| run.attempt == 1), "an innocent was charged");
    assert_eq!(site.failed(), vec![(2, "killed by SIGABRT (6)".to_owned()); 50]);
}

#[test]
fn a_job_that_writes_to_its_worker_ends_with_a_reason_and_hangs_nothing() {
    let table = [
        ("[255,255,255,255]", "a message of 4095 MiB, where at most 128 MiB are read"),
        ("[49,50,51,52]", "a message of 835 MiB, where at most 128 MiB are read"),
        ("[1,0,0,0,99]", "bytes that are no message"),
        ("[0,0,0,1,99]", "bytes that are no message"),
        ("[0,0,0,1,2]", "a message of 16 MiB, where at most 1 MiB are read"),
    ];
    for (bytes, what) in table {
        let site = Site::of_processes("workers = 2");
        site.push("Odd", &format!("{{\"WriteToWorker\":{bytes}}}"));
        (0..20).for_each(|number| site.push_innocent(number));
        let said = site.work_off(&["--attempts", "1"]);
        assert_eq!(said.status, 0, "{}", said.err);
        let reason = format!(
            "its child process sent {what}, and was killed: a job writes to no descriptor that it did not open"
        );
        assert_eq!(site.failed(), [(1, reason)]);
        assert_eq!(ledger(&site.file("ledger")).len(), 20);
    }
}

#[test]
fn memory_without_end_ends_at_the_limit() {
    let site = Site::of_processes("child_memory = 256");
    site.push("Die", "\"Eat\"");
    site.push_innocent(1);
    let said = site.work_off(&[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(site.reason(), "killed by SIGABRT (6), with at most 256 MB of memory allowed");
    assert!(said.err.contains("memory allocation of"), "its last words are in the log: {}", said.err);
    assert_eq!(ledger(&site.file("ledger")).len(), 1);
}

#[test]
fn a_timeout_ends_a_loop_and_one_that_ignores_sigterm() {
    for payload in ["\"Loop\"", "\"IgnoreTerm\""] {
        let site = Site::of_processes("workers = 2\ntimeout = 0.2");
        site.push("Odd", payload);
        (0..50).for_each(|number| site.push_innocent(number));
        let said = site.work_off(&[]);
        assert_eq!(said.status, 0, "{payload}: {}", said.err);
        assert_eq!(site.reason(), "timed out after 200ms", "{payload}");
        assert_eq!(ledger(&site.file("ledger")).len(), 50);
    }
}

#[test]
fn what_a_job_started_ends_with_its_timeout() {
    let site = Site::of_processes("timeout = 0.5");
    let file = site.file("grandchild");
    site.push("Odd", &format!("{{\"LoopWithGrandchild\":{file:?}}}"));
    assert_eq!(site.work_off(&[]).status, 0);
    assert_eq!(site.reason(), "timed out after 500ms");
    assert!(!is_alive(&site.read("grandchild")));
}

#[test]
fn a_hook_that_kills_its_child_hurts_nobody() {
    let site = Site::of_processes("");
    site.push("Odd", "\"DieInHook\"");
    site.push_innocent(1);
    let said = site.work_off(&[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(site.reason(), "so that the hook is called");
    let warning = "the hook `failed` of Odd #1: killed by SIGABRT (6)";
    assert!(said.err.contains(warning), "{}", said.err);
    assert_eq!(ledger(&site.file("ledger")).len(), 1);
}

#[test]
fn a_hook_pushes_through_its_context() {
    let site = Site::of_processes("");
    let file = site.file("ledger");
    site.push("Odd", &format!("{{\"PushInHook\":{file:?}}}"));
    let said = site.work_off(&[]);
    assert_eq!(said.status, 0, "{}", said.err);
    let queue = "so that the hook is called";
    assert_eq!(site.reason(), queue);
    site.work_off(&["--queue", queue]);
    assert_eq!(ledger(&file).keys().collect::<Vec<_>>(), [&1], "the attempt of the job whose hook it is");
}

#[test]
fn a_job_in_a_child_is_told_of_while_it_runs() {
    let folder = Folder::new();
    let said = run(test_jobs(&folder, &["pool:begins"]));
    assert_eq!((said.status, said.out.trim()), (0, "301 begun, 301 done, 0 left"), "{}", said.err);
}

#[test]
fn a_slow_job_does_not_hold_back_what_waits_behind_it() {
    let site = Site::of_processes("workers = 2");
    let (file, gate) = (site.file("ledger"), site.file("gate"));
    // Quick ones first, so that children get many ahead.
    (0..200).for_each(|number| site.push_innocent(number));
    site.push("Ledger", &format!("{{\"file\":{file:?},\"number\":999,\"until\":{gate:?}}}"));
    (200..400).for_each(|number| site.push_innocent(number));
    let worker = std::thread::scope(|scope| {
        let worker = scope.spawn(|| site.work_off(&[]));
        let done = || ledger(&file).values().filter(|runs| runs.iter().any(|run| run.end.is_some())).count();
        wait_until("the end of all but the slow one", || done() == 400);
        std::fs::write(&gate, "").unwrap();
        worker.join().unwrap()
    });
    assert_eq!(worker.status, 0, "{}", worker.err);
    let runs = ledger(&file);
    assert!(runs.len() == 401 && runs.values().all(|runs| runs.len() == 1), "each ran once");
}
