//! Many dead jobs in one statement.

use std::collections::HashMap;

use super::super::dead::{Buried, Dead};
use super::{Postgres, columns, read, session};
use crate::error::Result;

/// So many different characters of one text are tried; what comes after is not kept.
const TRIED: usize = 256;

impl Postgres {
    /// All are of one driver.
    pub(super) fn bury_many(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Buried>> {
        let Some(first) = dead.first() else { return Ok(Vec::new()) };
        let (driver, connection) = (first.failure.driver.clone(), first.failure.connection.clone());
        let receipts: Vec<_> = dead.iter().map(|dead| dead.job.receipt).collect();
        let (ids, tokens) = columns(&receipts);
        let exceptions = texts(dead, |dead| &dead.exception);
        let attempts = attempts(dead);
        let failed_at = texts(dead, |dead| &dead.failed_at);
        let options = options(dead);
        let rows = self.session.call(move |session| {
            let values: [&session::Parameter<'_>; 8] =
                [&ids, &tokens, &exceptions, &attempts, &failed_at, &options, &driver, &connection];
            session.query("bury", &values)
        })?;
        let mut buried = HashMap::with_capacity(rows.len());
        for row in &rows {
            let failed: Option<i64> = read::get(row, 2)?;
            buried.insert(read::receipt(row, 0, 1)?, failed.map_or(Buried::Taken, Buried::As));
        }
        Ok(receipts.iter().map(|receipt| buried.get(receipt).copied().unwrap_or(Buried::Lost)).collect())
    }

    pub(super) fn record_many(&mut self, dead: &[Dead<'_>]) -> Result<Vec<Option<i64>>> {
        let uuids = texts(dead, |dead| &dead.job.message.uuid);
        let drivers = texts(dead, |dead| &dead.failure.driver);
        let connections = texts(dead, |dead| &dead.failure.connection);
        let queues: Vec<_> =
            dead.iter().map(|dead| dead.name(&dead.job.message.queue).into_owned()).collect();
        let names: Vec<_> = dead.iter().map(|dead| dead.name(&dead.job.message.name).into_owned()).collect();
        let payloads: Vec<_> = dead.iter().map(|dead| dead.payload().into_owned()).collect();
        let exceptions = texts(dead, |dead| &dead.exception);
        let attempts = attempts(dead);
        let failed_at = texts(dead, |dead| &dead.failed_at);
        let options = options(dead);
        let rows = self.session.call(move |session| {
            let values: [&session::Parameter<'_>; 10] = [
                &uuids,
                &drivers,
                &connections,
                &queues,
                &names,
                &payloads,
                &exceptions,
                &attempts,
                &failed_at,
                &options,
            ];
            session.query("record_many", &values)
        })?;
        let mut ids = HashMap::with_capacity(rows.len());
        for row in &rows {
            ids.insert(read::get::<&str>(row, 1)?, read::get::<i64>(row, 0)?);
        }
        // Of two with one uuid the first is there.
        Ok(dead.iter().map(|dead| ids.remove(&*dead.job.message.uuid)).collect())
    }

    /// A database may have another character set than UTF-8, and refuses what it has no character for.
    pub(super) fn storable_text(&mut self, text: &str) -> Result<String> {
        if text.is_ascii() {
            return Ok(text.to_owned());
        }
        let mut known: HashMap<char, bool> = HashMap::new();
        let mut storable = String::with_capacity(text.len());
        for c in text.chars() {
            let is_known = match known.get(&c) {
                _ if c.is_ascii() => true,
                Some(known) => *known,
                None if known.len() >= TRIED => false,
                None => {
                    let tried = c.to_string();
                    let echoed = self.session.call(move |session| session.echo(&tried));
                    let is_known = match echoed {
                        Err(error) if !error.is_invalid() => return Err(error),
                        echoed => echoed.is_ok(),
                    };
                    known.insert(c, is_known);
                    is_known
                }
            };
            storable.push(if is_known { c } else { '?' });
        }
        Ok(storable)
    }
}

fn texts(dead: &[Dead<'_>], text: impl for<'d> Fn(&'d Dead<'_>) -> &'d str) -> Vec<String> {
    dead.iter().map(|dead| text(dead).to_owned()).collect()
}

fn attempts(dead: &[Dead<'_>]) -> Vec<i64> {
    dead.iter().map(|dead| i64::from(dead.job.attempt)).collect()
}

fn options(dead: &[Dead<'_>]) -> Vec<Option<String>> {
    dead.iter().map(|dead| dead.options.as_deref().map(str::to_owned)).collect()
}
