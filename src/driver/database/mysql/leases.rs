//! Leases: which are lost, which are renewed, and whose rows somebody else has locked.

use std::time::Duration;

use super::super::receipts::{by_token, of_row};
use super::Mysql;
use super::session::micros;
use crate::driver::{Extended, Receipt};
use crate::error::Result;

fn without(ids: &[i64], others: &[i64]) -> Vec<i64> {
    ids.iter().copied().filter(|id| !others.contains(id)).collect()
}

fn receipts(token: i64, ids: Vec<i64>) -> impl Iterator<Item = Receipt> {
    ids.into_iter().map(move |id| of_row(id, token))
}

impl Mysql {
    /// Which of these are not held by that token.
    pub(super) fn lost_of(&mut self, token: i64, ids: &[i64]) -> Result<Vec<i64>> {
        let held = self.session.fenced_ids("held", ids, &[token])?;
        Ok(without(ids, &held))
    }

    /// An UPDATE waits for rows that somebody else has locked, so those that are free are locked first.
    pub(super) fn extend_around(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Extended> {
        let mut extended = Extended::default();
        if receipts.is_empty() {
            // No row has this id: it only says that the table can be written to.
            self.session.fenced("extend", &[0], &[micros(lease), 0])?;
        }
        for (token, ids) in by_token(receipts) {
            let free = self.lock_free(token, &ids, &mut extended)?;
            if !free.is_empty() {
                self.session.fenced("extend", &free, &[micros(lease), token])?;
            }
        }
        Ok(extended)
    }

    /// Each statement is a transaction of its own, which locks nothing when it has ended.
    pub(super) fn locked_by_others(&mut self, receipts: &[Receipt]) -> Result<Vec<Receipt>> {
        let mut found = Extended::default();
        for (token, ids) in by_token(receipts) {
            self.lock_free(token, &ids, &mut found)?;
        }
        Ok(found.locked)
    }

    /// Locks what is held by that token and nobody else has locked; notes the rest.
    fn lock_free(&mut self, token: i64, ids: &[i64], rest: &mut Extended) -> Result<Vec<i64>> {
        let free = self.session.fenced_ids("free_held", ids, &[token])?;
        let left_out = without(ids, &free);
        if !left_out.is_empty() {
            let locked = self.session.fenced_ids("still_held", &left_out, &[token])?;
            rest.lost.extend(receipts(token, without(&left_out, &locked)));
            rest.locked.extend(receipts(token, locked));
        }
        Ok(free)
    }
}
