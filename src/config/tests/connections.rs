//! Connections: a URL or its parts.

use super::*;

fn connection(text: &str) -> Connection {
    let config =
        parse(&format!("[connections.x]\n{text}")).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    config.connection("x").unwrap().clone()
}

fn sqlite(path: &str) -> Connection {
    Connection::Sqlite { database: path.into() }
}

fn postgres(url: &str) -> Connection {
    Connection::Postgres { url: url.into() }
}

fn mysql(url: &str) -> Connection {
    Connection::Mysql { url: url.into() }
}

#[test]
fn urls_and_parts() {
    let table = [
        ("url = 'sqlite:a.db'", sqlite("a.db")),
        ("url = 'sqlite://a/b.db'", sqlite("a/b.db")),
        ("url = 'sqlite:///a/b.db'", sqlite("/a/b.db")),
        ("url = 'sqlite:/a%20b.db?mode=rwc'", sqlite("/a b.db")),
        ("driver = 'sqlite'\ndatabase = 'a b?.db'", sqlite("a b?.db")),
        (
            "url = 'postgresql://u:p@h:1/db?sslmode=require'",
            postgres("postgres://u:p@h:1/db?sslmode=require"),
        ),
        ("url = 'postgres:///db?host=/run/postgresql'", postgres("postgres:///db?host=/run/postgresql")),
        ("url = 'mariadb://u:p@:/w@h/db'", mysql("mysql://u:p%40%3A%2Fw@h/db")),
        ("driver = 'postgresql'\ndatabase = 'd'", postgres("postgres://localhost/d")),
        (
            "driver = 'mariadb'\ndatabase = 'a/b'\nhost = '::1'\nport = '3307'\nusername = 'ü'\npassword = 'p@:/?%'",
            mysql("mysql://%C3%BC:p%40%3A%2F%3F%25@[::1]:3307/a%2Fb"),
        ),
        ("driver = 'mysql'\ndatabase = 'd'\nhost = 'h'\nport = 1\nusername = 'u'", mysql("mysql://u@h:1/d")),
        ("driver = 'postgres'\ndatabase = 'd'\nhost = '/run/pg'", postgres("postgres://%2Frun%2Fpg/d")),
        (
            "driver = 'mysql'\ndatabase = 'd'\nhost = 'h'\nsslmode = 'VERIFY_IDENTITY'\nsslrootcert = 'a b.pem'",
            mysql("mysql://h/d?sslmode=verify-full&sslrootcert=a%20b.pem"),
        ),
        (
            "driver = 'mysql'\ndatabase = 'd'\nhost = 'h'\nsslcert = 'c'\nsslkey = 'k'",
            mysql("mysql://h/d?sslcert=c&sslkey=k"),
        ),
    ];
    for (text, expected) in table {
        let found = connection(text);
        assert!(found == expected, "{text}: {found}");
    }
}

#[test]
fn they_are_shown_without_passwords() {
    let table = [
        (sqlite("a.db"), "a.db"),
        (postgres("postgres://u:p@h/db?password=p"), "postgres://u:***@h/db"),
        (mysql("mysql://u:p@:/w@h/db"), "mysql://u:***@h/db"),
        (mysql("mysql://u@h/db"), "mysql://***@h/db"),
        (mysql("host=h password=p"), "mysql://***"),
    ];
    for (connection, expected) in table {
        assert_eq!(connection.to_string(), expected);
        assert_eq!(format!("{connection:?}"), format!("Connection({expected})"));
    }
}

#[test]
fn what_is_wrong_with_a_connection() {
    let table = [
        ("", "connections.x: url or driver is missing"),
        ("database = 'a'", "connections.x: url or driver is missing"),
        ("driver = 'sqlite'", "connections.x: database is missing"),
        ("driver = 'mysql'", "connections.x: database is missing"),
        (
            "url = 'redis://h'",
            "connections.x.url: expected a URL that starts with sqlite:, postgres:// or mysql://, found \"redis://\"",
        ),
        (
            "url = 'shop.db'",
            "connections.x.url: expected a URL that starts with sqlite:, postgres:// or mysql://, found none",
        ),
        ("url = 'mysql://h'", "connections.x.url: the URL names no database"),
        ("url = 'mysql:///db'", "connections.x.url: the URL names no host"),
        ("url = 'mysql://h:x/db'", "connections.x.url: the URL's port is not a number from 1 to 65535"),
        ("url = 'sqlite:'", "connections.x.url: the path of the SQLite file is empty"),
        ("url = 'sqlite:a?mode=ro'", "connections.x.url: a SQLite URL takes no options but mode=rwc"),
        (
            "url = 'mysql://h/db?ssl-mode=VERIFY_CA'",
            "connections.x.url: expected sslmode to be \"disable\", \"prefer\", \"require\" or \"verify-full\", found \"VERIFY_CA\"",
        ),
        (
            "url = 'postgres://h/db?sslrootcert=ca.pem&sslmode=require'",
            "connections.x.url: sslrootcert says whom to trust, which only sslmode=verify-full asks",
        ),
        (
            "url = 'postgres://h/db?sslcert=c.pem'",
            "connections.x.url: a certificate is of no use without its key",
        ),
        (
            "driver = 'mysql'\ndatabase = 'd'\nsslkey = 'k.pem'",
            "connections.x.sslkey: a key is of no use without its certificate",
        ),
        (
            "driver = 'mysql'\ndatabase = 'd'\nsslmode = 'disable'\nsslcert = 'c'\nsslkey = 'k'",
            "connections.x.sslcert: a certificate is only shown by TLS, which sslmode=disable forbids",
        ),
        ("url = 'mysql://h/db'\nhost = 'h'", "connections.x.host: the connection has a url already"),
        (
            "driver = 'sqlite'\ndatabase = ':memory:'",
            "connections.x.database: jobs in SQLite need a file that every process can open, by its path",
        ),
        (
            "driver = 'sqlite'\ndatabase = 'a'\nport = 1",
            "connections.x.port: a SQLite connection has only a database, the path of its file",
        ),
    ];
    for (text, expected) in table {
        let found = message(&format!("[connections.x]\n{text}"));
        assert_eq!(found.lines().next(), Some(expected), "{text}");
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
#[test]
fn what_is_asked_of_tls_is_taken_out_of_the_url() {
    let tls = |mode, files: [Option<&str>; 3]| {
        let [authorities, certificate, key] = files.map(|file| file.map(Into::into));
        Tls { mode, authorities, certificate, key }
    };
    let mode = |mode| tls(Some(mode), [None; 3]);
    let table = [
        ("postgres://h/db", "postgres://h/db", Tls::default()),
        ("postgres://h/db?a=1&sslmode=prefer&b=%20", "postgres://h/db?a=1&b=%20", mode(TlsMode::Prefer)),
        ("mysql://h/db?ssl-mode=REQUIRED", "mysql://h/db", mode(TlsMode::Require)),
        ("mysql://h/db?sslmode=disable", "mysql://h/db", mode(TlsMode::Disable)),
        (
            "mysql://h/db?ssl-ca=a%20b&ssl-mode=VERIFY_IDENTITY",
            "mysql://h/db",
            tls(Some(TlsMode::VerifyFull), [Some("a b"), None, None]),
        ),
        ("postgres://h/db?sslmode=verify-full", "postgres://h/db", mode(TlsMode::VerifyFull)),
        (
            "postgres://h/db?sslcert=c&x=1&sslkey=k",
            "postgres://h/db?x=1",
            tls(None, [None, Some("c"), Some("k")]),
        ),
    ];
    for (url, rest, tls) in table {
        let server = Server::of(url).unwrap();
        assert_eq!((&*server.url, server.tls), (rest, tls), "{url}");
    }
}

#[test]
fn a_name_that_is_not_there() {
    let error = Config::new().connection("mysql").unwrap_err();
    assert_eq!(error.to_string(), "no connection is named \"mysql\"");
    assert_eq!(error.help(), Some("known are sqlite; add [connections.mysql] to queue.toml"));
    assert_eq!(Config::new().connection("sqlit").unwrap_err().help(), Some("did you mean sqlite?"));
}

#[test]
fn which_one_the_database_driver_uses_when_the_file_does_not_say() {
    let two = "[connections]\nb = { url = 'sqlite:b' }\na = { url = 'sqlite:a' }";
    let table = [
        ("", "sqlite (built in)"),
        ("[connections.a]\nurl = 'sqlite:a'", "a (queue.toml:1)"),
        (two, "sqlite (built in)"),
    ];
    for (text, expected) in table {
        assert_eq!(entry(&parse(text).unwrap(), "database.connection"), expected, "{text}");
    }
    // Nobody may need it; who opens the database driver is told.
    assert!(parse(two).unwrap().connection("sqlite").is_err());
}
