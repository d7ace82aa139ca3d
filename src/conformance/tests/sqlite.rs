//! Faults that need failed jobs beside the driver, shown on SQLite.

use super::failed_jobs::{FAULTS, FailedFault, FailedMutant};
use super::faults::Fault;
use super::{Mutant, all_are_caught, hasty};
use crate::config::Config;
use crate::conformance::Subject;
use crate::driver::database::Database;
use crate::driver::{ControlMessage, Settlement, Verdict};

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

/// A driver and failed jobs on a new file, each with a fault or none.
fn subject(fault: Fault, failed_fault: FailedFault) -> Subject {
    let folder = tempfile::tempdir().expect("a temporary folder");
    hasty(Subject::with_failed_jobs(move || {
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
        (Mutant::new(sound, fault), failed)
    }))
}

const SOUND: Fault = Fault::Verdict(|_| None);

#[test]
fn every_fault_of_burying_is_caught() {
    let mutants = BURYING.iter().map(|(rule, fault)| (*rule, subject(*fault, FailedFault::None)));
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
