//! A back end that does what a test says, and writes down what the worker asked.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use super::fake_jobs::{Closure, NoQueue};
use crate::context::{Context, RunEnv, State};
use crate::driver::{
    Backend, Control, ControlFlags, ControlMessage, Driver, Extended, Notifier, Receipt, Settled, Settlement,
    Size, Suspects, Taken, Verdict, Want,
};
use crate::error::{Error, Result};
use crate::failed::Record;
use crate::job::JobResult;
use crate::message::{JobId, Message, Pushed};
use crate::policy::{Limits, Policy};
use crate::registry::{JobType, JobTypes};
use crate::reserved::Reserved;
use crate::runner::{MakeRunner, Runner, Task, Threads, Work};
use crate::worker::{Bounds, Inbox, Report, Stopper, WorkerOptions, run};

/// The longest a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the worker asked for, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Open,
    Reserve {
        fresh: usize,
        suspects: Suspects,
    },
    Extend(Vec<Receipt>),
    Settle(Receipt, String),
    Record(String),
    Look(String),
    Withdraw(Vec<JobId>),
    /// A job said this.
    Job(String),
}

type Answer<T> = Box<dyn FnOnce() -> Result<T> + Send>;
type Reserve = Box<dyn FnMut(&Want<'_>) -> Taken + Send>;

#[derive(Default)]
pub(super) struct Script {
    pub(super) calls: Vec<Call>,
    /// What the next looks find; then nothing.
    pub(super) taken: VecDeque<Taken>,
    pub(super) open: VecDeque<Answer<()>>,
    pub(super) settle: VecDeque<Answer<Settlement>>,
    pub(super) extend: VecDeque<Answer<Vec<Receipt>>>,
    pub(super) record: VecDeque<Answer<Record>>,
    /// The failed jobs can't be reached.
    pub(super) records_none: bool,
    /// What predecessors recorded of any job.
    pub(super) records: Vec<JobId>,
    pub(super) buries: bool,
    /// The table of failed jobs is missing.
    pub(super) refuses_to_bury: bool,
    pub(super) signals: ControlFlags,
    /// How often the signals were read.
    pub(super) signals_read: usize,
    /// How long it takes to read them.
    pub(super) signals_take: Duration,
    /// Several outcomes at once are refused.
    pub(super) refuses_batches: bool,
    /// How long it takes to write one down.
    pub(super) settle_takes: Duration,
    /// The signals can't be read, though all else can.
    pub(super) hides_signals: bool,
    /// The queues that each look asked for.
    pub(super) asked_for: Vec<Vec<String>>,
    /// It is due from the beginning.
    pub(super) suspect: Option<Reserved>,
    /// One is due all the time, and somebody else has its row locked.
    pub(super) locked_suspect: bool,
    /// Answers the looks in place of all that is scripted.
    pub(super) reserve: Option<Reserve>,
    /// Outcomes can't be written down, and holds not renewed: their rows are locked.
    pub(super) locks: bool,
    /// The back end takes no outcomes for now.
    pub(super) takes_none: bool,
    /// How many outcomes were settled without being sure that the back end has them.
    pub(super) unsure: usize,
    /// Holds end with their connection, and these don't come back to the next one.
    pub(super) holds_end: bool,
    pub(super) stay_away: Vec<Receipt>,
    /// Looks find nothing until one asks about suspects.
    pub(super) finds_from_first_suspects: bool,
}

/// Shared by the fake driver, the fake failed jobs, the jobs, and the test.
#[derive(Clone, Default)]
pub(super) struct FakeBackend(Arc<(Mutex<Script>, Condvar)>);

impl FakeBackend {
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.0.lock().unwrap()
    }

    pub(super) fn note(&self, call: Call) {
        self.script().calls.push(call);
        self.0.1.notify_all();
    }

    /// The next look that is not yet scripted finds these.
    pub(super) fn find(&self, jobs: impl IntoIterator<Item = Reserved>) {
        let jobs = jobs.into_iter().collect();
        self.script().taken.push_back(Taken { jobs, ..Taken::default() });
    }

    /// Waits until the calls so far satisfy this.
    pub(super) fn wait_until(&self, what: &str, done: impl Fn(&[Call]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut script = self.script();
        while !done(&script.calls) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not happen; calls: {:#?}", script.calls);
            script = self.0.1.wait_timeout(script, left).unwrap().0;
        }
    }

    pub(super) fn settled(&self) -> Vec<(Receipt, String)> {
        let settles = |call: &Call| match call {
            Call::Settle(receipt, verdict) => Some((*receipt, verdict.clone())),
            _ => None,
        };
        self.script().calls.iter().filter_map(settles).collect()
    }

    pub(super) fn said(&self) -> Vec<String> {
        let said = |call: &Call| match call {
            Call::Job(text) => Some(text.clone()),
            _ => None,
        };
        self.script().calls.iter().filter_map(said).collect()
    }

    pub(super) fn count(&self, wanted: impl Fn(&Call) -> bool) -> usize {
        self.script().calls.iter().filter(|call| wanted(call)).count()
    }
}

impl Backend for FakeBackend {
    fn open(&self, _: Notifier) -> Result<Box<dyn Driver>> {
        self.note(Call::Open);
        let answer = self.script().open.pop_front();
        answer.map_or(Ok(()), |answer| answer())?;
        Ok(Box::new(self.clone()))
    }

    fn describe(&self) -> String {
        "stage".into()
    }

    fn holds_outlive_connection(&self) -> bool {
        !self.script().holds_end
    }
}

impl Driver for FakeBackend {
    fn push(&mut self, _: &[Message]) -> Result<Vec<Pushed>> {
        Err(Error::unsupported("the backend takes no pushes"))
    }

    fn reserve(&mut self, want: &Want<'_>) -> Result<Taken> {
        self.note(Call::Reserve { fresh: want.fresh, suspects: want.suspects });
        let mut script = self.script();
        script.asked_for.push(want.queues.to_vec());
        if let Some(reserve) = &mut script.reserve {
            return Ok(reserve(want));
        }
        if want.queues.is_empty() {
            return Ok(Taken::default());
        }
        if script.finds_from_first_suspects && want.suspects == Suspects::Ignore {
            return Ok(Taken::default());
        }
        script.finds_from_first_suspects = false;
        if script.locked_suspect && want.suspects != Suspects::Ignore {
            let found = if want.fresh > 0 { script.taken.pop_front() } else { None };
            let next_due = found.is_none().then_some(Duration::ZERO);
            return Ok(Taken { suspects_due: true, next_due, ..found.unwrap_or_default() });
        }
        match want.suspects {
            Suspects::Take(_) if script.suspect.is_some() => {
                return Ok(Taken { jobs: script.suspect.take().into_iter().collect(), ..Taken::default() });
            }
            Suspects::Look if script.suspect.is_some() => {
                return Ok(Taken { suspects_due: true, ..Taken::default() });
            }
            _ => {}
        }
        Ok(script.taken.pop_front().unwrap_or_default())
    }

    fn settle(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        self.script().unsure += settled.len();
        self.settle_surely(settled)
    }

    fn came_back(&mut self, job: &Reserved) -> bool {
        !self.script().stay_away.contains(&job.receipt)
    }

    fn settle_surely(&mut self, settled: &[Settled<'_>]) -> Result<Settlement> {
        for Settled { job, verdict } in settled {
            let verdict = match verdict {
                Verdict::Done => "done".into(),
                Verdict::Again { after, counted: true, .. } => format!("again in {after:?}"),
                Verdict::Again { after, .. } => format!("again in {after:?}, uncounted"),
                Verdict::Exhausted { after, .. } => format!("exhausted, in {after:?}"),
                Verdict::Unknown { after } => format!("unknown, in {after:?}"),
                Verdict::Unstarted { after } => format!("unstarted, in {after:?}"),
                Verdict::Bury(failure) => format!("bury: {}", failure.exception),
            };
            self.note(Call::Settle(job.receipt, verdict));
        }
        let refuses = self.script().refuses_batches;
        let takes = self.script().settle_takes;
        match settled.len() {
            2.. if refuses => return Err(Error::other("too much at once")),
            count => std::thread::sleep(takes * count as u32),
        }
        let dead = settled.iter().any(|settled| matches!(settled.verdict, Verdict::Bury(_)));
        if dead && self.script().refuses_to_bury {
            return Err(Error::schema("no such table: failed_jobs"));
        }
        let receipts = || settled.iter().map(|settled| settled.job.receipt).collect();
        if self.script().locks {
            return Ok(Settlement { locked: receipts(), ..Settlement::default() });
        }
        if self.script().takes_none {
            return Ok(Settlement { pending: receipts(), ..Settlement::default() });
        }
        let answer = if settled.is_empty() { None } else { self.script().settle.pop_front() };
        answer.map_or(Ok(Settlement::default()), |answer| answer())
    }

    fn extend(&mut self, held: &[&Reserved], _: Duration) -> Result<Vec<Receipt>> {
        self.note(Call::Extend(held.iter().map(|job| job.receipt).collect()));
        let answer = self.script().extend.pop_front();
        answer.map_or(Ok(Vec::new()), |answer| answer())
    }

    fn extend_around_locks(&mut self, held: &[&Reserved], lease: Duration) -> Result<Extended> {
        let lost = self.extend(held, lease)?;
        let locked = held.iter().filter(|_| self.script().locks).map(|job| job.receipt).collect();
        Ok(Extended { lost, locked, ..Extended::default() })
    }

    fn size(&mut self, _: &[String]) -> Result<Vec<Size>> {
        Ok(Vec::new())
    }

    fn clear(&mut self, _: &str) -> Result<u64> {
        Ok(0)
    }

    fn control(&mut self) -> Result<&mut dyn Control> {
        Ok(self)
    }

    fn buries(&self) -> bool {
        self.script().buries
    }
}

impl Control for FakeBackend {
    fn flags(&mut self) -> Result<ControlFlags> {
        std::thread::sleep(self.script().signals_take);
        let mut script = self.script();
        script.signals_read += 1;
        match script.hides_signals {
            true => Err(Error::other("permission denied for table jobs_signals")),
            false => Ok(script.signals.clone()),
        }
    }

    fn send(&mut self, _: &ControlMessage<'_>) -> Result<bool> {
        unreachable!("a worker sends no messages")
    }
}

/// A job as the fake backend hands it out: number `id`, named "Job", whose payload is `says`.
pub(super) fn job(id: u64, says: &str) -> Reserved {
    let message =
        Message { uuid: format!("uuid-{id}").into(), ..Message::new("default", "Job", says.as_bytes()) };
    let held_until = Instant::now() + Duration::from_secs(3_600);
    Reserved::new(JobId::Number(id.cast_signed()), message, 1, Receipt(id, 100 + id), held_until)
}

/// What a job does that ends when the returned sender is dropped.
pub(super) fn waits() -> (mpsc::Sender<()>, impl Fn() -> JobResult + Send + Sync) {
    let (end, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let until_dropped = move || {
        let _ = wait.lock().unwrap().recv();
        Ok(())
    };
    (end, until_dropped)
}

/// A worker on the fake backend, to be changed and run.
pub(super) struct TestWorker {
    pub(super) options: WorkerOptions,
    pub(super) slots: usize,
    /// As if jobs ran in child processes.
    pub(super) isolates: bool,
    inbox: Inbox,
}

struct Isolating(Threads, bool);

impl Runner for Isolating {
    fn begin(&mut self, work: Vec<Work>) {
        self.0.begin(work);
    }

    fn take_back(&mut self, most: usize) -> Vec<Arc<Task>> {
        self.0.take_back(most)
    }

    fn isolates(&self) -> bool {
        self.1
    }
}

impl TestWorker {
    /// Two slots, long times, ends when nothing is found; jobs are run by `handle`.
    pub(super) fn new(
        backend: &FakeBackend,
        handle: impl Fn(&str, &Context) -> JobResult + Send + Sync + 'static,
    ) -> Self {
        let job_type: Arc<dyn JobType> = Arc::new(Closure(handle, backend.clone()));
        let job_types: JobTypes = Arc::new([("Job".into(), job_type)].into());
        let limits = Limits { attempts: 2, backoff: Duration::from_millis(20).into(), timeout: None };
        let options = WorkerOptions {
            driver: "stage".into(),
            connection: String::new(),
            backend: Arc::new(backend.clone()),
            control: None,
            failed: Some(Arc::new(backend.clone())),
            job_types,
            queues: vec!["default".into()],
            slots: 2,
            policy: Policy { limits, ..Policy::default() },
            poll: Duration::from_secs(3_600),
            lease: Duration::from_secs(3_600),
            grace: PATIENCE,
            bounds: Bounds { when_empty: true, ..Bounds::default() },
            listener: None,
            is_heard: false,
            process_ends: false,
        };
        Self { options, slots: 2, isolates: false, inbox: Inbox::new() }
    }

    pub(super) fn stopper(&self) -> Stopper {
        self.inbox.stopper()
    }

    pub(super) fn run(mut self) -> Result<Report> {
        self.options.slots = self.slots;
        let run_env = RunEnv::new(Arc::new(State::default()), Arc::new(NoQueue), self.inbox.stopping());
        let (slots, isolates) = (self.slots, self.isolates);
        let runner: MakeRunner = Box::new(move |tell| {
            let threads = Threads::start(slots, "handle", &run_env, &tell)?;
            Ok(Box::new(Isolating(threads, isolates)))
        });
        run(self.options, runner, self.inbox)
    }

    pub(super) fn start(self) -> std::thread::JoinHandle<Result<Report>> {
        std::thread::spawn(move || self.run())
    }
}
