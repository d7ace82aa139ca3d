//! Requests that are odd, slow, too large or too many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Served;
use crate::support::{PATIENCE, on_each_database};

fn served() -> (crate::support::Folder, Served) {
    let [(folder, config), ..] = on_each_database();
    (folder, Served::on(config))
}

#[test]
fn each_odd_request_has_its_status() {
    let (_folder, served) = served();
    let client = served.client();
    let long = "a".repeat(20_000);
    let many: String = (0..100).map(|at| format!("H{at}: x\r\n")).collect();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 200),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 421),
        ("nonsense\r\n\r\n".into(), 400),
        ("GET / HTTP/9.9\r\nHost: localhost\r\n\r\n".into(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{many}Host: localhost\r\n\r\n"), 431),
        (
            "POST /api/retry HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .into(),
            411,
        ),
        ("POST /api/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n".into(), 413),
        ("POST /api/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".into(), 400),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into(),
            400,
        ),
        ("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), 405),
    ] {
        let answer = client.send(request.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        let shown: String = request.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer:?}");
    }
    let head = client.request("HEAD", "/", &[], "");
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
fn no_bytes_stop_the_server() {
    let (_folder, served) = served();
    let client = served.client();
    let whole = b"POST /api/retry?a=%31 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 11\r\n\r\n{\"ids\":[1]}";
    // The same bytes in each run, so that what fails does so again.
    let mut state = 0x9e37_79b9_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize
    };
    for _ in 0..400 {
        let mut bytes = whole.to_vec();
        for _ in 0..=random() % 4 {
            let at = random() % bytes.len();
            match random() % 4 {
                0 => bytes[at] = random() as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, random() as u8),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(b'G');
            }
        }
        client.send(&bytes);
    }
    assert_eq!(client.get("/healthz").status, 200);
}

#[test]
fn a_head_that_never_ends_is_dropped_and_keeps_nobody_out() {
    let (_folder, served) = served();
    let client = served.client();
    let begun = Instant::now();
    // Fewer than are answered at once: somebody else is let in meanwhile.
    let mut slow: Vec<_> = (0..15).map(|_| TcpStream::connect(client.0).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    }
    assert_eq!(client.get("/healthz").status, 200);
    let mut stream = slow.remove(0);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut feeding = stream.try_clone().unwrap();
    // A letter a moment: the limit is that of the whole head, and not of each letter.
    std::thread::spawn(move || {
        while feeding.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(begun.elapsed() >= Duration::from_secs(5), "a slow connection is given some time");
}

#[test]
fn more_requests_than_are_answered_at_once_all_have_an_answer() {
    let (_folder, served) = served();
    let address = served.server.address();
    let threads: Vec<_> = (0..64)
        .map(|_| std::thread::spawn(move || super::client::Client(address).get("/api/overview").status))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
    served.server.stop();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}
