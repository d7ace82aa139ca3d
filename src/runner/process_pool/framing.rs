//! Bytes between parent and child: frames of a length, a kind and a body, and the pieces of a body.

use std::time::Duration;

/// A frame longer than this is no frame: the other side has gone mad. None is written that is longer, either.
pub(super) const LONGEST: usize = 1 << 30;

const HEAD: usize = 5;

/// Adds a frame.
pub(super) fn frame(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; HEAD]);
    body(out);
    // Whoever puts in what may be that large looks before.
    let length = u32::try_from(out.len() - start - HEAD).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4] = kind;
}

pub(super) fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

/// In microseconds.
pub(super) fn put_span(out: &mut Vec<u8>, span: Duration) {
    put_u64(out, u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend(bytes);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub(super) fn put_option(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(text.is_some().into());
    put_text(out, text.unwrap_or_default());
}

/// Reads a body, piece by piece. `None`: it is not what was expected.
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.u8()? != 0)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn span(&mut self) -> Option<Duration> {
        Some(Duration::from_micros(self.u64()?))
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.u32()?;
        self.take(count as usize)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn option(&mut self) -> Option<Option<&'a str>> {
        let there = self.flag()?;
        let text = self.text()?;
        Some(there.then_some(text))
    }
}

/// Bytes that came in, cut into frames.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// Up to here they were handed out.
    read: usize,
}

/// What came next.
pub(super) enum Next<'a> {
    Frame(u8, &'a [u8]),
    /// The rest has not come yet.
    Incomplete,
    Broken,
}

impl Incoming {
    /// Whole frames.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, read: 0 }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        // What was handed out leaves before anything is added, so the buffer stays as small as it can.
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend(bytes);
    }

    pub(super) fn next(&mut self) -> Next<'_> {
        let rest = &self.bytes[self.read..];
        let Some((head, body)) = rest.split_first_chunk::<HEAD>() else { return Next::Incomplete };
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > LONGEST {
            return Next::Broken;
        }
        match body.get(..length) {
            Some(body) => {
                self.read += HEAD + length;
                Next::Frame(head[4], body)
            }
            None => Next::Incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let mut sent = Vec::new();
        for number in 0..5u8 {
            frame(&mut sent, number, |out| {
                put_u32(out, u32::from(number));
                put_span(out, Duration::from_millis(1_500));
                put_option(out, Some("é"));
                put_option(out, None);
                put_bytes(out, &vec![number; 300 * usize::from(number)]);
            });
        }
        for piece in [1, 7, 64, sent.len()] {
            let mut incoming = Incoming::default();
            let mut seen = 0;
            for bytes in sent.chunks(piece) {
                incoming.add(bytes);
                while let Next::Frame(kind, body) = incoming.next() {
                    let mut body = Body(body);
                    assert_eq!((kind, body.u32()), (seen, Some(u32::from(seen))));
                    assert_eq!(body.span(), Some(Duration::from_millis(1_500)));
                    assert_eq!((body.option(), body.option()), (Some(Some("é")), Some(None)));
                    assert_eq!(body.bytes().map(<[u8]>::len), Some(300 * usize::from(seen)));
                    assert_eq!(body.u8(), None);
                    seen += 1;
                }
            }
            assert_eq!(seen, 5);
        }
    }

    #[test]
    fn a_length_beyond_reason_is_seen() {
        let mut incoming = Incoming::default();
        incoming.add(&[0xff; 8]);
        assert!(matches!(incoming.next(), Next::Broken));
    }
}
