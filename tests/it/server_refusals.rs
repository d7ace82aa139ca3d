//! A server that lets a worker in no more, while that has a finished job in its hands.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use crate::process_site::{Place, Site, on_every_server};
use crate::programs::{Running, test_jobs};
use crate::servers::mariadb::{MariaDb, query as query_mariadb};
use crate::servers::postgres::{Postgres, query as query_postgres};
use crate::support::wait_until;

on_every_server!(a_worker_without_a_database_ends_when_its_holds_are_over);

fn drop_database(place: &Place) {
    let dropped = match place {
        Place::Postgres(url) => {
            let name = url.rsplit('/').next().unwrap();
            let drop = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
            query_postgres(&Postgres::shared().database(), &drop)
        }
        Place::MariaDb(url) => {
            let name = url.rsplit('/').next().unwrap();
            query_mariadb(&MariaDb::shared().database(), &format!("DROP DATABASE `{name}`"))
        }
        Place::Sqlite => return,
    };
    dropped.unwrap();
}

fn a_worker_without_a_database_ends_when_its_holds_are_over(place: Place) {
    let site = Site::with_lease(place, "2");
    let (file, go_on) = (site.file("ledger"), site.file("go-on"));
    site.push_ledgers(0..1, &format!(",\"until\":{go_on:?}"));
    let (mut read, write) = std::io::pipe().unwrap();
    let mut worker = Running::start_with(test_jobs(&site.folder, &["queue:work"]), Stdio::from(write));
    wait_until("the job runs", || file.exists());
    drop_database(&site.place);
    worker.wait_for("event=disconnected");
    // Long enough for one that gave up to have ended.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!worker.has_ended(), "it let its job down");
    std::fs::write(&go_on, "").unwrap();
    let end = worker.wait_for("could not be written down");
    assert!(end.contains("Ledger #1") && end.contains("it runs again"), "{end}");
    assert_eq!(worker.wait(), (Some(78), None));
    let mut told = String::new();
    read.read_to_string(&mut told).unwrap();
    assert!(told.contains("has no database") && told.contains("help: "), "{told}");
}
