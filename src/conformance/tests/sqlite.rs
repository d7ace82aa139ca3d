//! Faults that need failed jobs beside the driver, shown on SQLite.

use std::sync::Mutex;

use super::failed_jobs::{FAULTS, FailedFault, FailedMutant};
use super::faults::{Fault, give_back, one_packet};
use super::{Mutant, all_are_caught, hasty};
use crate::config::Config;
use crate::conformance::{ForeignWriter, Storage, Subject};
use crate::driver::database::Database;
use crate::driver::{ControlMessage, Extended, Settlement, Taken, Verdict, Want};
use crate::error::Error;

const BURYING: &[(&str, Fault)] = &[
    ("late: a late bury buries nothing", Fault::Unfenced),
    (
        "burying: a buried job is gone and lies with the failed jobs",
        Fault::Verdict(|verdict| match verdict {
            Verdict::Bury(_) => Some(Verdict::Done),
            _ => None,
        }),
    ),
    (
        "burying: jobs are buried beside others that are settled",
        Fault::Settle(|driver, settled| Ok(Settlement { buried: Vec::new(), ..driver.settle(settled)? })),
    ),
    (
        "unique keys: a key is free when its job is buried",
        Fault::Verdict(|verdict| match verdict {
            Verdict::Bury(_) => Some(Verdict::Unstarted { after: std::time::Duration::ZERO }),
            _ => None,
        }),
    ),
];

const SIGNALS: &[(&str, Fault)] = &[
    (
        "control: a paused queue is told until it is resumed",
        Fault::ControlFlags(|flags| flags.paused.clear()),
    ),
    (
        "control: what is told twice is not new",
        Fault::ControlMessage(|driver, message| driver.control()?.send(message).map(|_| true)),
    ),
    (
        "control: queues that differ by case or spaces are paused by themselves",
        Fault::ControlMessage(|driver, message| match message {
            ControlMessage::Pause(queue) => driver.control()?.send(&ControlMessage::Pause(queue.trim_end())),
            other => driver.control()?.send(other),
        }),
    ),
    (
        "control: each restart has a number of its own",
        Fault::ControlFlags(|flags| flags.restart = flags.restart.map(|_| 1)),
    ),
    (
        "control: a pause changes nothing for the jobs",
        Fault::ControlMessage(|driver, message| {
            if let ControlMessage::Pause(queue) = message {
                driver.clear(queue)?;
            }
            driver.control()?.send(message)
        }),
    ),
];

#[rustfmt::skip] // a table
const HOSTILE: &[(&str, Fault)] = &[
    // The queue stands still behind it.
    ("hostile: jobs that cannot be read are handed out once beside their neighbours", Fault::Reserve(|driver, want| {
        let taken = driver.reserve(want)?;
        match taken.jobs.iter().find_map(|job| job.unreadable.clone()) {
            Some(why) => give_back(driver, &taken.jobs).and(Err(Error::invalid(why))),
            None => Ok(taken),
        }
    })),
    // It is passed over in silence.
    ("hostile: jobs that cannot be read are handed out once beside their neighbours", Fault::Reserve(|driver, want| {
        let mut taken = driver.reserve(want)?;
        taken.jobs.retain(|job| job.unreadable.is_none());
        Ok(taken)
    })),
    // It runs as if it were whole.
    ("hostile: jobs that cannot be read are handed out once beside their neighbours", Fault::Job(|job| {
        job.unreadable = None;
    })),
    ("hostile: a job that cannot be read is settled as any other", Fault::Settle(|driver, settled| {
        let readable = settled.iter().filter(|settled| settled.job.unreadable.is_none());
        driver.settle(&readable.cloned().collect::<Vec<_>>())
    })),
    ("hostile: jobs that cannot be read are buried each with its reason", Fault::Verdict(|verdict| match verdict {
        Verdict::Bury(failure) => {
            Some(Verdict::Bury(crate::failed::Failure { exception: "it died".into(), ..failure.clone() }))
        }
        _ => None,
    })),
    // One refusal fails the whole call.
    ("hostile: a refused settle is answered and its neighbours are settled", Fault::Settle(|driver, settled| {
        let settlement = driver.settle(settled)?;
        match settlement.refused.first() {
            Some((_, why)) => Err(Error::invalid(why.clone())),
            None => Ok(settlement),
        }
    })),
    // What was not written is told as done.
    ("hostile: a refused settle is answered and its neighbours are settled", Fault::Settle(|driver, settled| {
        Ok(Settlement { refused: Vec::new(), ..driver.settle(settled)? })
    })),
    // One refusal leaves the others to be lost.
    ("hostile: a refused extend is answered and its neighbours are renewed", Fault::ExtendAroundLocks(
        |driver, held, lease| {
            let extended = driver.extend_around_locks(&held[..held.len().min(2)], lease)?;
            Ok(Extended { locked: Vec::new(), ..extended })
        },
    )),
    ("hostile: a refused extend is answered and its neighbours are renewed", Fault::ExtendAroundLocks(
        |driver, held, lease| {
            Ok(Extended { refused: Vec::new(), ..driver.extend_around_locks(held, lease)? })
        },
    )),
    ("hostile: a job that cannot be taken is told of and hides no other", Fault::Reserve(|driver, want| {
        Ok(Taken { warnings: Vec::new(), ..driver.reserve(want)? })
    })),
    ("hostile: a job that cannot be taken is told of and hides no other", Fault::Reserve(|driver, want| {
        let taken = driver.reserve(want)?;
        match taken.warnings.first() {
            Some(why) => give_back(driver, &taken.jobs).and(Err(Error::invalid(why.clone()))),
            None => Ok(taken),
        }
    })),
    ("large: one take of large jobs is bounded by their bytes", Fault::Reserve(|driver, want| {
        let mut taken = driver.reserve(want)?;
        while taken.jobs.len() < want.fresh {
            let more = driver.reserve(&Want { fresh: want.fresh - taken.jobs.len(), ..*want })?.jobs;
            if more.is_empty() {
                break;
            }
            taken.jobs.extend(more);
        }
        Ok(taken)
    })),
    ("large: many large jobs are buried together", Fault::Settle(|driver, settled| {
        let bytes = settled.iter().map(|settled| settled.job.message.payload.len()).sum();
        one_packet(bytes).and_then(|()| driver.settle(settled))
    })),
];

/// Somebody with a shell on the file.
struct Sql(Mutex<rusqlite::Connection>);

impl Sql {
    fn run(&self, sql: &str) {
        self.0.lock().expect("no panic while held").execute_batch(sql).expect("valid SQL");
    }
}

impl ForeignWriter for Sql {
    fn add_unreadable(&self, queue: &str) -> usize {
        let odd = ["'soon', 0, 0", "0, 1.5, 0", "0, 0, 'many'"];
        for values in odd {
            let columns = "queue, name, payload, available_at, priority, attempts";
            self.run(&format!("INSERT INTO jobs ({columns}) VALUES ('{queue}', 'Odd', '{{}}', {values})"));
        }
        odd.len()
    }

    fn refuse_changes(&self, name: &str) {
        for change in ["UPDATE", "DELETE"] {
            self.run(&format!(
                "CREATE TRIGGER refuse_{change} BEFORE {change} ON jobs WHEN OLD.name = '{name}'
                BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            ));
        }
    }
}

/// A driver and failed jobs on a new file, each with a fault or none.
fn subject(fault: Fault, failed_fault: FailedFault) -> Subject {
    let folder = tempfile::tempdir().expect("a temporary folder");
    hasty(Subject::of(move || {
        let path = folder.path().join(format!("{}.sqlite3", crate::new_uuid()));
        let tables = rusqlite::Connection::open(&path).expect("a new file");
        for sql in [
            include_str!("../../../sql/sqlite/create_jobs.sql"),
            include_str!("../../../sql/sqlite/create_signals.sql"),
            include_str!("../../../sql/sqlite/create_failed_jobs.sql"),
        ] {
            tables.execute_batch(sql).expect("tables can be made");
        }
        let sound = Database::of_jobs(&Config::sqlite(path), "sqlite").expect("a known connection");
        let failed = FailedMutant { sound: sound.clone(), fault: failed_fault };
        Storage::new(Mutant::new(sound, fault)).failed_jobs(failed).foreign_writer(Sql(Mutex::new(tables)))
    }))
}

const SOUND: Fault = Fault::Verdict(|_| None);

#[test]
fn every_fault_of_burying_is_caught() {
    let mutants = BURYING.iter().map(|(rule, fault)| (*rule, subject(*fault, FailedFault::None)));
    all_are_caught(mutants.collect());
}

#[test]
fn every_fault_with_what_is_hostile_or_large_is_caught() {
    let mutants = HOSTILE.iter().map(|(rule, fault)| (*rule, subject(*fault, FailedFault::None)));
    all_are_caught(mutants.collect());
}

#[test]
fn every_fault_of_control_is_caught() {
    all_are_caught(SIGNALS.iter().map(|(rule, fault)| (*rule, subject(*fault, FailedFault::None))).collect());
}

#[test]
fn every_fault_of_failed_jobs_is_caught() {
    all_are_caught(FAULTS.iter().map(|(rule, fault)| (*rule, subject(SOUND, *fault))).collect());
}
