//! How children live: what they inherit, what they print, how they push, and that none is left.

use crate::process_site::{Site, children_of, is_alive};
use crate::programs::{Running, ledger, test_jobs};
use crate::support::wait_until;

#[test]
fn what_jobs_print_reaches_the_log_and_never_the_pipe() {
    let site = Site::of_processes("");
    site.push("Odd", "{\"Print\":10485760}");
    site.push_innocent(1);
    let said = site.work_off(&[]);
    assert_eq!(said.status, 0);
    assert_eq!(said.err.len(), 2 * 10 * 1024 * 1024, "both of its outputs, and nothing else");
    assert!(!said.out.contains("xxx"));
    assert!(site.failed().is_empty());
    assert_eq!(ledger(&site.file("ledger")).len(), 1);
}

#[test]
fn a_job_may_close_its_stdout() {
    let site = Site::of_processes("");
    site.push("Odd", "\"CloseStdout\"");
    (0..10).for_each(|number| site.push_innocent(number));
    assert_eq!(site.work_off(&[]).status, 0);
    assert!(site.failed().is_empty());
    assert_eq!(ledger(&site.file("ledger")).len(), 10);
}

#[test]
fn children_inherit_no_database_and_no_mark() {
    let site = Site::of_processes("");
    site.push("Odd", &format!("{{\"Look\":{{\"answer\":{:?}}}}}", site.file("answer")));
    assert_eq!(site.work_off(&[]).status, 0);
    let seen = site.read("answer");
    assert!(!seen.contains("sqlite3") && !seen.contains("CRAFT"), "{seen}");
    // The standard three; the line and its copy, the shared memory; the folder that is being read.
    assert!(seen.lines().count() <= 7, "{seen}");
}

#[test]
fn a_job_pushes_through_its_parent() {
    let site = Site::of_processes("");
    let (ledger_file, answer) = (site.file("ledger"), site.file("answer"));
    site.push("Odd", &format!("{{\"Push\":{{\"ledger\":{ledger_file:?},\"answer\":{answer:?}}}}}"));
    let said = site.work_off(&["--queue", "default,pushed"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(site.failed().is_empty(), "{:?}", site.failed());
    assert_eq!(ledger(&ledger_file).keys().collect::<Vec<_>>(), [&7]);
    let refusal = "(true, \"no driver is named \\\"nowhere\\\"\")";
    assert_eq!(site.read("answer"), format!("[Added(Number(2))] Some({refusal})"));
}

#[test]
fn a_lost_hold_is_told_to_the_child() {
    let site = Site::of_processes("lease = 1");
    let (gate, answer) = (site.file("gate"), site.file("answer"));
    site.push("Odd", &format!("{{\"Lost\":{{\"gate\":{gate:?},\"answer\":{answer:?}}}}}"));
    let worker = Running::start(test_jobs(&site.folder, &["queue:work"]));
    let database = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    let steal = "UPDATE jobs SET token = token + 1 WHERE token IS NOT NULL AND reserved_at IS NOT NULL";
    wait_until("a hold to take away", || database.execute(steal, []).unwrap() == 1);
    wait_until("the answer", || site.read("answer") == "false true");
    drop(worker);
}

#[test]
fn a_child_is_replaced_after_its_jobs_and_leaves_nothing() {
    let site = Site::of_processes("workers = 2");
    let grandchild = site.file("grandchild");
    site.push("Odd", &format!("{{\"LeaveGrandchild\":{grandchild:?}}}"));
    (0..100).for_each(|number| site.push_innocent(number));
    let said = site.work_off(&["--max-jobs-per-child", "10"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let runs = ledger(&site.file("ledger"));
    assert_eq!(runs.len(), 100);
    assert!(runs.values().all(|runs| runs.len() == 1), "each ran once");
    let mut children: Vec<_> = runs.values().map(|runs| runs[0].process).collect();
    children.sort_unstable();
    let most = children.chunk_by(|one, other| one == other).map(<[u32]>::len).max();
    assert!(most <= Some(10), "a child ran {most:?}");
    assert!(!is_alive(&site.read("grandchild")), "a grandchild outlived its parent");
}

#[test]
fn a_killed_worker_leaves_no_orphan() {
    let site = Site::of_processes("workers = 3");
    let grandchild = site.file("grandchild");
    site.push("Odd", &format!("{{\"LoopWithGrandchild\":{grandchild:?}}}"));
    site.push("Odd", "\"IgnoreTerm\"");
    let gate = site.file("never");
    site.push("Ledger", &format!("{{\"file\":{:?},\"number\":1,\"until\":{gate:?}}}", site.file("ledger")));
    let worker = Running::start(test_jobs(&site.folder, &["queue:work"]));
    wait_until("all to run", || grandchild.exists() && !site.read("ledger").is_empty());
    let children = children_of(worker.id());
    // Three children, and the reaper.
    wait_until("three children", || children_of(worker.id()).len() == 4);
    worker.kill();
    wait_until("the end of all", || {
        let mut left = children.iter().map(ToString::to_string).chain([site.read("grandchild")]);
        !left.any(|id| is_alive(&id))
    });
}

#[test]
fn neither_descriptors_nor_zombies_gather() {
    let site = Site::of_processes("workers = 2");
    let worker = Running::start(test_jobs(&site.folder, &["queue:work"]));
    let count = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", worker.id())).unwrap().count();
        // Zombies are children that are not alive.
        (descriptors, children_of(worker.id()).len())
    };
    let run = |from: u64, deaths: u64| {
        for number in from..from + 100 {
            site.push_innocent(number);
            if number < from + deaths {
                site.push("Die", "\"Abort\"");
            }
        }
        wait_until("the end of all", || {
            let sizes = site.queue.size(None, &["default".into()]).unwrap();
            [sizes[0].waiting, sizes[0].delayed, sizes[0].running].into_iter().flatten().sum::<u64>() == 0
        });
    };
    run(0, 2);
    // Both children run, and the reaper.
    wait_until("the children's return", || count().1 <= 3);
    let before = count();
    run(1_000, 60);
    wait_until("as many as before", || count().0 <= before.0 && count().1 <= 3);
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(0), None));
}

#[test]
fn stopped_for_good_a_worker_ends_its_children_and_gives_their_jobs_back() {
    for twice in [false, true] {
        let site = Site::of_processes("workers = 2");
        let never = site.file("never");
        for number in 0..6 {
            let file = site.file("ledger");
            site.push("Ledger", &format!("{{\"file\":{file:?},\"number\":{number},\"until\":{never:?}}}"));
        }
        let grace = if twice { "60" } else { "0.2" };
        let worker = Running::start(test_jobs(&site.folder, &["queue:work", "--grace", grace]));
        wait_until("two runs", || ledger(&site.file("ledger")).len() == 2);
        let children = children_of(worker.id());
        worker.signal("TERM");
        worker.wait_for("event=stopping running=2");
        if twice {
            worker.signal("TERM");
        }
        assert_eq!(worker.wait().0, Some(if twice { 143 } else { 0 }));
        wait_until("the end of all", || !children.iter().any(|id| is_alive(&id.to_string())));
        let database = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
        let rows = "SELECT count(*), max(attempts), count(token) FROM jobs";
        let row = database.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        assert_eq!(row, Ok((6, 0, 0)), "all wait, unattempted and held by nobody");
    }
}

/// With children: they go on when their parent is stopped, and begin nothing beyond the lease.
#[test]
fn children_of_a_stopped_worker_begin_nothing_beyond_its_lease() {
    let site = Site::of_processes("lease = 2");
    let (file, gate) = (site.file("ledger"), site.file("gate"));
    // Quick ones first, so that the child has others ahead when it comes to the slow one.
    (0..300).for_each(|number| site.push_innocent(number));
    let slow = format!("{{\"file\":{file:?},\"number\":999,\"until\":{gate:?}}}");
    site.push("Ledger", &slow);
    (300..400).for_each(|number| site.push_innocent(number));
    let first = Running::start(test_jobs(&site.folder, &["queue:work", "--workers", "1"]));
    wait_until("the slow job", || ledger(&file).contains_key(&999));
    let child = ledger(&file)[&999][0].process;
    // Not in the middle of a transaction, in which it would lock everybody out.
    let database = rusqlite::Connection::open(site.file("jobs.sqlite3")).unwrap();
    wait_until("a stop outside of a transaction", || {
        first.signal("STOP");
        let is_free = database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok();
        if !is_free {
            first.signal("CONT");
        }
        is_free
    });
    let second = Running::start(test_jobs(&site.folder, &["queue:work", "--workers", "2"]));
    wait_until("the rest by the second worker", || {
        let runs = ledger(&file);
        (300..400).all(|number| runs.contains_key(&number)) && runs[&999].len() > 1
    });
    std::fs::write(&gate, "").unwrap();
    let ended = || ledger(&file)[&999][0].end.is_some();
    wait_until("the end of the first run", ended);
    // Else the first worker might take again what the second one had for too long, on a slow machine.
    wait_until("the end of all jobs", || {
        database.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0)) == Ok(0)
    });
    first.signal("CONT");
    first.wait_for("event=lost");
    for worker in [first, second] {
        worker.signal("TERM");
        assert_eq!(worker.wait().0, Some(0));
    }
    let mut rest = ledger(&file);
    rest.retain(|number, _| (300..400).contains(number));
    assert!(rest.values().flatten().all(|run| run.process != child), "begun after its hold was over");
}
