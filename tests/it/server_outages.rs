//! A server that is away, while real workers have jobs in their hands: they go on by themselves when it is
//! back, and until then they are silent and cheap.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use crate::process_site::{Place, Site};
use crate::programs::{Running, assert_no_overlap, ledger, test_jobs};
use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::wait_until;

enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Server {
    fn place(&self) -> Place {
        match self {
            Self::Postgres(server) => Place::Postgres(server.database()),
            Self::MariaDb(server) => Place::MariaDb(server.database()),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::Postgres(server) => server.stop(),
            Self::MariaDb(server) => server.stop(),
        }
    }

    fn start_again(&mut self) {
        match self {
            Self::Postgres(server) => server.start_again(),
            Self::MariaDb(server) => server.start_again(),
        }
    }
}

/// On both servers at once: most of an outage is waiting.
fn on_both(test: impl Fn(Server) + Sync) {
    thread::scope(|scope| {
        scope.spawn(|| test(Server::Postgres(Postgres::start(postgres::Options::default()))));
        scope.spawn(|| test(Server::MariaDb(MariaDb::start(mariadb::Options::default()))));
    });
}

/// Stops the server for this long while two workers are amid 400 jobs of 10 ms, and checks what must hold
/// whatever the lease is. What is pushed `meanwhile` makes it `jobs` in all.
fn outage(
    server: &mut Server,
    lease: &str,
    length: Duration,
    jobs: usize,
    meanwhile: impl FnOnce(&Site),
) -> Site {
    let site = Site::with_lease(server.place(), lease);
    site.push_ledgers(0..400, ",\"millis\":10");
    let errors = |at: usize| site.file(&format!("errors{at}"));
    let start = |at: usize| {
        let command = test_jobs(&site.folder, &["queue:work", "--workers", "4"]);
        Running::start_with(command, File::create(errors(at)).unwrap())
    };
    let workers = [start(0), start(1)];
    wait_until("a part of the jobs", || site.ended() >= 50);
    server.stop();
    // What they hold has come to its end, and they have noticed.
    for worker in &workers {
        worker.wait_for("event=disconnected");
    }
    let (began, used) = (Instant::now(), workers.each_ref().map(Running::busy));
    meanwhile(&site);
    thread::sleep(length.saturating_sub(began.elapsed()));
    for (worker, before) in workers.iter().zip(used) {
        let share = (worker.busy() - before).as_secs_f64() / began.elapsed().as_secs_f64();
        assert!(share < 0.05, "it used {:.1} % of a core while the server was away", share * 100.0);
    }
    server.start_again();
    wait_until("the end of all", || site.ended() == jobs && site.left() == 0);
    for (at, worker) in workers.into_iter().enumerate() {
        worker.wait_for("event=reconnected");
        worker.signal("TERM");
        worker.wait_for("event=stopped");
        let mut said = worker.said();
        // A line each for jobs: what was done, and what had ended and could not be written down in time.
        said.retain(|line| !line.contains("event=done") && !line.contains("event=lost"));
        said.extend(std::fs::read_to_string(errors(at)).unwrap().lines().map(str::to_owned));
        // It began, was cut off, was back, was asked to stop, and stopped.
        assert!((5..10).contains(&said.len()), "a flood, or too little: {said:#?}");
        assert_eq!(worker.wait().0, Some(0));
    }
    let runs = ledger(&site.file("ledger"));
    assert_no_overlap(&runs);
    assert!(site.failed().is_empty());
    site
}

/// Shorter than the lease: nobody loses a hold, and what ended meanwhile is settled afterwards.
#[test]
fn twenty_seconds_without_a_server_cost_no_job_a_second_run() {
    on_both(|mut server| {
        let site = outage(&mut server, "60", Duration::from_secs(20), 400, |_| ());
        let runs = ledger(&site.file("ledger"));
        assert_eq!(runs.len(), 400);
        for (number, runs) in runs {
            assert!(runs.len() == 1 && runs[0].attempt == 1, "{number}: {runs:?}");
        }
    });
}

/// Longer than the lease: the holders are the first that may settle. A push waits until the server is back.
#[test]
fn an_outage_that_is_longer_than_the_lease_loses_nothing() {
    on_both(|mut server| {
        thread::scope(|scope| {
            let push = |site: &Site| {
                let (queue, file) = (site.queue.clone(), site.file("ledger"));
                scope.spawn(move || {
                    let payload = format!("{{\"file\":{file:?},\"number\":400}}");
                    queue.options().push_json("Ledger", &payload, 1).unwrap();
                });
            };
            outage(&mut server, "2", Duration::from_secs(6), 401, push);
        });
    });
}
