//! Failed jobs with a fault, each with the rule that it breaks.

use crate::driver::Reserved;
use crate::error::Result;
use crate::failed::{FailedBackend, FailedCount, FailedJob, FailedJobs, Failure, Filter, Record};
use crate::message::{JobId, Message, Pushed};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum FailedFault {
    None,
    RecordIsAlwaysFresh,
    RecordTakesTheUuidsPlace,
    RecordNeverReplaces,
    WithdrawKeeps,
    ListHasNoLimit,
    ListHasNoFilter,
    ForgetCountsAll,
    CountsByDriverOnly,
    MarkTellsAll,
    MarkMarksNothing,
    ForgetMarkedForgetsAll,
    PutBackForgetsDuplicates,
    PutBackKeeps,
    PutBackRefuses,
}

pub(super) const FAULTS: &[(&str, FailedFault)] = &[
    (
        "failed jobs: a newer record takes the place of the older and has an id of its own",
        FailedFault::RecordNeverReplaces,
    ),
    ("failed jobs: several are recorded at once", FailedFault::RecordIsAlwaysFresh),
    ("failed jobs: two jobs of one uuid are both kept", FailedFault::RecordTakesTheUuidsPlace),
    ("failed jobs: a withdrawn record is gone", FailedFault::WithdrawKeeps),
    ("failed jobs: a list is by id and in pages", FailedFault::ListHasNoLimit),
    ("failed jobs: a list holds what every filter lets through", FailedFault::ListHasNoFilter),
    ("failed jobs: what is forgotten is gone and counted", FailedFault::ForgetCountsAll),
    ("failed jobs: they are counted by driver and queue", FailedFault::CountsByDriverOnly),
    ("retries: a failed job is marked for one retry at a time", FailedFault::MarkTellsAll),
    ("retries: a failed job is marked for one retry at a time", FailedFault::MarkMarksNothing),
    ("retries: what is gone cannot be marked", FailedFault::MarkTellsAll),
    ("retries: what is still marked is forgotten and nothing else", FailedFault::ForgetMarkedForgetsAll),
    ("retries: a job that fails while it is marked is recorded anew", FailedFault::RecordNeverReplaces),
    ("put back: a job whose key another holds stays failed", FailedFault::PutBackForgetsDuplicates),
    ("put back: a job that is put back waits again and has not failed", FailedFault::PutBackKeeps),
    ("put back: what is gone is not put back", FailedFault::PutBackRefuses),
];

pub(super) struct FailedMutant<F> {
    pub(super) sound: F,
    pub(super) fault: FailedFault,
}

impl<F: FailedBackend> FailedBackend for FailedMutant<F> {
    fn open(&self) -> Result<Box<dyn FailedJobs>> {
        Ok(Box::new(Handle { sound: self.sound.open()?, fault: self.fault }))
    }
}

struct Handle {
    sound: Box<dyn FailedJobs>,
    fault: FailedFault,
}

impl FailedJobs for Handle {
    fn record(&mut self, job: &Reserved, failure: &Failure) -> Result<Record> {
        let is_there = |row: &FailedJob| *row.uuid == *job.message.uuid;
        let there = self.sound.list(&Filter::default())?.into_iter().find(is_there);
        match (self.fault, there) {
            (FailedFault::RecordNeverReplaces, Some(row)) => Ok(Record { id: row.id, fresh: false }),
            (FailedFault::RecordIsAlwaysFresh, _) => {
                Ok(Record { fresh: true, ..self.sound.record(job, failure)? })
            }
            (FailedFault::RecordTakesTheUuidsPlace, Some(row)) => {
                self.sound.forget(&[row.id])?;
                self.sound.record(job, failure)
            }
            _ => self.sound.record(job, failure),
        }
    }

    fn records_of(&mut self, job: &Message, driver: &str) -> Result<Vec<JobId>> {
        self.sound.records_of(job, driver)
    }

    fn withdraw(&mut self, records: &[JobId]) -> Result<()> {
        match self.fault {
            FailedFault::WithdrawKeeps => Ok(()),
            _ => self.sound.withdraw(records),
        }
    }

    fn list(&mut self, filter: &Filter<'_>) -> Result<Vec<FailedJob>> {
        match self.fault {
            FailedFault::ListHasNoLimit => self.sound.list(&Filter { limit: 0, ..*filter }),
            FailedFault::ListHasNoFilter => self.sound.list(&Filter { since: None, before: None, ..*filter }),
            _ => self.sound.list(filter),
        }
    }

    fn forget(&mut self, ids: &[JobId]) -> Result<u64> {
        let count = self.sound.forget(ids)?;
        Ok(if self.fault == FailedFault::ForgetCountsAll { ids.len() as u64 } else { count })
    }

    fn count(&mut self) -> Result<Vec<FailedCount>> {
        let mut counts = self.sound.count()?;
        if self.fault == FailedFault::CountsByDriverOnly {
            counts.iter_mut().for_each(|count| count.queue.clear());
        }
        Ok(counts)
    }

    fn put_back(&mut self, jobs: &[(JobId, Message)]) -> Result<Option<Vec<Option<Pushed>>>> {
        if self.fault == FailedFault::PutBackRefuses {
            return Ok(None);
        }
        let answers = self.sound.put_back(jobs)?;
        for (id, message) in jobs {
            match self.fault {
                FailedFault::PutBackForgetsDuplicates => drop(self.sound.forget(std::slice::from_ref(id))?),
                FailedFault::PutBackKeeps => {
                    let job = super::super::failed_jobs::dying(message.clone());
                    self.sound.record(&job, &super::super::failed_jobs::failure("still there"))?;
                }
                _ => {}
            }
        }
        Ok(answers)
    }

    fn mark(&mut self, ids: &[JobId]) -> Result<Vec<JobId>> {
        match self.fault {
            FailedFault::MarkTellsAll => self.sound.mark(ids).map(|_| ids.to_vec()),
            FailedFault::MarkMarksNothing => {
                let there = self.sound.list(&Filter::default())?;
                Ok(ids.iter().filter(|id| there.iter().any(|row| row.id == **id)).cloned().collect())
            }
            _ => self.sound.mark(ids),
        }
    }

    fn forget_marked(&mut self, ids: &[JobId]) -> Result<()> {
        match self.fault {
            FailedFault::ForgetMarkedForgetsAll => self.sound.forget(ids).map(drop),
            _ => self.sound.forget_marked(ids),
        }
    }
}
