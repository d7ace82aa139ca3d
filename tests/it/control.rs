//! `queue:pause`, `queue:resume` and `queue:restart` on each database, with real workers.

use craft_queue::{Config, Jobs, Queue, StopReason};

use crate::programs::{Running, json, ledger, out, run, say, test_jobs};
use crate::support::{Act, Folder, Then, on_each_database, queue, wait_until};

fn push(queue: &Queue, folder: &Folder, onto: &str, numbers: std::ops::Range<u64>, more: &str) {
    let file = folder.join("ledger");
    for number in numbers {
        let payload = format!("{{\"file\":{file:?},\"number\":{number}{more}}}");
        queue.on(onto).push_json("Ledger", &payload, 1).unwrap();
    }
}

fn worker(folder: &Folder, more: &[&str]) -> Running {
    let mut arguments = vec!["queue:work", "--queue", "default,mail", "--workers", "4"];
    arguments.extend(more);
    let worker = Running::start(test_jobs(folder, &arguments));
    worker.wait_for("event=started");
    worker
}

/// How many of these jobs have begun.
fn begun(folder: &Folder, numbers: std::ops::Range<u64>) -> usize {
    ledger(&folder.join("ledger")).keys().filter(|number| numbers.contains(number)).count()
}

fn ended(folder: &Folder, number: u64) -> bool {
    let runs = ledger(&folder.join("ledger"));
    runs.get(&number).is_some_and(|runs| runs.iter().any(|run| run.end.is_some()))
}

fn open(folder: &Folder, config: Config) -> Queue {
    out(folder, &["queue:install"]);
    Queue::open(config, Jobs::new()).unwrap()
}

fn in_each_mode_on_each_database() -> impl Iterator<Item = (&'static str, (Folder, Config))> {
    ["threading", "multiprocess"].into_iter().flat_map(|mode| on_each_database().map(|place| (mode, place)))
}

#[test]
fn workers_take_nothing_new_from_a_paused_queue_until_it_is_resumed() {
    for (mode, (folder, config)) in in_each_mode_on_each_database() {
        let queue = open(&folder, config);
        push(&queue, &folder, "default", 0..400, ",\"millis\":4");
        let first = worker(&folder, &["--mode", mode]);
        wait_until("some jobs", || begun(&folder, 0..400) >= 40);
        assert_eq!(out(&folder, &["queue:pause", "default"]), "Queue \"default\" is paused.\n");
        first.wait_for("event=paused queue=default");
        let at_once = begun(&folder, 0..400);
        // What it held is back when nothing is held any more; its four slots may just have begun a job each.
        let size = || queue.size(None, &["default".into()]).unwrap().remove(0);
        wait_until("the running jobs' end", || size().running == Some(0));
        let so_far = begun(&folder, 0..400);
        assert!(so_far < 400 && so_far <= at_once + 4, "{so_far} have begun, {at_once} before the pause");

        // Pushes go on, and so does the other queue.
        push(&queue, &folder, "default", 400..410, "");
        push(&queue, &folder, "mail", 1_000..1_100, "");
        wait_until("the other queue's end", || (1_000..1_100).all(|number| ended(&folder, number)));
        assert_eq!(begun(&folder, 0..410), so_far, "the worker that runs took more");
        let size = &queue.size(None, &["default".into()]).unwrap()[0];
        assert_eq!(
            (size.waiting, size.running),
            (Some(410 - so_far as u64), Some(0)),
            "what it held is back"
        );

        // It stays so, whatever is started anew.
        first.kill();
        let said = run(test_jobs(&folder, &["queue:work", "--stop-when-empty"]));
        assert!(said.status == 0 && said.out.contains("event=stopped done=0 "), "{}", said.out);
        let second = worker(&folder, &["--mode", mode]);
        second.wait_for("event=paused queue=default");
        push(&queue, &folder, "mail", 1_100..1_101, "");
        wait_until("a job of the other queue", || ended(&folder, 1_100));
        assert_eq!(begun(&folder, 0..410), so_far, "a worker that was started later took more");

        assert_eq!(out(&folder, &["queue:resume", "default"]), "Queue \"default\" is resumed.\n");
        second.wait_for("event=resumed queue=default");
        wait_until("the end of all", || (0..410).all(|number| ended(&folder, number)));
        second.signal("TERM");
        assert_eq!(second.wait().0, Some(0));
        let runs = ledger(&folder.join("ledger"));
        assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "each ran once");
    }
}

#[test]
fn workers_that_run_end_at_a_restart_and_those_started_later_work_on() {
    for (folder, config) in on_each_database() {
        let queue = open(&folder, config);
        // What was said before they were started is not meant for them.
        out(&folder, &["queue:restart"]);
        let gate = folder.join("gate");
        push(&queue, &folder, "default", 0..12, &format!(",\"until\":{gate:?}"));
        let early = [worker(&folder, &[]), worker(&folder, &["--mode", "multiprocess"])];
        wait_until("eight jobs", || begun(&folder, 0..12) == 8);
        let told = out(&folder, &["queue:restart"]);
        assert!(told.starts_with("All workers finish their running jobs and end"), "{told}");
        for worker in &early {
            worker.wait_for("event=restarting running=4");
        }
        let late = worker(&folder, &["--workers", "1"]);
        wait_until("a ninth job", || begun(&folder, 0..12) == 9);
        std::fs::write(&gate, "").unwrap();
        for worker in early {
            assert_eq!(worker.wait(), (Some(0), None));
        }
        wait_until("the end of all", || (0..12).all(|number| ended(&folder, number)));
        push(&queue, &folder, "default", 12..13, "");
        wait_until("another job's end", || ended(&folder, 12));
        late.signal("TERM");
        assert_eq!(late.wait().0, Some(0));
        let runs = ledger(&folder.join("ledger"));
        assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1), "each ran once");
    }
}

/// Nothing but a pause runs out between the two: a worker that is idle hears of both by itself.
#[test]
fn an_idle_worker_obeys_too() {
    for (folder, config) in on_each_database() {
        let queue = open(&folder, config);
        let idle = worker(&folder, &[]);
        assert_eq!(
            out(&folder, &["queue:pause", "default", "mail"]),
            "Queue \"default\" is paused.\nQueue \"mail\" is paused.\n"
        );
        idle.wait_for("event=paused queue=default");
        idle.wait_for("event=paused queue=mail");
        push(&queue, &folder, "mail", 0..1, "");
        out(&folder, &["queue:resume", "mail"]);
        wait_until("its job", || ended(&folder, 0));
        out(&folder, &["queue:restart"]);
        idle.wait_for("event=stopped done=1 ");
        assert_eq!(idle.wait(), (Some(0), None));
    }
}

#[test]
fn what_is_paused_already_is_told_and_the_status_shows_it() {
    for (folder, config) in on_each_database() {
        let queue = open(&folder, config);
        out(&folder, &["queue:push", "Echo"]);
        assert_eq!(out(&folder, &["queue:resume", "default"]), "Queue \"default\" is not paused.\n");
        out(&folder, &["queue", "pause", "default", "quiet"]);
        assert_eq!(
            out(&folder, &["queue:pause", "default", "mail"]),
            "Queue \"default\" is paused already.\nQueue \"mail\" is paused.\n"
        );
        assert_eq!(queue.paused(None).unwrap(), ["default", "mail", "quiet"].map(String::from).into());
        let lines = json(&folder, &["queue:status", "--json"]);
        let shown: Vec<_> =
            lines.as_array().unwrap().iter().map(|line| (line["queue"].as_str(), &line["paused"])).collect();
        assert_eq!(shown.len(), 3, "a queue that is paused is shown though it is empty: {lines}");
        assert!(shown.iter().all(|(_, paused)| **paused == true), "{lines}");
        assert_eq!(out(&folder, &["queue:status", "mail"]).matches("   paused\n").count(), 1);
        out(&folder, &["queue:resume", "default"]);
        let shown = json(&folder, &["queue:status", "default", "--json"]);
        assert_eq!((&shown[0]["paused"], &shown[0]["waiting"]), (&false.into(), &1.into()));
    }
}

#[test]
fn a_program_tells_its_workers() {
    for (_folder, config) in on_each_database() {
        let (queue, diary) = queue(config);
        assert!(queue.pause(None, "default").unwrap());
        assert!(!queue.pause(None, "default").unwrap());
        queue.push(Act::new("paused", Then::Succeed)).unwrap();
        let report = queue.worker().stop_when_empty().run().unwrap();
        assert_eq!((report.done, report.ended), (0, StopReason::Empty));
        assert!(queue.resume(None, "default").unwrap());
        let worker = queue.worker();
        let running = std::thread::spawn(move || worker.run());
        diary.wait_for("paused 1");
        queue.restart_workers(None).unwrap();
        let report = running.join().unwrap().unwrap();
        assert_eq!((report.done, report.ended), (1, StopReason::Restarted));
        assert!(queue.pause(None, "").unwrap_err().is_invalid());
    }
}

#[test]
fn drivers_that_cannot_tell_their_workers_say_why_and_what_to_do() {
    let folder = Folder::new();
    let told = "its jobs wait in the memory of the program that pushes them, which runs them by itself\n  \
                help: stop that program; workers of --driver database obey control messages\n";
    let cases: [(&[&str], &str); 3] = [
        (&["queue:pause", "mail"], "cannot pause queue \"mail\" of driver \"async\""),
        (&["queue:resume", "mail"], "cannot resume queue \"mail\" of driver \"async\""),
        (&["queue:restart"], "cannot restart the workers of driver \"async\""),
    ];
    for (arguments, what) in cases {
        let said = say(&folder, &[arguments, &["--driver", "async"]].concat());
        assert_eq!((said.status, said.err), (1, format!("error: {what}: {told}")));
    }
}

/// A table of jobs that an earlier version made has none beside it.
#[test]
fn without_the_table_workers_work_and_the_commands_say_how_it_is_made() {
    let folder = Folder::new();
    out(&folder, &["queue:install"]);
    let file = rusqlite::Connection::open(folder.join("database.sqlite3")).unwrap();
    file.execute_batch("DROP TABLE jobs_signals").unwrap();
    out(&folder, &["queue:push", "Echo"]);
    assert!(out(&folder, &["queue:work", "--stop-when-empty"]).contains("event=stopped done=1 "));
    assert_eq!(json(&folder, &["queue:status", "default", "--json"])[0]["paused"], false);
    let said = say(&folder, &["queue:pause", "default"]);
    assert_eq!(said.status, 1);
    let head = "error: connection \"sqlite\" has no table \"jobs_signals\"\n  help: make it, then start the workers again:\n";
    let sql = said.err.strip_prefix(head).unwrap_or_else(|| panic!("{}", said.err));
    assert_eq!(say(&folder, &["config:check"]).status, 1);
    file.execute_batch(sql).unwrap();
    assert_eq!(out(&folder, &["queue:pause", "default"]), "Queue \"default\" is paused.\n");
    assert_eq!(say(&folder, &["config:check"]).status, 0);
}
