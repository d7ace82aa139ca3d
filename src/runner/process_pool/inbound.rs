//! What children say.

use std::time::{Duration, Instant};

use super::framing::{Body, Next};
use super::protocol::{HOOKED, PUSH, RAN, READY, TOO_LATE, read_hooked, read_ran};
use super::push_protocol::{Request, read_push};
use super::supervisor::Supervisor;
use crate::policy::Outcome;
use crate::runner::thread::log_hook;
use crate::runner::{Finished, Work};

/// What one frame says.
enum Said {
    Ready,
    Ran(u32, Duration, Outcome),
    Hooked(u32, Option<String>),
    TooLate(u32),
    Push(Request),
}

impl Supervisor {
    /// Reads once from a child, and does what it says.
    pub(super) fn hear(&mut self, index: usize, room: &mut [u8]) -> bool {
        if self.children[index].line_ended || !self.children[index].read(room) {
            return false;
        }
        loop {
            let said = match self.children[index].incoming.next() {
                Next::Incomplete => break,
                Next::Broken => None,
                Next::Frame(kind, body) => understand(kind, body),
            };
            match said {
                Some(said) => self.do_as_told(index, said),
                None => {
                    log::error!("child process {} makes no sense: it is ended", self.children[index].id());
                    self.children[index].leave();
                    break;
                }
            }
        }
        let child = &mut self.children[index];
        if child.works() && child.load() == 0 && child.ready && child.given_in_all() > 0 {
            let used_up = self.is_used_up(&self.children[index]);
            if used_up {
                self.children[index].dismiss();
            }
        }
        true
    }

    /// Reads all that a dead child has said.
    pub(super) fn hear_out(&mut self, index: usize) {
        let mut room = vec![0; 64 * 1024];
        while self.hear(index, &mut room) {}
    }

    fn do_as_told(&mut self, index: usize, said: Said) {
        let child = &mut self.children[index];
        match said {
            Said::Ready => {
                child.ready = true;
                self.failed_starts = 0;
            }
            Said::Ran(number, took, outcome) => {
                self.pace = (self.pace * 7 + took) / 8;
                if let Some(Work::Run(task)) = child.answered(number) {
                    let outcome = task.limits.in_time(outcome, took);
                    // Too quick to be seen while it ran.
                    let now = Instant::now();
                    task.begin(now.checked_sub(took).unwrap_or(now));
                    (self.tell)(Finished::Ran(task, outcome, took));
                }
            }
            Said::Hooked(number, wrong) => {
                if let Some(Work::Hook(task, _)) = child.answered(number) {
                    if let Some(why) = wrong {
                        log_hook(&task, &why);
                    }
                    (self.tell)(Finished::Hooked);
                }
            }
            // Its holds may have been renewed meanwhile; then it is given once more.
            Said::TooLate(number) => self.shelf.extend(child.answered(number)),
            Said::Push(request) => {
                let id = child.id();
                self.push_for(id, request);
            }
        }
    }
}

fn understand(kind: u8, body: &[u8]) -> Option<Said> {
    let number = || Body(body).u32();
    Some(match kind {
        READY => Said::Ready,
        RAN => {
            let (number, took, outcome) = read_ran(body)?;
            Said::Ran(number, took, outcome)
        }
        HOOKED => {
            let (number, wrong) = read_hooked(body)?;
            Said::Hooked(number, wrong.map(str::to_owned))
        }
        TOO_LATE => Said::TooLate(number()?),
        PUSH => Said::Push(read_push(body)?),
        _ => return None,
    })
}
