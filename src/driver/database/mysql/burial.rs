//! Many dead jobs in a few statements.

use std::collections::{HashMap, HashSet};

use ::mysql::Value as ServerValue;
use serde_json::json;

use super::super::adapter::{Adapter, list};
use super::super::dead::{Buried, Dead};
use super::super::receipts::by_token;
use super::super::receipts::row_and_token;
use super::Mysql;
use crate::error::{Error, Result};

impl Mysql {
    /// All are of one driver. The payloads stay where they are: the server copies them.
    pub(super) fn bury_many(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Buried>> {
        let Some(first) = dead.first() else { return Ok(Vec::new()) };
        let receipts: Vec<_> = dead.iter().map(|dead| dead.job.receipt).collect();
        // What is held is locked from here on.
        let mut held: HashMap<i64, HashSet<i64>> = HashMap::new();
        for (token, ids) in by_token(&receipts) {
            held.insert(token, self.session.fenced_ids("held", &ids, &[token])?.into_iter().collect());
        }
        let is_held = |dead: &&Dead<'_>| {
            let (id, token) = row_and_token(dead.job.receipt);
            held.get(&token).is_some_and(|ids| ids.contains(&id))
        };
        let kept: Vec<_> = dead.iter().filter(is_held).collect();
        let uuids: Vec<_> = kept.iter().map(|dead| &*dead.job.message.uuid).collect();
        let taken = self.failed_ids(&uuids)?;
        let new: Vec<_> = kept.iter().filter(|dead| !taken.contains_key(&*dead.job.message.uuid)).collect();
        if !new.is_empty() {
            let rows: Vec<_> = new
                .iter()
                .map(|dead| {
                    json!({
                        "id": row_and_token(dead.job.receipt).0,
                        "exception": dead.exception,
                        "attempt": dead.job.attempt,
                        "failed_at": dead.failed_at,
                        "options": dead.options,
                    })
                })
                .collect();
            let failure = first.failure;
            let values = (&*failure.driver, &*failure.connection, ServerValue::from(&list(&rows)));
            if self.session.execute("bury", values)? != new.len() as u64 {
                return Err(Error::unavailable("failed jobs were recorded by others meanwhile"));
            }
        }
        for (token, ids) in &held {
            let ids: Vec<_> = ids.iter().copied().collect();
            if !ids.is_empty() {
                self.session.fenced("done", &ids, &[*token])?;
            }
        }
        let ids = self.failed_ids(&uuids)?;
        let answer = |dead: &Dead<'_>| {
            let uuid = &*dead.job.message.uuid;
            match ids.get(uuid) {
                _ if !is_held(&dead) => Buried::Lost,
                Some(id) if !taken.contains_key(uuid) => Buried::As(*id),
                _ => Buried::Taken,
            }
        };
        Ok(dead.iter().map(answer).collect())
    }

    fn failed_ids(&mut self, uuids: &[&str]) -> Result<HashMap<String, i64>> {
        let rows = self.query("find_failed", &[list(uuids)])?;
        Ok(rows.iter().filter_map(|row| Some((row.text(1), row.number(0)?))).collect())
    }
}
