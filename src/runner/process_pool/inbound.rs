//! What children say.

use std::time::Instant;

use super::protocol::ToParent;
use super::supervisor::Supervisor;
use crate::runner::thread::log_hook;
use crate::runner::{Finished, Work};

impl Supervisor {
    /// Reads once from a child, and does what it says.
    pub(super) fn hear(&mut self, index: usize, room: &mut [u8]) -> bool {
        if self.children[index].line_ended || !self.children[index].read(room) {
            return false;
        }
        while let Some(message) = self.children[index].next_message() {
            self.do_as_told(index, message);
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

    fn do_as_told(&mut self, index: usize, message: ToParent) {
        let child = &mut self.children[index];
        match message {
            ToParent::Ready {} => {
                child.ready = true;
                self.failed_starts = 0;
            }
            ToParent::Ran { number, took, outcome } => {
                self.pace = (self.pace * 7 + took) / 8;
                if let Some(Work::Run(task)) = child.answered(number) {
                    let outcome = task.limits.in_time(outcome, took);
                    // Too quick to be seen while it ran.
                    let now = Instant::now();
                    task.begin(now.checked_sub(took).unwrap_or(now));
                    (self.tell)(Finished::Ran(task, outcome, took));
                }
            }
            ToParent::Hooked { number, wrong } => {
                if let Some(Work::Hook(task, _)) = child.answered(number) {
                    if let Some(why) = wrong {
                        log_hook(&task, &why);
                    }
                    (self.tell)(Finished::Hooked);
                }
            }
            // Its holds may have been renewed meanwhile; then it is given once more.
            ToParent::TooLate { number } => self.shelf.extend(child.answered(number)),
            ToParent::Push { number, options, new_jobs } => {
                let id = child.id();
                self.push_for(id, number, options, new_jobs);
            }
        }
    }
}
