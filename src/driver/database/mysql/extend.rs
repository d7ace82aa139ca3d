//! Renewing holds.

use std::time::Duration;

use super::{Mysql, by_token, micros};
use crate::driver::Receipt;
use crate::error::Result;

impl Mysql {
    /// Answers what is lost; waits for what is locked.
    pub(super) fn extend_held(&mut self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>> {
        let mut lost = Vec::new();
        if receipts.is_empty() {
            // No row has this id: it only says that the table can be written to.
            self.session.fenced("extend", &[0], &[micros(lease), 0])?;
        }
        for (token, ids) in by_token(receipts) {
            if self.session.fenced("extend", &ids, &[micros(lease), token])? < ids.len() as u64 {
                lost.extend(self.lost_of(token, &ids)?.into_iter().map(|id| receipt(id, token)));
            }
        }
        Ok(lost)
    }

    /// Answers what is lost or locked.
    pub(super) fn extend_what_is_free(
        &mut self,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Result<Vec<Receipt>> {
        if receipts.is_empty() {
            return self.extend_held(receipts, lease);
        }
        let mut rest = Vec::new();
        for (token, ids) in by_token(receipts) {
            let free = self.session.fenced_ids("held_free", &ids, &[token])?;
            if !free.is_empty() {
                self.session.fenced("extend", &free, &[micros(lease), token])?;
            }
            rest.extend(ids.into_iter().filter(|id| !free.contains(id)).map(|id| receipt(id, token)));
        }
        Ok(rest)
    }
}

fn receipt(id: i64, token: i64) -> Receipt {
    Receipt(id.cast_unsigned(), token.cast_unsigned())
}
