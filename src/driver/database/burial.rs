//! How dead jobs come into the table of failed jobs: from the table of jobs beside it in one transaction, or from
//! another back end. What the database refuses of one job is that job's alone.

use super::adapter::{Adapter, HasAdapter, Survives, transaction};
use super::dead::{Buried, Dead, plain};
use super::jobs::JobsTable;
use super::weaker_texts::weaker_texts;
use crate::driver::Settlement;
use crate::error::Result;
use crate::failed::Record;
use crate::message::{JobId, Message, new_uuid};
use crate::payload;

/// How many are buried at once, and how many bytes of exceptions and options: fewer than any server's packet.
const ROWS: usize = 500;
const BYTES: usize = 256 * 1024;

impl JobsTable {
    /// Moves dead jobs to the failed ones.
    pub(super) fn bury(&mut self, dead: Vec<Dead<'_>>, settlement: &mut Settlement) -> Result<()> {
        let (text, coded): (Vec<_>, Vec<_>) = dead.into_iter().partition(Dead::is_text);
        let mut parts = chunks(&text).chain(coded.chunks(1));
        parts.next().map_or(Ok(()), |first| self.bury_or_split(first, settlement))?;
        parts.try_for_each(|dead| self.bury_or_split(dead, settlement)).map_err(crate::Error::done_in_part)
    }

    fn bury_or_split(&mut self, dead: &[Dead<'_>], settlement: &mut Settlement) -> Result<()> {
        match self.bury_together(dead, settlement) {
            Err(error) if error.is_invalid() => match dead {
                [one] => {
                    let bury = |table: &mut Self, dead: &Dead<'_>| {
                        table.bury_together(std::slice::from_ref(dead), settlement)
                    };
                    if let Err(refusal) = weaker(self, one, error, bury)? {
                        settlement.refused.push((one.job.receipt, refusal));
                    }
                    Ok(())
                }
                many => {
                    let (front, back) = many.split_at(many.len() / 2);
                    self.bury_or_split(front, settlement)?;
                    self.bury_or_split(back, settlement).map_err(crate::Error::done_in_part)
                }
            },
            done => done,
        }
    }

    fn bury_together(&mut self, dead: &[Dead<'_>], settlement: &mut Settlement) -> Result<()> {
        let buried = transaction(&mut *self.adapter, Survives::PowerCut, |adapter| {
            let mut buried = match dead {
                [one] if !one.is_text() => adapter.bury_each(dead)?,
                _ => adapter.bury(dead)?,
            };
            for (dead, buried) in dead.iter().zip(&mut buried) {
                match buried {
                    Buried::As(_) => {}
                    Buried::Taken => *buried = Buried::As(bury_beside(adapter, dead)?),
                    // The answer to an earlier burial may have been lost.
                    Buried::Lost => {
                        let is_there = find_buried(adapter, dead)?;
                        *buried = is_there.map_or(Buried::Lost, Buried::As);
                    }
                }
            }
            Ok(buried)
        })?;
        for (dead, buried) in dead.iter().zip(buried) {
            match buried {
                Buried::As(id) => settlement.buried.push((dead.job.receipt, JobId::Number(id))),
                Buried::Lost | Buried::Taken => settlement.lost.push(dead.job.receipt),
            }
        }
        Ok(())
    }
}

/// As many at once as are few enough.
fn chunks<'s, 'd>(mut dead: &'s [Dead<'d>]) -> impl Iterator<Item = &'s [Dead<'d>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |dead: &&Dead<'_>| {
            bytes += dead.weight();
            bytes <= BYTES
        };
        let count = dead.iter().take(ROWS).take_while(fits).count().max(1).min(dead.len());
        let (chunk, rest) = dead.split_at(count);
        dead = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Tries to keep a job whose exception the database may refuse: with `?` for what it can't keep, then shorter and
/// shorter. Answers the first refusal when it refuses the job itself.
fn weaker<O: HasAdapter + ?Sized, T>(
    owner: &mut O,
    dead: &Dead<'_>,
    refusal: crate::Error,
    mut keep: impl FnMut(&mut O, &Dead<'_>) -> Result<T>,
) -> Result<Result<T, String>> {
    let mut weaker: Vec<_> =
        weaker_texts(owner.adapter(), &dead.exception)?.into_iter().map(|text| dead.with(text)).collect();
    weaker.extend(weaker.last().map(Dead::as_ascii));
    for dead in weaker {
        match keep(owner, &dead) {
            Err(error) if error.is_invalid() => {}
            done => return done.map(Ok),
        }
    }
    Ok(Err(refusal.to_string()))
}

/// Buries a job beside a failed one of its uuid: that one is being retried, and this is its new failure; or it is
/// another job.
fn bury_beside(adapter: &mut dyn Adapter, dead: &Dead<'_>) -> Result<i64> {
    let uuid = &*dead.job.message.uuid;
    match recorded(adapter, uuid)? {
        Some(there) if !there.is_marked => {
            let JobId::Number(row) = dead.job.id else { return replace(adapter, dead, uuid, &there) };
            let other = other_uuid(uuid, &row.to_le_bytes());
            match insert(adapter, dead, &other)? {
                Some(id) => Ok(id),
                None => insert_anyhow(adapter, dead),
            }
        }
        Some(there) => replace(adapter, dead, uuid, &there),
        None => insert_anyhow(adapter, dead),
    }
}

fn find_buried(adapter: &mut dyn Adapter, dead: &Dead<'_>) -> Result<Option<i64>> {
    let attempt = i64::from(dead.job.attempt);
    let mut uuids = vec![dead.job.message.uuid.to_string()];
    if let JobId::Number(row) = dead.job.id {
        uuids.push(other_uuid(&uuids[0], &row.to_le_bytes()));
    }
    for uuid in uuids {
        let values = [(&*uuid).into(), (&*dead.failed_at).into(), attempt.into()];
        if let Some(id) = adapter.query("find_buried", &values)?.first().and_then(|row| row.number(0)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Keeps dead jobs of another back end, all or none.
pub(super) fn record(adapter: &mut dyn Adapter, dead: &[Dead<'_>]) -> Result<Vec<Record>> {
    transaction(adapter, Survives::PowerCut, |adapter| {
        let ids = adapter.record_new(dead)?;
        let record = |(dead, id): (&Dead<'_>, Option<i64>)| match id {
            Some(id) => Ok(Record { id: JobId::Number(id), fresh: true }),
            None => record_beside(adapter, dead),
        };
        dead.iter().zip(ids).map(record).collect()
    })
}

/// The same for one of which the database may refuse a part.
///
/// # Errors
/// The database did not take it, or refuses the job itself ([`is_invalid`](crate::Error::is_invalid)).
pub(super) fn record_what_fits(adapter: &mut dyn Adapter, dead: &Dead<'_>) -> Result<Record> {
    let record_one = |adapter: &mut (dyn Adapter + '_), dead: &Dead<'_>| -> Result<Record> {
        Ok(record(adapter, std::slice::from_ref(dead))?.remove(0))
    };
    match record_one(adapter, dead) {
        Err(error) if error.is_invalid() => {
            weaker(adapter, dead, error, record_one)?.map_err(crate::Error::invalid)
        }
        done => done,
    }
}

/// A job of this uuid is recorded. Is it the same job, this is its newest failure, under a new id: who recorded the
/// old one and means to take it back takes nothing from this one.
fn record_beside(adapter: &mut dyn Adapter, dead: &Dead<'_>) -> Result<Record> {
    let message = &dead.job.message;
    let mut uuid = message.uuid.to_string();
    for _ in 0..2 {
        match recorded(adapter, &uuid)? {
            None => {}
            Some(there) if there.is_marked || there.is_of(dead) => {
                let id = replace(adapter, dead, &uuid, &there)?;
                return Ok(Record { id: JobId::Number(id), fresh: false });
            }
            Some(_) => uuid = other_uuid(&message.uuid, &message.payload),
        }
        if let Some(id) = insert(adapter, dead, &uuid)? {
            return Ok(Record { id: JobId::Number(id), fresh: true });
        }
    }
    insert_anyhow(adapter, dead).map(|id| Record { id: JobId::Number(id), fresh: true })
}

/// The ids of what is recorded of a job.
pub(super) fn records_of(adapter: &mut dyn Adapter, message: &Message, driver: &str) -> Result<Vec<JobId>> {
    let mut ids = Vec::new();
    for uuid in [message.uuid.to_string(), other_uuid(&message.uuid, &message.payload)] {
        let there = recorded(adapter, &uuid)?.filter(|there| there.is_of_message(message, driver));
        ids.extend(there.map(|there| JobId::Number(there.id)));
    }
    Ok(ids)
}

struct Recorded {
    id: i64,
    driver: String,
    name: String,
    payload: String,
    is_marked: bool,
}

impl Recorded {
    fn is_of(&self, dead: &Dead<'_>) -> bool {
        self.is_of_message(&dead.job.message, &dead.failure.driver)
    }

    fn is_of_message(&self, message: &Message, driver: &str) -> bool {
        self.driver == driver
            && plain(&self.name) == plain(&message.name)
            && payload::from_text(&self.payload) == *message.payload
    }
}

fn recorded(adapter: &mut dyn Adapter, uuid: &str) -> Result<Option<Recorded>> {
    let rows = adapter.query("recorded", &[uuid.into()])?;
    Ok(rows.first().map(|row| Recorded {
        id: row.number(0).unwrap_or_default(),
        driver: row.text(1),
        name: row.text(2),
        payload: row.text(3),
        is_marked: row.number(4).unwrap_or_default() != 0,
    }))
}

fn insert(adapter: &mut dyn Adapter, dead: &Dead<'_>, uuid: &str) -> Result<Option<i64>> {
    Ok(adapter.query("record", &dead.values(uuid))?.first().and_then(|row| row.number(0)))
}

fn replace(adapter: &mut dyn Adapter, dead: &Dead<'_>, uuid: &str, there: &Recorded) -> Result<i64> {
    adapter.execute("forget", &[super::adapter::list(&[there.id])])?;
    match insert(adapter, dead, uuid)? {
        Some(id) => Ok(id),
        None => insert_anyhow(adapter, dead),
    }
}

/// Under a uuid that nobody has.
fn insert_anyhow(adapter: &mut dyn Adapter, dead: &Dead<'_>) -> Result<i64> {
    let added = insert(adapter, dead, &new_uuid())?;
    added.ok_or_else(|| crate::Error::other("the database added no failed job, and does not say why"))
}

/// The uuid under which a job is kept whose own another job has: always the same one.
fn other_uuid(uuid: &str, salt: &[u8]) -> String {
    // FNV-1a, twice.
    let hash = |basis: u64| {
        let bytes = uuid.bytes().chain([0]).chain(salt.iter().copied());
        bytes.fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
    };
    let (high, low) = (hash(0xCBF2_9CE4_8422_2325), hash(0x8422_2325_CBF2_9CE4));
    let bits = u128::from(high) << 64 | u128::from(low);
    uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid().to_string()
}
