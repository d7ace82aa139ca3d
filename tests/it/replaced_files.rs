//! An SQLite file that is replaced, moved or removed while workers and batchers have it open, as a deploy or a
//! restored backup does.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use craft_queue::{Config, Context, Event, JobResult, Jobs, Queue, Queueable, Report, Stopper};
use serde::{Deserialize, Serialize};

use crate::process_site::Site;
use crate::support::{Act, Diary, Folder, Then, config, queue, wait_until};

/// A worker of a queue, in a thread, that is stopped in any case.
struct Working {
    stopper: Stopper,
    worker: Option<thread::JoinHandle<Report>>,
    /// Why it lost its connection, each time.
    cuts: Arc<Mutex<Vec<String>>>,
}

impl Working {
    fn start(queue: &Queue) -> Self {
        let cuts = Arc::new(Mutex::new(Vec::new()));
        let told = cuts.clone();
        let worker = queue.worker().driver("database").threads(2).listener(move |event| {
            if let Event::Disconnected { error, .. } = event {
                told.lock().unwrap().push(error.to_string());
            }
        });
        let stopper = worker.stopper();
        let worker = Some(thread::spawn(move || worker.run().unwrap()));
        Self { stopper, worker, cuts }
    }

    fn cuts(&self) -> Vec<String> {
        self.cuts.lock().unwrap().clone()
    }

    fn end(mut self) -> Report {
        self.stopper.stop();
        self.worker.take().unwrap().join().unwrap()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.stopper.stop_now();
    }
}

/// A worker finds out by itself long before it looks the next time.
fn rare_looks(mut config: Config) -> Config {
    config.database.settings.lease = Duration::from_secs(600);
    config.database.settings.poll = Duration::from_secs(300);
    config
}

/// A new file with tables and no jobs, closed.
fn new_file(path: &Path) {
    new_file_with(path, []);
}

fn new_file_with<const COUNT: usize>(path: &Path, jobs: [&str; COUNT]) {
    let (queue, _) = queue(Config::sqlite(path));
    queue.push_many(jobs.map(|name| Act::new(name, Then::Succeed))).unwrap();
}

/// How many jobs are in a file that nobody else has open.
fn count(path: &Path) -> i64 {
    let file = rusqlite::Connection::open(path).unwrap();
    file.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_worker_and_a_pusher_go_over_to_the_file_that_takes_the_place_of_theirs() {
    let folder = Folder::new();
    let (file, next) = (folder.join("jobs.sqlite3"), folder.join("next.sqlite3"));
    let (queue, diary) = queue(rare_looks(config(&folder)));
    let working = Working::start(&queue);
    queue.push(Act::new("before", Then::Succeed)).unwrap();
    diary.wait_for("before 1");
    new_file(&next);
    std::fs::rename(&next, &file).unwrap();
    wait_until("noticing", || !working.cuts().is_empty());
    // The same queue, which has pushed into the old file.
    queue.push(Act::new("after", Then::Succeed)).unwrap();
    diary.wait_for("after 1");
    let cuts = working.cuts();
    assert_eq!(cuts.len(), 1, "{cuts:?}");
    assert!(cuts[0].contains("jobs.sqlite3 was replaced by another file while it was open"), "{cuts:?}");
    assert_eq!((working.end().done, queue.size(None, &[]).unwrap().len()), (2, 0));
}

/// SQLite finds the log of a file by its name, and would apply it to the new one.
#[test]
fn the_log_of_the_old_file_is_not_taken_for_that_of_the_new_one() {
    let folder = Folder::new();
    let (file, next, kept) =
        (folder.join("jobs.sqlite3"), folder.join("next.sqlite3"), folder.join("kept.sqlite3"));
    let (queue, diary) = queue(rare_looks(config(&folder)));
    queue.push_many((0..100).map(|n| Act::new(&format!("old {n}"), Then::Succeed))).unwrap();
    let mut working = Working::start(&queue);
    diary.wait_for("old 99 1");
    wait_until("the last outcome", || queue.size(None, &[]).unwrap().is_empty());
    // What it has is in the log.
    queue.on("elsewhere").push(Act::new("kept", Then::Succeed)).unwrap();
    for renamed_at_once in [true, false] {
        let names = ["one", "two", "three"].map(|name| format!("{name} {renamed_at_once}"));
        new_file_with(&next, names.each_ref().map(|name| name.as_str()));
        let _ = std::fs::remove_file(&kept);
        if renamed_at_once {
            std::fs::hard_link(&file, &kept).unwrap();
        } else {
            std::fs::rename(&file, &kept).unwrap();
            wait_until("noticing", || !working.cuts().is_empty());
        }
        std::fs::rename(&next, &file).unwrap();
        names.iter().for_each(|name| diary.wait_for(&format!("{name} 1")));
        assert_eq!(working.end().done, if renamed_at_once { 103 } else { 3 });
        assert_eq!(count(&kept), i64::from(renamed_at_once), "the old file is whole");
        working = Working::start(&queue);
    }
    working.end();
}

#[test]
fn what_is_pushed_at_once_after_a_link_was_changed_is_in_the_new_file() {
    let folder = Folder::new();
    let (old, new, link) = (folder.join("old"), folder.join("new"), folder.join("jobs.sqlite3"));
    for release in [&old, &new] {
        std::fs::create_dir(release).unwrap();
        new_file(&release.join("jobs.sqlite3"));
    }
    std::os::unix::fs::symlink(old.join("jobs.sqlite3"), &link).unwrap();
    let (queue, _) = queue(config(&folder));
    let count = |release: &Path| count(&release.join("jobs.sqlite3"));
    queue.push(Act::new("before", Then::Succeed)).unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(new.join("jobs.sqlite3"), &link).unwrap();
    queue.push(Act::new("after", Then::Succeed)).unwrap();
    queue.push_many([Act::new("many", Then::Succeed), Act::new("more", Then::Succeed)]).unwrap();
    assert_eq!((count(&old), count(&new)), (1, 3));
    assert_eq!(queue.size(None, &[]).unwrap()[0].waiting, Some(3));
}

#[test]
fn a_file_that_was_moved_away_is_waited_for_and_no_empty_one_takes_its_place() {
    let folder = Folder::new();
    let (file, away) = (folder.join("jobs.sqlite3"), folder.join("away.sqlite3"));
    let (queue, diary) = queue(rare_looks(config(&folder)));
    let working = Working::start(&queue);
    queue.push(Act::new("before", Then::Succeed)).unwrap();
    diary.wait_for("before 1");
    std::fs::rename(&file, &away).unwrap();
    let error = queue.push(Act::new("meanwhile", Then::Succeed)).unwrap_err();
    assert!(!error.is_outcome_unknown(), "{error:?}");
    wait_until("noticing", || !working.cuts().is_empty());
    assert!(working.cuts()[0].contains("jobs.sqlite3 was moved or removed while it was open"));
    assert!(queue.size(None, &[]).is_err());
    assert!(!file.exists(), "an empty file was made");
    std::fs::rename(&away, &file).unwrap();
    queue.push(Act::new("after", Then::Succeed)).unwrap();
    diary.wait_for("after 1");
    assert_eq!(working.end().done, 2);
    assert_eq!(diary.lines(), ["before 1", "after 1"]);
}

/// Ends when it may.
#[derive(Serialize, Deserialize)]
struct Patient;

impl Queueable for Patient {
    const NAME: &'static str = "Patient";

    fn handle(&self, job: &Context) -> JobResult {
        job.state::<Diary>()?.note("it began");
        let may_end = job.state::<Arc<AtomicBool>>()?;
        wait_until("permission to end", || may_end.load(Ordering::SeqCst));
        Ok(())
    }
}

/// It is never told as done: nothing was written down of it.
#[test]
fn the_hold_on_a_job_of_the_old_file_is_lost() {
    let folder = Folder::new();
    let (file, next) = (folder.join("jobs.sqlite3"), folder.join("next.sqlite3"));
    let mut config = config(&folder);
    config.database.settings.lease = Duration::from_secs(2);
    let (diary, may_end) = (Diary::default(), Arc::new(AtomicBool::new(false)));
    let jobs = Jobs::new().state(diary.clone()).state(may_end.clone()).add::<Act>().add::<Patient>();
    let queue = Queue::open(config, jobs).unwrap();
    queue.install().unwrap();
    let working = Working::start(&queue);
    queue.push(Patient).unwrap();
    diary.wait_for("it began");
    new_file(&next);
    std::fs::rename(&next, &file).unwrap();
    wait_until("noticing", || !working.cuts().is_empty());
    // It has the number that the first one had in the old file, and is another job all the same.
    queue.push(Act::new("after", Then::Succeed)).unwrap();
    diary.wait_for("after 1");
    may_end.store(true, Ordering::SeqCst);
    let report = working.end();
    assert_eq!((report.done, report.lost, report.failed), (1, 1, 0));
}

/// Nor where the end of the job is what notices it.
#[test]
fn an_outcome_that_no_file_has_any_more_is_not_told_as_done() {
    let folder = Folder::new();
    let (file, next) = (folder.join("jobs.sqlite3"), folder.join("next.sqlite3"));
    let (diary, may_end) = (Diary::default(), Arc::new(AtomicBool::new(false)));
    let jobs = Jobs::new().state(diary.clone()).state(may_end.clone()).add::<Patient>();
    let queue = Queue::open(rare_looks(config(&folder)), jobs).unwrap();
    queue.install().unwrap();
    // All slots are taken: nothing is looked for.
    queue.push_many([Patient, Patient]).unwrap();
    let working = Working::start(&queue);
    wait_until("both", || diary.lines().len() == 2);
    new_file(&next);
    std::fs::rename(&next, &file).unwrap();
    may_end.store(true, Ordering::SeqCst);
    wait_until("noticing", || !working.cuts().is_empty());
    let report = working.end();
    assert_eq!((report.done, report.lost, report.failed), (0, 2, 0));
}

/// Real processes: a worker of the file that was restored.
#[test]
fn a_worker_process_says_it_once_and_works_on() {
    let site = Site::with_lease(crate::process_site::Place::Sqlite, "60");
    let worker = site.worker(&[]);
    worker.wait_for("event=started");
    let (file, next) = (site.folder.join("jobs.sqlite3"), site.folder.join("next.sqlite3"));
    new_file(&next);
    std::fs::rename(&next, &file).unwrap();
    let said = worker.wait_for("was replaced by another file");
    site.push_ledgers(0..1, "");
    worker.wait_for("event=done");
    worker.signal("TERM");
    let end = worker.wait_for("event=stopped");
    assert!(end.contains("done=1"), "{said}\n{end}");
    assert_eq!(worker.wait().0, Some(0));
}
