//! Failed jobs that are put back: nothing is lost, and nothing is there twice.

use std::time::Duration;

use craft_queue::driver::database::Database;
use craft_queue::driver::{Backend, Notifier, Settled, Suspects, Verdict, Want};
use craft_queue::failed::{FailedBackend, Failure, Filter};
use craft_queue::{Connection, JobId, Overrides, Retried, Retry};

use crate::support::{Act, Folder, Then, config, queue, work_off};

fn ids(queue: &craft_queue::Queue) -> Vec<JobId> {
    queue.failed().list(&Filter::default()).unwrap().into_iter().map(|failed| failed.id).collect()
}

#[test]
fn retried_jobs_go_to_their_own_queue_or_to_the_one_that_is_named() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    for name in ["a", "b"] {
        queue.on(name).push(Act::new(name, Then::FailNow)).unwrap();
        queue.worker().on(name).stop_when_empty().run().unwrap();
    }
    let mut told = Vec::new();
    let only_a = Retry { from: Some("a".into()), onto: Some("c".into()), ..Retry::default() };
    queue.failed().retry(&only_a, |retried| told.push(retried)).unwrap();
    assert!(matches!(&told[..], [Retried::Back { queue, id: Some(_), .. }] if queue == "c"), "{told:?}");
    queue.failed().retry(&Retry::default(), |_| {}).unwrap();
    let waiting: Vec<_> = queue.size(None, &[]).unwrap().into_iter().map(|size| size.queue).collect();
    assert_eq!(waiting, ["b", "c"]);
    assert!(ids(&queue).is_empty());
}

#[test]
fn a_retried_job_keeps_what_its_push_asked_for() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.options().attempts(2).priority(7).unique("order-1").push(Act::new("kept", Then::Fail)).unwrap();
    work_off(&queue);
    let failed = queue.failed().list(&Filter::default()).unwrap();
    let overrides = Overrides::from_json(failed[0].overrides.as_deref().unwrap());
    assert_eq!((overrides.attempts, overrides.priority), (Some(2), Some(7)));
    queue.failed().retry(&Retry::default(), |_| {}).unwrap();
    // The key is held again.
    let again = queue.options().unique("order-1").push(Act::new("other", Then::Succeed)).unwrap();
    assert!(!again.is_added());
    work_off(&queue);
    assert_eq!(diary.lines(), ["kept 1", "kept 2", "kept 1", "kept 2"]);
}

/// A job whose unique key another job holds now stays with the failed jobs.
#[test]
fn a_retry_never_loses_a_job_to_another_one_with_its_key() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    queue.options().unique("key").push(Act::new("first", Then::FailNow)).unwrap();
    work_off(&queue);
    let holder = queue.options().unique("key").push(Act::new("second", Then::Succeed)).unwrap();
    let mut told = Vec::new();
    queue.failed().retry(&Retry::default(), |retried| told.push(retried)).unwrap();
    assert!(matches!(&told[..], [Retried::Kept { holder: who, .. }] if who == holder.id()), "{told:?}");
    assert_eq!(ids(&queue).len(), 1);
}

/// Where the failed jobs lie elsewhere it was marked for that, and the next retry would take it for another one's.
#[test]
fn a_job_that_stays_because_of_its_key_can_be_retried_at_once() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.connections.insert("dead".into(), Connection::Sqlite { database: folder.join("dead.sqlite3") });
    config.database.settings.failed_connection = Some("dead".into());
    Database::of_failed(&config, "dead", "failed_jobs").unwrap().install().unwrap();
    let (queue, _) = queue(config);
    queue.options().unique("key").push(Act::new("first", Then::FailNow)).unwrap();
    work_off(&queue);
    queue.options().unique("key").push(Act::new("second", Then::Succeed)).unwrap();
    for _ in 0..2 {
        let mut told = Vec::new();
        queue.failed().retry(&Retry::default(), |retried| told.push(retried)).unwrap();
        assert!(matches!(&told[..], [Retried::Kept { .. }]), "{told:?}");
    }
    work_off(&queue);
    queue.failed().retry(&Retry::default(), |_| {}).unwrap();
    assert!(ids(&queue).is_empty(), "the key is free");
}

/// The job is retried, fails again at once, and only then the retry forgets it.
#[test]
fn a_job_that_fails_again_during_its_retry_is_still_there() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    for round in 0..50 {
        queue.options().attempts(1).push(Act::new("quick", Then::Fail)).unwrap();
        work_off(&queue);
        let worker = queue.worker();
        let stopper = worker.stopper();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| worker.run().unwrap());
            queue.failed().retry(&Retry::default(), |_| {}).unwrap();
            crate::support::wait_until("its second failure", || ids(&queue).len() == 1);
            stopper.stop();
            worker.join().unwrap();
        });
        let failed = ids(&queue);
        assert_eq!(failed.len(), 1, "round {round}");
        queue.failed().forget(&failed).unwrap();
    }
}

/// Two operators at once.
#[test]
fn two_retries_at_once_put_each_job_back_once() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue
        .options()
        .attempts(1)
        .push_many((0..200).map(|number| Act::new(&format!("job-{number:03}"), Then::FailNow)))
        .unwrap();
    work_off(&queue);
    assert_eq!(ids(&queue).len(), 200);
    let back = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let count = |retried| {
                    if matches!(retried, Retried::Back { .. }) {
                        back.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                };
                queue.failed().retry(&Retry::default(), count).unwrap();
            });
        }
    });
    assert_eq!(back.into_inner(), 200);
    work_off(&queue);
    assert_eq!(diary.lines().len(), 400, "each ran once before and once after");
}

#[test]
fn an_unknown_id_is_told_and_the_others_are_put_back() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    queue.push(Act::new("one", Then::FailNow)).unwrap();
    work_off(&queue);
    let known = ids(&queue)[0].clone();
    let unknown = JobId::Number(999);
    let retry = Retry { ids: vec![unknown.clone(), known], ..Retry::default() };
    let mut told = Vec::new();
    queue.failed().retry(&retry, |retried| told.push(retried)).unwrap();
    assert_eq!(told[0], Retried::Unknown(unknown));
    assert!(matches!(told[1], Retried::Back { .. }));
}

/// Masonite's AMQP retry takes all failed rows of all drivers.
#[test]
fn a_retry_never_touches_the_failures_of_another_driver() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.options().driver("async").push(Act::new("in memory", Then::FailNow)).unwrap();
    diary.wait_for("in memory 1");
    crate::support::wait_until("its record", || !queue.failed().count().unwrap().is_empty());
    queue.failed().retry(&Retry::default(), |retried| panic!("{retried:?}")).unwrap();
    assert_eq!(queue.failed().driver("async").list(&Filter::default()).unwrap().len(), 1);
    // Its own retry runs it again, in memory.
    queue.failed().driver("async").retry(&Retry::default(), |_| {}).unwrap();
    crate::support::wait_until("the second run", || diary.lines().len() == 2);
}

/// The worker has recorded it elsewhere, and not settled it yet: a push of its uuid adds nothing, and the settle would
/// remove the only one.
#[test]
fn a_failed_job_that_its_worker_has_not_let_go_of_is_not_retried_yet() {
    let folder = Folder::new();
    let mut config = config(&folder);
    let dead = Connection::Sqlite { database: folder.join("dead.sqlite3") };
    config.connections.insert("dead".into(), dead);
    config.database.settings.failed_connection = Some("dead".into());
    let elsewhere = Database::of_failed(&config, "dead", "failed_jobs").unwrap();
    elsewhere.install().unwrap();
    let jobs = Database::of_jobs(&config, "sqlite").unwrap();
    let (queue, diary) = queue(config);
    queue.push(Act::new("held", Then::Succeed)).unwrap();

    let (mut driver, lease) = (Backend::open(&jobs, Notifier::silent()).unwrap(), Duration::from_secs(60));
    let (queues, suspects) = (["default".to_owned()], Suspects::Ignore);
    let held = driver.reserve(&Want { queues: &queues, fresh: 1, suspects, lease }).unwrap().jobs.remove(0);
    let mut failed = FailedBackend::open(&elsewhere).unwrap();
    failed.record(&held, &Failure::now("database", "sqlite", "it died")).unwrap();
    let retry = || {
        let mut told = Vec::new();
        queue.failed().retry(&Retry::default(), |retried| told.push(retried)).unwrap();
        told.remove(0)
    };
    let Retried::Refused { why, .. } = retry() else { panic!("it is held") };
    assert!(why.contains("has not let go of it"), "{why}");
    driver.settle(&[Settled { job: &held, verdict: Verdict::Done }]).unwrap();
    assert!(matches!(retry(), Retried::Back { .. }));
    assert_eq!(work_off(&queue).done, 1);
    assert_eq!(diary.lines(), ["held 1"]);
    assert_eq!(queue.failed().list(&Filter::default()).unwrap(), []);
}

#[test]
fn pruning_removes_what_is_old_enough_and_nothing_else() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    queue.push(Act::new("old", Then::FailNow)).unwrap();
    queue.push(Act::new("new", Then::FailNow)).unwrap();
    work_off(&queue);
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let age = "UPDATE failed_jobs SET failed_at = '2020-01-01T00:00:00.000+09:00' WHERE id = 1";
    file.execute(age, []).unwrap();
    assert_eq!(queue.failed().prune(std::time::Duration::from_secs(3_600)).unwrap(), 1);
    let left = queue.failed().list(&Filter::default()).unwrap();
    assert!(left.len() == 1 && left[0].payload.contains("new"), "{left:?}");
    assert_eq!(queue.failed().prune(std::time::Duration::ZERO).unwrap(), 1);
}

/// A push by SQL, which any client may make.
#[test]
fn a_retried_job_keeps_the_priority_and_the_key_that_stood_in_columns_alone() {
    for (_folder, config, shell) in crate::support::shells() {
        let (queue, _) = queue(config);
        shell(
            "INSERT INTO jobs (name, payload, priority, unique_key)
                VALUES ('Act', '{\"name\": \"by SQL\", \"then\": \"FailNow\"}', 7, 'order-1')",
        );
        work_off(&queue);
        queue.failed().retry(&Retry::default(), |_| {}).unwrap();
        let row = shell("SELECT priority, CAST(unique_key AS CHAR(7)) FROM jobs");
        assert_eq!(row.trim().replace("Blob([111, 114, 100, 101, 114, 45, 49])", "order-1"), "7|order-1");
    }
}

/// Options that mean nothing, names that nobody can push, rows that a trigger refuses: each stays or goes alone.
#[test]
fn one_odd_failed_job_keeps_no_other_from_being_put_back() {
    let refuse = [
        "CREATE TRIGGER no BEFORE INSERT ON jobs WHEN NEW.name = 'Bad' BEGIN SELECT RAISE(ABORT, 'not here'); END",
        "ALTER TABLE jobs ADD CONSTRAINT no CHECK (name <> 'Bad')",
        "ALTER TABLE jobs ADD CONSTRAINT no CHECK (name <> 'Bad')",
    ];
    for ((_folder, config, shell), refuse) in crate::support::shells().into_iter().zip(refuse) {
        let (queue, _) = queue(config);
        shell(refuse);
        let odd = [
            ("Act", r#"{"priority": 10}"#),
            ("Act", r#"{"priority": 300, "unique_key": 5}"#),
            ("Act", r#"{"unique_key": "k"}"#),
            ("Act", r#"["no options"]"#),
            ("Act", "{not json"),
            ("Bad", "{}"),
            ("", "{}"),
        ];
        for (at, (name, options)) in odd.iter().enumerate() {
            shell(&format!(
                "INSERT INTO failed_jobs (uuid, driver, connection, queue, name, payload, exception, attempts,
                    failed_at, created_at, options)
                VALUES ('00000000-0000-4000-8000-00000000000{at}', 'database', 'server', 'odd', '{name}', '{{}}', 'x', 1,
                    '2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z', '{options}')"
            ));
        }
        let (mut back, mut refused) = (0, Vec::new());
        let tell = |retried| match retried {
            Retried::Back { .. } => back += 1,
            Retried::Refused { failed, why } => refused.push((failed.name, why)),
            other => panic!("{other:?}"),
        };
        queue.failed().retry(&Retry::default(), tell).unwrap();
        assert_eq!(back, 5);
        let names: Vec<_> = refused.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Bad", ""], "{refused:?}");
        assert_eq!(ids(&queue).len(), 2, "they stay");
        assert_eq!(shell("SELECT max(priority) FROM jobs").trim(), "9");
    }
}

/// With workers that live, a retry ran what failed meanwhile again and again.
#[test]
fn what_fails_while_a_retry_goes_on_is_not_retried() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue
        .options()
        .attempts(1)
        .push_many((0..1_200).map(|at| Act::new(&format!("{at} "), Then::Fail)))
        .unwrap();
    work_off(&queue);
    let mut back = 0;
    // Each page has failed again before the next one is looked for.
    queue
        .failed()
        .retry(&Retry::default(), |_| {
            back += 1;
            if back % 500 == 0 {
                work_off(&queue);
            }
        })
        .unwrap();
    assert_eq!(back, 1_200);
    assert_eq!(diary.lines().len(), 2_200);
    // So does pruning end.
    assert_eq!(queue.failed().prune(std::time::Duration::ZERO).unwrap(), 1_000);
}
