use super::super::postgres::{Options, Postgres, query};
use super::leaves_nothing;

#[test]
fn each_test_has_a_database_of_its_own() {
    let [one, other] = [Postgres::shared().database(), Postgres::shared().database()];
    query(&one, "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x')").unwrap();
    assert_eq!(query(&one, "SELECT * FROM t").unwrap(), "1|x");
    let error = query(&other, "SELECT * FROM t").unwrap_err();
    assert!(error.contains("relation \"t\" does not exist"), "{error}");
}

#[test]
fn what_is_committed_survives_a_kill_and_a_restart() {
    let mut server = Postgres::start(Options::default());
    assert_eq!(server.psql("SHOW fsync"), "on");
    server.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    let before = (server.id(), server.port());
    server.kill();
    assert_eq!(server.id(), None);
    assert!(query(&server.url(), "SELECT 1").is_err());
    server.start_again();
    assert_ne!(server.id(), before.0);
    assert_eq!(server.port(), before.1);
    server.restart();
    assert_eq!(server.psql("SELECT a FROM t"), "7");
    let (pid, folder) = (server.id(), server.folder().to_path_buf());
    leaves_nothing(server, pid, &folder);
}

#[test]
fn a_server_can_differ() {
    let options = Options::default()
        .setting("default_transaction_isolation = serializable")
        .access("host all guest 127.0.0.1/32 scram-sha-256")
        .tls();
    let server = Postgres::start(options);
    assert_eq!(server.psql("SHOW transaction_isolation"), "serializable");

    server.psql("CREATE USER guest PASSWORD 'secret'");
    let guest = |word: &str| format!("postgres://guest:{word}@127.0.0.1:{}/postgres", server.port());
    assert_eq!(query(&guest("secret"), "SELECT current_user").unwrap(), "guest");
    let error = query(&guest("wrong"), "SELECT 1").unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");

    let authority = server.authority().expect("it was started with TLS");
    let strict = |more: &str| format!("{}?sslmode=verify-full{more}", server.url());
    let trusting = strict(&format!("&sslrootcert={}", authority.display()));
    let used = query(&trusting, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert_eq!(used.unwrap(), "t");
    assert!(query(&strict(""), "SELECT 1").is_err(), "nobody knows its authority");
}

#[test]
fn a_stopped_server_can_be_started_again() {
    let mut server = Postgres::start(Options::default());
    server.stop();
    assert!(query(&server.url(), "SELECT 1").is_err());
    server.start_again();
    assert_eq!(server.psql("SELECT 1"), "1");
}
