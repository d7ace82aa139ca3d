//! Others in the same database: what they lock, hold open, refuse or take away costs time, and no job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use craft_queue::clients::mysql::prelude::Queryable;
use craft_queue::clients::{mysql, postgres as pg};
use craft_queue::{Config, Context, Event, JobResult, Jobs, Queue, Queueable, Stopper, Worker};
use serde::{Deserialize, Serialize};

use crate::process_site::{Place, on_every_server};
use crate::servers::postgres::Postgres;
use crate::support::{Act, Diary, Folder, Then, config_on, queue, wait_until};

on_every_server!(
    what_the_server_gives_up_because_of_others_is_done_again_and_charged_to_nobody,
    a_row_that_somebody_else_locks_keeps_no_other_hold_from_being_renewed,
    a_row_that_somebody_else_locks_is_settled_when_it_is_free,
    a_suspect_that_somebody_else_locks_keeps_back_no_clean_job,
    a_table_that_nobody_can_write_for_almost_a_lease_gives_no_job_to_two,
    a_push_that_waits_for_a_key_keeps_no_other_waiting,
    a_table_of_failed_jobs_that_is_locked_is_waited_for,
    without_its_table_a_dead_job_stays_in_the_queue_with_its_reason,
);

/// A session of somebody else.
pub(crate) enum Session {
    Postgres(Box<pg::Client>),
    Mysql(mysql::Conn),
}

impl Session {
    pub(crate) fn open(place: &Place) -> Self {
        match place {
            Place::Postgres(url) => Self::Postgres(Box::new(pg::Client::connect(url, pg::NoTls).unwrap())),
            Place::MariaDb(url) => {
                Self::Mysql(mysql::Conn::new(mysql::Opts::from_url(url).unwrap()).unwrap())
            }
            Place::Sqlite => unreachable!("a file has no sessions"),
        }
    }

    pub(crate) fn run(&mut self, sql: &str) {
        match self {
            Self::Postgres(client) => client.batch_execute(sql).unwrap(),
            Self::Mysql(connection) => connection.query_drop(sql).unwrap(),
        }
    }

    pub(crate) fn number(&mut self, sql: &str) -> i64 {
        match self {
            Self::Postgres(client) => client.query_one(sql, &[]).unwrap().get(0),
            Self::Mysql(connection) => connection.query_first(sql).unwrap().unwrap(),
        }
    }
}

pub(crate) fn config(place: &Place, lease: u64) -> Config {
    let (Place::Postgres(url) | Place::MariaDb(url)) = place else { unreachable!("a file has no url") };
    let mut config = config_on(url);
    config.database.settings.lease = Duration::from_secs(lease);
    config
}

/// Takes a while, and ends when it may.
#[derive(Serialize, Deserialize)]
struct Patient(String);

impl Queueable for Patient {
    const NAME: &'static str = "Patient";

    fn handle(&self, job: &Context) -> JobResult {
        job.state::<Diary>()?.note(format!("{} {}", self.0, job.attempt()));
        thread::sleep(Duration::from_millis(10));
        let may_end = job.state::<Arc<AtomicBool>>()?;
        wait_until("permission to end", || may_end.load(Ordering::SeqCst));
        Ok(())
    }
}

struct Patients {
    queue: Queue,
    diary: Diary,
    may_end: Arc<AtomicBool>,
}

fn patients(config: Config) -> Patients {
    let (diary, may_end) = (Diary::default(), Arc::new(AtomicBool::new(false)));
    let jobs = Jobs::new().state(diary.clone()).state(may_end.clone()).add::<Patient>().add::<Act>();
    let queue = Queue::open(config, jobs).unwrap();
    queue.install().unwrap();
    Patients { queue, diary, may_end }
}

/// Ends workers when a test fails beside them: their scope waits for them before it hands the panic on.
struct Ends(Vec<Stopper>, Arc<AtomicBool>);

impl Ends {
    fn of<const N: usize>(workers: [&Worker; N], may_end: &Arc<AtomicBool>) -> Self {
        Self(workers.iter().map(|worker| worker.stopper()).collect(), may_end.clone())
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if thread::panicking() {
            self.1.store(true, Ordering::SeqCst);
            self.0.iter().for_each(Stopper::stop);
        }
    }
}

#[test]
fn a_panic_beside_a_worker_fails_its_test() {
    let folder = Folder::new();
    let Patients { queue, diary, may_end } = patients(crate::support::config(&folder));
    queue.push(Patient("held".into())).unwrap();
    let worker = queue.worker();
    let failed = catch_unwind(AssertUnwindSafe(|| {
        thread::scope(|scope| {
            let _ends = Ends::of([&worker], &may_end);
            scope.spawn(|| worker.run().unwrap());
            diary.wait_for("held 1");
            panic!("on purpose");
        });
    }));
    assert!(failed.is_err());
}

/// A worker that ends when all is done, and how often it has lost its connection.
fn worker(queue: &Queue) -> (Worker, Arc<AtomicUsize>) {
    let cuts = Arc::new(AtomicUsize::new(0));
    let count = cuts.clone();
    let worker = queue.worker().threads(2).stop_when_empty().listener(move |event| {
        if matches!(event, Event::Disconnected { .. }) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (worker, cuts)
}

/// Deadlocks, lock timeouts and failures to serialize, at any statement that writes.
fn what_the_server_gives_up_because_of_others_is_done_again_and_charged_to_nobody(place: Place) {
    let Patients { queue, diary, may_end } = patients(config(&place, 60));
    may_end.store(true, Ordering::SeqCst);
    let mut session = Session::open(&place);
    // A counter that counts what is rolled back, too.
    session.run(match place {
        Place::MariaDb(_) => "CREATE TABLE refusals ENGINE = MyISAM SELECT 0 AS number",
        _ => "CREATE SEQUENCE refusals",
    });
    match place {
        Place::MariaDb(_) => {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                session.run(&format!(
                    "CREATE TRIGGER refuse_{event} BEFORE {event} ON jobs FOR EACH ROW
                    BEGIN
                        IF RAND() < 0.05 THEN
                            UPDATE refusals SET number = number + 1;
                            CASE (SELECT number FROM refusals) % 2
                                WHEN 0 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213;
                                ELSE SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205;
                            END CASE;
                        END IF;
                    END"
                ));
            }
        }
        _ => session.run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE codes text[] := ARRAY['40P01', '40001', '55P03'];
            BEGIN
                IF random() < 0.1 THEN
                    RAISE EXCEPTION 'in the way' USING ERRCODE = codes[1 + nextval('refusals') % 3];
                END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON jobs
            FOR EACH STATEMENT EXECUTE FUNCTION refuse()",
        ),
    }
    for at in 0..100 {
        queue.push(Patient(format!("job{at:02}"))).unwrap();
    }
    let (worker, _) = worker(&queue);
    let report = worker.run().unwrap();
    assert_eq!((report.done, report.failed, report.retried, report.lost), (100, 0, 0, 0));
    let mut lines = diary.lines();
    lines.sort();
    let once: Vec<_> = (0..100).map(|at| format!("job{at:02} 1")).collect();
    assert_eq!(lines, once, "each ran once, in its first attempt");
    let refusals = session.number(match place {
        Place::MariaDb(_) => "SELECT number FROM refusals",
        _ => "SELECT nextval('refusals') - 1",
    });
    assert!(refusals >= 3, "only {refusals} statements were refused");
}

/// Its hold is over, and it cannot be taken: neither do the slots wait for it, nor does the worker spin.
fn a_suspect_that_somebody_else_locks_keeps_back_no_clean_job(place: Place) {
    let Patients { queue, diary, may_end } = patients(config(&place, 1));
    may_end.store(true, Ordering::SeqCst);
    queue.push(Patient("suspect".into())).unwrap();
    let mut session = Session::open(&place);
    let ended = match place {
        Place::MariaDb(_) => "UTC_TIMESTAMP(6) - INTERVAL 1 SECOND",
        _ => "now() - interval '1 s'",
    };
    session.run(&format!("UPDATE jobs SET token = -7, lease = {ended}, attempts = 1"));
    session.run("BEGIN");
    session.run("SELECT * FROM jobs WHERE id = 1 FOR UPDATE");
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    let worker = queue.worker().threads(2).listener(move |event| {
        if matches!(event, Event::Polled { .. }) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let stopper = worker.stopper();
    thread::scope(|scope| {
        let _ends = Ends::of([&worker], &may_end);
        let worker = scope.spawn(|| worker.run().unwrap());
        // Long enough to have settled in, and to have seen it.
        let clean = |n: u64| (0..n).for_each(|_| drop(queue.push(Patient("clean".into())).unwrap()));
        for round in 1..=3 {
            clean(10);
            wait_until("the clean ones", || diary.lines().len() == round * 10);
            thread::sleep(Duration::from_millis(300));
        }
        let before = looks.load(Ordering::SeqCst);
        thread::sleep(Duration::from_secs(1));
        let spun = looks.load(Ordering::SeqCst) - before;
        assert!(spun < 150, "{spun} looks in a second");
        session.run("COMMIT");
        wait_until("the suspect", || diary.lines().contains(&"suspect 1".to_owned()));
        stopper.stop();
        assert_eq!(worker.join().unwrap().done, 31);
    });
}

/// All can read, and nobody can write. An idle worker would only read, and be the first to write afterwards.
fn a_table_that_nobody_can_write_for_almost_a_lease_gives_no_job_to_two(place: Place) {
    let Patients { queue, diary, may_end } = patients(config(&place, 3));
    queue.push(Patient("held".into())).unwrap();
    let holder = queue.worker().threads(1);
    let idle = queue.worker().threads(1);
    let stoppers = [holder.stopper(), idle.stopper()];
    thread::scope(|scope| {
        let _ends = Ends::of([&holder, &idle], &may_end);
        let holder = scope.spawn(|| holder.run().unwrap());
        diary.wait_for("held 1");
        let idle = scope.spawn(|| idle.run().unwrap());
        // Both have settled in.
        thread::sleep(Duration::from_millis(1_500));
        let mut session = Session::open(&place);
        match place {
            Place::MariaDb(_) => session.run("LOCK TABLES jobs READ"),
            _ => session.run("BEGIN; LOCK TABLE jobs IN EXCLUSIVE MODE"),
        }
        thread::sleep(Duration::from_millis(2_800));
        session.run(if matches!(place, Place::MariaDb(_)) { "UNLOCK TABLES" } else { "COMMIT" });
        thread::sleep(Duration::from_secs(2));
        may_end.store(true, Ordering::SeqCst);
        wait_until("its end", || queue.size(None, &[]).unwrap().iter().all(|size| size.running == Some(0)));
        stoppers.iter().for_each(Stopper::stop);
        let done = holder.join().unwrap().done + idle.join().unwrap().done;
        assert_eq!((done, diary.lines()), (1, vec!["held 1".to_owned()]), "it ran twice");
    });
}

/// Beyond the lock timeout of the worker, which is shorter than its lease.
fn a_row_that_somebody_else_locks_is_settled_when_it_is_free(place: Place) {
    let Patients { queue, diary, may_end } = patients(config(&place, 4));
    queue.push(Patient("locked".into())).unwrap();
    let (worker, cuts) = worker(&queue);
    thread::scope(|scope| {
        let _ends = Ends::of([&worker], &may_end);
        let worker = scope.spawn(|| worker.run().unwrap());
        diary.wait_for("locked 1");
        let mut session = Session::open(&place);
        session.run("BEGIN");
        session.run("SELECT * FROM jobs FOR UPDATE");
        may_end.store(true, Ordering::SeqCst);
        wait_until("the end of the worker's patience", || cuts.load(Ordering::SeqCst) > 0);
        session.run("COMMIT");
        let report = worker.join().unwrap();
        assert_eq!((report.done, report.retried, report.lost), (1, 0, 0));
    });
    assert_eq!(diary.lines(), ["locked 1"]);
    assert!(queue.size(None, &[]).unwrap().is_empty());
}

/// Somebody locks the row of one job for longer than a lease: the hold of the other one beside it lasts.
fn a_row_that_somebody_else_locks_keeps_no_other_hold_from_being_renewed(place: Place) {
    let Patients { queue, diary, may_end } = patients(config(&place, 3));
    queue.push(Patient("locked".into())).unwrap();
    queue.push(Patient("free".into())).unwrap();
    let (holder, other) = (queue.worker().threads(2), queue.worker().threads(2));
    let stoppers = [holder.stopper(), other.stopper()];
    thread::scope(|scope| {
        let holder = scope.spawn(|| holder.run().unwrap());
        diary.wait_for("locked 1");
        diary.wait_for("free 1");
        let other = scope.spawn(|| other.run().unwrap());
        let mut session = Session::open(&place);
        session.run("BEGIN");
        session.run("SELECT * FROM jobs WHERE id = 1 FOR UPDATE");
        // The other one takes what is over as soon as it has settled in.
        thread::sleep(Duration::from_secs(7));
        assert_eq!(diary.lines().len(), 2, "one that nobody locked ran twice at once: {:?}", diary.lines());
        may_end.store(true, Ordering::SeqCst);
        session.run("COMMIT");
        wait_until("their end", || queue.size(None, &[]).unwrap().is_empty());
        stoppers.iter().for_each(craft_queue::Stopper::stop);
        let done = holder.join().unwrap().done + other.join().unwrap().done;
        assert_eq!(done, 2);
    });
}

/// And when the server gives it up, it is told that it was not pushed.
fn a_push_that_waits_for_a_key_keeps_no_other_waiting(place: Place) {
    let (queue, _) = queue(config(&place, 4));
    let mut session = Session::open(&place);
    session.run("BEGIN");
    session.run("INSERT INTO jobs (name, payload, unique_key) VALUES ('Act', '{}', 'k')");
    thread::scope(|scope| {
        let keyed = scope.spawn(|| queue.options().unique("k").push(Act::new("keyed", Then::Succeed)));
        let other = scope.spawn(|| queue.options().unique("l").push(Act::new("other", Then::Succeed)));
        for _ in 0..20 {
            queue.push(Act::new("plain", Then::Succeed)).unwrap();
        }
        assert!(other.join().unwrap().unwrap().is_added());
        assert!(!keyed.is_finished(), "they did not wait for the key");
        let error = keyed.join().unwrap().unwrap_err();
        assert!(error.is_unavailable() && !error.is_outcome_unknown(), "{error:?}");
        session.run("ROLLBACK");
    });
    assert_eq!(session.number("SELECT count(*) FROM jobs WHERE unique_key = 'k'"), 0);
    assert!(queue.options().unique("k").push(Act::new("keyed", Then::Succeed)).unwrap().is_added());
}

/// Somebody locks the whole table when a job dies.
fn a_table_of_failed_jobs_that_is_locked_is_waited_for(place: Place) {
    let Patients { queue, diary, may_end } = patients(config(&place, 4));
    let mut session = Session::open(&place);
    let (lock, unlock) = match place {
        Place::MariaDb(_) => ("LOCK TABLES failed_jobs WRITE", "UNLOCK TABLES"),
        _ => ("BEGIN; LOCK TABLE failed_jobs", "COMMIT"),
    };
    // The table is looked for at the worker's start; it is locked after that.
    queue.push(Patient("first".into())).unwrap();
    let (worker, cuts) = worker(&queue);
    thread::scope(|scope| {
        let _ends = Ends::of([&worker], &may_end);
        let worker = scope.spawn(|| worker.run().unwrap());
        diary.wait_for("first 1");
        session.run(lock);
        queue.push(Act::new("dead", Then::FailNow)).unwrap();
        diary.wait_for("dead 1");
        wait_until("the end of the worker's patience", || cuts.load(Ordering::SeqCst) > 0);
        session.run(unlock);
        may_end.store(true, Ordering::SeqCst);
        let report = worker.join().unwrap();
        assert_eq!((report.done, report.failed, report.lost), (1, 1, 0));
    });
    assert_eq!(diary.lines(), ["first 1", "dead 1"]);
    assert!(queue.size(None, &[]).unwrap().is_empty());
    let failed = queue.failed().list(&Default::default()).unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].exception, "it never will");
}

/// The table goes missing while the worker runs.
fn without_its_table_a_dead_job_stays_in_the_queue_with_its_reason(place: Place) {
    let (queue, diary) = queue(config(&place, 60));
    let mut session = Session::open(&place);
    let worker = queue.worker();
    let stopper = worker.stopper();
    thread::scope(|scope| {
        let _ends = Ends::of([&worker], &Arc::default());
        let worker = scope.spawn(|| worker.run().unwrap());
        queue.push(Act::new("first", Then::Succeed)).unwrap();
        diary.wait_for("first 1");
        session.run("ALTER TABLE failed_jobs RENAME TO gone");
        queue.options().attempts(1).push(Act::new("dead", Then::Fail)).unwrap();
        let kept = "SELECT count(*) FROM jobs
            WHERE token IS NULL AND attempts = 1 AND last_error = 'it does not work'";
        wait_until("putting back", || session.number(kept) == 1);
        session.run("ALTER TABLE gone RENAME TO failed_jobs");
        // It is buried without another run.
        session.run("UPDATE jobs SET available_at = available_at - INTERVAL '1' HOUR");
        let dead = || queue.failed().list(&Default::default()).unwrap();
        wait_until("burying", || dead().len() == 1);
        assert_eq!(dead()[0].exception, "it does not work");
        stopper.stop();
        worker.join().unwrap();
    });
    assert_eq!(diary.lines(), ["first 1", "dead 1"]);
}

/// As quick as a job can be.
#[derive(Serialize, Deserialize)]
struct Nothing;

impl Queueable for Nothing {
    const NAME: &'static str = "Nothing";

    fn handle(&self, _: &Context) -> JobResult {
        Ok(())
    }
}

/// What was removed must be kept for the old transaction, and each look walks over it.
#[test]
fn an_old_transaction_on_postgres_slows_a_drain_by_a_bounded_factor() {
    let place = Place::Postgres(Postgres::shared().database());
    let queue = Queue::open(config(&place, 60), Jobs::new().add::<Nothing>()).unwrap();
    queue.install().unwrap();
    let drain = || {
        queue.push_many((0..10_000).map(|_| Nothing)).unwrap();
        let began = Instant::now();
        let report = queue.worker().stop_when_empty().run().unwrap();
        assert_eq!(report.done, 10_000);
        began.elapsed()
    };
    let usual = drain();
    let mut session = Session::open(&place);
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs");
    let slow = [drain(), drain(), drain()];
    assert!(slow[2] < usual * 10, "{slow:?} instead of {usual:?}");
}
