//! Reads the columns of a row leniently: what another program wrote badly makes that job fail by itself, and
//! never its neighbours.

use std::borrow::Cow;
use std::fmt::{self, Display};
#[cfg(feature = "sqlite")]
use std::sync::Arc;

use crate::reserved::Reserved;

/// The first thing that is wrong with a row, while its columns are read.
#[derive(Default)]
pub(super) struct Reading(Option<String>);

impl Reading {
    /// A column holds what no reader understands.
    pub(super) fn wrong(&mut self, column: &str, found: impl Display, wanted: &str) {
        self.0.get_or_insert_with(|| {
            format!("the row cannot be read: {column} is {found}, and should be {wanted}")
        });
    }

    /// Why the job can't be run; `None` when all is well.
    pub(super) fn done(self) -> Option<String> {
        self.0
    }

    /// Text that is shown and stored: UTF-8 without NUL, with marks for the rest.
    pub(super) fn text<'a>(&mut self, column: &str, bytes: &'a [u8]) -> Cow<'a, str> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Cow::Borrowed(text),
            _ => {
                self.wrong(column, Shown(bytes), "text in UTF-8 without NUL");
                lossy(bytes)
            }
        }
    }

    /// A count of attempts after the take, from 1; 0 only where it was held by hand. More than can be counted
    /// is over every limit.
    pub(super) fn attempts(&mut self, count: i64) -> u32 {
        match count {
            0.. => u32::try_from(count).unwrap_or(u32::MAX).max(1),
            _ => {
                self.wrong("attempts", count, "0 or more");
                1
            }
        }
    }

    /// A priority; another one than ours is wrong.
    pub(super) fn priority(&mut self, priority: i64) -> u8 {
        match u8::try_from(priority) {
            Ok(known) if known <= crate::message::PRIORITY_LIMIT => known,
            _ => {
                self.wrong("priority", priority, "0 to 9");
                0
            }
        }
    }
}

/// Of what no take finds, all is readable but until when it is held.
pub(super) fn held_without_end(job: &mut Reserved) {
    job.unreadable.get_or_insert_with(|| {
        "the row cannot be read: it has a token, and a lease that is NULL or never over, so that nobody knows \
         whether it is held"
            .to_owned()
    });
}

/// Text with a question mark, which every encoding knows, for what is none.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Cow::Borrowed(text),
        _ => Cow::Owned(String::from_utf8_lossy(bytes).replace(['\0', '\u{FFFD}'], "?")),
    }
}

/// A uuid in place of one that is no text. Two rows whose bytes differ never share one.
#[cfg(feature = "sqlite")]
pub(super) fn stand_in(bytes: &[u8]) -> Arc<str> {
    // FNV-1a with 128 bits.
    let fold = |hash: u128, byte: &u8| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    };
    let hash = bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, fold);
    let uuid = uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid();
    Arc::from(&*uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
}

/// Bytes as a message shows them: the first 32, in hexadecimal.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes x'")?;
        for byte in self.0.iter().take(32) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "{}'", if self.0.len() > 32 { "..." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thing_that_is_wrong_is_told() {
        let mut reading = Reading::default();
        assert_eq!(reading.text("name", b"Job"), "Job");
        assert_eq!((reading.attempts(1), reading.attempts(i64::MAX), reading.priority(9)), (1, u32::MAX, 9));
        assert_eq!(reading.done(), None);

        let mut reading = Reading::default();
        assert_eq!(reading.text("name", b"a\xe9\0"), "a??");
        assert_eq!((reading.attempts(-1), reading.priority(10)), (1, 0));
        let reason =
            "the row cannot be read: name is bytes x'61e900', and should be text in UTF-8 without NUL";
        assert_eq!(reading.done().as_deref(), Some(reason));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn different_bytes_have_different_stand_ins() {
        assert_eq!(stand_in(b"a"), stand_in(b"a"));
        let all: std::collections::HashSet<_> = (0..=u16::MAX).map(|n| stand_in(&n.to_be_bytes())).collect();
        assert_eq!(all.len(), 1 << 16);
    }
}
