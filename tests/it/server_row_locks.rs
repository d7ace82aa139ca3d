//! A row of a running job that somebody else has locked for long: its neighbours are held and settled as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use craft_queue::driver::database::Database;
use craft_queue::{Config, Connection, Event, Queue, Stopper, Worker};

use crate::process_site::{Place, on_every_server};
use crate::server_locks::{Session, config};
use crate::support::{Diary, Folder, Held, held_queue, wait_until};

on_every_server!(
    a_locked_row_ends_no_hold_of_its_neighbours,
    a_locked_row_keeps_no_outcome_of_its_neighbours_waiting,
    a_row_that_is_locked_for_less_than_a_lease_stays_held,
    a_locked_row_costs_one_connection_while_other_jobs_die,
);

struct Scene {
    queue: Queue,
    diary: Diary,
    may_end: Arc<AtomicBool>,
    /// Somebody else, who locks a row.
    locker: Session,
    observer: Session,
    /// How often a worker lost its connection.
    disconnects: Arc<AtomicUsize>,
}

impl Scene {
    /// Three jobs wait, one of which is called "locked".
    fn new(place: &Place, lease: u64) -> Self {
        Self::with(place, config(place, lease))
    }

    fn with(place: &Place, config: Config) -> Self {
        let (queue, diary, may_end) = held_queue(config);
        for name in ["a", "locked", "b"] {
            queue.push(Held(name.into())).unwrap();
        }
        let (locker, observer) = (Session::open(place), Session::open(place));
        Self { queue, diary, may_end, locker, observer, disconnects: Arc::default() }
    }

    fn lock(&mut self) {
        self.lock_for("UPDATE");
    }

    fn lock_for(&mut self, purpose: &str) {
        let id = self.observer.number("SELECT id FROM jobs WHERE payload LIKE '%locked%'");
        self.locker.run("BEGIN");
        self.locker.run(&format!("SELECT * FROM jobs WHERE id = {id} FOR {purpose}"));
    }

    /// Three slots, and its lost connections are counted.
    fn worker(&self) -> Worker {
        let disconnects = self.disconnects.clone();
        self.queue.worker().threads(3).listener(move |event| {
            if let Event::Disconnected { .. } = event {
                disconnects.fetch_add(1, Ordering::SeqCst);
            }
        })
    }

    /// While the row stays locked: the neighbours end, others of this name come and go, and only the first settle
    /// loses a connection.
    fn others_end(&mut self, name: &str, purpose: &str) {
        let worker = self.worker();
        let stopper = worker.stopper();
        thread::scope(|scope| {
            let worker = scope.spawn(|| worker.run().unwrap());
            self.wait_for_begin();
            self.lock_for(purpose);
            self.may_end.store(true, Ordering::SeqCst);
            wait_until("the end of the neighbours", || self.left() == 1);
            for _ in 0..4 {
                self.queue.push(Held(name.into())).unwrap();
                wait_until("the end of another one", || self.left() == 1);
            }
            self.locker.run("COMMIT");
            wait_until("the end of the locked one", || self.left() == 0);
            stopper.stop();
            let report = worker.join().unwrap();
            assert_eq!((report.done + report.failed, report.retried), (7, 0));
        });
        assert_eq!(self.lines_of(name).len(), 4, "each ran once: {:?}", self.diary.lines());
        let disconnects = self.disconnects.load(Ordering::SeqCst);
        assert!(disconnects <= 1, "{disconnects} connections were lost because of one locked row");
    }

    /// Two workers, of which the first one holds all when the row is locked; ends them when no job is left, and
    /// says how many each has done.
    fn beside_an_idle_worker(&mut self, meanwhile: impl FnOnce(&mut Self)) -> [u64; 2] {
        let workers = [self.queue.worker().threads(3), self.queue.worker().threads(3)];
        let stoppers = workers.each_ref().map(|worker| worker.stopper());
        let [one, two] = workers;
        thread::scope(|scope| {
            let one = scope.spawn(|| one.run().unwrap());
            self.wait_for_begin();
            let two = scope.spawn(|| two.run().unwrap());
            self.lock();
            meanwhile(self);
            wait_until("the end of all", || self.left() == 0);
            stoppers.iter().for_each(Stopper::stop);
            [one, two].map(|worker| worker.join().unwrap().done)
        })
    }

    fn wait_for_begin(&self) {
        ["a 1", "locked 1", "b 1"].into_iter().for_each(|line| self.diary.wait_for(line));
    }

    /// How many rows there are.
    fn left(&mut self) -> i64 {
        self.observer.number("SELECT count(*) FROM jobs")
    }

    fn lines_of(&self, name: &str) -> Vec<String> {
        self.diary.lines().into_iter().filter(|line| line.starts_with(name)).collect()
    }
}

/// For longer than two leases.
fn a_locked_row_ends_no_hold_of_its_neighbours(place: Place) {
    let mut scene = Scene::new(&place, 3);
    let done = scene.beside_an_idle_worker(|scene| {
        thread::sleep(Duration::from_millis(7_500));
        scene.may_end.store(true, Ordering::SeqCst);
        wait_until("the end of the neighbours", || scene.left() == 1);
        scene.locker.run("COMMIT");
    });
    assert_eq!(done.iter().sum::<u64>(), 3, "each counts once: {:?}", scene.diary.lines());
    assert_eq!(scene.lines_of("a"), ["a 1"], "it ran once, and was never lost");
    assert_eq!(scene.lines_of("b"), ["b 1"], "it ran once, and was never lost");
    assert!(scene.lines_of("locked").contains(&"locked lost".to_owned()), "its hold ended, and it was told");
}

/// Locked before any extend could notice.
fn a_locked_row_keeps_no_outcome_of_its_neighbours_waiting(place: Place) {
    let mut scene = Scene::new(&place, 6);
    let worker = scene.queue.worker().threads(3);
    let stopper = worker.stopper();
    thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run().unwrap());
        scene.wait_for_begin();
        scene.lock();
        scene.may_end.store(true, Ordering::SeqCst);
        wait_until("the end of the neighbours", || scene.left() == 1);
        // Others come and go meanwhile.
        for _ in 0..3 {
            scene.queue.push(Held("late".into())).unwrap();
            wait_until("the end of a late one", || scene.left() == 1);
        }
        scene.locker.run("COMMIT");
        wait_until("the end of the locked one", || scene.left() == 0);
        stopper.stop();
        let report = worker.join().unwrap();
        assert_eq!((report.done, report.retried, report.failed), (6, 0, 0));
    });
    assert_eq!(scene.lines_of("a"), ["a 1"]);
    assert_eq!(scene.lines_of("b"), ["b 1"]);
    assert_eq!(scene.lines_of("late").len(), 3);
}

/// It is asked for again, soon enough before its lease is over.
fn a_row_that_is_locked_for_less_than_a_lease_stays_held(place: Place) {
    let mut scene = Scene::new(&place, 12);
    let left = match place {
        Place::Postgres(_) => "(extract(epoch FROM lease - now()) * 1000)::bigint",
        _ => "TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), lease) DIV 1000",
    };
    let left = format!("SELECT {left} FROM jobs WHERE payload LIKE '%locked%'");
    let done = scene.beside_an_idle_worker(|scene| {
        // Two renewals have met the lock. The third one comes when the lease is over.
        wait_until("most of its lease to pass", || scene.observer.number(&left) < 3_500);
        scene.locker.run("COMMIT");
        let mut least = i64::MAX;
        wait_until("its renewal", || {
            let left = scene.observer.number(&left);
            least = least.min(left);
            left > 6_000
        });
        assert!(least > 1_000, "it was renewed when {least} ms of its lease were left");
        thread::sleep(Duration::from_millis(4_000));
        scene.may_end.store(true, Ordering::SeqCst);
    });
    assert_eq!(done, [3, 0]);
    assert_eq!(scene.diary.lines().len(), 3, "none was lost: {:?}", scene.diary.lines());
}

/// Where the failed jobs are elsewhere, each dead job renews its own hold alone; that says nothing of other rows.
fn a_locked_row_costs_one_connection_while_other_jobs_die(place: Place) {
    let folder = Folder::new();
    let mut config = config(&place, 6);
    let dead = Connection::Sqlite { database: folder.path().join("dead.sqlite3") };
    config.connections.insert("dead".into(), dead);
    config.database.settings.failed_connection = Some("dead".into());
    Database::of_failed(&config, "dead", "failed_jobs").unwrap().install().unwrap();
    let mut scene = Scene::with(&place, config);
    scene.others_end("dies", "UPDATE");
}

/// Such a lock lets a hold be renewed, and keeps the row from being removed: a foreign key of somebody's table on the
/// jobs takes it.
#[test]
fn a_row_that_a_foreign_key_locks_on_postgres_keeps_no_outcome_of_others_waiting() {
    let mut scene = Scene::new(&Place::postgres(), 6);
    scene.others_end("late", "KEY SHARE");
}
