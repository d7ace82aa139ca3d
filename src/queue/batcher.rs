//! Open drivers for the pushes of a whole process.
//!
//! Threads that push at the same time share a batch, and so a commit: the first thread leads, and pushes what has
//! gathered while the last batch was on its way. No thread waits for others to join, so a thread that pushes alone
//! loses nothing, not even a hand-over.
//!
//! On some back ends a push with a unique key may wait for the end of another program's transaction. Such a push goes
//! alone and on a connection of its own, so that no other push waits with it.

mod pending_push;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use self::pending_push::{Lead, PendingPush, State, Terms, fit, lock, split};
use crate::driver::{Backend, Driver, Notifier};
use crate::error::{Error, Result};
use crate::message::{Message, Pushed};

/// The shortest and the longest wait before a back end that is away is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many pushes with unique keys are on their way at once, each on a connection of its own.
const KEYED_LANES: usize = 4;

pub(super) struct Batcher {
    backend: Arc<dyn Backend>,
    plain: Lane,
    keyed: [Lane; KEYED_LANES],
}

/// One connection, and the pushes that wait for it.
struct Lane {
    /// Whether each push goes alone.
    alone: bool,
    line: Mutex<Line>,
}

/// The pushes that wait, and the lead.
struct Line {
    waiting: VecDeque<Arc<PendingPush>>,
    /// `None` while a thread leads.
    lead: Option<Lead>,
}

impl Batcher {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, plain: Lane::new(false), keyed: std::array::from_fn(|_| Lane::new(true)) }
    }

    /// Pushes, and returns when the back end has them.
    ///
    /// # Errors
    /// The back end refused one of them, or stayed away for 15 s, or for as long as its driver is configured to wait.
    pub(super) fn push(&self, messages: Vec<Message>) -> Result<Vec<Pushed>> {
        let keyed = || messages.iter().any(|message| message.unique_key.is_some());
        let lane = match self.backend.pushes_wait_for_keys() && keyed() {
            true => self.keyed.iter().find(|lane| lane.is_free()).unwrap_or(&self.keyed[0]),
            false => &self.plain,
        };
        let mut pushed = Vec::new();
        for batch in split(messages) {
            pushed.extend(lane.push(&*self.backend, batch)?);
        }
        Ok(pushed)
    }
}

impl Lane {
    fn new(alone: bool) -> Self {
        let line = Line { waiting: VecDeque::new(), lead: Some(Lead::default()) };
        Self { alone, line: Mutex::new(line) }
    }

    fn is_free(&self) -> bool {
        lock(&self.line).lead.is_some()
    }

    fn push(&self, backend: &dyn Backend, messages: Vec<Message>) -> Result<Vec<Pushed>> {
        let own = Arc::new(PendingPush::new(messages));
        let mut line = lock(&self.line);
        let lead = match line.lead.take() {
            Some(lead) => {
                drop(line);
                lead
            }
            None => {
                line.waiting.push_back(own.clone());
                drop(line);
                match own.wait() {
                    State::Lead(lead) => lead,
                    State::Answered(answer) => return answer,
                    State::Waiting => return Err(Error::other("cannot push: nobody answered")),
                }
            }
        };
        self.lead(backend, lead, &own)
    }

    /// Pushes batches until one's own messages are answered, then hands the lead on.
    fn lead(&self, backend: &dyn Backend, mut lead: Lead, own: &Arc<PendingPush>) -> Result<Vec<Pushed>> {
        let mut open = vec![own.clone()];
        let mut wait = FIRST_WAIT;
        loop {
            self.gather(&mut open);
            // A driver that panics must fail the waiting pushes, not hang them.
            let round = AssertUnwindSafe(|| attempt(backend, &mut lead, &mut open));
            if catch_unwind(round).is_err() {
                lead = Lead::default();
                for pending_push in open.iter().filter(|pending_push| !pending_push.is_answered()) {
                    pending_push.answer(Err(Error::other("cannot push: the driver panicked")));
                }
            }
            open.retain(|pending_push| !pending_push.is_answered());
            if let Some(answer) = own.take_answer() {
                self.hand_on(lead, open);
                return answer;
            }
            thread::sleep(wait.mul_f64(0.75 + 0.5 * fastrand::f64()));
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Adds pushes that wait, as far as they fit into one batch.
    fn gather(&self, open: &mut Vec<Arc<PendingPush>>) {
        if self.alone {
            return;
        }
        let mut line = lock(&self.line);
        let count = fit(open, &line.waiting);
        open.extend(line.waiting.drain(..count));
    }

    /// What is still open goes to the front, and the first one leads.
    fn hand_on(&self, lead: Lead, open: Vec<Arc<PendingPush>>) {
        let mut line = lock(&self.line);
        for pending_push in open.into_iter().rev() {
            line.waiting.push_front(pending_push);
        }
        match line.waiting.pop_front() {
            Some(next) => {
                drop(line);
                next.hand(State::Lead(lead));
            }
            None => line.lead = Some(lead),
        }
    }
}

/// Tries once to push all of these: together, and each alone where that was no success. Answers those that are
/// on the queue, were refused, or have waited for the back end for long enough.
fn attempt(backend: &dyn Backend, lead: &mut Lead, open: &mut [Arc<PendingPush>]) {
    let terms = Terms::of(backend);
    if open.len() > 1 && !lead.one_by_one {
        let began = Instant::now();
        let all: Vec<Message> =
            open.iter().flat_map(|pending_push| &pending_push.messages).cloned().collect();
        match push(backend, lead, &all) {
            Ok(pushed) => {
                let mut pushed = pushed.into_iter();
                for pending_push in open {
                    pending_push.answer(Ok(pushed.by_ref().take(pending_push.messages.len()).collect()));
                }
                return;
            }
            // One bad message fails alone. The same uuids, so that nothing is added twice.
            Err((error, _)) if !error.is_unavailable() => {}
            Err((error, sent)) => {
                // It may be one of them that ends the connection.
                lead.one_by_one = sent;
                return wait_on(lead, open, &error, (terms, began), |_| sent);
            }
        }
    }
    for at in 0..open.len() {
        let began = Instant::now();
        match push(backend, lead, &open[at].messages) {
            Err((error, sent)) if error.is_unavailable() => {
                let is_it = |pending_push: &Arc<PendingPush>| sent && Arc::ptr_eq(pending_push, &open[at]);
                wait_on(lead, &open[at..], &error, (terms, began), is_it);
                // Next time the others come first.
                open[at..].rotate_left(1);
                return;
            }
            answer => open[at].answer(answer.map_err(|(error, _)| error)),
        }
    }
    lead.one_by_one = false;
}

/// All clocks run from the moment when the back end went away, or from the push if that was later.
fn wait_on(
    lead: &mut Lead,
    open: &[Arc<PendingPush>],
    error: &Error,
    (terms, began): (Terms, Instant),
    sent: impl Fn(&Arc<PendingPush>) -> bool,
) {
    let since = *lead.away_since.get_or_insert_with(|| terms.away_since(began));
    for pending_push in open {
        pending_push.was_tried(since, sent(pending_push), error, terms);
    }
}

/// Pushes on the open driver, or on a new one. An error comes with whether the messages may have arrived.
fn push(backend: &dyn Backend, lead: &mut Lead, messages: &[Message]) -> Result<Vec<Pushed>, (Error, bool)> {
    let driver: &mut Box<dyn Driver> = match &mut lead.driver {
        Some(open) => open,
        none => none.insert(backend.open(Notifier::silent()).map_err(|error| (error, false))?),
    };
    match driver.push(messages) {
        Ok(pushed) => {
            lead.away_since = None;
            Ok(pushed)
        }
        Err(error) => {
            lead.driver = None;
            let sent = !error.is_undone();
            Err((error, sent))
        }
    }
}

#[cfg(test)]
mod tests;
