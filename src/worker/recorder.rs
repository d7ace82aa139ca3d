//! The thread that writes failed jobs to a store of their own: however slow that is, holds are renewed meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::settle::{Judged, Step};
use crate::driver::Verdict;
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedJobs, Failure, Record};
use crate::message::JobId;
use crate::reserved::Reserved;

/// What the recorder is asked to do.
pub(super) enum Request {
    /// Holds that were proven just now. Dead jobs are recorded; of the others, records that an earlier worker made are
    /// looked for, or withdrawn where they were found before.
    Update(Vec<Update>),
    /// A record of a job that turned out to be somebody else's.
    Withdraw(JobId),
}

/// A job that the recorder has, and what it did.
pub(super) struct Update {
    pub(super) judged: Judged,
    /// As it is held now.
    pub(super) job: Reserved,
    pub(super) result: UpdateResult,
}

pub(super) enum UpdateResult {
    /// Nothing was done.
    Pending,
    Recorded(Record),
    /// Predecessors recorded these.
    Found(Vec<JobId>),
    Withdrawn,
    /// The failed jobs refuse this one, and would refuse it again.
    Refused(String),
}

/// The recorder's answer: all updates of a request, and the error that ended it early.
pub(crate) struct Answer {
    pub(super) updates: Vec<Update>,
    pub(super) error: Option<Error>,
}

/// Where the recorder answers.
pub(super) type Answers = Arc<dyn Fn(Answer) + Send + Sync>;

pub(super) struct Recorder(Sender<Request>);

impl Recorder {
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        backend: Arc<dyn FailedBackend>,
        open: Option<Box<dyn FailedJobs>>,
        driver: String,
        answers: Answers,
    ) -> Result<Self> {
        let (sender, requests) = unbounded();
        let place = Place { backend, open, driver };
        thread::Builder::new()
            .name("craft-recorder".into())
            .spawn(move || serve(place, &requests, &*answers))
            .map_err(|cause| Error::unavailable("cannot start a thread").because(&cause))?;
        Ok(Self(sender))
    }

    pub(super) fn ask(&self, request: Request) {
        // It ends only with its worker.
        let _ = self.0.send(request);
    }
}

fn serve(mut place: Place, requests: &Receiver<Request>, answers: &dyn Fn(Answer)) {
    for request in requests {
        match request {
            Request::Update(mut updates) => {
                let was_open = place.open.is_some();
                let mut error = place.update_all(&mut updates).err();
                // A connection that nobody used for long may be gone.
                if was_open && error.as_ref().is_some_and(Error::is_unavailable) && !place.is_under_way() {
                    place.open = None;
                    error = place.update_all(&mut updates).err();
                }
                if error.is_some() && !place.is_under_way() {
                    place.open = None;
                }
                answers(Answer { updates, error });
            }
            Request::Withdraw(record) => {
                let withdrawn = place.open().and_then(|open| open.withdraw(std::slice::from_ref(&record)));
                if let Err(error) = withdrawn {
                    place.open = place.open.filter(|open| open.is_under_way());
                    log::warn!("cannot remove failed job #{record}, whose job another worker has: {error}");
                }
            }
        }
    }
}

struct Place {
    backend: Arc<dyn FailedBackend>,
    open: Option<Box<dyn FailedJobs>>,
    driver: String,
}

impl Place {
    fn open(&mut self) -> Result<&mut dyn FailedJobs> {
        if self.open.is_none() {
            self.open = Some(self.backend.open()?);
        }
        match &mut self.open {
            Some(open) => Ok(&mut **open),
            None => Err(Error::other("the failed jobs are not open")),
        }
    }

    fn is_under_way(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_under_way())
    }

    /// A place of a user's that panics must not leave the worker without an answer.
    fn update_all(&mut self, updates: &mut [Update]) -> Result<()> {
        catch_unwind(AssertUnwindSafe(|| self.update(updates)))
            .unwrap_or_else(|_| Err(Error::other("the place of the failed jobs panicked")))
    }

    fn update(&mut self, updates: &mut [Update]) -> Result<()> {
        self.record(updates)?;
        let driver = self.driver.clone();
        for one in updates.iter_mut().filter(|one| one.is_undone()) {
            match &one.judged.step {
                Step::Look => {
                    let found = self.open()?.records_of(&one.job.message, &driver)?;
                    one.result = UpdateResult::Found(found);
                }
                Step::Found(records) if one.is_held() => {
                    self.open()?.withdraw(records)?;
                    one.result = UpdateResult::Withdrawn;
                }
                Step::Found(_) | Step::Settle | Step::Recorded(_) => {}
            }
        }
        Ok(())
    }

    fn record(&mut self, updates: &mut [Update]) -> Result<()> {
        let mut dead: Vec<_> = updates
            .iter_mut()
            .filter(|one| one.is_undone() && one.failure().is_some() && one.is_held())
            .collect();
        if dead.is_empty() {
            return Ok(());
        }
        let open = self.open()?;
        let asked: Vec<_> = dead.iter().filter_map(|one| Some((&one.job, one.failure()?))).collect();
        match open.record_all(&asked) {
            Ok(records) => {
                for (one, record) in dead.iter_mut().zip(records) {
                    one.result = UpdateResult::Recorded(record);
                }
                return Ok(());
            }
            Err(error) if !error.is_invalid() => return Err(error),
            Err(_) => {}
        }
        // One of them is refused: it fails alone.
        for one in dead {
            let Some(failure) = one.failure().cloned().filter(|_| one.is_held()) else { continue };
            one.result = match self.open()?.record(&one.job, &failure) {
                Ok(record) => UpdateResult::Recorded(record),
                Err(error) if error.is_invalid() => UpdateResult::Refused(error.to_string()),
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }
}

impl Update {
    fn failure(&self) -> Option<&Failure> {
        match &self.judged.verdict {
            Verdict::Bury(failure) => Some(failure),
            _ => None,
        }
    }

    fn is_undone(&self) -> bool {
        matches!(self.result, UpdateResult::Pending)
    }

    /// Whether it is still ours for certain.
    fn is_held(&self) -> bool {
        !self.judged.task.hold.is_lost()
    }
}
