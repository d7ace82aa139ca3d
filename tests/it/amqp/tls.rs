//! TLS to the broker: when it is asked for, with who it should be, and as fast and patient as without.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use craft_queue::driver::amqp::{AmqpBackend, AmqpOptions};
use craft_queue::driver::{Backend, Notifier, Suspects, Verdict};
use craft_queue::{Error, Tls, TlsMode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::support::*;
use crate::programs::{craft, run};
use crate::servers::certificate::{Certificate, Until};
use crate::servers::programs::User;
use crate::servers::proxy::{Proxy, Traffic};
use crate::servers::rabbitmq::{self, RabbitMq};
use crate::servers::{self, wait_for, wait_until};
use crate::support::Folder;

fn broker() -> RabbitMq {
    RabbitMq::start(rabbitmq::Options::default().tls())
}

fn asks(mode: TlsMode) -> Tls {
    Tls { mode: Some(mode), ..Tls::default() }
}

/// Whoever it is.
fn any(broker: &RabbitMq) -> AmqpOptions {
    AmqpOptions { port: broker.tls_port().unwrap(), tls: asks(TlsMode::Require), ..at(&broker.url()) }
}

/// This broker.
fn trusting(broker: &RabbitMq) -> AmqpOptions {
    let authorities = Some(broker.authority().unwrap().to_owned());
    AmqpOptions { tls: Tls { authorities, ..asks(TlsMode::VerifyFull) }, ..any(broker) }
}

fn with_certificate(options: AmqpOptions, of: &RabbitMq) -> AmqpOptions {
    let [certificate, key] = of.client().unwrap().clone();
    AmqpOptions { tls: Tls { certificate: Some(certificate), key: Some(key), ..options.tls }, ..options }
}

fn refused(options: &AmqpOptions) -> Error {
    AmqpBackend::new(options.clone()).open(Notifier::silent()).err().expect("it can't be opened")
}

/// Not to be tried again, with the reason and what to do.
fn is_refused(options: &AmqpOptions, reason: &str, help: &str) {
    let error = refused(options);
    assert!(error.is_config() && error.to_string().contains(reason), "{error:?}");
    assert!(error.help().is_some_and(|said| said.contains(help)), "{error:?}");
    assert!(!format!("{error:?}").contains("guest:guest"), "{error:?}");
}

fn works(options: &AmqpOptions) {
    let mut driver = open(options);
    driver.push(&[message("orders", "by TLS")]).unwrap();
    let job = take(&mut *driver, "orders", 1).remove(0);
    assert_eq!(payloads(std::slice::from_ref(&job)), ["by TLS"]);
    settle(&mut *driver, &job, Verdict::Done);
}

#[test]
fn a_broker_is_spoken_to_by_tls_as_strictly_as_was_asked() {
    let broker = broker();
    works(&trusting(&broker));
    works(&any(&broker));
    works(&AmqpOptions { host: "localhost".into(), ..trusting(&broker) });
    works(&AmqpOptions { host: "127.0.0.2".into(), ..any(&broker) });

    let nobody_known = AmqpOptions { tls: asks(TlsMode::VerifyFull), ..any(&broker) };
    is_refused(&nobody_known, "an unknown authority signed its certificate", "sslrootcert");
    let elsewhere = AmqpOptions { host: "127.0.0.2".into(), ..trusting(&broker) };
    is_refused(&elsewhere, "not valid for", "use a name in host that its certificate has");
    let mut nowhere = trusting(&broker);
    nowhere.tls.authorities = Some("/nowhere/ca.pem".into());
    is_refused(&nowhere, "cannot use the certificates in `/nowhere/ca.pem` (sslrootcert)", "PEM file");

    // One port for the other.
    let plain = AmqpOptions { port: broker.port(), ..trusting(&broker) };
    is_refused(&plain, "does not speak TLS at this port", "set the port on which it does");
    let untold = AmqpOptions { tls: Tls::default(), ..trusting(&broker) };
    is_refused(&untold, "cannot talk to RabbitMQ at 127.0.0.1", "amqps://");

    // What is not asked for is never sent in the clear, and what is sent by TLS can't be seen.
    let proxy = Proxy::before(broker.tls_port().unwrap());
    proxy.cut_before(b"guest");
    works(&AmqpOptions { port: proxy.port(), ..trusting(&broker) });
    assert!(!proxy.has_cut() && proxy.accepted() >= 2);
    let proxy = Proxy::before(broker.port());
    proxy.cut_before(b"guest");
    let plain = AmqpOptions { port: proxy.port(), tls: Tls::default(), ..trusting(&broker) };
    assert!(refused(&plain).is_unavailable() || proxy.has_cut());
    assert!(proxy.has_cut(), "without TLS it would be seen");
}

#[test]
fn an_expired_certificate_and_a_missing_one_of_ours_are_told() {
    let strict = rabbitmq::Options::default()
        .expired_tls()
        .setting("ssl_options.verify = verify_peer")
        .setting("ssl_options.fail_if_no_peer_cert = true");
    let (broker, other) = (RabbitMq::start(strict), broker());
    is_refused(&with_certificate(trusting(&broker), &broker), "expired", "renewed");
    works(&with_certificate(any(&broker), &broker));
    is_refused(&any(&broker), "certificate", "sslcert");
    is_refused(
        &with_certificate(any(&broker), &other),
        "does not accept the certificate in sslcert",
        "own authority",
    );

    let [certificate, key] = broker.client().unwrap().clone();
    let with = |certificate, key| {
        let tls = Tls { certificate: Some(certificate), key: Some(key), ..asks(TlsMode::Require) };
        AmqpOptions { tls, ..any(&broker) }
    };
    is_refused(
        &with(certificate.clone(), "/nowhere".into()),
        "private key in `/nowhere` (sslkey)",
        "passphrase",
    );
    is_refused(&with(key.clone(), key), "(sslcert)", "PEM file");
    let [_, foreign] = other.client().unwrap().clone();
    is_refused(&with(certificate, foreign), "(sslkey)", "sslkey that of its key");
}

/// Somebody who speaks AMQP as far as the password, and then says what it was told.
fn impostor(shown: &Certificate) -> (u16, thread::JoinHandle<Vec<u8>>) {
    let chain = CertificateDer::pem_file_iter(&shown.certificate).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&shown.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let mut heard = [0; 4_096];
        let mut all = Vec::new();
        let start = b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x05en_US";
        let frame = [&[1, 0, 0, 0, 0, 0, start.len() as u8][..], start, &[0xce]].concat();
        while let Ok(count @ 1..) = stream.read(&mut heard) {
            all.extend_from_slice(&heard[..count]);
            if all.windows(6).any(|part| part == b"s3cret") {
                break;
            }
            if all == b"AMQP\x00\x00\x09\x01" {
                stream.write_all(&frame).unwrap();
            }
        }
        all
    });
    (port, heard)
}

#[test]
fn the_password_is_told_to_nobody_who_has_not_proven_who_he_is() {
    let folders = [(); 2].map(|()| servers::folder::Folder::new("certificate", &User::Own));
    let [own, other] = [0, 1].map(|n| Certificate::make(&folders[n], &User::Own, Until::Later));
    let asking = |port, tls| AmqpOptions {
        port,
        tls,
        password: "s3cret".into(),
        connect_timeout: Duration::from_secs(5),
        ..at("amqp://guest:guest@127.0.0.1:1/%2f")
    };
    let has = |heard: &[u8]| heard.windows(6).any(|part| part == b"s3cret");
    let trusting =
        |authority: &Path| Tls { authorities: Some(authority.to_owned()), ..asks(TlsMode::VerifyFull) };
    for (tls, reason) in [
        (trusting(&own.authority), "another authority of the name that is trusted signed its certificate"),
        (asks(TlsMode::VerifyFull), "an unknown authority signed its certificate"),
    ] {
        let (port, heard) = impostor(&other);
        is_refused(&asking(port, tls), reason, "sslrootcert");
        assert_eq!(heard.join().unwrap(), b"");
    }
    // To see that it would be heard: by whoever has proven it, or need not.
    for tls in [trusting(&other.authority), asks(TlsMode::Require)] {
        let (port, heard) = impostor(&other);
        refused(&asking(port, tls));
        assert!(has(&heard.join().unwrap()));
    }
}

#[test]
fn a_peer_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mute = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    });
    let options = AmqpOptions {
        port,
        tls: asks(TlsMode::Require),
        connect_timeout: Duration::from_millis(500),
        ..at("amqp://guest:guest@127.0.0.1:1/%2f")
    };
    let error = refused(&options);
    assert!(error.is_unavailable(), "{error:?}");
    assert!(error.to_string().ends_with("did not answer by TLS within 500ms"), "{error}");
    mute.join().unwrap();

    // Another server, and one that goes at once.
    for (says, is_config) in [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], true), (b"", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut client, _): (TcpStream, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1_024]);
            client.write_all(says).unwrap();
        });
        let error = refused(&AmqpOptions { port, ..options.clone() });
        assert_eq!((error.is_config(), error.is_unavailable()), (is_config, !is_config), "{error:?}");
        server.join().unwrap();
    }
}

#[test]
fn thousands_of_jobs_large_and_small_go_both_ways() {
    let broker = broker();
    let proxy = Proxy::before(broker.tls_port().unwrap());
    let options = AmqpOptions { port: proxy.port(), ..trusting(&broker) };
    let mut driver = open(&options);
    let small: Vec<_> = (0..5_000).map(|n| message("orders", &n.to_string())).collect();
    driver.push(&small).unwrap();
    // More than the sockets between hold, so that writing has to wait in the middle.
    let text = "x".repeat(3 << 20);
    let large: Vec<_> = (0..12).map(|n| message("orders", &format!("{n} {text}"))).collect();
    proxy.set(Traffic::Stall);
    thread::scope(|scope| {
        let pushed = scope.spawn(|| driver.push(&large).map(drop));
        thread::sleep(Duration::from_millis(300));
        proxy.set(Traffic::Delay(Duration::from_millis(1)));
        pushed.join().unwrap().unwrap();
    });
    proxy.set(Traffic::Pass);
    let queues = named("orders");
    let mut found = Vec::new();
    wait_for("all jobs", LIMIT, || {
        for job in driver.reserve(&want(&queues, 500, Suspects::Ignore)).unwrap().jobs {
            settle(&mut *driver, &job, Verdict::Done);
            found.push(String::from_utf8(job.message.payload.to_vec()).unwrap());
        }
        if found.len() == 5_012 { Ok(()) } else { Err(format!("{} came", found.len())) }
    });
    let expected: Vec<_> =
        (0..5_000).map(|n| n.to_string()).chain((0..12).map(|n| format!("{n} {text}"))).collect();
    assert!(found == expected, "they are not the same, or in another order");
}

#[test]
fn a_killed_broker_and_one_that_stops_reading_are_noticed_and_lose_nothing() {
    let mut broker = broker();
    let options = trusting(&broker);
    let mut driver = open(&options);
    let jobs: Vec<_> = (0..500).map(|n| message("orders", &n.to_string())).collect();
    driver.push(&jobs).unwrap();
    take(&mut *driver, "orders", 50);
    broker.kill();
    wait_until("the driver notices", LIMIT, || {
        driver.push(&jobs[..1]).is_err_and(|error| error.is_unavailable())
    });
    drop(driver);
    assert!(refused(&options).is_unavailable());
    broker.start_again();
    let proxy = Proxy::before(options.port);
    let timeout = Duration::from_secs(1);
    let by_proxy = AmqpOptions {
        port: proxy.port(),
        publish_timeout: timeout,
        answer_timeout: timeout,
        connect_timeout: timeout,
        ..options.clone()
    };
    let mut driver = open(&by_proxy);
    driver.push(&[message("others", "a")]).unwrap();
    proxy.set(Traffic::Stall);
    let start = Instant::now();
    let large: Vec<_> = (0..8).map(|_| message("others", &"x".repeat(4 << 20))).collect();
    assert!(driver.push(&large).unwrap_err().is_unavailable());
    drop(driver);
    assert!(refused(&by_proxy).is_unavailable());
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    proxy.set(Traffic::Pass);

    let mut driver = open(&options);
    let queues = named("orders");
    let mut found = std::collections::HashSet::new();
    wait_for("all jobs are there again", LIMIT, || {
        for job in driver.reserve(&want(&queues, 100, Suspects::Take(100))).unwrap().jobs {
            found.insert(job.message.uuid.clone());
            settle(&mut *driver, &job, Verdict::Done);
        }
        if jobs.iter().all(|job| found.contains(&job.uuid)) {
            Ok(())
        } else {
            Err(format!("{} came", found.len()))
        }
    });
}

#[test]
fn a_url_of_the_environment_is_enough_and_its_check_shows_no_secret() {
    let broker = broker();
    let folder = Folder::new();
    let place = format!("127.0.0.1:{}/%2f", broker.tls_port().unwrap());
    let said = |url: &str| {
        let mut command = craft(&folder, &["config:check", "--driver", "amqp"]);
        command.env("AMQP_URL", url);
        run(command)
    };
    let authority = broker.authority().unwrap().display();
    broker.rabbitmqctl(&["change_password", "guest", "s3cret"]);
    let check = said(&format!("amqps://guest:s3cret@{place}?sslrootcert={authority}"));
    assert!(check.out.contains("ok  driver amqp"), "{} {}", check.out, check.err);
    assert!(check.out.contains("verify-full") && check.out.contains(&authority.to_string()), "{}", check.out);
    let wrong = said(&format!("amqps://guest:s3cret@{place}"));
    assert_eq!(wrong.status, 1, "{} {}", wrong.out, wrong.err);
    assert!(wrong.err.contains("an unknown authority signed its certificate"), "{}", wrong.err);
    for text in [check.out, check.err, wrong.out, wrong.err] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
