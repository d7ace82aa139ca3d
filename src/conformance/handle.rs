//! A driver as checks use it: each verb with the assertions that hold for every call.

use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{Fixture, LONG, must};
use crate::driver::{
    Driver, Notifier, Receipt, Reserved, Settled, Settlement, Size, Suspects, Taken, Verdict, Want,
};
use crate::message::{JobId, Message, Pushed};

pub(super) struct Handle<'a> {
    fixture: &'a Fixture<'a>,
    /// `None` only while it is opened again.
    driver: Option<Box<dyn Driver>>,
}

impl Fixture<'_> {
    /// Opens a handle without a notifier.
    pub(super) fn handle(&self) -> Handle<'_> {
        self.handle_with(Notifier::silent())
    }

    pub(super) fn handle_with(&self, notifier: Notifier) -> Handle<'_> {
        Handle { fixture: self, driver: Some(self.open(notifier)) }
    }
}

impl<'a> Handle<'a> {
    pub(super) fn driver(&mut self) -> &mut dyn Driver {
        &mut **self.driver.as_mut().expect("is open")
    }

    #[track_caller]
    pub(super) fn push(&mut self, messages: &[Message]) -> Vec<Pushed> {
        let pushed = must("push", self.driver().push(messages));
        assert_eq!(pushed.len(), messages.len(), "a push answers once for each message");
        pushed
    }

    /// Pushes a job that must be added.
    #[track_caller]
    pub(super) fn add(&mut self, message: Message) -> JobId {
        match &self.push(&[message])[..] {
            [Pushed::Added(id)] => id.clone(),
            other => panic!("a job without a duplicate is added, not {other:?}"),
        }
    }

    /// Adds jobs by name, one push each, so that they are due one after another.
    #[track_caller]
    pub(super) fn add_each(&mut self, names: &[&str]) {
        for name in names {
            let job = self.fixture.job(name);
            self.add(job);
        }
    }

    #[track_caller]
    pub(super) fn reserve(&mut self, want: &Want<'_>) -> Taken {
        must("reserve", self.driver().reserve(want))
    }

    /// Takes what is there now and no suspect, at most this many, in one reserve.
    #[track_caller]
    pub(super) fn take_at_most(&mut self, fresh: usize) -> Taken {
        let queues = [self.fixture.queue.clone()];
        self.reserve(&Want { queues: &queues, fresh, suspects: Suspects::Ignore, lease: LONG })
    }

    /// Takes exactly this many clean jobs, and holds them for good.
    #[track_caller]
    pub(super) fn take(&mut self, count: usize) -> Vec<Reserved> {
        self.gather(count, |missing| (missing, Suspects::Ignore), LONG)
    }

    #[track_caller]
    pub(super) fn take_one(&mut self) -> Reserved {
        self.take(1).remove(0)
    }

    /// Takes clean jobs that [`Handle::lose`] then loses.
    #[track_caller]
    pub(super) fn take_briefly(&mut self, count: usize) -> Vec<Reserved> {
        self.gather(count, |missing| (missing, Suspects::Ignore), self.fixture.subject.short_lease)
    }

    /// Takes exactly this many suspects, and holds them for good.
    #[track_caller]
    pub(super) fn take_suspects(&mut self, count: usize) -> Vec<Reserved> {
        self.gather(count, |missing| (0, Suspects::Take(missing)), LONG)
    }

    /// Takes suspects that [`Handle::lose`] then loses.
    #[track_caller]
    pub(super) fn take_suspects_briefly(&mut self, count: usize) -> Vec<Reserved> {
        self.gather(count, |missing| (0, Suspects::Take(missing)), self.fixture.subject.short_lease)
    }

    /// As that, by a worker that would not die of them.
    #[track_caller]
    pub(super) fn take_uncharged_briefly(&mut self, count: usize) -> Vec<Reserved> {
        self.gather(count, |missing| (0, Suspects::TakeUncharged(missing)), self.fixture.subject.short_lease)
    }

    /// The same, and holds them for good.
    #[track_caller]
    pub(super) fn take_uncharged(&mut self, count: usize) -> Vec<Reserved> {
        self.gather(count, |missing| (0, Suspects::TakeUncharged(missing)), LONG)
    }

    #[track_caller]
    fn gather(
        &mut self,
        count: usize,
        wanted: impl Fn(usize) -> (usize, Suspects),
        lease: Duration,
    ) -> Vec<Reserved> {
        let fixture = self.fixture;
        let queues = [fixture.queue.clone()];
        let mut jobs = Vec::new();
        fixture.wait_for(&format!("{count} jobs that should be there to take"), || {
            let (fresh, suspects) = wanted(count - jobs.len());
            jobs.extend(self.reserve(&Want { queues: &queues, fresh, suspects, lease }).jobs);
            assert!(jobs.len() <= count, "a reserve takes no more than was asked for");
            (jobs.len() == count).then_some(())
        });
        jobs
    }

    /// Loses the holds of all that was taken briefly: their lease is over, or, where the back end goes by
    /// connections, this one is closed and opened again.
    #[track_caller]
    pub(super) fn lose(&mut self) {
        if self.fixture.can().leases {
            thread::sleep(self.fixture.subject.short_lease + Duration::from_millis(20));
        } else {
            self.driver = None;
            *self = self.fixture.handle_with(Notifier::silent());
        }
    }

    /// There is nothing to take, clean or suspect.
    #[track_caller]
    pub(super) fn finds_nothing(&mut self) {
        let queues = [self.fixture.queue.clone()];
        let start = Instant::now();
        while start.elapsed() < self.fixture.subject.quiet {
            let want = Want { queues: &queues, fresh: 9, suspects: Suspects::Take(9), lease: LONG };
            let taken = self.reserve(&want);
            assert!(taken.jobs.is_empty(), "nothing should be there to take, but {:?}", taken.jobs);
            assert!(!taken.suspects_due, "no suspect should be due");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub(super) fn settle_all(&mut self, settled: &[(&Reserved, Verdict)]) -> Settlement {
        let settled: Vec<_> =
            settled.iter().map(|(job, verdict)| Settled { job, verdict: verdict.clone() }).collect();
        must("settle", self.driver().settle(&settled))
    }

    /// Settles a job that is held.
    #[track_caller]
    pub(super) fn settle(&mut self, job: &Reserved, verdict: Verdict) {
        let settlement = self.settle_all(&[(job, verdict.clone())]);
        assert!(settlement.lost.is_empty(), "a hold that is good is not lost when it is settled {verdict:?}");
    }

    /// Settles a job that is not held any more.
    #[track_caller]
    pub(super) fn settle_too_late(&mut self, job: &Reserved, verdict: Verdict) {
        let settlement = self.settle_all(&[(job, verdict.clone())]);
        assert_eq!(settlement.lost, [job.receipt], "a hold that is lost is answered, settled {verdict:?}");
        assert!(settlement.buried.is_empty(), "a lost job is not buried");
    }

    #[track_caller]
    pub(super) fn extend(&mut self, held: &[&Reserved], lease: Duration) -> Vec<Receipt> {
        let extended = must("extend", self.driver().extend_around_locks(held, lease));
        assert!(extended.locked.is_empty(), "nobody else has locked a job: {extended:?}");
        extended.lost
    }

    /// How much waits in the queue.
    #[track_caller]
    pub(super) fn size(&mut self) -> Size {
        let queue = self.fixture.queue.clone();
        let sizes = must("count", self.driver().size(std::slice::from_ref(&queue)));
        match &sizes[..] {
            [size] if size.queue == queue => size.clone(),
            other => panic!("asked for the size of \"{queue}\", it is answered, not {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn clear(&mut self) -> u64 {
        let queue = self.fixture.queue.clone();
        must("clear", self.driver().clear(&queue))
    }
}

/// Back at once; the attempt counts.
pub(super) fn again() -> Verdict {
    Verdict::Again { after: Duration::ZERO, counted: true, error: "no luck".into() }
}

/// Back at once; the attempt does not count.
pub(super) fn again_uncounted() -> Verdict {
    Verdict::Again { after: Duration::ZERO, counted: false, error: "not now".into() }
}

pub(super) fn unknown() -> Verdict {
    Verdict::Unknown { after: Duration::ZERO }
}

pub(super) fn unstarted() -> Verdict {
    Verdict::Unstarted { after: Duration::ZERO }
}

pub(super) fn names(jobs: &[Reserved]) -> Vec<&str> {
    jobs.iter().map(|job| &*job.message.name).collect()
}
