//! What becomes of jobs, on a real file.

use std::time::Duration;

use crate::support::{Act, Folder, Then, config, hooks, queue, work_off};
use craft_queue::failed::Filter;
use craft_queue::{Config, Context, JobResult, Jobs, Queue, Queueable};
use serde::{Deserialize, Serialize};

#[test]
fn a_job_is_pushed_run_and_gone() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.push(Act::new("one", Then::Succeed)).unwrap();
    assert_eq!(work_off(&queue).done, 1);
    assert_eq!(diary.lines(), ["one 1"]);
    assert_eq!(queue.size(None, &[]).unwrap(), []);
}

#[test]
fn a_job_that_fails_is_attempted_again_and_then_kept_with_its_reason() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.on("invoices").push(Act::new("failing", Then::Fail)).unwrap();
    let report = queue.worker().on("invoices").stop_when_empty().run().unwrap();
    assert_eq!((report.retried, report.failed), (2, 1));
    assert_eq!(diary.lines(), ["failing 1", "failing 2", "failing 3"]);
    assert_eq!(hooks("failing"), ["it does not work"]);
    let failed = queue.failed().list(&Filter::default()).unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((&*failed[0].queue, &*failed[0].name, failed[0].attempts), ("invoices", "Act", 3));
    assert_eq!((&*failed[0].driver, &*failed[0].connection), ("database", "sqlite"));
    assert_eq!(failed[0].exception, "it does not work");
    assert_eq!(failed[0].payload, r#"{"name":"failing","then":"Fail"}"#);
}

#[test]
fn a_job_steers_by_the_error_it_returns() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.push(Act::new("never", Then::FailNow)).unwrap();
    queue.push(Act::new("later", Then::LaterOnce(20))).unwrap();
    let report = work_off(&queue);
    assert_eq!((report.done, report.failed, report.retried), (1, 1, 1));
    // The uncounted attempt is the first one again.
    assert_eq!(diary.lines(), ["never 1", "later 1", "later 1"]);
}

#[test]
fn a_panic_is_a_failed_attempt_and_a_hook_that_panics_harms_nobody() {
    let folder = Folder::new();
    let (queue, _) = queue(config(&folder));
    queue.options().attempts(1).push(Act::new("bad hook", Then::Panic)).unwrap();
    queue.push(Act::new("fine", Then::Succeed)).unwrap();
    let report = work_off(&queue);
    assert_eq!((report.done, report.failed), (1, 1));
    assert_eq!(hooks("bad hook"), ["panicked: it went wrong"]);
    let failed = queue.failed().list(&Filter::default()).unwrap();
    assert_eq!(failed[0].exception, "panicked: it went wrong");
    assert_eq!(queue.size(None, &[]).unwrap(), [], "it is in one table only");
}

/// Masonite decodes outside of `try`: the worker crashes, and the queue is blocked.
#[test]
fn a_payload_that_cannot_be_decoded_fails_and_the_worker_goes_on() {
    let folder = Folder::new();
    let config = config(&folder);
    let path = folder.join("jobs.sqlite3");
    let (queue, diary) = queue(config);
    let file = rusqlite::Connection::open(path).unwrap();
    let bad: [&[u8]; 4] = [b"", b"{", b"{\"name\": 5}", b"\xff\xfe"];
    for payload in bad {
        let insert = "INSERT INTO jobs (name, payload) VALUES ('Act', ?1)";
        match std::str::from_utf8(payload) {
            Ok(text) => file.execute(insert, [text]).unwrap(),
            Err(_) => file.execute(insert, [payload]).unwrap(),
        };
    }
    queue.push(Act::new("behind", Then::Succeed)).unwrap();
    let report = work_off(&queue);
    assert_eq!((report.done, report.failed), (1, 4));
    assert_eq!(diary.lines(), ["behind 1"]);
    let failed = queue.failed().list(&Filter::default()).unwrap();
    for job in &failed {
        assert_eq!(job.attempts, 1);
        assert!(job.exception.starts_with("the payload is not a Act: "), "{}", job.exception);
    }
    assert_eq!(failed[3].payload, "base64://4=");
}

#[test]
fn a_row_that_another_program_inserted_with_two_columns_is_a_push() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    let payload = r#"{"name": "foreign", "then": "Succeed"}"#;
    file.execute("INSERT INTO jobs (name, payload) VALUES ('Act', ?1)", [payload]).unwrap();
    file.execute("INSERT INTO jobs (name, payload) VALUES ('Act', ?1)", [payload]).unwrap();
    assert_eq!(work_off(&queue).done, 2);
    assert_eq!(diary.lines(), ["foreign 1", "foreign 1"]);
}

/// Unknown names wait for a deploy. A worker that knows the name finds it as it was.
#[test]
fn an_unknown_name_costs_no_attempt_and_fails_after_its_time() {
    let folder = Folder::new();
    let mut config = config(&folder);
    let (known, diary) = queue(config.clone());
    known.push(Act::new("waiting", Then::Succeed)).unwrap();
    config.database.settings.unknown_for = Duration::from_millis(100);
    let stranger = Queue::open(config, Jobs::new()).unwrap();
    // It is put back for the 100 ms, found again, and then given up.
    crate::support::wait_until("giving up", || {
        let report = work_off(&stranger);
        report.failed == 1
    });
    let failed = known.failed().list(&Filter::default()).unwrap();
    assert_eq!(failed[0].exception, "no worker knows a job named \"Act\", for 100ms");
    known.failed().retry(&Default::default(), |_| {}).unwrap();
    assert_eq!(work_off(&known).done, 1);
    assert_eq!(diary.lines(), ["waiting 1"]);
}

/// Masonite's worker drifts to the queue that a job of its pushed to.
#[test]
fn a_job_that_pushes_elsewhere_moves_nobody() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    queue.on("first").push(Act::new("batcher", Then::Push("second".into()))).unwrap();
    queue.on("first").push(Act::new("next", Then::Succeed)).unwrap();
    let report = queue.worker().on("first").stop_when_empty().run().unwrap();
    assert_eq!(report.done, 2);
    assert_eq!(diary.lines(), ["batcher 1", "next 1"]);
    let sizes = queue.size(None, &[]).unwrap();
    assert_eq!((sizes[0].queue.as_str(), sizes[0].waiting), ("second", Some(1)));
}

#[derive(Serialize, Deserialize)]
struct TwoMethods;

impl Queueable for TwoMethods {
    const NAME: &'static str = "TwoMethods";

    fn handle(&self, _: &Context) -> JobResult {
        Err(craft_queue::JobError::new("handle was called"))
    }

    fn call(&self, callback: &str, job: &Context) -> JobResult {
        match callback {
            "other" => Ok(()),
            _ => self.handle(job),
        }
    }
}

#[test]
fn the_callback_names_the_method_that_runs() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.database.settings.callback = "other".into();
    let queue = Queue::open(config.clone(), Jobs::new().add::<TwoMethods>()).unwrap();
    queue.install().unwrap();
    queue.push(TwoMethods).unwrap();
    assert_eq!(work_off(&queue).done, 1);
    // A job that offers no such method says so, at once.
    let plain =
        Queue::open(config, Jobs::new().state(crate::support::Diary::default()).add::<Act>()).unwrap();
    plain.push(Act::new("plain", Then::Succeed)).unwrap();
    assert_eq!(work_off(&plain).failed, 1);
    let failed = plain.failed().list(&Filter::default()).unwrap();
    assert!(failed[0].exception.starts_with("Act has no method \"other\""), "{}", failed[0].exception);
}

#[test]
fn a_name_that_is_registered_twice_is_an_error_at_the_start() {
    let jobs = Jobs::new().add::<Act>().add::<Act>();
    let error = Queue::open(Config::default(), jobs).err().unwrap();
    assert!(error.is_config());
    assert_eq!(error.to_string(), "the job \"Act\" is registered twice");
}

#[test]
fn a_worker_without_tables_says_what_to_do() {
    let folder = Folder::new();
    let queue = Queue::open(config(&folder), Jobs::new()).unwrap();
    let error = queue.worker().run().unwrap_err();
    assert!(error.is_schema());
    assert_eq!(error.to_string(), "connection \"sqlite\" has no table \"jobs\"");
    assert_eq!(error.help(), Some("craft queue:table && craft migrate      (or craft queue:install)"));
    assert!(!folder.join("jobs.sqlite3").exists(), "looking makes no file");
}

/// Nothing is lost when the table of failed jobs goes missing.
#[test]
fn without_its_table_a_dead_job_stays_in_the_queue_with_its_reason() {
    let folder = Folder::new();
    let (queue, diary) = queue(config(&folder));
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    // The table is looked for at the worker's start; it goes missing after that.
    let (tell, started) = std::sync::mpsc::channel();
    let worker = queue.worker().listener(move |event| {
        if matches!(event, craft_queue::Event::Started) {
            tell.send(()).unwrap();
        }
    });
    let stopper = worker.stopper();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run());
        started.recv().unwrap();
        file.execute_batch("ALTER TABLE failed_jobs RENAME TO gone").unwrap();
        queue.options().attempts(1).push(Act::new("dead", Then::Fail)).unwrap();
        let kept = "SELECT last_error, attempts FROM jobs WHERE token IS NULL AND last_error IS NOT NULL";
        crate::support::wait_until("putting back", || {
            file.query_row(kept, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
                .is_ok_and(|row| row == ("it does not work".into(), 1))
        });
        // When the table is there again, the job is buried without another run.
        file.execute_batch("ALTER TABLE gone RENAME TO failed_jobs; UPDATE jobs SET available_at = 0")
            .unwrap();
        crate::support::wait_until("burying", || queue.failed().list(&Filter::default()).unwrap().len() == 1);
        stopper.stop();
        worker.join().unwrap().unwrap();
    });
    let failed = queue.failed().list(&Filter::default()).unwrap();
    assert_eq!(failed[0].exception, "it does not work");
    assert_eq!(diary.lines(), ["dead 1"]);
}

#[test]
fn a_file_or_a_table_of_somebody_else_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    std::fs::write(folder.join("jobs.sqlite3"), "Dear diary, today I wrote no database.").unwrap();
    let queue = Queue::open(config(&folder), Jobs::new().add::<Act>()).unwrap();
    for error in [queue.install().unwrap_err(), queue.worker().run().unwrap_err()] {
        assert!(error.to_string().ends_with("jobs.sqlite3 is no SQLite database"), "{error}");
        assert!(error.help().unwrap().contains("name another file in queue.toml"));
    }
    assert!(std::fs::read_to_string(folder.join("jobs.sqlite3")).unwrap().starts_with("Dear diary"));

    let folder = Folder::new();
    let file = rusqlite::Connection::open(folder.join("jobs.sqlite3")).unwrap();
    file.execute_batch("CREATE TABLE jobs (id INTEGER PRIMARY KEY, title TEXT)").unwrap();
    let queue = Queue::open(config(&folder), Jobs::new().add::<Act>()).unwrap();
    let error = queue.push(Act::new("a", Then::Succeed)).unwrap_err();
    assert!(error.is_schema());
    let text = "table \"jobs\" of connection \"sqlite\" does not fit this version: no such column: ";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn a_folder_that_does_not_exist_is_an_error_that_says_so() {
    let folder = Folder::new();
    let mut config = Config::sqlite(folder.join("no/such/folder/jobs.sqlite3"));
    config.database.settings.poll = Duration::from_millis(50);
    let queue = Queue::open(config, Jobs::new()).unwrap();
    let error = queue.install().unwrap_err();
    assert!(error.to_string().ends_with("jobs.sqlite3 can't be opened or created"), "{error}");
    assert_eq!(error.help(), Some("does the folder exist, and may this user write there?"));
}
