//! The proxy, before a server that sends back what it gets, and before PostgreSQL.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::super::postgres::{Postgres, query};
use super::super::proxy::{Direction, Proxy, Traffic};
use super::super::wait_until;
use super::LIMIT;

/// Long enough to say that nothing comes.
const SILENCE: Duration = Duration::from_millis(100);

/// The port of a server that sends everything back.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).expect("the proxy listens")
}

fn ask(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    hear(stream, text.len())
}

fn hear(stream: &mut TcpStream, length: usize) -> String {
    let mut answer = vec![0; length];
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.read_exact(&mut answer).expect("an answer");
    String::from_utf8(answer).unwrap()
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// What still comes before the connection ends.
fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it is not cut"),
        _ => String::from_utf8(rest).unwrap(),
    }
}

#[test]
fn passes_and_counts_and_hands_on_the_end() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    assert_eq!(ask(&mut one, "hello"), "hello");
    assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
    one.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut one), "");
    wait_until("the connection is gone", LIMIT, || proxy.connections() == 0);
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn cuts_all_and_takes_new_ones() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    ask(&mut one, "hello");
    proxy.cut();
    assert_eq!(rest(&mut one), "");
    assert_eq!(ask(&mut connect(&proxy), "again"), "again");
}

#[test]
fn refuses_new_ones_and_keeps_the_old() {
    let mut proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    ask(&mut one, "hello");
    proxy.refuse();
    let refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(ask(&mut one, "still here"), "still here");
    proxy.welcome();
    assert_eq!(ask(&mut connect(&proxy), "again"), "again");
}

#[test]
fn delays() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    proxy.set(Traffic::Delay(SILENCE));
    let start = Instant::now();
    ask(&mut one, "there and back");
    assert!(start.elapsed() >= 2 * SILENCE);
    // A switch ends a delay that is under way.
    proxy.set(Traffic::Delay(LIMIT * 10));
    one.write_all(b"now").unwrap();
    assert!(is_silent(&mut one));
    proxy.set(Traffic::Pass);
    assert_eq!(hear(&mut one, 3), "now");
}

#[test]
fn a_stalled_connection_goes_on_where_it_was() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    proxy.set(Traffic::Stall);
    let mut other = connect(&proxy);
    for stream in [&mut one, &mut other] {
        stream.write_all(b"kept").unwrap();
        assert!(is_silent(stream));
    }
    proxy.set(Traffic::Pass);
    assert_eq!(hear(&mut one, 4), "kept");
    assert_eq!(hear(&mut other, 4), "kept");
}

#[test]
fn a_swallowed_connection_is_dead_and_nobody_is_told() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    ask(&mut one, "hello");
    proxy.set(Traffic::Swallow);
    let mut other = connect(&proxy);
    for stream in [&mut one, &mut other] {
        stream.write_all(b"lost").unwrap();
        assert!(is_silent(stream));
    }
    proxy.set(Traffic::Pass);
    for stream in [&mut one, &mut other] {
        stream.write_all(b"lost").unwrap();
        assert!(is_silent(stream));
    }
    assert_eq!(ask(&mut connect(&proxy), "new"), "new");
    drop(one);
    drop(other);
    wait_until("only the half-open one is left", LIMIT, || proxy.connections() == 1);
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn cuts_after_so_many_bytes_once() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    ask(&mut one, "not counted");
    proxy.cut_after(Direction::ToClient, 6);
    assert_eq!(ask(&mut one, "hell"), "hell");
    assert!(!proxy.has_cut());
    one.write_all(b"o world").unwrap();
    assert_eq!(rest(&mut one), "o ");
    assert!(proxy.has_cut());
    let mut other = connect(&proxy);
    assert_eq!(ask(&mut other, "hello world"), "hello world");
    proxy.cut_after(Direction::ToServer, 3);
    other.write_all(b"hello").unwrap();
    // The echo races with the cut; more than three bytes it cannot be.
    assert!(rest(&mut other).len() <= 3);
}

#[test]
fn finds_a_pattern_that_comes_in_pieces() {
    let proxy = Proxy::before(echo());
    let mut one = connect(&proxy);
    proxy.cut_before(b"COMMIT");
    assert_eq!(ask(&mut one, "COM"), "COM");
    assert_eq!(ask(&mut one, "MIC COMM"), "MIC COMM");
    one.write_all(b"IT").unwrap();
    assert_eq!(rest(&mut one), "");
    assert!(proxy.has_cut());

    let mut other = connect(&proxy);
    ask(&mut other, "hello");
    proxy.cut_answer_to(b"");
    other.write_all(b"anything").unwrap();
    assert_eq!(rest(&mut other), "");
    assert!(proxy.has_cut());
}

#[test]
fn a_commit_without_an_answer_is_done_and_one_that_was_not_sent_is_not() {
    let server = Postgres::shared();
    let direct = server.database();
    query(&direct, "CREATE TABLE t (a int)").unwrap();
    let proxy = Proxy::before(server.port());
    let by_proxy = proxy.url(&direct);

    proxy.cut_before(b"COMMIT");
    assert!(query(&by_proxy, "BEGIN; INSERT INTO t VALUES (1); COMMIT;").is_err());
    assert!(proxy.has_cut());
    assert_eq!(query(&direct, "SELECT a FROM t").unwrap(), "");

    proxy.cut_answer_to(b"COMMIT");
    assert!(query(&by_proxy, "BEGIN; INSERT INTO t VALUES (2); COMMIT;").is_err());
    assert!(proxy.has_cut());
    assert_eq!(query(&direct, "SELECT a FROM t").unwrap(), "2");

    assert_eq!(query(&by_proxy, "SELECT a FROM t").unwrap(), "2");
}
