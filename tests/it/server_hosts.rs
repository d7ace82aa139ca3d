//! A connection with several hosts: whichever answers and lets write.

use std::thread;

use craft_queue::driver::database::Database;
use craft_queue::driver::{Backend, Notifier};
use craft_queue::{Event, Jobs, Message, Queue};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::port::Port;
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Diary, Then, config_on, queue, wait_until, work_off};

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

    // What is open goes on at the second when the first is gone, and says so.
    works(&url(&[second], "shop"));
    let (queue, diary) = queue(config_on(&url(&[first, second], "shop")));
    queue.push(Act::new("before", Then::Succeed)).unwrap();
    let told = Diary::default();
    let telling = told.clone();
    let worker = queue.worker().driver("database").listener(move |event| match event {
        Event::Connected { host } => telling.note(format!("connected to {host}")),
        Event::Disconnected { error, .. } => telling.note(format!("lost: {error}")),
        _ => {}
    });
    let stop = worker.stopper();
    thread::scope(|scope| {
        let worker = scope.spawn(|| worker.run().unwrap());
        diary.wait_for("before 1");
        kill();
        wait_until("a push to the second", || queue.push(Act::new("after", Then::Succeed)).is_ok());
        diary.wait_for("after 1");
        stop.stop();
        worker.join().unwrap();
    });
    let told = told.lines();
    assert_eq!(told[0], format!("connected to 127.0.0.1:{first}"), "{told:?}");
    assert!(told[1].starts_with("lost: ") && told[1].contains(&format!("127.0.0.1:{first}")), "{told:?}");
    assert_eq!(told[told.len() - 1], format!("connected to 127.0.0.1:{second}"), "{told:?}");
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

/// `url` names two servers that let write, and `fence` ends that on the first one, under a queue that is connected to
/// it. `count` says how many jobs the first one has.
fn a_fence(url: &str, fence: impl FnOnce(), count: impl Fn() -> String) {
    let (queue, diary) = queue(config_on(url));
    queue.push(Act::new("before", Then::Succeed)).unwrap();
    work_off(&queue);
    queue.push(Act::new("left behind", Then::Succeed)).unwrap();
    assert_eq!(count(), "1");
    fence();
    wait_until("a push to the second", || queue.push(Act::new("after", Then::Succeed)).is_ok());
    assert_eq!(work_off(&queue).done, 1, "{:?}", diary.lines());
    assert_eq!(diary.lines(), ["before 1", "after 1"]);
    assert_eq!(count(), "1", "it was written to");
}

#[test]
fn a_postgres_that_is_fenced_is_written_to_no_more() {
    let servers = [(); 2].map(|()| Postgres::start(postgres::Options::default()));
    let [first, second] = &servers;
    let url = |ports: String| format!("postgres://postgres@{ports}/postgres");
    works(&url(format!("127.0.0.1:{}", second.port())));
    let both = url(format!("127.0.0.1:{},127.0.0.1:{}", first.port(), second.port()));
    let fence = || {
        first.psql("ALTER SYSTEM SET default_transaction_read_only = on");
        first.psql("SELECT pg_reload_conf()");
        wait_until("the fence", || first.psql("SHOW default_transaction_read_only") == "on");
    };
    a_fence(&both, fence, || first.psql("SELECT count(*) FROM jobs"));
    let (text, unavailable) = error_of_push(&first.url());
    assert!(unavailable && text.contains("PostgreSQL only lets read here"), "{text}");
}

#[test]
fn a_mariadb_that_is_fenced_is_written_to_no_more() {
    let servers = [(); 2].map(|()| MariaDb::start(mariadb::Options::default()));
    for server in &servers {
        server.sql("CREATE DATABASE shop; CREATE USER shop; GRANT ALL ON shop.* TO shop");
    }
    let [first, second] = &servers;
    works(&format!("mysql://shop@127.0.0.1:{}/shop", second.port()));
    let both = format!("mysql://shop@127.0.0.1:{},127.0.0.1:{}/shop", first.port(), second.port());
    a_fence(
        &both,
        || drop(first.sql("SET GLOBAL read_only = ON")),
        || first.sql("SELECT count(*) FROM shop.jobs"),
    );
    let (text, unavailable) = error_of_push(&format!("mysql://shop@127.0.0.1:{}/shop", first.port()));
    assert!(unavailable && text.contains("MySQL only lets read here"), "{text}");
}

/// What a worker on this server alone is told.
fn error_of_push(url: &str) -> (String, bool) {
    let mut driver = Database::of_jobs(&config_on(url), "server").unwrap().open(Notifier::silent()).unwrap();
    let error = driver.push(&[Message::new("default", "Act", b"{}")]).expect_err(url);
    (error.to_string(), error.is_unavailable())
}
