//! The failed jobs of the fake backend.

use super::fake::{Call, FakeBackend};
use crate::error::{Error, Result};
use crate::failed::{FailedBackend, FailedCount, FailedJob, FailedJobs, Failure, Filter, Record};
use crate::message::{JobId, Message, Pushed};
use crate::reserved::Reserved;

impl FailedBackend for FakeBackend {
    fn open(&self) -> Result<Box<dyn FailedJobs>> {
        Ok(Box::new(self.clone()))
    }
}

impl FailedJobs for FakeBackend {
    fn record(&mut self, _: &Reserved, failure: &Failure) -> Result<Record> {
        self.note(Call::Record(failure.exception.clone()));
        if self.script().records_none {
            return Err(Error::unavailable("away"));
        }
        let answer = self.script().record.pop_front();
        answer.map_or(Ok(Record { id: JobId::Number(7), fresh: true }), |answer| answer())
    }

    fn records_of(&mut self, job: &Message, _: &str) -> Result<Vec<JobId>> {
        self.note(Call::Look(job.uuid.to_string()));
        Ok(self.script().records.clone())
    }

    fn withdraw(&mut self, records: &[JobId]) -> Result<()> {
        self.note(Call::Withdraw(records.to_vec()));
        Ok(())
    }

    fn list(&mut self, _: &Filter<'_>) -> Result<Vec<FailedJob>> {
        Ok(Vec::new())
    }

    fn forget(&mut self, _: &[JobId]) -> Result<u64> {
        Ok(0)
    }

    fn count(&mut self) -> Result<Vec<FailedCount>> {
        Ok(Vec::new())
    }

    fn put_back(&mut self, _: &[(JobId, Message)]) -> Result<Option<Vec<Option<Pushed>>>> {
        Ok(None)
    }

    fn mark(&mut self, ids: &[JobId]) -> Result<Vec<JobId>> {
        Ok(ids.to_vec())
    }

    fn forget_marked(&mut self, _: &[JobId]) -> Result<()> {
        Ok(())
    }
}
