//! One caller's messages, and what becomes of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::driver::{Backend, Driver};
use crate::error::{Error, Result};
use crate::message::{Message, Pushed};

/// How long a push tries while the back end is away.
pub(super) const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 600 } else { 15_000 });

/// Rows and bytes of one batch, so that a huge push does not keep others waiting, and each batch is written
/// well within the time that a statement may take.
const ROWS: usize = 5_000;
const BYTES: usize = 4 * 1024 * 1024;

/// What a back end says about pushes.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) limit: Option<Duration>,
    pub(super) knows_keys: bool,
}

impl Terms {
    pub(super) fn of(backend: &dyn Backend) -> Self {
        Self { limit: backend.push_limit(), knows_keys: backend.knows_unique_keys() }
    }

    /// How long a push tries. Nothing is tried beyond what was configured.
    fn patience(self) -> Duration {
        self.limit.map_or(PATIENCE, |limit| limit.min(PATIENCE))
    }

    /// Since when a back end is away of which an attempt that began then says so now. Where that took a time that was
    /// configured, it counts.
    pub(super) fn away_since(self, began: Instant) -> Instant {
        if self.limit.is_some() { began } else { Instant::now() }
    }

    /// What to do about a push that may have arrived.
    fn help_in_doubt(self, of_error: Option<&str>) -> String {
        match (self.knows_keys, of_error) {
            (true, _) => "push it again with a unique key, or look at craft queue:status".into(),
            (false, Some(help)) => help.to_owned(),
            (false, None) => {
                "look at craft queue:status before it is pushed again: this driver knows no unique keys, \
                              and runs twice what is pushed twice"
                    .into()
            }
        }
    }
}

/// What the leader has.
#[derive(Default)]
pub(super) struct Lead {
    pub(super) driver: Option<Box<dyn Driver>>,
    /// Since when the back end has not answered.
    pub(super) away_since: Option<Instant>,
    /// A batch went away with the connection: the next ones are of one push each.
    pub(super) one_by_one: bool,
}

pub(super) struct PendingPush {
    pub(super) messages: Vec<Message>,
    bytes: usize,
    came: Instant,
    caller: Thread,
    state: Mutex<State>,
    answered: AtomicBool,
    tries: Mutex<Tries>,
}

/// What is known of the attempts that failed.
#[derive(Default)]
struct Tries {
    /// From when the patience counts.
    since: Option<Instant>,
    /// One of them may have gone through.
    sent: bool,
}

pub(super) enum State {
    Waiting,
    /// The caller shall lead.
    Lead(Lead),
    Answered(Result<Vec<Pushed>>),
}

impl PendingPush {
    pub(super) fn new(messages: Vec<Message>) -> Self {
        let bytes = messages.iter().map(bytes).sum();
        Self {
            messages,
            bytes,
            came: Instant::now(),
            caller: thread::current(),
            state: Mutex::new(State::Waiting),
            answered: AtomicBool::new(false),
            tries: Mutex::default(),
        }
    }

    /// Waits for an answer, or for the lead.
    pub(super) fn wait(&self) -> State {
        loop {
            // Taken in a statement of its own: the lock must not be held while this thread parks.
            let state = std::mem::replace(&mut *lock(&self.state), State::Waiting);
            match state {
                State::Waiting => thread::park(),
                state => return state,
            }
        }
    }

    pub(super) fn hand(&self, state: State) {
        *lock(&self.state) = state;
        self.caller.unpark();
    }

    pub(super) fn answer(&self, answer: Result<Vec<Pushed>>) {
        self.answered.store(true, Ordering::Relaxed);
        self.hand(State::Answered(answer));
    }

    /// Also when the caller has picked the answer up. Only the leader asks, and only it answers.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The leader's own answer.
    pub(super) fn take_answer(&self) -> Option<Result<Vec<Pushed>>> {
        match std::mem::replace(&mut *lock(&self.state), State::Waiting) {
            State::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// The back end was away when it was tried; it was away since then. It is answered when this has been
    /// so for long enough.
    pub(super) fn was_tried(&self, away_since: Instant, sent: bool, error: &Error, terms: Terms) {
        let (since, sent) = {
            let mut tries = lock(&self.tries);
            tries.sent |= sent;
            (*tries.since.get_or_insert(self.came.max(away_since)), tries.sent)
        };
        if since.elapsed() < terms.patience() {
            return;
        }
        self.answer(Err(match sent {
            true => Error::outcome_unknown(format!("the push may have arrived, or not: {error}"))
                .with_help(terms.help_in_doubt(error.help())),
            false => error.again(),
        }));
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only plain moves run under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes(message: &Message) -> usize {
    // And what a row has beside its payload.
    message.payload.len() + message.overrides.as_ref().map_or(0, |text| text.len()) + 200
}

/// How many of these fit into a batch with those.
pub(super) fn fit(with: &[Arc<PendingPush>], waiting: &VecDeque<Arc<PendingPush>>) -> usize {
    let mut rows: usize = with.iter().map(|pending_push| pending_push.messages.len()).sum();
    let mut bytes: usize = with.iter().map(|pending_push| pending_push.bytes).sum();
    let fits = |pending_push: &&Arc<PendingPush>| {
        rows += pending_push.messages.len();
        bytes += pending_push.bytes;
        rows <= ROWS && bytes <= BYTES
    };
    waiting.iter().take_while(fits).count()
}

/// Messages in batches; one that is larger than a batch goes alone.
pub(super) fn split(messages: Vec<Message>) -> Vec<Vec<Message>> {
    if messages.len() <= ROWS && messages.iter().map(bytes).sum::<usize>() <= BYTES {
        return vec![messages];
    }
    let mut batches = Vec::new();
    let (mut batch, mut size) = (Vec::new(), 0);
    for message in messages {
        let more = bytes(&message);
        if !batch.is_empty() && (batch.len() == ROWS || size + more > BYTES) {
            batches.push(std::mem::take(&mut batch));
            size = 0;
        }
        size += more;
        batch.push(message);
    }
    batches.push(batch);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_rows_and_by_bytes_and_nothing_is_left_out() {
        let message = |size: usize| Message::new("q", "n", &vec![b'1'; size]);
        let sizes = |sizes: &[usize]| -> Vec<usize> {
            split(sizes.iter().map(|size| message(*size)).collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[]), [0]);
        assert_eq!(sizes(&[1; 3]), [3]);
        assert_eq!(sizes(&[1; 12_000]), [5_000, 5_000, 2_000]);
        let mebibyte = 1_024 * 1_024;
        assert_eq!(sizes(&[mebibyte; 7]), [3, 3, 1]);
        assert_eq!(sizes(&[1, 16 * mebibyte, 1]), [1, 1, 1]);
    }

    #[test]
    fn what_helps_a_push_in_doubt_is_what_the_driver_can_do() {
        let of =
            |limit: Option<u64>, knows_keys| Terms { limit: limit.map(Duration::from_millis), knows_keys };
        assert!(of(None, true).help_in_doubt(Some("free memory")).contains("unique key"));
        assert_eq!(of(None, false).help_in_doubt(Some("free memory")), "free memory");
        let help = of(None, false).help_in_doubt(None);
        assert!(help.contains("no unique keys") && help.contains("queue:status"), "{help}");
        assert_eq!(of(None, true).patience(), PATIENCE);
        assert_eq!(of(Some(60_000), true).patience(), PATIENCE);
        assert_eq!(of(Some(20), true).patience(), Duration::from_millis(20));
        let began = Instant::now();
        assert_eq!(of(Some(20), false).away_since(began), began);
    }
}
