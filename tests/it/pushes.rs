//! Pushes and their options, on a real file.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use craft_queue::{Backoff, Event, Jobs, Pushed, Queue};

use crate::support::{Act, Folder, Then, config, queue, shells, work_off};

fn fine(name: &str) -> Act {
    Act::new(name, Then::Succeed)
}

#[test]
fn options_are_values_and_the_push_rules_over_the_configuration() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue
        .options()
        .attempts(2)
        .backoff([Duration::from_millis(1)])
        .timeout(Duration::from_secs(9))
        .push(Act::new("twice", Then::Fail))
        .unwrap();
    // The next push knows nothing of that.
    queue.push(Act::new("thrice", Then::Fail)).unwrap();
    work_off(&queue);
    let count = |name: &str| diary.lines().iter().filter(|line| line.starts_with(name)).count();
    assert_eq!((count("twice"), count("thrice")), (2, 3));
}

#[test]
fn a_delayed_job_waits_its_time_and_not_longer_than_it_must() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    let pushed = Instant::now();
    queue.options().delay("0.3").push(fine("late")).unwrap();
    queue.options().delay("10 minutes").push(fine("much later")).unwrap();
    assert_eq!(work_off(&queue).done, 0);
    let worker = queue.worker();
    let stopper = worker.stopper();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run().unwrap());
        diary.wait_for("late 1");
        assert!(pushed.elapsed() >= Duration::from_millis(299), "{:?}", pushed.elapsed());
        stopper.stop();
        worker.join().unwrap();
    });
    assert_eq!(diary.lines(), ["late 1"]);
    let size = &queue.size(None, &[]).unwrap()[0];
    assert_eq!((size.waiting, size.delayed), (Some(0), Some(1)));
}

/// Anything over 36,600 days is as long as that: no database stores more, and no clock counts further.
#[test]
fn a_span_of_any_length_stops_no_queue() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.options().delay(Duration::MAX).push(fine("never")).unwrap();
    let patient = queue.options().timeout(Duration::MAX).backoff(Duration::MAX).attempts(2);
    patient.push(Act::new("fails", Then::Fail)).unwrap();
    queue.push(fine("now")).unwrap();
    queue.worker().max_jobs(2).run().unwrap();
    let mut lines = diary.lines();
    lines.sort();
    assert_eq!(lines, ["fails 1", "now 1"]);
    let size = &queue.size(None, &[]).unwrap()[0];
    assert_eq!((size.waiting, size.delayed), (Some(0), Some(2)));
}

/// An idle worker with a long poll still finds what becomes due without anybody's write.
#[test]
fn a_job_becomes_due_without_a_write_and_is_found_by_a_sleeping_worker() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.database.settings.poll = Duration::from_secs(50);
    let (queue, diary) = queue(config);
    queue.options().delay(Duration::from_millis(400)).push(fine("due")).unwrap();
    let started = Instant::now();
    let worker = queue.worker();
    let stopper = worker.stopper();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run().unwrap());
        diary.wait_for("due 1");
        assert!(started.elapsed() < Duration::from_secs(45), "it slept through: {:?}", started.elapsed());
        stopper.stop();
        worker.join().unwrap();
    });
}

/// The notifier: another process wrote.
#[test]
fn a_push_of_another_process_wakes_an_idle_worker_long_before_its_poll() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.database.settings.poll = Duration::from_secs(50);
    let (queue, diary) = queue(config);
    queue.push(fine("first")).unwrap();
    let worker = queue.worker();
    let stopper = worker.stopper();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run().unwrap());
        diary.wait_for("first 1");
        // Idle for ten times its shortest sleeps, so that the next one is long.
        std::thread::sleep(Duration::from_secs(2));
        let started = Instant::now();
        let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
        let payload = r#"{"name":"second","then":"Succeed"}"#;
        file.execute("INSERT INTO jobs (name, payload) VALUES ('Act', ?1)", [payload]).unwrap();
        diary.wait_for("second 1");
        assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
        stopper.stop();
        worker.join().unwrap();
    });
}

#[test]
fn a_unique_key_holds_until_the_job_is_gone() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    let push = || queue.options().unique("order-1").push(fine("once")).unwrap();
    let first = push();
    assert!(first.is_added());
    assert_eq!(push(), Pushed::Duplicate(first.id().clone()));
    work_off(&queue);
    assert!(push().is_added());
}

#[test]
fn priorities_go_first_and_are_checked() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    for (name, priority) in [("low", 0), ("high", 9), ("middle", 5)] {
        queue.options().priority(priority).push(fine(name)).unwrap();
    }
    work_off(&queue);
    assert_eq!(diary.lines(), ["high 1", "middle 1", "low 1"]);
    let error = queue.options().priority(10).push(fine("no")).unwrap_err();
    assert!(error.is_invalid());
    assert_eq!(error.to_string(), "priority 10 is over 9");
}

#[test]
fn bad_pushes_are_refused_with_a_reason_and_change_nothing() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    let long = "q".repeat(256);
    let errors = [
        queue.on(long.as_str()).push(fine("a")).unwrap_err().to_string(),
        queue.on("").push(fine("a")).unwrap_err().to_string(),
        queue.options().attempts(0).push(fine("a")).unwrap_err().to_string(),
        queue.options().delay("soon").push(fine("a")).unwrap_err().to_string(),
        queue.options().driver("redis").push(fine("a")).unwrap_err().to_string(),
        queue.options().push_json("Act", "{not json", 1).unwrap_err().to_string(),
        queue.push(Act::new(&"x".repeat(17 << 20), Then::Succeed)).unwrap_err().to_string(),
    ];
    assert!(errors[0].contains("has 256 bytes, at most 255 fit"), "{}", errors[0]);
    assert_eq!(errors[1], "the name of the queue is empty");
    assert_eq!(errors[2], "attempts must be at least 1");
    assert_eq!(errors[3], "cannot delay the job: \"soon\" is not a span of time");
    assert_eq!(errors[4], "no driver is named \"redis\"");
    assert!(errors[5].starts_with("cannot push Act: the payload is not JSON: "), "{}", errors[5]);
    assert!(errors[6].contains("at most 16777216 fit"), "{}", errors[6]);
    assert_eq!(queue.size(None, &[]).unwrap(), []);
    // The longest name that fits.
    queue.on("q".repeat(255)).push(fine("a")).unwrap();
}

#[test]
fn a_job_pushed_within_a_transaction_exists_when_that_commits() {
    use rusqlite::TransactionBehavior::Immediate;
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    let mut file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    file.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
    let mut transaction = file.transaction_with_behavior(Immediate).unwrap();
    transaction.execute("INSERT INTO orders DEFAULT VALUES", []).unwrap();
    queue.push_in(&mut transaction, fine("never")).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(work_off(&queue).done, 0);
    let mut transaction = file.transaction_with_behavior(Immediate).unwrap();
    transaction.execute("INSERT INTO orders DEFAULT VALUES", []).unwrap();
    queue.on("default").priority(3).push_in(&mut transaction, fine("with the order")).unwrap();
    // Nobody sees what is not committed.
    assert_eq!(queue.size(None, &["default".into()]).unwrap()[0].waiting, Some(0));
    transaction.commit().unwrap();
    assert_eq!(work_off(&queue).done, 1);
    assert_eq!(diary.lines(), ["with the order 1"]);
}

#[test]
fn many_threads_push_and_every_job_is_there_once() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let queue = queue.clone();
            scope.spawn(move || {
                for number in 0..50 {
                    queue.push(fine(&format!("{thread}-{number}"))).unwrap();
                }
            });
        }
    });
    assert_eq!(queue.worker().threads(4).stop_when_empty().run().unwrap().done, 800);
    let mut lines = diary.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 800);
}

/// One bad message of a shared batch fails alone.
#[test]
fn a_push_that_the_database_refuses_does_not_fail_those_that_shared_its_batch() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON jobs WHEN new.queue = 'refused'
        BEGIN SELECT RAISE(ABORT, 'not here'); END";
    file.execute_batch(trigger).unwrap();
    let refused = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (queue, refused) = (&queue, &refused);
            scope.spawn(move || {
                for number in 0..20 {
                    let name = if (thread + number) % 5 == 0 { "refused" } else { "default" };
                    let pushed = queue.on(name).push(fine("a"));
                    assert_eq!(pushed.is_err(), name == "refused", "{pushed:?}");
                    refused.fetch_add(usize::from(pushed.is_err()), std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 64);
    assert_eq!(queue.size(None, &["default".into()]).unwrap()[0].waiting, Some(256));
}

#[test]
fn the_fake_queue_records_and_runs_nothing() {
    let (queue, recorder) = Queue::fake();
    queue.push(fine("a")).unwrap();
    queue.on("mail").driver("amqp").delay("1h").attempts(7).push_many([fine("b"), fine("c")]).unwrap();
    let sent = recorder.sent();
    assert_eq!(recorder.jobs::<Act>(), [fine("a"), fine("b"), fine("c")]);
    assert_eq!((&*sent[0].queue, sent[0].driver.as_deref()), ("default", None));
    assert_eq!((&*sent[2].queue, sent[2].driver.as_deref()), ("mail", Some("amqp")));
    assert_eq!((sent[2].delay, sent[2].overrides.attempts), (Duration::from_secs(3_600), Some(7)));
}

#[test]
fn words_and_spans_are_delays_and_backoffs_are_read() {
    let folder = Folder::new();
    let queue = Queue::open(config(&folder), Jobs::new()).unwrap();
    queue.install().unwrap();
    queue
        .options()
        .delay("2 days")
        .backoff(Backoff::parse("1,10").unwrap())
        .push_json("Unregistered", "[1, 2]", 3)
        .unwrap();
    let size = &queue.size(None, &[]).unwrap()[0];
    assert_eq!((size.waiting, size.delayed, size.running), (Some(0), Some(3), Some(0)));
}

/// Not the fault of whoever has the lock: nobody has it any more.
#[test]
fn a_stale_snapshot_is_told_as_what_it_is() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    queue.push(fine("before")).unwrap();
    let mut database = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let mut transaction = database.transaction().unwrap();
    let count = |transaction: &rusqlite::Transaction<'_>| -> i64 {
        transaction.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&transaction), 1);
    queue.push(fine("meanwhile")).unwrap();
    let error = queue.push_in(&mut transaction, fine("late")).unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("stale snapshot"), "{error}");
    assert!(error.help().unwrap().contains("Immediate"), "{error:?}");
}

/// Indexing a document anew: what changes while the job runs is not lost, and what waits is enough.
#[test]
fn a_key_until_the_start_is_free_while_the_job_runs() {
    for (_folder, config, _) in shells() {
        let (queue, _) = queue(config);
        let push = |name: &str, replace: bool| {
            let push = queue.options().unique_until_start("document-7");
            let push = if replace { push.replace() } else { push };
            push.push(Act::new(name, Then::Succeed)).unwrap()
        };
        assert!(push("first", false).is_added());
        assert!(matches!(push("second", false), Pushed::Duplicate(_)));
        let newest = push("third", true);
        assert!(matches!(newest, Pushed::Replaced(_)), "{newest:?}");
        let pushed = Arc::new(Mutex::new(Vec::new()));
        let (answers, pushing) = (pushed.clone(), queue.clone());
        let worker = queue.worker().stop_when_empty().listener(move |event| {
            if let Event::Began { job, .. } = event
                && job.job.message.payload.starts_with(br#"{"name":"third""#)
            {
                let push = pushing.options().unique_until_start("document-7").replace();
                answers.lock().unwrap().push(push.push(Act::new("fourth", Then::Succeed)).unwrap());
            }
        });
        assert_eq!(worker.run().unwrap().done, 2);
        let pushed = pushed.lock().unwrap();
        assert!(pushed.len() == 1 && pushed[0].is_added(), "{pushed:?}");
    }
}

#[test]
fn replace_needs_a_key_and_a_driver_that_has_keys() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    let act = || Act::new("act", Then::Succeed);
    let error = queue.options().replace().push(act()).unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("unique key"), "{error}");
    let error = queue.options().driver("amqp").unique_until_start("k").replace().push(act()).unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("no unique keys"), "{error}");
}

/// Whichever comes first.
#[test]
fn what_is_said_of_a_worker_stays_when_its_driver_is_named_later() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.default = "async".into();
    let (queue, _) = queue(config);
    queue.options().driver("database").push(Act::new("failing", Then::Fail)).unwrap();
    let worker = queue.worker().attempts(1).poll(Duration::from_millis(20)).driver("database");
    let report = worker.stop_when_empty().run().unwrap();
    assert_eq!((report.retried, report.failed), (0, 1));
}

/// Many, and those whose type this program does not know.
#[test]
fn many_jobs_and_json_are_pushed_within_a_transaction() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    let mut database = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let mut push = |commit: bool| {
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let mut transaction = database.transaction_with_behavior(behavior).unwrap();
        let many = ["one", "two"].map(|name| Act::new(name, Then::Succeed));
        assert_eq!(queue.push_many_in(&mut transaction, many).unwrap().len(), 2);
        let json = r#"{"name":"three","then":"Succeed"}"#;
        let pushed = queue.options().unique("three").push_json_in(&mut transaction, "Act", json);
        assert!(pushed.unwrap().is_added());
        let error = queue.options().push_json_in(&mut transaction, "Act", "{").unwrap_err();
        assert!(error.is_invalid(), "{error}");
        if commit {
            transaction.commit().unwrap();
        }
    };
    push(false);
    push(true);
    assert_eq!(work_off(&queue).done, 3);
    assert_eq!(diary.lines(), ["one 1", "two 1", "three 1"]);
}
