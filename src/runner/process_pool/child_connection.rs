//! The child's end of the line: answers gather into batches, and pushes wait for their answers.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};

use super::framing::LONGEST;
use super::push_protocol::put_push;
use crate::context::Hold;
use crate::error::{Error, Result};
use crate::message::Pushed;
use crate::push::{Enlist, Enqueue, NewJob, PushOptions};
use crate::runner::unix::die_with_group;

/// Answers that are younger than this may wait for others.
const GATHER: Duration = Duration::from_millis(1);

const MOST_BYTES: usize = 16 * 1024;

pub(super) struct ChildConnection {
    stream: UnixStream,
    out: Mutex<Out>,
    left: Condvar,
    pushes: Mutex<Pushes>,
    /// The job that runs, and its hold.
    current: Mutex<Option<(u32, Arc<Hold>)>>,
    /// A job runs.
    busy: AtomicBool,
    /// The parent is gone, or wants this child to end.
    ended: AtomicBool,
}

struct Out {
    bytes: Vec<u8>,
    sent_at: Instant,
}

#[derive(Default)]
struct Pushes {
    last: u32,
    waiting: HashMap<u32, Sender<Result<Vec<Pushed>>>>,
}

impl ChildConnection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            out: Mutex::new(Out { bytes: Vec::new(), sent_at: Instant::now() }),
            left: Condvar::new(),
            pushes: Mutex::default(),
            current: Mutex::new(None),
            busy: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Adds an answer. Quick ones gather; one that comes late, or that somebody waits for, leaves at once.
    pub(super) fn say(&self, now: bool, put: impl FnOnce(&mut Vec<u8>)) {
        let mut out = lock(&self.out);
        let first = out.bytes.is_empty();
        put(&mut out.bytes);
        if now || out.bytes.len() >= MOST_BYTES || out.sent_at.elapsed() >= GATHER {
            self.send(&mut out);
        } else if first {
            self.left.notify_one();
        }
    }

    /// Sends what has gathered.
    pub(super) fn flush(&self) {
        self.send(&mut lock(&self.out));
    }

    fn send(&self, out: &mut Out) {
        if (&self.stream).write_all(&out.bytes).is_err() {
            // Nobody is there any more to be told anything.
            die_with_group();
        }
        out.bytes.clear();
        out.sent_at = Instant::now();
    }

    /// Sends, for ever, what was left behind by a job thread that is in a long job now.
    pub(super) fn send_what_is_left(&self) {
        loop {
            let out = lock(&self.out);
            let nothing = |out: &mut Out| out.bytes.is_empty();
            drop(self.left.wait_while(out, nothing).unwrap_or_else(PoisonError::into_inner));
            std::thread::sleep(2 * GATHER);
            self.flush();
        }
    }

    /// A job begins.
    pub(super) fn begin(&self) {
        self.busy.store(true, Ordering::SeqCst);
        if self.ended.load(Ordering::SeqCst) {
            die_with_group();
        }
    }

    pub(super) fn runs(&self, number: u32, hold: &Arc<Hold>) {
        *lock(&self.current) = Some((number, hold.clone()));
    }

    /// The job is over.
    pub(super) fn over(&self) {
        self.busy.store(false, Ordering::SeqCst);
    }

    /// The parent is gone, or wants this child to end. Nobody would hear what becomes of a job that runs,
    /// and somebody else may be given it: it ends here, with all that it started.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if self.busy.load(Ordering::SeqCst) {
            die_with_group();
        }
        lock(&self.pushes).waiting.clear();
    }

    /// The hold on a job is lost, or is there again.
    pub(super) fn hold(&self, number: u32, lost: bool) {
        if let Some((_, hold)) = lock(&self.current).as_ref().filter(|(current, _)| *current == number) {
            match lost {
                true => hold.lose(),
                false => hold.keep(),
            }
        }
    }

    pub(super) fn pushed(&self, number: u32, answer: Result<Vec<Pushed>>) {
        if let Some(waits) = lock(&self.pushes).waiting.remove(&number) {
            let _ = waits.send(answer);
        }
    }
}

/// The parent's enqueue, seen from a job.
pub(super) struct ParentQueue(pub(super) Arc<ChildConnection>);

impl Enqueue for ParentQueue {
    fn accept(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        let (answer, asked) = bounded(1);
        let mut pushes = lock(&self.0.pushes);
        pushes.last = pushes.last.wrapping_add(1);
        let number = pushes.last;
        let mut request = Vec::new();
        put_push(&mut request, number, options, &new_jobs);
        if request.len() > LONGEST {
            return Err(Error::invalid(format!(
                "cannot push {} jobs at once: they have {} MiB, at most {} MiB fit on the way to the worker",
                new_jobs.len(),
                request.len() >> 20,
                LONGEST >> 20,
            ))
            .with_help("push them in several goes"));
        }
        pushes.waiting.insert(number, answer);
        drop(pushes);
        self.0.say(true, |out| out.append(&mut request));
        asked.recv().unwrap_or_else(|_| Err(Error::outcome_unknown("the worker is gone")))
    }

    fn accept_in(&self, _: &mut dyn Enlist, _: &PushOptions, _: Vec<NewJob>) -> Result<Vec<Pushed>> {
        Err(Error::unsupported(
            "cannot push within a transaction from a child process, which does not know the queue's tables",
        )
        .with_help("push without the transaction, or run the job with mode = \"threading\""))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only this file's plain moves run under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
