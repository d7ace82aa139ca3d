//! A connection with several hosts: whichever answers and lets write.

use craft_queue::{Jobs, Queue};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::port::Port;
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Then, config_on, queue, wait_until, work_off};

fn error(url: &str) -> (String, bool) {
    let error = Queue::open(config_on(url), Jobs::new()).unwrap().size(None, &[]).expect_err(url);
    (error.to_string(), error.is_unavailable())
}

/// Pushes a job and runs it.
fn works(url: &str) {
    let (queue, diary) = queue(config_on(url));
    queue.push(Act::new("anywhere", Then::Succeed)).unwrap();
    work_off(&queue);
    assert_eq!(diary.lines(), ["anywhere 1"], "{url}");
}

/// `scheme` is what stands before the hosts, `ports` are a server that lets read only and two that let write, with the
/// same databases. `kill` kills the first of those.
fn several_hosts(scheme: &str, name: &str, [reader, first, second]: [u16; 3], kill: impl FnOnce()) {
    let nobody = Port::claim();
    let url = |ports: &[u16], database: &str| {
        let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("{scheme}{}/{database}", hosts.join(","))
    };
    let dead = nobody.number();
    works(&url(&[dead, first], "shop"));
    works(&url(&[reader, first], "shop"));
    let (text, unavailable) = error(&url(&[dead, reader], "shop"));
    assert!(unavailable, "{text}");
    assert!(text.contains(&format!("{name} at 127.0.0.1:{dead} can't be reached")), "{text}");
    assert!(text.contains(&format!("{name} at 127.0.0.1:{reader} only lets read")), "{text}");
    let (text, unavailable) = error(&url(&[dead, first], "nowhere"));
    assert!(unavailable, "the one that is away may come back: {text}");
    assert!(text.contains(&format!("{name} at 127.0.0.1:{first} has no database")), "{text}");
    let (text, unavailable) = error(&url(&[first, second], "nowhere"));
    assert!(!unavailable && text.contains(&format!("{name} at 127.0.0.1:{first} has no database")), "{text}");

    // A queue that is open goes on at the second when the first is gone.
    works(&url(&[second], "shop"));
    let (queue, diary) = queue(config_on(&url(&[first, second], "shop")));
    queue.push(Act::new("before", Then::Succeed)).unwrap();
    work_off(&queue);
    kill();
    wait_until("a push to the second", || queue.push(Act::new("after", Then::Succeed)).is_ok());
    work_off(&queue);
    assert!(diary.lines().contains(&"after 1".to_owned()), "{:?}", diary.lines());
}

#[test]
fn the_first_postgres_that_lets_write_is_taken() {
    let shop = |options| {
        let server = Postgres::start(options);
        server.psql("SET default_transaction_read_only = off; CREATE DATABASE shop");
        server
    };
    let plain = postgres::Options::default;
    let reader = shop(plain().setting("default_transaction_read_only = on"));
    let (mut first, second) = (shop(plain()), shop(plain()));
    let ports = [reader.port(), first.port(), second.port()];
    several_hosts("postgres://postgres@", "PostgreSQL", ports, || first.kill());
}

#[test]
fn the_first_mariadb_that_lets_write_is_taken() {
    let shop = |options| {
        let server = MariaDb::start(options);
        server.sql("CREATE DATABASE shop");
        server
    };
    let plain = mariadb::Options::default;
    let (reader, mut first, second) = (shop(plain()), shop(plain()), shop(plain()));
    reader.sql("SET GLOBAL read_only = ON");
    let ports = [reader.port(), first.port(), second.port()];
    several_hosts("mysql://root@", "MySQL", ports, || first.kill());
}
