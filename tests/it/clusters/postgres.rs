//! A PostgreSQL primary with a streaming standby that is promoted.

use super::{History, history};
use crate::process_site::{Place, Site};
use crate::servers::postgres::{Options, Postgres};
use crate::support::wait_until;

/// A primary and its standby; synchronous: what is committed is on both.
fn pair(synchronous: bool) -> (Postgres, Postgres) {
    let options = Options::default().access("host replication all 127.0.0.1/32 trust");
    let primary = Postgres::start(options);
    let standby = Postgres::standby_of(&primary);
    wait_until("the standby follows", || {
        primary.psql("SELECT state FROM pg_stat_replication") == "streaming"
    });
    if synchronous {
        primary.set("synchronous_standby_names = 'standby'");
        primary.psql("SELECT pg_reload_conf()");
        wait_until("the standby is synchronous", || {
            primary.psql("SELECT sync_state FROM pg_stat_replication") == "sync"
        });
    }
    (primary, standby)
}

fn site(primary: &Postgres, standby: &Postgres) -> Site {
    let url =
        format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", primary.port(), standby.port());
    Site::with_lease(Place::Postgres(url), "15")
}

fn run(name: &str, site: &Site, lossy: bool, disturb: impl FnOnce()) -> History {
    let workers = [site.worker(&[]), site.worker(&[])];
    let history = history(name, &site.queue, &site.file("ledger"), workers, lossy, disturb);
    assert_eq!((site.left(), site.failed().len()), (0, 0));
    history
}

/// The history of a primary that is killed, and of its standby that is promoted.
fn failover(name: &str, synchronous: bool) -> History {
    let (mut primary, standby) = pair(synchronous);
    let site = site(&primary, &standby);
    run(name, &site, !synchronous, || {
        primary.kill();
        standby.promote();
        let before = site.ended();
        wait_until("jobs at the new primary", || site.ended() > before + 500);
        let rows =
            || standby.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'craft-queue'");
        assert_ne!(rows(), "0");
        // It comes back as what it was, and is fenced.
        primary.set("default_transaction_read_only = on");
        primary.start_again();
        let written = || primary.psql("SELECT pg_current_wal_insert_lsn()");
        let at_start = primary.psql("SELECT count(*), max(id) FROM jobs");
        let before = site.ended();
        wait_until("more jobs", || site.ended() > before + 500);
        // New connections pass it over, too.
        let more = site.worker(&["--max-jobs", "50"]);
        assert_eq!(more.wait().0, Some(0));
        let _ = written;
        assert_eq!(
            primary.psql("SELECT count(*), max(id) FROM jobs"),
            at_start,
            "the old primary was written to"
        );
    })
}

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn a_synchronous_standby_takes_over() {
    let history = failover("postgres: a synchronous standby is promoted", true);
    assert!(history.lost == 0 && history.at_once == 0 && history.attempt == 1, "{history:?}");
}

/// What was committed in the last moment is not on the standby: pushes may be lost, and what was done runs again.
#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn an_asynchronous_standby_takes_over() {
    let history = failover("postgres: an asynchronous standby is promoted", false);
    assert!(history.lost < 500 && history.at_once == 0, "{history:?}");
}
