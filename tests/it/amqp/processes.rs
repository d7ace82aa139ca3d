//! Real workers on a real broker, really killed. What ran is in a file that no fault here can reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::site::Site;
use crate::programs::{Run, Running, assert_no_overlap};
use crate::servers::rabbitmq::{Options, RabbitMq};
use crate::support::{wait_until, wait_while_it_rises};

fn stop(worker: Running) {
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(0), None));
}

/// With no fault each job runs exactly once, whoever takes it.
#[test]
fn eight_workers_run_ten_thousand_jobs_once_each() {
    let site = Site::new();
    let workers: Vec<_> = (0..8).map(|_| site.worker(&["--workers", "4"])).collect();
    site.push(0..10_000, 0, None);
    wait_until("the end of all", || site.ends() == 10_000);
    for worker in &workers {
        worker.signal("TERM");
    }
    for worker in workers {
        let end = worker.wait_for("event=stopped");
        assert!(end.contains("returned=0 lost=0"), "{end}");
        assert_eq!(worker.wait().0, Some(0));
    }
    let runs = site.runs();
    assert_eq!(runs.len(), 10_000);
    assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1 && runs[0].end.is_some()));
    assert_eq!(site.what_is_left(), [""; 0]);
}

/// `kill -9` in the middle, 50 times.
#[test]
fn workers_that_are_killed_lose_nothing_and_no_job_runs_twice_at_once() {
    let site = Site::new();
    site.push(0..4_000, 5, None);
    for round in 1..=50 {
        let worker = site.worker(&["--workers", "2"]);
        // Each one gets some work done, and is killed in the middle of more.
        wait_until("some jobs' ends", || site.done() >= round * 20);
        worker.kill();
    }
    // What the dead ones held comes back one by one.
    let last: Vec<_> = (0..4).map(|_| site.worker(&["--workers", "2"])).collect();
    wait_until("the end of all", || site.done() == 4_000);
    last.into_iter().for_each(stop);
    let runs = site.runs();
    assert_no_overlap(&runs);
    let attempts = runs.values().flatten().map(|run| run.attempt).max();
    assert_eq!(attempts, Some(1), "the death of their worker is charged to none of them");
    assert_eq!(site.failed(), []);
    assert_eq!(site.what_is_left(), [""; 0]);
}

/// The broker is killed in the middle, twice, with jobs waiting, delayed, running and being pushed.
/// What was pushed with `Ok` runs, and no attempt is used up.
#[test]
fn a_broker_that_is_killed_amid_pushes_and_jobs_loses_none_that_it_took() {
    let mut broker = RabbitMq::start(Options::default());
    let site = Site::on(&broker.url());
    site.push(0..10_000, 0, None);
    for number in 10_000..10_200 {
        site.queue.options().delay(Duration::from_secs(3)).push(site.job(number)).unwrap();
    }
    broker.sync_definitions();
    let workers = [(); 2].map(|()| site.worker(&["--workers", "4"]));
    let over = AtomicBool::new(false);
    let pushed = thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            let numbers = (10_200..).take_while(|_| !over.load(Ordering::Relaxed));
            numbers.filter(|number| site.queue.push(site.job(*number)).is_ok()).collect::<Vec<_>>()
        });
        for enough in [500, 2_000] {
            wait_until("some jobs' ends", || site.ends() >= enough);
            broker.kill();
            broker.start_again();
        }
        over.store(true, Ordering::Relaxed);
        pushing.join().unwrap()
    });
    let taken: BTreeSet<u64> = (0..10_200).chain(pushed).collect();
    let _tells = TellsWhatIsLeft { broker: &broker, site: &site, taken: &taken };
    let has_ended = |number: &u64, runs: &BTreeMap<u64, Vec<Run>>| {
        runs.get(number).is_some_and(|runs| runs.iter().any(|run| run.end.is_some()))
    };
    wait_while_it_rises("the end of all", taken.len(), || {
        let runs = site.runs();
        taken.iter().filter(|number| has_ended(number, &runs)).count()
    });
    workers.into_iter().for_each(stop);
    assert_eq!((site.waiting(), site.failed().len()), (0, 0));
    let attempts = site.runs().values().flatten().map(|run| run.attempt).max();
    assert_eq!(attempts, Some(1), "the death of the broker is charged to none of them");
}

/// Where a test fails, what the broker has and what has not run says why.
struct TellsWhatIsLeft<'a> {
    broker: &'a RabbitMq,
    site: &'a Site,
    taken: &'a BTreeSet<u64>,
}

impl Drop for TellsWhatIsLeft<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let columns = ["list_queues", "name", "messages_ready", "messages_unacknowledged", "consumers"];
            eprintln!("{}", self.broker.rabbitmqctl(&columns));
            let runs = self.site.runs();
            let missing: Vec<_> = self.taken.iter().filter(|number| !runs.contains_key(number)).collect();
            eprintln!("never begun: {missing:?}");
        }
    }
}

/// Promise 5: what runs is finished, what waits is given back with no attempt used.
#[test]
fn asked_to_stop_a_worker_finishes_what_runs_and_gives_back_the_rest() {
    let site = Site::new();
    let gate = site.folder.join("gate");
    site.push(0..12, 0, Some(gate.clone()));
    let worker = site.worker(&["--workers", "4"]);
    wait_until("four runs", || site.runs().len() == 4);
    worker.signal("TERM");
    worker.wait_for("event=stopping running=4");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(worker.wait(), (Some(0), None));
    assert_eq!(site.what_is_left(), ["default\t8"], "as they were: no suspects among them");
    let next = site.worker(&["--stop-when-empty"]);
    assert_eq!(next.wait(), (Some(0), None));
    let runs = site.runs();
    assert_eq!(runs.len(), 12);
    assert!(runs.values().all(|runs| runs.len() == 1 && runs[0].attempt == 1 && runs[0].end.is_some()));
}

#[test]
fn a_second_signal_stops_at_once_and_gives_everything_back() {
    let site = Site::new();
    let gate = site.folder.join("gate");
    site.push(0..1, 0, Some(gate.clone()));
    let worker = site.worker(&[]);
    wait_until("its run", || site.runs().len() == 1);
    worker.signal("TERM");
    worker.wait_for("event=stopping");
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(143), None));
    std::fs::write(&gate, "").unwrap();
    let next = site.worker(&[]);
    wait_until("its second run", || site.done() == 1);
    stop(next);
    let runs = &site.runs()[&0];
    assert_eq!((runs.len(), runs[1].attempt), (2, 1), "interrupted, it used up no attempt");
}

/// Promise 3: a poison among innocent ones. Only the poison is charged.
#[test]
fn a_job_that_kills_its_worker_ends_with_the_failed_jobs_and_its_neighbours_are_not_charged() {
    let site = Site::new();
    site.push(0..100, 1, None);
    site.queue.options().attempts(1).push_json("Die", "\"Abort\"", 1).unwrap();
    site.push(100..200, 1, None);
    let start = || site.worker(&["--workers", "10", "--attempts", "1"]);
    let (mut worker, mut deaths) = (start(), 0);
    // A worker that has just started leaves suspects alone for a while, hence the two waits.
    wait_until("the second death", || {
        if worker.has_ended() {
            deaths += 1;
            worker = start();
        }
        deaths == 2
    });
    wait_until("the end of all", || site.done() == 200 && site.waiting() == 0);
    wait_until("its burial", || site.failed().len() == 1);
    assert!(!worker.has_ended(), "it killed more than twice");
    stop(worker);
    let failed = site.failed();
    assert_eq!((&*failed[0].name, failed[0].queue.as_str()), ("Die", "default"));
    assert_eq!(failed[0].exception, "the worker died while running it");
    let runs = site.runs();
    assert_eq!(runs.len(), 200);
    assert!(runs.values().flatten().all(|run| run.attempt == 1), "an innocent one was charged");
    assert_no_overlap(&runs);
    assert_eq!(
        site.what_is_left().len(),
        2,
        "the dead one and the name of its queue: {:?}",
        site.what_is_left()
    );
}

/// The broker takes a job away that is held for longer than its consumer_timeout. It is told with the name
/// of the option, goes on where it runs, and runs once.
#[test]
fn a_job_that_outlasts_the_consumer_timeout_is_told_and_the_worker_goes_on() {
    let broker = RabbitMq::start(Options::default().setting("consumer_timeout = 2000"));
    // How often it looks: else each minute.
    broker.rabbitmqctl(&["eval", "application:set_env(rabbit, channel_tick_interval, 500)."]);
    // From 4.3 on only quorum queues have one.
    let version = broker.rabbitmqctl(&["version"]);
    let mut numbers = version.split('.').map(|number| number.trim().parse::<u32>().unwrap());
    let is_of_quorum = (numbers.next(), numbers.next()) >= (Some(4), Some(3));
    let site = Site::with(&broker.url(), if is_of_quorum { "queue_type = \"quorum\"\n" } else { "" });
    let gate = site.folder.join("gate");
    site.push(0..1, 0, Some(gate.clone()));
    let worker = site.worker(&["--workers", "4"]);
    for _ in 0..2 {
        let told = worker.wait_for("event=disconnected");
        assert!(told.contains("consumer_timeout (ack_timeout in [amqp] says 30m)"), "{told}");
        worker.wait_for("event=reconnected");
    }
    site.push(1..20, 0, None);
    wait_until("the others' ends", || site.done() == 19);
    std::fs::write(&gate, "").unwrap();
    worker.wait_for("event=done");
    wait_until("its end", || site.done() == 20);
    stop(worker);
    let runs = site.runs();
    assert_eq!(runs[&0].len(), 1, "it ran a second time beside itself: {:?}", runs[&0]);
    assert_eq!((site.waiting(), site.failed().len()), (0, 0));
}

/// It kills the worker when it is clean, once more beside other suspects, and then alone: once for each attempt.
#[test]
fn a_job_that_kills_its_worker_of_processes_is_bounded_and_its_neighbours_are_not_charged() {
    for attempts in [1, 3] {
        let killer = "[jobs.Killer]\ncommand = [\"sh\", \"-c\", \"kill -9 $PPID\"]\n";
        let site = Site::with(&RabbitMq::shared().vhost(), killer);
        site.push(0..10, 100, None);
        site.queue.options().push_json("Killer", "{}", 1).unwrap();
        site.push(10..20, 100, None);
        let limit = attempts.to_string();
        let mut deaths = 0;
        while site.failed().is_empty() || site.done() < 20 {
            assert!(deaths < 20);
            let more =
                ["--mode", "multiprocess", "--workers", "4", "--attempts", &limit, "--stop-when-empty"];
            match site.worker(&more).wait() {
                (_, Some(9)) => deaths += 1,
                ended => assert_eq!(ended, (Some(0), None)),
            }
        }
        assert_eq!(deaths, attempts + 2);
        let failed = site.failed();
        assert_eq!((failed.len(), failed[0].attempts), (1, attempts + 1));
        assert_eq!(failed[0].exception, "the worker died while running it");
        assert!(site.runs().values().flatten().all(|run| run.attempt == 1), "a neighbour was charged");
        assert_no_overlap(&site.runs());
    }
}
