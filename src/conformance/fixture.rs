//! The fixture of a check: fresh storage, two queues, and as many handles as it needs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::subject::{Can, ForeignWriter, Storage, Subject};
use crate::driver::{Driver, Notifier};
use crate::failed::FailedJobs;
use crate::message::{Message, new_uuid};

/// Long enough that no hold of this lease runs out, however slow the machine is.
pub(super) const LONG: Duration = Duration::from_secs(3_600);

/// One check's storage. Its queues have names of their own, in case a back end has no storage of its own
/// to give, as a broker that the tests share.
pub(super) struct Fixture<'a> {
    pub(super) subject: &'a Subject,
    pub(super) queue: String,
    pub(super) other_queue: String,
    storage: Storage,
}

impl<'a> Fixture<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let uuid = new_uuid();
        Self {
            subject,
            queue: format!("queue-{uuid}"),
            other_queue: format!("other-{uuid}"),
            storage: subject.make(),
        }
    }

    pub(super) fn can(&self) -> Can {
        self.subject.can
    }

    /// Opens the back end.
    pub(super) fn open(&self, notifier: Notifier) -> Box<dyn Driver> {
        must("open the back end", self.storage.jobs.open(notifier))
    }

    /// Opens the failed jobs.
    pub(super) fn failed(&self) -> Box<dyn FailedJobs> {
        let backend = self.storage.failed.as_ref().expect("a subject that can have failed jobs gives them");
        must("open the failed jobs", backend.open())
    }

    /// Who else writes to the back end.
    pub(super) fn foreign(&self) -> &dyn ForeignWriter {
        &**self.storage.foreign.as_ref().expect("a subject that others write to gives one who does")
    }

    /// A job for the queue, with nothing asked for.
    pub(super) fn job(&self, name: &str) -> Message {
        Message::new(&self.queue, name, br#"{"order_id":1}"#)
    }

    /// A job with a unique key that only this fixture uses.
    pub(super) fn keyed(&self, name: &str, key: &str) -> Message {
        Message { unique_key: Some(Arc::from(format!("{}/{key}", self.queue))), ..self.job(name) }
    }

    /// Asks again and again until there is an answer.
    pub(super) fn wait_for<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            let waited = start.elapsed();
            assert!(waited < self.subject.patience, "waited {waited:?} in vain for {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The answer to what the back end has no reason to refuse.
#[track_caller]
pub(super) fn must<T>(what: &str, result: crate::Result<T>) -> T {
    match result {
        Ok(answer) => answer,
        Err(error) => panic!("cannot {what}: {error:?}"),
    }
}
