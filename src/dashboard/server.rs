//! The HTTP server of the dashboard: one request a connection, each bounded in size and time.
//!
//! It is written on the standard library, because the small blocking servers have no limit for a head that never ends.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::handler::Dashboard;
use super::http::{Request, Response};
use crate::error::{Error, Result};

/// How long the whole request may take to arrive, and the whole answer to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what follows a request is read, so that its answer arrives.
const DRAIN: Duration = Duration::from_secs(1);

/// How large the head of a request may be, in bytes.
const HEAD: usize = 16 * 1024;

/// How many headers a request may have.
const HEADERS: usize = 64;

/// How large the body of a request may be, in bytes.
const BODY: usize = 64 * 1024;

/// How many requests are answered at once. Further ones wait.
const CONNECTIONS: usize = 16;

/// How long the server waits before it accepts again after an error, such as too many open files.
const RETRY: Duration = Duration::from_millis(100);

/// A server that runs in threads of its own, until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepts: Option<JoinHandle<()>>,
}

struct Shared {
    dashboard: Dashboard,
    stops: AtomicBool,
    /// How many requests are being answered.
    busy: Mutex<usize>,
    is_free: Condvar,
}

impl Dashboard {
    /// Serves the dashboard on a listener of yours, one request a connection.
    ///
    /// # Errors
    /// The listener has no address, or the system gives no thread.
    pub fn serve(self, listener: TcpListener) -> Result<Server> {
        let failed = |cause| Error::other("cannot serve the dashboard").because(&cause);
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            dashboard: self,
            stops: AtomicBool::new(false),
            busy: Mutex::new(0),
            is_free: Condvar::new(),
        });
        let accepting = shared.clone();
        let accepts = std::thread::Builder::new()
            .name("craft-dashboard".into())
            .spawn(move || accept(&listener, &accepting))
            .map_err(failed)?;
        Ok(Server { address, shared, accepts: Some(accepts) })
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, and waits until the requests that have begun are answered.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stops.store(true, Ordering::SeqCst);
        // The thread sits in `accept`: a connection wakes it.
        let _ = TcpStream::connect_timeout(&reachable(self.address), PATIENCE);
        if let Some(accepts) = self.accepts.take() {
            // A panic in it has been printed, and there is nothing left to stop.
            let _ = accepts.join();
        }
        let mut busy = self.shared.busy();
        while *busy > 0 {
            busy = self.shared.is_free.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.accepts.is_some() {
            self.end();
        }
    }
}

impl Shared {
    fn busy(&self) -> std::sync::MutexGuard<'_, usize> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another request may be answered.
    fn begin(&self) {
        let mut busy = self.busy();
        while *busy >= CONNECTIONS {
            busy = self.is_free.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        *busy += 1;
    }

    fn end(&self) {
        *self.busy() -= 1;
        self.is_free.notify_all();
    }
}

/// An address that is listened on everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        shared.begin();
        let accepted = listener.accept();
        if shared.stops.load(Ordering::SeqCst) {
            return shared.end();
        }
        match accepted {
            Ok((stream, peer)) => {
                let answering = shared.clone();
                let started =
                    std::thread::Builder::new().name("craft-dashboard-request".into()).spawn(move || {
                        let _ends = Ends(&answering);
                        answer(stream, peer, &answering.dashboard);
                    });
                if started.is_err() {
                    shared.end();
                }
            }
            Err(_) => {
                shared.end();
                std::thread::sleep(RETRY);
            }
        }
    }
}

/// Ends a request, also where answering it panics.
struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn answer(mut stream: TcpStream, peer: SocketAddr, dashboard: &Dashboard) {
    let deadline = Instant::now() + PATIENCE;
    let (response, is_head) = match read(&mut stream, deadline) {
        Ok(request) => {
            let request = request.from(peer.ip().to_string());
            (dashboard.handle(&request), request.method == "HEAD")
        }
        Err(Some(status)) => (Response::text(status, format!("{}\n", reason(status))), false),
        // Nobody is there any more.
        Err(None) => return,
    };
    // The viewer may be gone; the next request is another connection.
    let _ = write(&mut stream, &response, is_head, Instant::now() + PATIENCE);
    let _ = stream.shutdown(Shutdown::Write);
    drain(&mut stream);
}

/// Reads what the peer still sends: to close before would reset the connection, and the answer with it.
fn drain(stream: &mut TcpStream) {
    let deadline = Instant::now() + DRAIN;
    let mut rest = Vec::new();
    while rest.len() < BODY && receive(stream, &mut rest, deadline).is_ok() {}
}

/// Reads a request.
///
/// # Errors
/// The status to answer with, or `None` when there is nobody to answer.
fn read(stream: &mut TcpStream, deadline: Instant) -> Result<Request, Option<u16>> {
    let mut bytes = Vec::with_capacity(2 * 1024);
    let (mut request, head, length) = loop {
        receive(stream, &mut bytes, deadline)?;
        match parse(&bytes).map_err(Some)? {
            Some(parsed) if parsed.1 <= HEAD => break parsed,
            None if bytes.len() <= HEAD => {}
            _ => return Err(Some(431)),
        }
    };
    while bytes.len() < head + length {
        receive(stream, &mut bytes, deadline)?;
    }
    if length > 0 {
        request = request.body(&bytes[head..head + length]);
    }
    Ok(request)
}

fn receive(stream: &mut TcpStream, bytes: &mut Vec<u8>, deadline: Instant) -> Result<(), Option<u16>> {
    let rest = deadline.saturating_duration_since(Instant::now());
    if rest.is_zero() || stream.set_read_timeout(Some(rest)).is_err() {
        return Err(Some(408));
    }
    let mut chunk = [0; 4 * 1024];
    match stream.read(&mut chunk) {
        Ok(0) => Err(None),
        Ok(read) => {
            bytes.extend_from_slice(&chunk[..read]);
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
        {
            Err(Some(408))
        }
        Err(_) => Err(None),
    }
}

/// The request whose head stands in the bytes, the length of the head and that of the body; `None` when the head has not
/// ended.
///
/// # Errors
/// The status: 400, 411, 413, 431.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Err(400) };
    if !target.starts_with('/') {
        return Err(400);
    }
    let mut request = Request::new(method, target);
    let (mut length, mut has_host) = (None, false);
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| 400_u16)?;
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(411);
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            let given: usize = value.trim().parse().map_err(|_| 400_u16)?;
            // Two lengths: somebody between us may mean the other one.
            if length.replace(given).is_some_and(|first| first != given) {
                return Err(400);
            }
        }
        if header.name.eq_ignore_ascii_case("host") && std::mem::replace(&mut has_host, true) {
            return Err(400);
        }
        request = request.header(header.name, value);
    }
    match length.unwrap_or(0) {
        length if length > BODY => Err(413),
        length => Ok(Some((request, head, length))),
    }
}

fn write(
    stream: &mut TcpStream,
    response: &Response,
    is_head: bool,
    deadline: Instant,
) -> std::io::Result<()> {
    let Response { status, headers, body } = response;
    let mut bytes = format!("HTTP/1.1 {status} {}\r\n", reason(*status)).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !is_head {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes.extend_from_slice(body);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let time = deadline.saturating_duration_since(Instant::now());
        if time.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(time))?;
        match stream.write(rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
