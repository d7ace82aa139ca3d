//! TLS: used when the server has it, insisted upon when asked for, and nobody is trusted by mistake.

use std::path::{Path, PathBuf};

use craft_queue::{Jobs, Queue};

use crate::servers::mariadb::{self, MariaDb};
use crate::servers::postgres::{self, Postgres};
use crate::support::{Act, Then, config_on, queue, work_off};

/// A server with a certificate for 127.0.0.1, which listens on 127.0.0.2 too, and where the user `strict`
/// is let in by TLS only.
struct Guarded {
    name: &'static str,
    /// By the user `strict`, with the host 127.0.0.1.
    url: String,
    authority: String,
    client: [PathBuf; 2],
    _server: Box<dyn std::any::Any>,
}

fn postgres() -> Guarded {
    let options = postgres::Options::default()
        .tls()
        .setting("listen_addresses = '127.0.0.1, 127.0.0.2'")
        .access("hostnossl all strict 127.0.0.1/32 reject")
        .access("hostssl certified strict 127.0.0.1/32 cert");
    let server = Postgres::start(options);
    server.psql(
        "CREATE USER strict; CREATE DATABASE shop OWNER strict; CREATE DATABASE certified OWNER strict",
    );
    let url = format!("postgres://strict@127.0.0.1:{}/shop", server.port());
    let authority = path(server.authority());
    let client = server.client().cloned().unwrap();
    Guarded { name: "PostgreSQL", url, authority, client, _server: Box::new(server) }
}

fn mariadb() -> Guarded {
    let options = mariadb::Options::default().tls().argument("--bind-address=127.0.0.1,127.0.0.2");
    let server = MariaDb::start(options);
    server.sql(
        "CREATE DATABASE shop; CREATE USER strict IDENTIFIED BY 'right' REQUIRE SSL;
        GRANT ALL ON shop.* TO strict; CREATE DATABASE certified;
        CREATE USER certified IDENTIFIED BY 'right' REQUIRE X509; GRANT ALL ON certified.* TO certified",
    );
    let url = format!("mysql://strict:right@127.0.0.1:{}/shop", server.port());
    let authority = path(server.authority());
    let client = server.client().cloned().unwrap();
    Guarded { name: "MySQL", url, authority, client, _server: Box::new(server) }
}

fn path(authority: Option<&Path>) -> String {
    authority.expect("it was started with TLS").display().to_string()
}

/// Pushes a job and runs it.
fn works(url: &str) {
    let (queue, diary) = queue(config_on(url));
    queue.push(Act::new("private", Then::Succeed)).unwrap();
    work_off(&queue);
    assert_eq!(diary.lines(), ["private 1"], "{url}");
}

fn refused(url: &str) -> (String, String) {
    let queue = Queue::open(config_on(url), Jobs::new()).unwrap();
    let error = queue.size(None, &[]).expect_err(url);
    (error.to_string(), error.help().unwrap_or_default().to_owned())
}

fn a_guarded_server(guarded: &Guarded) {
    let Guarded { name, url, authority, .. } = guarded;
    let place = url.split(['@', '/']).nth(3).unwrap();
    let at = format!("cannot open connection \"server\": {name} at {place}");

    for more in ["", "?sslmode=prefer", "?sslmode=require"] {
        works(&format!("{url}{more}"));
    }
    let trusting = format!("{url}?sslmode=verify-full&sslrootcert={authority}");
    works(&trusting);

    let (error, _) = refused(&format!("{url}?sslmode=disable"));
    assert!(error.starts_with(&format!("{at} does not let \"strict\" in")), "{error}");

    let (error, help) = refused(&format!("{url}?sslmode=verify-full"));
    assert_eq!(error, format!("{at} can't be trusted: an unknown authority signed its certificate"));
    assert_eq!(help, "name the file of the authority that you trust: sslrootcert = \"ca.pem\"");

    let elsewhere = trusting.replace("127.0.0.1", "127.0.0.2");
    let (error, help) = refused(&elsewhere);
    assert!(error.contains("127.0.0.2") && error.contains("can't be trusted"), "{error}");
    assert!(error.contains("not valid for"), "{error}");
    assert_eq!(help, "use a name in host that its certificate has");
    // Who only wants it encrypted does not ask for the name.
    works(&format!("{}?sslmode=require", url.replace("127.0.0.1", "127.0.0.2")));

    let (error, help) = refused(&format!("{url}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"));
    assert!(error.contains("cannot use the certificates in `/nowhere/ca.pem` (sslrootcert): "), "{error}");
    assert_eq!(help, "it should be the PEM file of the authority that signed the server's certificate");
}

/// `url` is a database that nobody may use without a certificate.
fn asks_for_a_certificate(url: &str, client: &[PathBuf; 2], refusal: &str) {
    let [certificate, key] = client.each_ref().map(|file| file.display().to_string());
    for mode in ["", "&sslmode=require"] {
        works(&format!("{url}?sslcert={certificate}&sslkey={key}{mode}"));
    }
    let (error, help) = refused(&format!("{url}?sslmode=require"));
    assert!(error.contains(refusal), "{error}");
    assert!(help.contains("sslcert"), "{help}");
    for (certificate, key, named) in
        [(&*certificate, "/nowhere", "`/nowhere` (sslkey)"), (&*key, &*key, "(sslcert)")]
    {
        let (error, help) = refused(&format!("{url}?sslcert={certificate}&sslkey={key}"));
        assert!(error.contains(named) && help.contains("PEM file"), "{error} {help}");
    }
}

#[test]
fn postgres_is_spoken_to_by_tls() {
    let server = postgres();
    a_guarded_server(&server);
    let url = server.url.replace("/shop", "/certified");
    asks_for_a_certificate(&url, &server.client, "connection requires a valid client certificate");
}

#[test]
fn mariadb_is_spoken_to_by_tls() {
    let server = mariadb();
    a_guarded_server(&server);
    let url = server.url.replace("strict", "certified").replace("/shop", "/certified");
    asks_for_a_certificate(&url, &server.client, "does not let \"certified\" in");
}

#[test]
fn a_certificate_that_has_expired_proves_nothing() {
    let postgres = Postgres::start(postgres::Options::default().expired_tls());
    let mariadb = MariaDb::start(mariadb::Options::default().expired_tls());
    for (url, authority) in
        [(postgres.database(), path(postgres.authority())), (mariadb.database(), path(mariadb.authority()))]
    {
        let (error, help) = refused(&format!("{url}?sslmode=verify-full&sslrootcert={authority}"));
        assert!(error.contains("can't be trusted") && error.contains("expired"), "{error}");
        assert!(help.contains("renewed") && help.contains("clock"), "{help}");
        works(&format!("{url}?sslmode=require"));
    }
}

#[test]
fn a_server_without_tls_is_refused_when_it_was_asked_for() {
    for url in [Postgres::shared().database(), MariaDb::shared().database()] {
        for mode in ["require", "verify-full"] {
            let (error, help) = refused(&format!("{url}?sslmode={mode}"));
            assert!(error.ends_with(" has no TLS, and sslmode asks for it"), "{error}");
            assert!(help.contains("sslmode = \"disable\""), "{help}");
        }
        works(&format!("{url}?sslmode=prefer"));
    }
}
