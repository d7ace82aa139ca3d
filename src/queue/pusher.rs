//! One open driver for the pushes of a whole process.
//!
//! Threads that push at the same time share a batch, and so a commit: whoever comes first leads, and
//! pushes what has gathered while the last batch was on its way. Nobody lingers, so a thread that pushes
//! alone loses nothing, not even a hand-over.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::driver::{Backend, Bell, Driver};
use crate::error::{Error, Result};
use crate::message::{Message, Pushed};

/// How long a push tries while the back end is away.
const PATIENCE: Duration = Duration::from_secs(15);

/// Rows of one transaction, so that a huge push does not keep others waiting.
const BATCH: usize = 5_000;

pub(super) struct Pusher {
    backend: Arc<dyn Backend>,
    line: Mutex<Line>,
}

/// Who waits, and whether somebody leads.
struct Line {
    waiting: VecDeque<Arc<Parcel>>,
    /// `None` while somebody leads.
    driver: Option<Handle>,
}

type Handle = Option<Box<dyn Driver>>;

type Answer = Result<Vec<Pushed>>;

/// One caller's messages.
struct Parcel {
    messages: Vec<Message>,
    caller: Thread,
    state: Mutex<State>,
}

enum State {
    Waiting,
    /// The caller shall lead: the driver is handed over.
    Lead(Handle),
    Answered(Result<Vec<Pushed>>),
}

impl Pusher {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        let line = Line { waiting: VecDeque::new(), driver: Some(None) };
        Self { backend, line: Mutex::new(line) }
    }

    /// Pushes, and returns when the back end has them.
    ///
    /// # Errors
    /// The back end refused one of them, or stayed away for 15 s.
    pub(super) fn push(&self, mut messages: Vec<Message>) -> Result<Vec<Pushed>> {
        if messages.len() <= BATCH {
            return self.push_batch(messages);
        }
        let mut pushed = Vec::with_capacity(messages.len());
        while messages.len() > BATCH {
            let rest = messages.split_off(BATCH);
            pushed.extend(self.push_batch(messages)?);
            messages = rest;
        }
        pushed.extend(self.push_batch(messages)?);
        Ok(pushed)
    }

    fn push_batch(&self, messages: Vec<Message>) -> Result<Vec<Pushed>> {
        let mut line = lock(&self.line);
        match line.driver.take() {
            Some(driver) => {
                drop(line);
                self.lead(driver, &messages, &[])
            }
            None => {
                let state = Mutex::new(State::Waiting);
                let parcel = Arc::new(Parcel { messages, caller: thread::current(), state });
                line.waiting.push_back(parcel.clone());
                drop(line);
                self.wait(&parcel)
            }
        }
    }

    /// Waits for an answer, or for the lead.
    fn wait(&self, parcel: &Arc<Parcel>) -> Result<Vec<Pushed>> {
        loop {
            // Taken in a statement of its own: the lock must not be held while this thread parks.
            let state = std::mem::replace(&mut *lock(&parcel.state), State::Waiting);
            match state {
                State::Answered(answer) => return answer,
                State::Lead(driver) => {
                    let others = self.gather(parcel.messages.len());
                    return self.lead(driver, &parcel.messages, &others);
                }
                State::Waiting => thread::park(),
            }
        }
    }

    /// Those who wait, as far as they fit into one batch.
    fn gather(&self, mut rows: usize) -> Vec<Arc<Parcel>> {
        let mut line = lock(&self.line);
        let fit = |parcel: &&Arc<Parcel>| {
            rows += parcel.messages.len();
            rows <= BATCH
        };
        let count = line.waiting.iter().take_while(fit).count();
        line.waiting.drain(..count).collect()
    }

    /// Pushes a batch, answers those who wait for it, hands the lead on, and returns one's own answer.
    fn lead(&self, mut driver: Handle, own: &[Message], others: &[Arc<Parcel>]) -> Result<Vec<Pushed>> {
        // A driver that panics must fail those who wait, not hang them.
        let push = AssertUnwindSafe(|| self.deliver(&mut driver, own, others));
        let (answer, answers) = catch_unwind(push).unwrap_or_else(|_| {
            driver = None;
            let panicked = || Err(Error::other("cannot push: the driver panicked"));
            (panicked(), others.iter().map(|_| panicked()).collect())
        });
        for (parcel, answer) in others.iter().zip(answers) {
            *lock(&parcel.state) = State::Answered(answer);
            parcel.caller.unpark();
        }
        self.hand_on(driver);
        answer
    }

    fn hand_on(&self, driver: Handle) {
        let mut line = lock(&self.line);
        match line.waiting.pop_front() {
            Some(next) => {
                drop(line);
                *lock(&next.state) = State::Lead(driver);
                next.caller.unpark();
            }
            None => line.driver = Some(driver),
        }
    }

    fn deliver(&self, driver: &mut Handle, own: &[Message], others: &[Arc<Parcel>]) -> (Answer, Vec<Answer>) {
        if others.is_empty() {
            return (self.insist(driver, own), Vec::new());
        }
        let of_others = others.iter().flat_map(|parcel| &parcel.messages);
        let all: Vec<Message> = own.iter().chain(of_others).cloned().collect();
        match self.insist(driver, &all) {
            Ok(pushed) => {
                let mut pushed = pushed.into_iter();
                let mut next = |count| Ok(pushed.by_ref().take(count).collect());
                (next(own.len()), others.iter().map(|parcel| next(parcel.messages.len())).collect())
            }
            // One bad message fails alone.
            Err(_) => {
                let answer = self.insist(driver, own);
                (answer, others.iter().map(|parcel| self.insist(driver, &parcel.messages)).collect())
            }
        }
    }

    /// Pushes again while the back end is away: the same uuids, so nothing is added twice.
    fn insist(&self, driver: &mut Handle, messages: &[Message]) -> Result<Vec<Pushed>> {
        let mut deadline = None;
        let mut wait = Duration::from_millis(50);
        let mut sent = false;
        loop {
            let error = match driver {
                Some(open) => match open.push(messages) {
                    Ok(pushed) => return Ok(pushed),
                    Err(error) => {
                        sent |= error.is_unavailable();
                        error
                    }
                },
                None => match self.backend.open(Bell::silent()) {
                    Ok(open) => {
                        *driver = Some(open);
                        continue;
                    }
                    Err(error) => error,
                },
            };
            *driver = None;
            if !error.is_unavailable() {
                return Err(error);
            }
            let now = Instant::now();
            if now + wait >= *deadline.get_or_insert(now + PATIENCE) {
                return Err(match sent {
                    true => Error::outcome_unknown(format!("the push may have arrived, or not: {error}"))
                        .with_help("push it again with a unique key, or look at craft queue:status"),
                    false => error,
                });
            }
            thread::sleep(wait.mul_f64(0.75 + 0.5 * fastrand::f64()));
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only this file's plain moves run under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
