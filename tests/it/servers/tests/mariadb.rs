use super::super::mariadb::{MariaDb, Options, query};
use super::super::wait_until;
use super::{LIMIT, leaves_nothing};

#[test]
fn each_test_has_a_database_of_its_own() {
    let [one, other] = [MariaDb::shared().database(), MariaDb::shared().database()];
    query(&one, "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x')").unwrap();
    assert_eq!(query(&one, "SELECT * FROM t").unwrap(), "1\tx");
    let error = query(&other, "SELECT * FROM t").unwrap_err();
    assert!(error.contains("t' doesn't exist"), "{error}");
}

#[test]
fn what_is_committed_survives_a_kill_and_a_restart() {
    let mut server = MariaDb::start(Options::default());
    assert_eq!(server.sql("SELECT @@innodb_flush_log_at_trx_commit"), "1");
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (a int); INSERT INTO d.t VALUES (7)");
    let before = (server.id(), server.port());
    server.kill();
    assert_eq!(server.id(), None);
    assert!(query(&server.url(), "SELECT 1").is_err());
    server.start_again();
    assert_ne!(server.id(), before.0);
    assert_eq!(server.port(), before.1);
    server.restart();
    assert_eq!(server.sql("SELECT a FROM d.t"), "7");
    let (pid, folder) = (server.id(), server.folder().to_path_buf());
    leaves_nothing(server, pid, &folder);
}

#[test]
fn a_server_can_differ() {
    let server = MariaDb::start(Options::default().argument("--wait-timeout=2").tls());
    assert_eq!(server.sql("SELECT @@global.wait_timeout"), "2");
    assert!(server.sql("SHOW VARIABLES LIKE 'ssl_cert'").ends_with("server.crt"));

    server.sql("CREATE USER guest IDENTIFIED BY 'secret'");
    let guest = |word: &str| format!("mysql://guest:{word}@127.0.0.1:{}/", server.port());
    assert_eq!(query(&guest("secret"), "SELECT USER()").unwrap(), "guest@127.0.0.1");
    let error = query(&guest("wrong"), "SELECT 1").unwrap_err();
    assert!(error.contains("Access denied"), "{error}");

    let authority = server.authority().expect("it was started with TLS");
    let strict = format!("{}?ssl-verify-server-cert", server.url());
    let trusting = format!("{strict}&ssl-ca={}", authority.display());
    let used = query(&trusting, "SHOW STATUS LIKE 'Ssl_version'").unwrap();
    assert!(used.contains("TLSv1"), "{used}");
    // Of a server that proves by the password that it knows the user, the client of MariaDB 11 needs no authority.
    let [other, _] = server.client().expect("it was started with TLS");
    let wrong = format!("{strict}&ssl-ca={}", other.display());
    assert!(query(&wrong, "SELECT 1").is_err(), "another one signed its certificate");
}

#[test]
fn a_stopped_server_can_be_started_again() {
    let mut server = MariaDb::start(Options::default());
    server.stop();
    wait_until("nobody answers", LIMIT, || query(&server.url(), "SELECT 1").is_err());
    server.start_again();
    assert_eq!(server.sql("SELECT 1"), "1");
}
