//! Unique keys that are let go when their job begins.

use super::jobs::JobsTable;
use super::one_by_one::is_refusal;
use crate::driver::{Reserved, Taken};
use crate::error::Result;

impl JobsTable {
    /// Jobs that keep others away until they begin are about to: what is pushed from now on is added. A crash
    /// before this leaves the key with a job that has not begun. Where the database refuses it, the key stays with
    /// the job until that is over.
    ///
    /// # Errors
    /// The database is away, and nothing else is to be told. Else these jobs are not begun: they come back when
    /// their lease is over.
    pub(super) fn let_keys_go(&mut self, mut taken: Taken, may_fail: bool) -> Result<Taken> {
        let lets_go = |job: &&mut Reserved| job.message.frees_key_at_start();
        let Some(token) = taken.jobs.iter_mut().find(lets_go).map(|job| job.receipt.1.cast_signed()) else {
            return Ok(taken);
        };
        let ids: Vec<_> =
            taken.jobs.iter_mut().filter(lets_go).map(|job| job.receipt.0.cast_signed()).collect();
        match self.adapter.free_keys(&ids, token) {
            Ok(()) => taken.jobs.iter_mut().filter(lets_go).for_each(|job| job.message.unique_key = None),
            Err(error) if is_refusal(&error) => self.let_each_go(&mut taken, token),
            Err(error) if may_fail => return Err(error),
            Err(_) => taken.jobs.retain(|job| !job.message.frees_key_at_start()),
        }
        Ok(taken)
    }

    fn let_each_go(&mut self, taken: &mut Taken, token: i64) {
        for job in taken.jobs.iter_mut().filter(|job| job.message.frees_key_at_start()) {
            match self.adapter.free_keys(&[job.receipt.0.cast_signed()], token) {
                Ok(()) => job.message.unique_key = None,
                Err(why) => self.warnings.push(format!(
                    "the unique key of {} #{} can't be let go before the job is over: {why}",
                    job.message.name, job.id
                )),
            }
        }
    }

    /// Warnings go with this answer.
    pub(super) fn with_warnings(&mut self, mut taken: Taken) -> Taken {
        taken.warnings.append(&mut self.warnings);
        taken
    }
}
