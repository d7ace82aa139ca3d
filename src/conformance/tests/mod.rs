//! The suite can fail: each driver here breaks one rule, and the check of that rule must say so.

#[cfg(feature = "sqlite")]
mod failed_jobs;
mod faults;
mod inspecting;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use self::faults::{FAULTS, Fault};
use self::inspecting::INSPECTING;
use super::{Check, Subject, checks};
use crate::driver::memory::Memory;
use crate::driver::{
    Backend, Cancelled, Control, ControlFlags, ControlMessage, Driver, Extended, JobDetails, JobFilter,
    Notifier, QueuedJob, Receipt, Reserved, Settled, Settlement, Size, Taken, Verdict, Want,
};
use crate::error::Result;
use crate::message::{JobId, Message, Pushed};

/// A driver with a fault.
struct Mutant<B> {
    sound: B,
    fault: Fault,
    latest: Latest,
}

/// The newest receipt of each job.
type Latest = Arc<Mutex<HashMap<JobId, Receipt>>>;

impl<B> Mutant<B> {
    fn new(sound: B, fault: Fault) -> Self {
        Self { sound, fault, latest: Latest::default() }
    }
}

impl<B: Backend> Backend for Mutant<B> {
    fn open(&self, notifier: Notifier) -> Result<Box<dyn Driver>> {
        Ok(Box::new(Handle {
            sound: self.sound.open(notifier)?,
            fault: self.fault,
            latest: self.latest.clone(),
        }))
    }

    fn describe(&self) -> String {
        self.sound.describe()
    }
}

struct Handle {
    sound: Box<dyn Driver>,
    fault: Fault,
    latest: Latest,
}

impl Handle {
    /// Settles whatever hold there is on the jobs, and answers as if it had looked at the receipts.
    fn settle_unfenced(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        let latest = self.latest.lock().expect("no panic while held").clone();
        let unfenced = |job: &Reserved| Reserved { receipt: latest[&job.id], ..job.clone() };
        let jobs: Vec<_> = settled.iter().map(|one| unfenced(one.job)).collect();
        let changed = jobs.iter().zip(settled);
        let changed: Vec<_> =
            changed.map(|(job, one)| Settled { job, verdict: one.verdict.clone() }).collect();
        self.sound.settle(&changed)?;
        let receipts = settled.iter().map(|one| one.job.receipt).zip(&jobs);
        let lost = receipts.filter(|(receipt, job)| *receipt != job.receipt).map(|(receipt, _)| receipt);
        Ok(Settlement { lost: lost.collect(), ..Settlement::default() })
    }
}

impl Driver for Handle {
    fn push(&mut self, messages: &[Message]) -> Result<Vec<Pushed>> {
        match self.fault {
            Fault::Push(push) => push(&mut *self.sound, messages),
            _ => self.sound.push(messages),
        }
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        match self.fault {
            Fault::Reserve(reserve) => reserve(&mut *self.sound, want),
            Fault::Job(change) => {
                let mut taken = self.sound.reserve(want)?;
                taken.jobs.iter_mut().for_each(change);
                Ok(taken)
            }
            Fault::Unfenced => {
                let taken = self.sound.reserve(want)?;
                let receipts = taken.jobs.iter().map(|job| (job.id.clone(), job.receipt));
                self.latest.lock().expect("no panic while held").extend(receipts);
                Ok(taken)
            }
            _ => self.sound.reserve(want),
        }
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        match self.fault {
            Fault::Settle(settle) => settle(&mut *self.sound, settled),
            Fault::Verdict(change) => {
                let changed = |one: &Settled<'_>| change(&one.verdict).unwrap_or(one.verdict.clone());
                let settled: Vec<_> =
                    settled.iter().map(|one| Settled { job: one.job, verdict: changed(one) }).collect();
                self.sound.settle(&settled)
            }
            Fault::Unfenced => self.settle_unfenced(settled),
            _ => self.sound.settle(settled),
        }
    }

    fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Result<Vec<Receipt>> {
        match self.fault {
            Fault::Extend(extend) => extend(&mut *self.sound, held, lease),
            _ => self.sound.extend(held, lease),
        }
    }

    fn extend_around_locks(&mut self, held: &[&Reserved], lease: Duration) -> Result<Extended> {
        match self.fault {
            Fault::Extend(_) => Ok(Extended { lost: self.extend(held, lease)?, ..Extended::default() }),
            Fault::ExtendAroundLocks(extend) => extend(&mut *self.sound, held, lease),
            _ => self.sound.extend_around_locks(held, lease),
        }
    }

    fn size(&mut self, queues: &[String]) -> Result<Vec<Size>> {
        match self.fault {
            Fault::Size(size) => size(&mut *self.sound, queues),
            _ => self.sound.size(queues),
        }
    }

    fn jobs(&mut self, filter: &JobFilter<'_>) -> Result<Vec<QueuedJob>> {
        match self.fault {
            Fault::Jobs(jobs) => jobs(&mut *self.sound, filter),
            _ => self.sound.jobs(filter),
        }
    }

    fn job(&mut self, id: &JobId) -> Result<Option<JobDetails>> {
        match (self.fault, id) {
            (Fault::NoUuids, JobId::Text(_)) => Ok(None),
            _ => self.sound.job(id),
        }
    }

    fn cancel(&mut self, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        match self.fault {
            Fault::Cancel(cancel) => cancel(&mut *self.sound, ids),
            _ => self.sound.cancel(ids),
        }
    }

    fn clear(&mut self, queue: &str) -> Result<u64> {
        match self.fault {
            Fault::Clear(clear) => clear(&mut *self.sound, queue),
            _ => self.sound.clear(queue),
        }
    }

    fn settle_and_reserve(
        &mut self,
        settled: &[Settled<'_>],
        want: &Want<'_>,
    ) -> Result<(Settlement, Taken)> {
        match self.fault {
            Fault::SettleAndReserve(both) => both(&mut *self.sound, settled, want),
            _ => Ok((self.settle(settled)?, self.reserve(want)?)),
        }
    }

    fn control(&mut self) -> Result<&mut dyn Control> {
        Ok(self)
    }

    fn buries(&self) -> bool {
        self.sound.buries()
    }
}

impl Control for Handle {
    fn flags(&mut self) -> Result<ControlFlags> {
        let mut flags = self.sound.control()?.flags()?;
        if let Fault::ControlFlags(change) = self.fault {
            change(&mut flags);
        }
        Ok(flags)
    }

    fn send(&mut self, message: &ControlMessage<'_>) -> Result<bool> {
        match self.fault {
            Fault::ControlMessage(send) => send(&mut *self.sound, message),
            _ => self.sound.control()?.send(message),
        }
    }
}

/// Made quick: a fault mostly shows in that something does not come.
fn hasty(mut subject: Subject) -> Subject {
    subject.short_lease = Duration::from_millis(100);
    subject.patience = Duration::from_secs(2);
    subject
}

/// The check of this name, written as it is told: `clearing: a held job stays`.
fn check_of(rule: &str) -> &'static Check {
    let found = checks().iter().find(|check| check.to_string() == rule);
    found.unwrap_or_else(|| panic!("no check is named \"{rule}\""))
}

/// Runs each rule's check against a subject that breaks it, all at once as they mostly wait, and fails
/// with those that nobody noticed.
fn all_are_caught(mutants: Vec<(&'static str, Subject)>) {
    let unnoticed: Vec<_> = thread::scope(|scope| {
        let watched: Vec<_> = mutants
            .into_iter()
            .map(|(rule, subject)| (rule, scope.spawn(move || check_of(rule).broken_by(&subject))))
            .collect();
        let unnoticed = watched.into_iter().filter_map(|(rule, watch)| match watch.join() {
            Ok(Some(_)) => None,
            _ => Some(rule),
        });
        unnoticed.collect()
    });
    assert!(unnoticed.is_empty(), "faults went unnoticed:\n{}", unnoticed.join("\n"));
}

#[test]
fn every_fault_of_showing_and_cancelling_is_caught() {
    let mutant = |fault: &Fault| {
        let fault = *fault;
        let mut subject = hasty(Subject::new(move || Mutant::new(Memory::new(), fault)));
        subject.can.inspect = true;
        subject
    };
    all_are_caught(INSPECTING.iter().map(|(rule, fault)| (*rule, mutant(fault))).collect());
}

#[test]
fn every_fault_of_a_driver_is_caught() {
    let mutant = |fault: &Fault| {
        let fault = *fault;
        hasty(Subject::new(move || Mutant::new(Memory::new(), fault)))
    };
    all_are_caught(FAULTS.iter().map(|(rule, fault)| (*rule, mutant(fault))).collect());
}

#[test]
fn without_a_fault_nothing_is_caught() {
    let sound = Fault::Verdict(|_: &Verdict| None);
    super::check(&Subject::new(move || Mutant::new(Memory::new(), sound)));
}

#[test]
fn a_check_of_all_names_every_broken_rule_and_skips_what_cannot_be_done() {
    let forgetful = Fault::Clear(|_, _| Ok(0));
    let mut subject = hasty(Subject::new(move || Mutant::new(Memory::new(), forgetful)));
    subject.can.unique_keys = false;
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| super::check(&subject)));
    let told = super::text_of(&*told.expect_err("clear removes nothing"));
    for rule in ["clearing: what waits is removed and counted: ", "clearing: a held job stays: "] {
        assert!(told.contains(rule), "{told}");
    }
    assert!(!told.contains("unique keys: "), "{told}");
}
