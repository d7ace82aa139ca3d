//! What becomes of dead jobs where something refuses them, is slow, or is away: none is lost, none is run again, and
//! what is refused is one job's alone.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use craft_queue::driver::database::Database;
use craft_queue::failed::Filter;
use craft_queue::{Config, Connection, Context, Event, JobError, JobResult, Jobs, Queue, Queueable, Report};
use serde::{Deserialize, Serialize};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::servers::proxy::{Proxy, Traffic};
use crate::support::{Act, Folder, Then, config, config_on, queue, shells};

/// Fails with a text that is not in its payload.
#[derive(Serialize, Deserialize)]
struct Says {
    what: usize,
    padding: String,
    fails_at_once: bool,
}

/// An instant as each of the databases writes it.
const LONG_AGO: [&str; 3] = ["0", "'2020-01-01'", "'2020-01-01'"];

const TEXTS: [&str; 3] = ["plain", "é and € and 😀", "nothing"];

fn says(what: usize) -> Says {
    Says { what, padding: String::new(), fails_at_once: true }
}

impl Queueable for Says {
    const NAME: &'static str = "Says";

    fn handle(&self, _: &Context) -> JobResult {
        let error = TEXTS.get(self.what).map_or_else(|| "e".repeat(16 * 1024), ToString::to_string);
        Err(if self.fails_at_once { JobError::fail_now(error) } else { JobError::new(error) })
    }

    fn backoff() -> Option<craft_queue::Backoff> {
        Some(Duration::from_millis(1).into())
    }
}

fn says_queue(config: Config) -> Queue {
    let queue = Queue::open(config, Jobs::new().add::<Says>()).unwrap();
    queue.install().unwrap();
    queue
}

fn work(queue: &Queue) -> Report {
    queue.worker().driver("database").threads(4).stop_when_empty().run().unwrap()
}

fn exceptions(queue: &Queue) -> Vec<String> {
    let failed = queue.failed().list(&Filter::default()).unwrap();
    failed.into_iter().map(|failed| failed.exception).collect()
}

/// One such error stopped all workers: every settle of every job failed.
#[test]
fn an_error_that_the_character_set_of_a_database_lacks_is_kept_as_far_as_it_goes() {
    let server = Postgres::shared();
    let name = "latin_of_burials";
    server.psql(&format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ));
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", server.port());
    let queue = says_queue(config_on(&url));
    queue.push_many((0..20).map(|at| says(at % 3))).unwrap();
    // This one fails twice: its error is also kept while it waits.
    queue.options().attempts(2).push(Says { fails_at_once: false, ..says(1) }).unwrap();
    let report = work(&queue);
    assert_eq!((report.failed, report.retried, report.lost), (21, 1, 0));
    let mut exceptions = exceptions(&queue);
    exceptions.sort();
    exceptions.dedup();
    assert_eq!(exceptions, ["nothing", "plain", "é and ? and ?"]);
    assert_eq!(postgres::query(&url, "SELECT count(*) FROM jobs").unwrap().trim(), "0");
    // A job of another back end may have more that it lacks; its payload comes back as it was.
    let padding = "😀".to_owned();
    let options = queue.options().driver("async").on("Straße 😀");
    options.push(Says { padding: padding.clone(), ..says(1) }).unwrap();
    let dead = || queue.failed().driver("async").list(&Filter::default()).unwrap();
    crate::support::wait_until("its record", || dead().len() == 1);
    let dead = dead().remove(0);
    assert_eq!((dead.exception.as_str(), dead.queue.as_str()), ("? and ? and ?", "Stra?e ?"));
    let kept: Says = serde_json::from_slice(&craft_queue::payload::from_text(&dead.payload)).unwrap();
    assert_eq!(kept.padding, padding);
}

/// The payload does not go over the line a second time; where it must, the error is shortened.
#[test]
fn a_job_that_barely_fits_is_buried_with_a_long_error() {
    let server = MariaDb::start(mariadb::Options::default().argument("--max-allowed-packet=1M"));
    let large = || Says { what: 9, padding: "x".repeat(1_040_000), fails_at_once: true };
    let queue = says_queue(config_on(&server.database()));
    queue.push(large()).unwrap();
    queue.push_many((0..10).map(|at| says(at % 3))).unwrap();
    let report = work(&queue);
    assert_eq!((report.failed, report.retried), (11, 0));
    assert!(exceptions(&queue).contains(&"e".repeat(16 * 1024)), "all of it is kept");
    // From a driver that lies elsewhere it must.
    queue.options().driver("async").push(large()).unwrap();
    queue.options().driver("async").push(says(0)).unwrap();
    let dead = || queue.failed().driver("async").list(&Filter::default()).unwrap();
    crate::support::wait_until("both records", || dead().len() == 2);
    let long = dead().into_iter().find(|failed| failed.payload.len() > 1_000_000).expect("it is kept whole");
    assert!((100..2_000).contains(&long.exception.len()), "{}", long.exception.len());
}

/// By a key or a trigger of somebody else's: the job is neither run again nor does it stop the others.
#[test]
fn a_job_that_a_database_refuses_to_remove_is_put_aside_alone() {
    let refusals = [
        "CREATE TRIGGER keep BEFORE DELETE ON jobs WHEN OLD.payload LIKE '%stays%'
            BEGIN SELECT RAISE(ABORT, 'it is kept'); END",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF OLD.payload LIKE '%stays%' THEN RAISE EXCEPTION 'it is kept'; END IF; RETURN OLD; END $$;
            CREATE TRIGGER keep BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION keep()",
        "CREATE TABLE notes (job BIGINT NOT NULL, CONSTRAINT kept FOREIGN KEY (job) REFERENCES jobs (id))",
    ];
    let allowed = ["DROP TRIGGER keep", "DROP TRIGGER keep ON jobs", "DROP TABLE notes"];
    for ((((_folder, config, shell), refusal), allowed), long_ago) in
        shells().into_iter().zip(refusals).zip(allowed).zip(LONG_AGO)
    {
        let (queue, diary) = queue(config);
        shell(refusal);
        let acts =
            |then: &'static Then| (0..10).map(move |at| Act::new(&format!("goes {at} "), then.clone()));
        queue.push_many(acts(&Then::Succeed)).unwrap();
        let done = queue.push(Act::new("stays done", Then::Succeed)).unwrap();
        let dead = queue.push(Act::new("stays dead", Then::FailNow)).unwrap();
        queue.push_many(acts(&Then::FailNow)).unwrap();
        if refusal.contains("notes") {
            for job in [&done, &dead] {
                shell(&format!("INSERT INTO notes VALUES ({})", job.id()));
            }
        }
        let report = work(&queue);
        assert_eq!((report.done, report.failed, report.lost), (10, 10, 0), "{refusal}");
        assert_eq!(diary.lines().len(), 22);
        let rows = shell(
            "SELECT attempts, CASE WHEN token IS NULL THEN 'waits' ELSE 'held' END FROM jobs ORDER BY id",
        );
        assert_eq!(rows.lines().collect::<Vec<_>>(), ["3|waits", "3|waits"], "no run is left: {refusal}");
        let errors = shell("SELECT last_error FROM jobs ORDER BY id");
        assert!(errors.starts_with("it is done, and could not be removed: "), "{errors}");
        assert!(errors.trim_end().ends_with("it never will"), "{errors}");
        // When they are taken again, they are not run; and once nothing refuses it, they are buried.
        shell(allowed);
        shell(&format!("UPDATE jobs SET available_at = {long_ago}"));
        let report = work(&queue);
        assert_eq!((report.done, report.failed), (0, 2), "{refusal}");
        assert_eq!(diary.lines().len(), 22, "none ran again");
    }
}

/// Whatever code it has: one that an author of triggers made up, or a duplicate in a table of theirs.
#[test]
fn what_a_trigger_refuses_is_one_jobs_alone_whatever_it_stumbles_over() {
    let triggers = [
        "CREATE TRIGGER keep BEFORE DELETE ON jobs WHEN OLD.payload LIKE '%stays%'
            BEGIN INSERT INTO audit VALUES (1); END",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF OLD.payload LIKE '%stays%' THEN RAISE EXCEPTION 'it is kept' USING ERRCODE = 'SHOP1'; END IF;
            RETURN OLD; END $$;
            CREATE TRIGGER keep BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION keep()",
        "CREATE TRIGGER keep BEFORE DELETE ON jobs FOR EACH ROW
            INSERT INTO audit SELECT 1 FROM DUAL WHERE OLD.payload LIKE '%stays%'",
    ];
    for ((_folder, config, shell), trigger) in shells().into_iter().zip(triggers) {
        let (queue, _) = queue(config);
        shell("CREATE TABLE audit (note INTEGER PRIMARY KEY)");
        shell("INSERT INTO audit VALUES (1)");
        shell(trigger);
        queue.push(Act::new("stays done", Then::Succeed)).unwrap();
        queue.push_many((0..10).map(|at| Act::new(&format!("goes {at}"), Then::Succeed))).unwrap();
        queue.push(Act::new("stays dead", Then::FailNow)).unwrap();
        let report = work(&queue);
        assert_eq!((report.done, report.failed, report.lost), (10, 0, 0), "{trigger}");
        assert_eq!(shell("SELECT attempts FROM jobs ORDER BY id").trim(), "3\n3", "{trigger}");
    }
}

/// The table of failed jobs is gone: a job that shall not be tried again is not.
#[test]
fn a_dead_job_is_not_run_again_because_it_cannot_be_buried_now() {
    for ((_folder, config, shell), long_ago) in shells().into_iter().zip(LONG_AGO) {
        let (queue, diary) = queue(config);
        let worker = queue.worker().threads(1);
        let stopper = worker.stopper();
        let report = thread::scope(|scope| {
            let worker = scope.spawn(|| worker.run().unwrap());
            // By then the worker has looked for the table.
            queue.push(Act::new("first", Then::Succeed)).unwrap();
            diary.wait_for("first 1");
            shell("ALTER TABLE failed_jobs RENAME TO buried_elsewhere");
            queue.push(Act::new("never again", Then::FailNow)).unwrap();
            crate::support::wait_until("it waits again", || {
                shell("SELECT count(*) FROM jobs WHERE token IS NULL AND attempts = 3").trim() == "1"
            });
            queue.push(Act::new("fine", Then::Succeed)).unwrap();
            diary.wait_for("fine 1");
            stopper.stop();
            worker.join().unwrap()
        });
        assert_eq!((report.done, report.failed), (2, 0));
        shell("ALTER TABLE buried_elsewhere RENAME TO failed_jobs");
        shell(&format!("UPDATE jobs SET available_at = {long_ago}"));
        let report = work(&queue);
        assert_eq!((report.done, report.failed), (0, 1));
        assert_eq!(diary.lines().iter().filter(|line| line.starts_with("never again")).count(), 1);
        assert_eq!(exceptions(&queue), ["it never will"]);
    }
}

/// A job of each of two workers that both lose their holds and both fail it was in neither table: the first one
/// withdrew the record on which the second one counted.
#[test]
fn no_job_is_lost_where_failed_jobs_are_slow_and_holds_end_meanwhile() {
    let folder = Folder::new();
    let url = Postgres::shared().database();
    let proxy = Proxy::before(Postgres::shared().port());
    let mut config = config(&folder);
    config.connections.insert("dead".into(), Connection::from_url(&proxy.url(&url)).unwrap());
    let settings = &mut config.database.settings;
    settings.failed_connection = Some("dead".into());
    settings.attempts = 1;
    settings.lease = Duration::from_secs(2);
    let failed = Database::of_failed(&config, "dead", "failed_jobs").unwrap();
    failed.install().unwrap();
    let (queue, _) = queue(config);
    let (started, has_started) = mpsc::channel();
    let worker = |threads| {
        let started = started.clone();
        queue.worker().threads(threads).listener(move |event| {
            if let Event::Started = event {
                started.send(()).unwrap();
            }
        })
    };
    let (first, second) = (worker(40), worker(2));
    let stoppers = [first.stopper(), second.stopper()];
    thread::scope(|scope| {
        let workers = [scope.spawn(|| first.run().unwrap()), scope.spawn(|| second.run().unwrap())];
        has_started.recv().unwrap();
        has_started.recv().unwrap();
        // For less than a statement may take, and again and again for more.
        proxy.set(Traffic::Delay(Duration::from_millis(150)));
        queue.push_many((0..40).map(|at| Act::new(&format!("dies {at}"), Then::Fail))).unwrap();
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {
            proxy.set(Traffic::Stall);
            thread::sleep(Duration::from_millis(700));
            proxy.set(Traffic::Delay(Duration::from_millis(50)));
            thread::sleep(Duration::from_millis(300));
        }
        proxy.set(Traffic::Pass);
        let count = || postgres::query(&url, "SELECT count(*) FROM failed_jobs").unwrap().trim().to_owned();
        crate::support::wait_until("all records", || {
            count() == "40" && queue.size(None, &[]).unwrap().is_empty()
        });
        stoppers.iter().for_each(craft_queue::Stopper::stop);
        let told: u64 = workers.into_iter().map(|worker| worker.join().unwrap().failed).sum();
        assert_eq!(told, 40, "each is told once");
    });
}
