//! What a program writes: to the log, line by line, and its end kept.

use std::io::{ErrorKind, PipeReader, Read};

use crate::message::JobId;

/// Marks what jobs write, so that a log can show it and hide other things of this level.
const TARGET: &str = "craft_queue::job";

/// How much of stderr becomes the exception.
const KEPT: usize = 8 * 1024;

/// A longer line is logged in pieces.
const LONGEST_LINE: usize = 8 * 1024;

pub(super) struct Output<'a> {
    /// `None` when it has ended.
    pipe: Option<PipeReader>,
    name: &'a str,
    id: &'a JobId,
    line: Vec<u8>,
    kept: Vec<u8>,
    is_logged: bool,
}

impl<'a> Output<'a> {
    pub(super) fn new(pipe: PipeReader, name: &'a str, id: &'a JobId) -> Self {
        let is_logged = log::log_enabled!(target: TARGET, log::Level::Info);
        Self { pipe: Some(pipe), name, id, line: Vec::new(), kept: Vec::new(), is_logged }
    }

    pub(super) fn pipe(&self) -> Option<&PipeReader> {
        self.pipe.as_ref()
    }

    /// Reads a piece of what is there, and says whether there was any.
    pub(super) fn read(&mut self, room: &mut [u8]) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        match pipe.read(room) {
            Ok(count @ 1..) => {
                self.keep(&room[..count]);
                if self.is_logged {
                    self.log(&room[..count]);
                }
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            Ok(_) | Err(_) => {
                self.pipe = None;
                false
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        // Cut in large steps, so that long output is not moved about all the time.
        if self.kept.len() > 8 * KEPT {
            self.kept.drain(..self.kept.len() - KEPT);
        }
    }

    fn log(&mut self, bytes: &[u8]) {
        self.line.extend(bytes);
        let mut start = 0;
        loop {
            let rest = &self.line[start..];
            let (end, next) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) if end <= LONGEST_LINE => (end, end + 1),
                _ if rest.len() > LONGEST_LINE => (LONGEST_LINE, LONGEST_LINE),
                _ => break,
            };
            self.log_line(&rest[..end]);
            start += next;
        }
        self.line.drain(..start);
    }

    fn log_line(&self, line: &[u8]) {
        log::info!(target: TARGET, "{} #{}: {}", self.name, self.id, String::from_utf8_lossy(line).trim_end());
    }

    /// Logs what is left, and returns the end of all that was written.
    pub(super) fn finish(self) -> String {
        if !self.line.is_empty() {
            self.log_line(&self.line);
        }
        let start = self.kept.len().saturating_sub(KEPT);
        String::from_utf8_lossy(&self.kept[start..]).into_owned()
    }
}
