//! What becomes of a job: from the policy's judgement to the verdict that the driver writes down, and from there to
//! the event for listeners. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::WorkerOptions;
use crate::driver::Verdict;
use crate::error::Error;
use crate::event::{Event, JobInfo};
use crate::failed::{Failure, Record};
use crate::message::JobId;
use crate::policy::{Judgement, Limits, Policy};
use crate::reserved::Reserved;
use crate::runner::Task;

/// How long a job waits at first whose failure could not be recorded.
const UNRECORDED_WAIT: Duration = Duration::from_secs(30);

/// The longest wait of a job whose failure could not be recorded.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// A verdict that is not yet written down.
pub(super) struct Judged {
    pub(super) task: Arc<Task>,
    pub(super) verdict: Verdict,
    error: Option<String>,
    took: Option<Duration>,
    pub(super) step: Step,
    /// An earlier settle ended in an error.
    pub(super) in_doubt: bool,
    /// An earlier settle may have gone through: "lost" may mean that it did.
    may_be_written: bool,
}

/// How far a verdict is with the failed jobs, where they are stored apart from the jobs.
pub(super) enum Step {
    /// Nothing was done there.
    Settle,
    /// Records that predecessors made of the job are looked for.
    Look,
    /// Predecessors made these records. They are withdrawn once the hold is proven to be younger.
    Found(Vec<JobId>),
    /// All is done there. The record of the dead job; `None` for a job that lives, or where failed jobs are not kept.
    Recorded(Option<Record>),
}

/// The judgement on a job that is not run: its payload can't be read, its attempts are used up, or its name is
/// unknown.
pub(super) fn judge_before_run(
    policy: &Policy,
    job: &Reserved,
    limits: &Limits,
    is_known: bool,
) -> Option<Judgement> {
    policy
        .judge_unreadable(job.unreadable.as_deref(), job.message.overrides.as_deref())
        .or_else(|| policy.judge_before(job.attempt, job.suspect, job.last_error.as_deref(), limits))
        .or_else(|| (!is_known).then(|| policy.judge_unknown(&job.message.name, job.unknown_for)))
}

impl Judged {
    /// The verdict of a judgement; `took` is `None` for a job that was not run.
    pub(super) fn new(
        task: Arc<Task>,
        judgement: Judgement,
        took: Option<Duration>,
        options: &WorkerOptions,
    ) -> Self {
        let (verdict, error) = match judgement {
            Judgement::Done => (Verdict::Done, None),
            Judgement::Again { after, counted, error } if took.is_some() => {
                (Verdict::Again { after, counted, error: error.clone() }, Some(error))
            }
            Judgement::Again { after, error, .. } => (Verdict::Unknown { after }, Some(error)),
            Judgement::Bury { exception } => {
                let failure = Failure::now(&options.driver, &options.connection, &exception);
                (Verdict::Bury(failure), Some(exception))
            }
        };
        Self { error, took, ..Self::returned_as(task, verdict) }
    }

    /// The verdict on a job that goes back without having run to an end.
    pub(super) fn returned(task: Arc<Task>, after: Duration) -> Self {
        Self::returned_as(task, Verdict::Unstarted { after })
    }

    fn returned_as(task: Arc<Task>, verdict: Verdict) -> Self {
        Self {
            task,
            verdict,
            error: None,
            took: None,
            step: Step::Settle,
            in_doubt: false,
            may_be_written: false,
        }
    }

    /// The verdict after the back end refused this one, and would refuse it again: the job is put back so that
    /// nobody runs it and it is soon buried. Answers a warning, and whether that can be tried.
    pub(super) fn put_aside(&mut self, why: &str) -> (String, bool) {
        let name = self.name();
        let (after, error) = match &self.verdict {
            Verdict::Done => {
                let done = || format!("it is done, and could not be removed: {why}");
                (LONGEST_WAIT, self.error.clone().unwrap_or_else(done))
            }
            Verdict::Again { error, .. } => (unrecorded_wait(&self.task), error.clone()),
            Verdict::Bury(failure) => (unrecorded_wait(&self.task), failure.exception.clone()),
            Verdict::Exhausted { .. } | Verdict::Unknown { .. } | Verdict::Unstarted { .. } => {
                return (format!("the outcome of {name} is refused, and it runs again: {why}"), false);
            }
        };
        let warning = match self.verdict {
            Verdict::Bury(_) => {
                format!("cannot keep failed job {name}, it is put back and not run again: {why}")
            }
            _ => format!("the outcome of {name} is refused, it is put aside: {why}"),
        };
        let attempts = self.task.limits.attempts.max(self.task.job.attempt);
        self.error.get_or_insert_with(|| error.clone());
        (self.verdict, self.step) = (Verdict::Exhausted { after, attempts, error }, Step::Settle);
        (warning, true)
    }

    /// The event of a verdict that is written down; `failed_id` is what the failed jobs call the job.
    pub(super) fn event<'a>(&'a self, failed_id: Option<&'a JobId>) -> Event<'a> {
        let job = self.info();
        let error = self.error.as_deref().unwrap_or_default();
        match (&self.verdict, &self.step) {
            (Verdict::Done, Step::Recorded(record)) if self.error.is_some() => {
                Event::Buried { job, failed_id: record.as_ref().map(|record| &record.id), error }
            }
            (Verdict::Done, _) => Event::Done(job),
            (Verdict::Bury(_), _) => Event::Buried { job, failed_id, error },
            (Verdict::Exhausted { after, .. }, _) => Event::PutAside { job, after: *after, error },
            (Verdict::Again { after, counted, .. }, _) => {
                Event::Again { job, after: *after, counted: *counted, error }
            }
            (Verdict::Unknown { after }, _) => Event::Again { job, after: *after, counted: false, error },
            (Verdict::Unstarted { .. }, _) => Event::Returned(job),
        }
    }

    /// The connection that held the job is gone. If the job comes back, nothing was written down.
    pub(super) fn hold_in_question(&mut self) {
        (self.in_doubt, self.may_be_written) = (false, false);
    }

    /// A settle of it ended in this error.
    pub(super) fn is_in_doubt(&mut self, error: &Error) {
        self.in_doubt = true;
        self.may_be_written |= !error.is_undone();
    }

    /// Whether an earlier settle wrote it down, when a later one finds the hold lost: while the hold lasts nobody
    /// else can have taken the job.
    pub(super) fn was_written_before(&self) -> bool {
        self.may_be_written && !self.task.hold.is_lost()
    }

    pub(super) fn info(&self) -> JobInfo<'_> {
        JobInfo { job: &self.task.job, attempts: self.task.limits.attempts, took: self.took }
    }

    pub(super) fn name(&self) -> String {
        name_of(&self.task.job)
    }

    pub(super) fn payload_size(&self) -> usize {
        self.task.job.message.payload.len()
    }
}

/// A job's name for a message to people.
pub(super) fn name_of(job: &Reserved) -> String {
    format!("{} #{}", job.message.name, job.id)
}

/// Each time that a dead job is taken and can't be buried it waits longer.
fn unrecorded_wait(task: &Task) -> Duration {
    let times = task.job.attempt.saturating_sub(task.limits.attempts).saturating_sub(1);
    UNRECORDED_WAIT.saturating_mul(2u32.saturating_pow(times)).min(LONGEST_WAIT)
}
