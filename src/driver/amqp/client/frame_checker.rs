//! The broker's bytes, looked at before the client library sees them.
//!
//! The library believes what it reads. It makes room for as many bytes as a frame's head asks for, so that another
//! server on the port (an HTTP answer) takes gigabytes. It drops all properties of a message when one of them is no
//! UTF-8, and the whole connection when a name is none. And it reads nested tables by recursion, as deep as a
//! stranger's message goes. So frames pass through here whole: a frame that is none ends the connection with a
//! reason, and what is no UTF-8 is made so in place, without a change of length: `?` for a byte in a short text, a
//! byte array instead of a long text, and instead of a table that is nested too deep.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::{Evented, Poll, PollOpt, Ready, Token};

use super::link::Link;
use super::sanitize::{content_head, method};

/// The largest frame that is taken from a broker that sets no limit of its own.
pub(super) const FRAME_LIMIT: u32 = 16 * 1024 * 1024;

/// The largest frame before the broker has said how large they may be.
const FIRST_LIMIT: u32 = 128 * 1024;

/// The head of a frame: its kind, a channel, the size of its payload. One byte follows that.
const HEAD: usize = 7;
const END: u8 = 0xCE;

/// What was learned of the broker on the way.
#[derive(Debug)]
pub(super) struct FrameFindings {
    frame_max: AtomicU32,
    fault: Mutex<Option<String>>,
    greeted: AtomicBool,
    #[cfg(feature = "rustls")]
    refusal: Mutex<Option<rustls::Error>>,
}

impl FrameFindings {
    /// The size of the largest frame that the broker takes.
    pub(super) fn frame_max(&self) -> usize {
        self.frame_max.load(Ordering::Relaxed) as usize
    }

    /// Why what came is no AMQP.
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the peer has said anything in AMQP.
    pub(super) fn has_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }

    /// Why TLS was ended.
    #[cfg(feature = "rustls")]
    pub(super) fn refusal(&self) -> Option<rustls::Error> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cfg(feature = "rustls")]
    fn note(&self, error: &io::Error) {
        if let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause.clone());
        }
    }

    #[cfg(not(feature = "rustls"))]
    fn note(&self, _: &io::Error) {}
}

/// A socket whose frames are looked at.
#[derive(Debug)]
pub(super) struct CheckedStream {
    stream: Link,
    gate: FrameChecker,
}

impl CheckedStream {
    pub(super) fn new(stream: Link) -> (Self, Arc<FrameFindings>) {
        let gate = FrameChecker::default();
        let findings = Arc::clone(&gate.findings);
        (Self { stream, gate }, findings)
    }
}

impl Read for CheckedStream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        loop {
            let passed = self.gate.pass(to);
            if passed > 0 || to.is_empty() {
                return Ok(passed);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(0),
                Ok(read) => self.gate.take(&chunk[..read])?,
                Err(error) => {
                    self.gate.findings.note(&error);
                    return Err(error);
                }
            }
        }
    }
}

impl Write for CheckedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes).inspect_err(|error| self.gate.findings.note(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Evented for CheckedStream {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, opts: PollOpt) -> io::Result<()> {
        self.stream.register(poll, token, interest, opts)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, opts: PollOpt) -> io::Result<()> {
        self.stream.reregister(poll, token, interest, opts)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.stream.deregister(poll)
    }
}

/// What came and was not passed on.
#[derive(Debug)]
struct FrameChecker {
    bytes: Vec<u8>,
    /// Passed on already.
    passed: usize,
    /// Whole frames end here.
    vetted: usize,
    greeted: bool,
    findings: Arc<FrameFindings>,
}

impl Default for FrameChecker {
    fn default() -> Self {
        let findings = FrameFindings {
            frame_max: AtomicU32::new(FIRST_LIMIT),
            fault: Mutex::default(),
            greeted: AtomicBool::new(false),
            #[cfg(feature = "rustls")]
            refusal: Mutex::default(),
        };
        Self { bytes: Vec::new(), passed: 0, vetted: 0, greeted: false, findings: Arc::new(findings) }
    }
}

impl FrameChecker {
    /// Passes on what has been looked at.
    fn pass(&mut self, to: &mut [u8]) -> usize {
        let ready = &self.bytes[self.passed..self.vetted];
        let count = ready.len().min(to.len());
        to[..count].copy_from_slice(&ready[..count]);
        self.passed += count;
        if self.passed == self.vetted && self.passed > 0 {
            self.bytes.drain(..self.passed);
            (self.passed, self.vetted) = (0, 0);
        }
        count
    }

    /// More bytes came.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        self.vet().map_err(|fault| {
            *self.findings.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })
    }

    fn vet(&mut self) -> Result<(), String> {
        loop {
            let rest = &mut self.bytes[self.vetted..];
            if !self.greeted && rest.first().is_some_and(|kind| *kind != 1) {
                return Err(no_greeting(rest));
            }
            let Some((head, after)) = rest.split_first_chunk_mut::<HEAD>() else { return Ok(()) };
            let kind = head[0];
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
            let limit = self.findings.frame_max.load(Ordering::Relaxed);
            if !matches!(kind, 1 | 2 | 3 | 8) {
                return Err(format!("a frame of the unknown kind {kind} came"));
            }
            if size > limit.saturating_sub(HEAD as u32 + 1) {
                return Err(format!("a frame of {size} bytes came, and at most {limit} were agreed upon"));
            }
            let size = size as usize;
            let Some(end) = after.get(size) else { return Ok(()) };
            if *end != END {
                return Err("a frame came that does not end where it says".into());
            }
            let payload = &mut after[..size];
            match kind {
                1 => {
                    if let Some(agreed) = method(payload) {
                        let agreed = if agreed == 0 { FRAME_LIMIT } else { agreed.min(FRAME_LIMIT) };
                        self.findings.frame_max.store(agreed, Ordering::Relaxed);
                    }
                }
                2 => content_head(payload)?,
                _ => {}
            }
            self.greeted = true;
            self.findings.greeted.store(true, Ordering::Relaxed);
            self.vetted += HEAD + size + 1;
        }
    }
}

/// What answers is another server.
fn no_greeting(bytes: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).escape_debug().collect();
    match bytes {
        [0x15 | 0x16, 3, ..] => "what answers there speaks TLS".into(),
        [b'A', b'M', b'Q', b'P', ..] => "what answers there speaks another version of AMQP than 0-9-1".into(),
        _ => format!("what answers there does not speak AMQP: it says \"{shown}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sanitize::BODY_LIMIT;
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, 0];
        frame.extend((payload.len() as u32).to_be_bytes());
        frame.extend(payload);
        frame.push(END);
        frame
    }

    fn passed(gate: &mut FrameChecker) -> Vec<u8> {
        let mut all = vec![0; 1 << 20];
        let count = gate.pass(&mut all);
        all.truncate(count);
        all
    }

    fn fault(bytes: &[u8]) -> String {
        let mut gate = FrameChecker::default();
        let error = gate.take(bytes).unwrap_err().to_string();
        assert_eq!(gate.findings.fault(), Some(error.clone()));
        assert_eq!(passed(&mut gate), b"");
        error
    }

    fn text(text: &[u8]) -> Vec<u8> {
        [&[text.len() as u8][..], text].concat()
    }

    fn long(kind: u8, bytes: &[u8]) -> Vec<u8> {
        [&[kind][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[test]
    fn frames_pass_whole_however_they_come() {
        let bytes = [frame(1, &[0, 10, 0, 10, 7]), frame(8, &[]), frame(3, b"body")].concat();
        let mut gate = FrameChecker::default();
        let mut through = Vec::new();
        for byte in &bytes {
            gate.take(&[*byte]).unwrap();
            through.extend(passed(&mut gate));
        }
        assert_eq!(through, bytes);
        assert!(gate.bytes.is_empty());
    }

    #[test]
    fn what_is_no_amqp_is_told_before_room_is_made_for_it() {
        assert!(
            fault(b"HTTP/1.1 400 Bad Request\r\n").contains("it says \"HTTP/1.1 400 Bad Request\\r\\n\"")
        );
        assert!(fault(b"\x15\x03\x01\x00\x02").contains("TLS"));
        assert!(fault(b"AMQP\x00\x01\x00\x00").contains("another version"));
        assert!(fault(b"\x01\x00\x00\xff\xff\xff\xff").contains("4294967295 bytes"));
        let greeting = frame(1, &[0, 10, 0, 10]);
        let mut gate = FrameChecker::default();
        gate.take(&greeting).unwrap();
        assert_eq!(passed(&mut gate), greeting);
        let size = [&[0, 60, 0, 0][..], &(BODY_LIMIT + 1).to_be_bytes(), &[0, 0]].concat();
        assert!(
            gate.take(&frame(2, &size)).unwrap_err().to_string().contains("a message of 536870913 bytes")
        );
    }

    #[test]
    fn the_size_of_frames_is_what_the_broker_says() {
        for (said, taken) in [(131_072, 131_072), (8_192, 8_192), (0, FRAME_LIMIT), (u32::MAX, FRAME_LIMIT)] {
            let mut gate = FrameChecker::default();
            let tune = [&[0, 10, 0, 30, 7, 255][..], &u32::to_be_bytes(said), &[0, 60]].concat();
            gate.take(&frame(1, &tune)).unwrap();
            assert_eq!(gate.findings.frame_max(), taken as usize);
        }
    }

    #[test]
    fn what_is_no_utf_8_is_made_so_in_place() {
        let deep = (0..100).fold(Vec::new(), |inside, _| long(b'A', &inside));
        let headers = [
            [text(b"k\xff"), long(b'S', b"\xfe")].concat(),
            [text(b"deep"), deep].concat(),
            [text(b"good"), long(b'S', "é".as_bytes())].concat(),
        ]
        .concat();
        let flags = (1_u16 << 13 | 1 << 12 | 1 << 10 | 1 << 5).to_be_bytes();
        let table = [&(headers.len() as u32).to_be_bytes()[..], &headers].concat();
        let head = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        let bytes = frame(2, &[&head[..], &flags, &table, &[2], &text(b"\xff\xfe"), &text(b"Job")].concat());
        let mut gate = FrameChecker { greeted: true, ..FrameChecker::default() };
        gate.take(&bytes).unwrap();
        let mended = passed(&mut gate);
        let has = |part: &[u8]| mended.windows(part.len()).any(|window| window == part);
        assert_eq!(mended.len(), bytes.len());
        assert!(has(b"k?x\x00\x00\x00\x01\xfe") && has(&long(b'S', "é".as_bytes())));
        assert!(has(&text(b"??")) && has(&text(b"Job")));
        assert_eq!(mended.windows(2).filter(|two| two == b"x\x00").count(), 2, "one text, one nested table");
    }

    #[test]
    fn names_in_methods_are_made_text() {
        let deliver =
            [&[0, 60, 0, 60][..], &text(b"tag"), &[0; 9], &text(b"\xff"), &text(b"key\xc3")].concat();
        let mut gate = FrameChecker::default();
        gate.take(&frame(1, &deliver)).unwrap();
        assert!(
            String::from_utf8(passed(&mut gate)[15..].to_vec()).is_err(),
            "the end of a frame is no text"
        );
        let close = [&[0, 20, 0, 40, 1, 148][..], &text("no queue é".as_bytes()[..10].as_ref())].concat();
        gate.take(&frame(1, &close)).unwrap();
        assert!(passed(&mut gate).windows(10).any(|window| window == b"no queue ?"));
    }
}
