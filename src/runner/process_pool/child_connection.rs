//! The child's end of the connection: answers gather into batches, and pushes wait for their answers.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};

use super::codec::{TooLong, put_within};
use super::protocol::{LONGEST_PUSH, ToParent};
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

    /// Sends a message. Quick answers gather; one that comes late, or that somebody waits for, leaves at once.
    ///
    /// # Errors
    /// It does not fit into a frame, and nothing was sent. Texts of jobs are bounded, so only a push can be that long.
    pub(super) fn say(&self, message: &ToParent) -> Result<(), TooLong> {
        let is_awaited = matches!(message, ToParent::Ready {} | ToParent::Push { .. });
        let mut out = lock(&self.out);
        let first = out.bytes.is_empty();
        put_within(LONGEST_PUSH, &mut out.bytes, message)?;
        if is_awaited || out.bytes.len() >= MOST_BYTES || out.sent_at.elapsed() >= GATHER {
            self.send(&mut out);
        } else if first {
            self.left.notify_one();
        }
        Ok(())
    }

    /// Sends what has gathered.
    pub(super) fn flush(&self) {
        self.send(&mut lock(&self.out));
    }

    fn send(&self, out: &mut Out) {
        if (&self.stream).write_all(&out.bytes).is_err() {
            // The parent is gone, and with it the reader of all answers.
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

    /// The parent is gone, or wants this child to end. The outcome of a job that runs would be lost,
    /// and another worker may take the job: it ends here, with all that it started.
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

/// The parent's queue, as a job pushes to it.
pub(super) struct ParentQueue(pub(super) Arc<ChildConnection>);

impl Enqueue for ParentQueue {
    fn accept(&self, options: &PushOptions, new_jobs: Vec<NewJob>) -> Result<Vec<Pushed>> {
        let (answer, asked) = bounded(1);
        let mut pushes = lock(&self.0.pushes);
        pushes.last = pushes.last.wrapping_add(1);
        let number = pushes.last;
        pushes.waiting.insert(number, answer);
        drop(pushes);
        let mut options = options.clone();
        // All jobs of one push are of one type.
        let of_type = new_jobs.first().and_then(|new_job| new_job.queue);
        options.queue = options.queue.or_else(|| of_type.map(str::to_owned));
        let count = new_jobs.len();
        if let Err(too_long) = self.0.say(&ToParent::Push { number, options, new_jobs }) {
            lock(&self.0.pushes).waiting.remove(&number);
            return Err(Error::invalid(format!(
                "cannot push {count} jobs at once: they have {} MiB, at most {} MiB fit on the way to the worker",
                too_long.mebibytes,
                LONGEST_PUSH >> 20,
            ))
            .with_help("push them in several goes"));
        }
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
