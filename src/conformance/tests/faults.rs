//! Faults that a driver might have, each with the rule that it breaks.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{
    Cancelled, ControlFlags, ControlMessage, Driver, Extended, JobFilter, QueuedJob, Receipt, Reserved,
    Settled, Settlement, Size, Suspects, Taken, Verdict, Want,
};
use crate::error::{Error, Result};
use crate::message::{JobId, Message, Pushed, new_uuid};

/// What is done in place of a verb of a sound driver.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    Push(fn(&mut dyn Driver, &[Message]) -> Result<Vec<Pushed>>),
    Reserve(fn(&mut dyn Driver, &Want<'_>) -> Result<Taken>),
    /// Changes each job that was taken.
    Job(fn(&mut Reserved)),
    Settle(fn(&mut dyn Driver, &[Settled<'_>]) -> Result<Settlement>),
    /// Answers another verdict, where it changes one.
    Verdict(fn(&Verdict) -> Option<Verdict>),
    SettleAndReserve(SettleAndReserve),
    /// Settles without a look at the receipt.
    Unfenced,
    Extend(Extend),
    ExtendAroundLocks(ExtendAroundLocks),
    Size(fn(&mut dyn Driver, &[String]) -> Result<Vec<Size>>),
    Clear(fn(&mut dyn Driver, &str) -> Result<u64>),
    ControlMessage(fn(&mut dyn Driver, &ControlMessage<'_>) -> Result<bool>),
    /// Changes the control flags.
    ControlFlags(fn(&mut ControlFlags)),
    Jobs(fn(&mut dyn Driver, &JobFilter<'_>) -> Result<Vec<QueuedJob>>),
    /// Knows jobs by their ids only.
    NoUuids,
    Cancel(fn(&mut dyn Driver, &[JobId]) -> Result<Vec<Cancelled>>),
}

type SettleAndReserve = fn(&mut dyn Driver, &[Settled<'_>], &Want<'_>) -> Result<(Settlement, Taken)>;
type ExtendAroundLocks = fn(&mut dyn Driver, &[&Reserved], Duration) -> Result<Extended>;
type Extend = fn(&mut dyn Driver, &[&Reserved], Duration) -> Result<Vec<Receipt>>;

/// Pushes the messages changed.
fn push(driver: &mut dyn Driver, messages: &[Message], change: fn(&mut Message)) -> Result<Vec<Pushed>> {
    let mut messages = messages.to_vec();
    messages.iter_mut().for_each(change);
    driver.push(&messages)
}

fn again(after: Duration, counted: bool) -> Verdict {
    Verdict::Again { after, counted, error: String::new() }
}

#[rustfmt::skip] // a table
pub(super) const FAULTS: &[(&str, Fault)] = &[
    // Pushing.
    ("pushing: answers come in order", Fault::Push(|driver, messages| {
        let mut pushed = driver.push(messages)?;
        pushed.reverse();
        Ok(pushed)
    })),
    ("pushing: the same uuid pushed twice adds once", Fault::Push(|driver, messages| {
        push(driver, messages, |message| message.uuid = new_uuid())
    })),
    ("pushing: a payload of a mebibyte comes back byte for byte", Fault::Push(|driver, messages| {
        push(driver, messages, |message| {
            message.payload = Arc::from(&message.payload[..message.payload.len().min(65_535)]);
        })
    })),
    ("pushing: every field comes back", Fault::Job(|job| job.message.overrides = None)),
    ("unique keys: a key is taken while its job waits", Fault::Push(|driver, messages| {
        push(driver, messages, |message| message.unique_key = None)
    })),
    ("unique keys: keys that differ by case or spaces are different", Fault::Push(|driver, messages| {
        push(driver, messages, |message| {
            let key = message.unique_key.take();
            message.unique_key = key.map(|key| Arc::from(key.trim_end().to_lowercase()));
        })
    })),
    // Order.
    ("order: a higher priority goes first", Fault::Push(|driver, messages| {
        push(driver, messages, |message| message.priority = 0)
    })),
    ("order: queues are taken from in the order asked for", Fault::Reserve(|driver, want| {
        let mut queues = want.queues.to_vec();
        queues.sort();
        queues.reverse();
        driver.reserve(&Want { queues: &queues, ..*want })
    })),
    ("order: queues that differ by case or spaces are different", Fault::Push(|driver, messages| {
        push(driver, messages, |message| {
            message.queue = Arc::from(message.queue.trim_end().to_lowercase());
        })
    })),
    ("order: no more is taken than was asked for", Fault::Reserve(|driver, want| {
        driver.reserve(&Want { fresh: want.fresh + 1, ..*want })
    })),
    ("order: nothing is taken when nothing fresh is wanted", Fault::Reserve(|driver, want| {
        driver.reserve(&Want { fresh: want.fresh.max(1), ..*want })
    })),
    ("order: nothing is taken where no queue is named", Fault::Reserve(|driver, want| {
        let known: Vec<_> = driver.size(&[])?.into_iter().map(|size| size.queue).collect();
        let queues = if want.queues.is_empty() { &known } else { want.queues };
        driver.reserve(&Want { queues, ..*want })
    })),
    ("order: what was due first goes first", Fault::Reserve(|driver, want| {
        let mut taken = driver.reserve(want)?;
        taken.jobs.reverse();
        Ok(taken)
    })),
    ("unique keys: the newest takes the place of the one that waits", Fault::Push(|driver, messages| {
        push(driver, messages, |message| message.replaces = false)
    })),
    ("unique keys: a key until the start is free once its job is handed out", Fault::Push(|driver, messages| {
        push(driver, messages, |message| message.overrides = None)
    })),
    ("delays: a taken job says how long it was due", Fault::Job(|job| {
        job.due_for = job.due_for.map(|due_for| due_for + Duration::from_secs(10));
    })),
    ("delays: a delayed job is not taken before its time", Fault::Push(|driver, messages| {
        push(driver, messages, |message| message.delay = Duration::ZERO)
    })),
    ("delays: a retry waits as long as it was told", Fault::Verdict(|verdict| match verdict {
        Verdict::Again { counted, .. } => Some(again(Duration::ZERO, *counted)),
        _ => None,
    })),
    ("delays: next due tells when a delayed job comes", Fault::Reserve(|driver, want| {
        Ok(Taken { next_due: None, ..driver.reserve(want)? })
    })),
    // Attempts.
    ("attempts: the take counts the attempt", Fault::Job(|job| job.attempt -= 1)),
    ("attempts: an uncounted retry takes the attempt back", Fault::Verdict(|verdict| match verdict {
        Verdict::Again { after, .. } => Some(again(*after, true)),
        _ => None,
    })),
    ("attempts: the last error comes back", Fault::Job(|job| job.last_error = None)),
    ("attempts: a job given back unstarted has its attempt back", Fault::Verdict(|verdict| match verdict {
        Verdict::Unstarted { after } => Some(again(*after, true)),
        _ => None,
    })),
    ("attempts: a job given back without a delay keeps its place", Fault::Verdict(|verdict| match verdict {
        Verdict::Unstarted { after } => Some(again(*after, false)),
        _ => None,
    })),
    ("attempts: it is remembered since when a name is unknown", Fault::Verdict(|verdict| match verdict {
        Verdict::Unknown { after } => Some(Verdict::Unstarted { after: *after }),
        _ => None,
    })),
    ("attempts: it is remembered since when a name is unknown", Fault::Job(|job| {
        // Since the last time it was seen, not since the first.
        job.unknown_for = job.unknown_for.map(|_| Duration::ZERO);
    })),
    ("attempts: a job that ran was not unknown", Fault::Verdict(|verdict| match verdict {
        Verdict::Again { after, .. } => Some(Verdict::Unstarted { after: *after }),
        _ => None,
    })),
    // Exclusive holds.
    ("exclusive: a held job is given to nobody else", Fault::Reserve(|driver, want| {
        let taken = driver.reserve(want)?;
        give_back(driver, &taken.jobs)?;
        Ok(taken)
    })),
    ("exclusive: each job is taken exactly once by many threads", Fault::Reserve(|driver, want| {
        let taken = driver.reserve(want)?;
        give_back(driver, taken.jobs.get(..1).unwrap_or_default())?;
        Ok(taken)
    })),
    ("exclusive: held until is a lease after the moment before the take", Fault::Job(|job| {
        job.held_until += Duration::from_secs(60);
    })),
    ("leases: a held job is not taken before its lease is over", Fault::Reserve(|driver, want| {
        driver.reserve(&Want { lease: want.lease / 3, ..*want })
    })),
    ("leases: an extend renews the hold", Fault::Extend(|_, _, _| Ok(Vec::new()))),
    ("leases: an expired hold does not become clean", Fault::Reserve(|driver, want| {
        // The sweep that must not be: it gives what has expired back as clean.
        let sweep = Want { fresh: 0, suspects: Suspects::Take(9), ..*want };
        let expired = driver.reserve(&sweep)?.jobs;
        let settled: Vec<_> =
            expired.iter().map(|job| Settled { job, verdict: again(Duration::ZERO, false) }).collect();
        driver.settle(&settled)?;
        driver.reserve(want)
    })),
    ("late: a late extend is lost", Fault::Extend(|driver, held, lease| {
        driver.extend(held, lease).map(|_| Vec::new())
    })),
    ("late: an extend tells the lost from the good", Fault::Extend(|driver, held, lease| {
        let lost = driver.extend(held, lease)?;
        Ok(if lost.is_empty() { lost } else { held.iter().map(|job| job.receipt).collect() })
    })),
    ("late: a late done removes nothing", Fault::Settle(|driver, settled| {
        driver.settle(settled).map(|_| Settlement::default())
    })),
    ("late: a late done removes nothing", Fault::Unfenced),
    ("late: a late again puts nothing back", Fault::Unfenced),
    ("late: a late unknown puts nothing back", Fault::Unfenced),
    ("late: a late unstarted puts nothing back", Fault::Unfenced),
    // Settling.
    ("settling: a job that is done is gone", Fault::Verdict(|verdict| match verdict {
        Verdict::Done => Some(Verdict::Unstarted { after: Duration::ZERO }),
        _ => None,
    })),
    ("settling: a lost hold does not keep its neighbours from being settled", Fault::Settle(
        |driver, settled| {
            let held: Vec<_> = settled.iter().map(|one| one.job).collect();
            let lost = driver.extend(&held, Duration::from_secs(3_600))?;
            match lost.is_empty() {
                true => driver.settle(settled),
                false => Ok(Settlement { lost, ..Settlement::default() }),
            }
        },
    )),
    ("settling: settle and reserve tells what was lost", Fault::SettleAndReserve(
        |driver, settled, want| {
            driver.settle(settled)?;
            Ok((Settlement::default(), driver.reserve(want)?))
        },
    )),
    ("settling: settle and reserve does the one and then the other", Fault::SettleAndReserve(
        |driver, _, want| Ok((Settlement::default(), driver.reserve(want)?)),
    )),
    // Suspects.
    ("suspects: a lost job comes back as a suspect with its attempt unchanged", Fault::Job(|job| {
        job.attempt += u32::from(job.suspect);
    })),
    ("suspects: a lost job comes back as a suspect with its attempt unchanged", Fault::Job(|job| {
        job.suspect = false;
    })),
    ("suspects: a suspect that is lost again is charged", Fault::Job(|job| {
        job.attempt = if job.suspect { 1 } else { job.attempt };
    })),
    ("suspects: a suspect that was taken uncharged is not charged when it is lost", Fault::Reserve(|driver, want| {
        let suspects = match want.suspects {
            Suspects::TakeUncharged(most) => Suspects::Take(most),
            others => others,
        };
        driver.reserve(&Want { suspects, ..*want })
    })),
    ("suspects: a suspect that was lost uncharged is left for a worker that runs it alone", Fault::Reserve(take_all_uncharged)),
    ("suspects: a suspect that was charged is left for a worker that runs it alone", Fault::Reserve(take_all_uncharged)),
    ("suspects: suspects are not taken where they are ignored", Fault::Reserve(|driver, want| {
        let ignored = want.suspects == Suspects::Ignore;
        let suspects = if ignored { Suspects::Take(9) } else { want.suspects };
        driver.reserve(&Want { suspects, ..*want })
    })),
    ("suspects: a look tells of suspects and takes none", Fault::Reserve(|driver, want| {
        let looks = want.suspects == Suspects::Look;
        driver.reserve(&Want { suspects: if looks { Suspects::Ignore } else { want.suspects }, ..*want })
    })),
    ("suspects: no more suspects are taken than asked for", Fault::Reserve(|driver, want| {
        let takes = matches!(want.suspects, Suspects::Take(1..));
        driver.reserve(&Want { suspects: if takes { Suspects::Take(9) } else { want.suspects }, ..*want })
    })),
    ("suspects: no more suspects are taken than asked for", Fault::Reserve(|driver, want| {
        Ok(Taken { suspects_due: false, ..driver.reserve(want)? })
    })),
    ("suspects: a suspect given back unstarted stays one", Fault::Verdict(|verdict| match verdict {
        Verdict::Unstarted { after } => Some(again(*after, false)),
        _ => None,
    })),
    ("suspects: a suspect that was taken uncharged and given back is as it was", Fault::Verdict(|verdict| match verdict {
        Verdict::Unstarted { after } => Some(again(*after, false)),
        _ => None,
    })),
    ("suspects: a suspect that was taken uncharged and given back is as it was", Fault::Verdict(|verdict| match verdict {
        Verdict::Unknown { after } => Some(again(*after, false)),
        _ => None,
    })),
    ("suspects: a suspect given back with a delay waits", Fault::Verdict(|verdict| match verdict {
        Verdict::Unstarted { .. } => Some(Verdict::Unstarted { after: Duration::ZERO }),
        _ => None,
    })),
    ("suspects: a suspect that ran and survived is clean", Fault::Verdict(|verdict| match verdict {
        Verdict::Again { after, .. } => Some(Verdict::Unstarted { after: *after }),
        _ => None,
    })),
    // What is odd or large.
    ("hostile: a push that nobody can read is kept or refused and harms no other", Fault::Push(|driver, messages| {
        let is_text = messages.iter().all(|message| str::from_utf8(&message.payload).is_ok());
        if is_text { driver.push(messages) } else { Err(Error::unavailable("the connection is lost")) }
    })),
    ("hostile: a push that nobody can read is kept or refused and harms no other", Fault::Push(|driver, messages| {
        push(driver, messages, |message| {
            message.payload = Arc::from(String::from_utf8_lossy(&message.payload).as_bytes());
        })
    })),
    ("hostile: an error of any text and length keeps nobody from being settled", Fault::Settle(|driver, settled| {
        let has_nul = |one: &Settled<'_>| one.verdict.error().is_some_and(|error| error.contains('\0'));
        match settled.iter().any(has_nul) {
            true => Err(Error::invalid("a text with a zero byte can't be kept")),
            false => driver.settle(settled),
        }
    })),
    ("hostile: an error of any text and length keeps nobody from being settled", Fault::Settle(|driver, settled| {
        one_packet(settled.iter().filter_map(|one| one.verdict.error()).map(str::len).sum())?;
        driver.settle(settled)
    })),
    ("large: many large jobs are pushed taken and settled together", Fault::Push(|driver, messages| {
        one_packet(messages.iter().map(|message| message.payload.len()).sum())?;
        driver.push(messages)
    })),
    // Sizes and clearing.
    ("sizes: what waits what is delayed and what is held are counted", Fault::Size(|driver, queues| {
        let mut sizes = driver.size(queues)?;
        for size in &mut sizes {
            size.waiting = size.waiting.zip(size.running).map(|(waiting, running)| waiting + running);
        }
        Ok(sizes)
    })),
    ("sizes: where none is named all queues with jobs are answered", Fault::Size(|driver, queues| {
        let mut sizes = driver.size(queues)?;
        sizes.retain(|size| size.waiting != Some(0));
        Ok(sizes)
    })),
    ("clearing: what waits is removed and counted", Fault::Clear(|_, _| Ok(0))),
    ("clearing: what is delayed is removed and counted", Fault::Clear(|driver, queue| {
        driver.clear(queue).map(|count| count.min(1))
    })),
];

/// What a server takes at once that was never told to take more.
pub(super) fn one_packet(bytes: usize) -> Result<()> {
    match bytes <= 8 * 1024 * 1024 {
        true => Ok(()),
        false => Err(Error::invalid("the packet is too large")),
    }
}

/// Takes also those that are to run alone where others run beside them.
fn take_all_uncharged(driver: &mut dyn Driver, want: &Want<'_>) -> Result<Taken> {
    let taken = driver.reserve(want)?;
    match want.suspects {
        Suspects::TakeUncharged(most) if taken.jobs.is_empty() => {
            driver.reserve(&Want { suspects: Suspects::Take(most), ..*want })
        }
        _ => Ok(taken),
    }
}

/// Lets go of jobs as if they had never been taken.
pub(super) fn give_back(driver: &mut dyn Driver, jobs: &[Reserved]) -> Result<()> {
    let verdict = Verdict::Unstarted { after: Duration::ZERO };
    let settled: Vec<_> = jobs.iter().map(|job| Settled { job, verdict: verdict.clone() }).collect();
    driver.settle(&settled).map(drop)
}
