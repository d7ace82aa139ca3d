//! Bad networks between a queue and its server: what is slow, lost, or cut at the worst moment.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use craft_queue::driver::{Backend, Notifier, Settled, Suspects, Verdict, Want};
use craft_queue::{Config, Context, JobError, JobResult, Jobs, Message, Queue, Queueable};
use serde::{Deserialize, Serialize};

use crate::process_site::{Place, on_every_server};
use crate::server_faults::{drain_during, runs, short_lease};
use crate::servers::mariadb::MariaDb;
use crate::servers::postgres::Postgres;
use crate::servers::proxy::{Direction, Proxy, Traffic};
use crate::support::{Act, Diary, Then, config_on, installed, queue, wait_until, work_off};

on_every_server!(
    a_slow_network_only_makes_it_slow,
    messages_that_are_cut_in_the_middle_lose_no_job,
    answers_that_are_lost_lose_no_job,
    what_is_swallowed_in_silence_is_noticed_and_done_again,
    a_network_that_stands_still_again_and_again_loses_no_job,
    a_push_whose_answer_is_lost_is_there_once,
    a_take_whose_answer_is_lost_is_taken_again,
    an_outcome_whose_answer_is_lost_is_written_down_once,
);

/// A way to the database that leads over a proxy.
fn way(place: Place) -> (Proxy, String) {
    let (Place::Postgres(url) | Place::MariaDb(url)) = &place else { unreachable!("a file has no network") };
    let proxy = match &place {
        Place::MariaDb(_) => Proxy::before(MariaDb::shared().port()),
        _ => Proxy::before(Postgres::shared().port()),
    };
    let url = proxy.url(url);
    (proxy, url)
}

/// As the client sends it, and nowhere else: MySQL's is told from `READ COMMITTED` by the byte before it.
fn commit(place: &Place) -> &'static [u8] {
    match place {
        Place::MariaDb(_) => b"\x03COMMIT",
        _ => b"COMMIT",
    }
}

fn a_slow_network_only_makes_it_slow(place: Place) {
    let (proxy, url) = way(place);
    drain_during(short_lease(&url), || {
        proxy.set(Traffic::Delay(Duration::from_millis(20)));
    });
}

fn messages_that_are_cut_in_the_middle_lose_no_job(place: Place) {
    let (proxy, url) = way(place);
    drain_during(short_lease(&url), || {
        for bytes in [1, 6, 70, 400, 1_500, 9_000] {
            for direction in [Direction::ToServer, Direction::ToClient] {
                proxy.cut_after(direction, bytes);
                // The drain may end before the last cut.
                let mut tries = 0..200;
                wait_until("a cut", || proxy.has_cut() || tries.next().is_none());
            }
        }
    });
}

/// The server did what it was asked, and the answer never came: in whatever step the worker was.
fn answers_that_are_lost_lose_no_job(place: Place) {
    let (proxy, url) = way(place);
    drain_during(short_lease(&url), || {
        for _ in 0..10 {
            proxy.cut_answer_to(b"");
            thread::sleep(Duration::from_millis(60));
        }
    });
}

/// Neither side is told of anything.
fn what_is_swallowed_in_silence_is_noticed_and_done_again(place: Place) {
    let (proxy, url) = way(place);
    drain_during(short_lease(&url), || {
        let before = proxy.accepted();
        proxy.set(Traffic::Swallow);
        // Its patience came to an end, and that of a second connection, too.
        wait_until("another try", || proxy.accepted() >= before + 2);
        proxy.set(Traffic::Pass);
    });
}

/// Longer than the longest wait for an answer, each time at another statement.
fn a_network_that_stands_still_again_and_again_loses_no_job(place: Place) {
    let (proxy, url) = way(place);
    drain_during(short_lease(&url), || {
        for at in 0..8 {
            proxy.set(Traffic::Stall);
            thread::sleep(Duration::from_millis(1_700));
            proxy.set(Traffic::Pass);
            thread::sleep(Duration::from_millis(30 + 17 * at));
        }
    });
}

fn a_push_whose_answer_is_lost_is_there_once(place: Place) {
    // One statement is a transaction by itself. On MariaDB what is too large for one takes several, and a COMMIT.
    let of_large = if let Place::MariaDb(_) = place { commit(&place) } else { b"large 1" };
    let (proxy, url) = way(place);
    let (queue, diary) = queue(config_on(&url));
    let job = |name: &str| Act::new(name, Then::Succeed);
    let large = |name: &str| Act::new(&format!("{name}{}", " ".repeat(300_000)), Then::Succeed);
    queue.push(job("warm")).unwrap();
    proxy.cut_answer_to(b"cut me");
    queue.push(job("cut me")).unwrap();
    assert!(proxy.has_cut());
    proxy.cut_answer_to(b"cut me 1");
    queue.push_many(["cut me 1", "cut me 2"].map(job)).unwrap();
    assert!(proxy.has_cut());
    proxy.cut_answer_to(of_large);
    queue.push_many(["large 1", "large 2"].map(large)).unwrap();
    assert!(proxy.has_cut());
    work_off(&queue);
    let mut lines: Vec<_> = diary.lines().iter().map(|line| line.replace("  ", "")).collect();
    lines.sort();
    assert_eq!(lines, ["cut me 1", "cut me 1 1", "cut me 2 1", "large 1 1", "large 2 1", "warm 1"]);
}

/// Nobody knows of its jobs: they come back when the lease is over, with their attempt unchanged.
fn a_take_whose_answer_is_lost_is_taken_again(place: Place) {
    let commit = commit(&place);
    let (proxy, url) = way(place);
    let mut config = config_on(&url);
    config.database.settings.lease = Duration::from_secs(1);
    let (queue, diary) = queue(config);
    queue.push(Act::new("taken", Then::Succeed)).unwrap();
    proxy.cut_answer_to(commit);
    let report = queue.worker().max_jobs(1).run().unwrap();
    assert!(proxy.has_cut());
    assert_eq!((report.done, report.lost), (1, 0));
    assert_eq!(diary.lines(), ["taken 1"]);
    assert!(queue.size(None, &[]).unwrap().is_empty());
}

/// Its outcome is the last thing that its worker says to the server.
#[derive(Serialize, Deserialize)]
enum CutAtItsEnd {
    Done,
    Again,
    Dead,
}

impl Queueable for CutAtItsEnd {
    const NAME: &'static str = "CutAtItsEnd";

    fn handle(&self, job: &Context) -> JobResult {
        job.state::<Diary>()?.note(format!("attempt {}", job.attempt()));
        if job.attempt() > 1 {
            return Ok(());
        }
        let (proxy, commit) = &**job.state::<Arc<(Proxy, &'static [u8])>>()?;
        proxy.cut_answer_to(commit);
        match self {
            Self::Done => Ok(()),
            Self::Again => Err(JobError::new("not yet")),
            Self::Dead => Err(JobError::fail_now("never")),
        }
    }
}

fn an_outcome_whose_answer_is_lost_is_written_down_once(place: Place) {
    let commit = commit(&place);
    let (proxy, url) = way(place);
    let (trap, diary) = (Arc::new((proxy, commit)), Diary::default());
    let jobs = Jobs::new().state(diary.clone()).state(trap.clone()).add::<CutAtItsEnd>();
    let config: Config = config_on(&url);
    let queue = Queue::open(config, jobs).unwrap();
    queue.install().unwrap();
    let run = |job| {
        queue.push(job).unwrap();
        // With one job to run it looks for no other meanwhile.
        let report = queue.worker().max_jobs(1).run().unwrap();
        assert!(trap.0.has_cut());
        assert_eq!(report.lost, 0, "it is in doubt, and not lost");
        (report.done, report.retried, report.failed)
    };
    let left = || queue.size(None, &[]).unwrap().len();
    let dead = || queue.failed().list(&Default::default()).unwrap().len();

    assert_eq!(run(CutAtItsEnd::Done), (1, 0, 0));
    assert_eq!((left(), dead()), (0, 0));

    assert_eq!(run(CutAtItsEnd::Dead), (0, 0, 1));
    assert_eq!((left(), dead()), (0, 1), "it is dead once");

    assert_eq!(run(CutAtItsEnd::Again), (0, 1, 0));
    assert_eq!((left(), dead()), (1, 1));
    wait_until("its second attempt", || {
        work_off(&queue);
        left() == 0
    });
    assert_eq!(runs(&diary)["attempt"], 4);
    assert_eq!(diary.lines().last().map(String::as_str), Some("attempt 2"), "its attempt was counted once");
}

/// A take that gets no answer is no error where it stands behind outcomes that are written: they are answered. The late
/// answer must not be read as that of the next statement.
#[test]
fn an_answer_of_mariadb_that_comes_too_late_is_taken_for_no_other() {
    let (proxy, url) = way(Place::mariadb());
    let database = installed(&short_lease(&url));
    let mut driver = database.open(Notifier::silent()).unwrap();
    driver.push(&[0, 1, 2].map(|_| Message::new("default", "Act", b"1"))).unwrap();
    let queues = ["default".to_owned()];
    let want = Want { queues: &queues, fresh: 1, suspects: Suspects::Ignore, lease: Duration::from_secs(3) };
    let done = driver.reserve(&want).unwrap().jobs.remove(0);
    // What holds the jobs of the take, behind the transaction that removes the one that is done.
    proxy.stall_at(b"UPDATE jobs");
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("the take", || proxy.has_cut());
            // Longer than the client waits for this answer, and for that of the rollback.
            thread::sleep(Duration::from_secs(12));
            proxy.set(Traffic::Pass);
        });
        let settled = [Settled { job: &done, verdict: Verdict::Done }];
        let (settlement, taken) = driver.settle_and_reserve(&settled, &want).unwrap();
        assert!(settlement.lost.is_empty() && taken.jobs.is_empty());
    });
    let error = driver.size(&queues).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(error.to_string().contains("the connection is given up"), "{error}");
    let mut next = database.open(Notifier::silent()).unwrap();
    assert_eq!(next.size(&queues).unwrap().len(), 1);
}
