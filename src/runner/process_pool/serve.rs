//! Inside a child: takes jobs from the line and runs them, one after the other, in the main thread.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, unbounded};

use super::child_connection::{ChildConnection, ParentQueue};
use super::child_process::MARK;
use super::codec::{Incoming, Unreadable, read};
use super::protocol::{Job, ToChild, ToParent, is_for_main_thread};
use super::shared_state::{Begin, SharedState};
use crate::context::{Context, Hold, RunEnv, inside_a_job};
use crate::error::{Error, Result};
use crate::job::JobError;
use crate::policy::{NotRun, Outcome};
use crate::registry::{JobType, JobTypes, Jobs};
use crate::runner::unix;

/// The parent tells when a hold is lost; until then a child believes in it.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Whether this program turns its children into runners of jobs.
static SERVES: AtomicBool = AtomicBool::new(false);

pub(super) fn can_serve() -> bool {
    SERVES.load(Ordering::Acquire)
}

impl Jobs {
    /// Turns this process into a runner of jobs, if a worker with `mode = "multiprocess"` started it as its
    /// child, and then never returns. Otherwise it does nothing.
    ///
    /// Call it first in `main`: a child is this program once more, and whatever stands before it is done by
    /// every child, too. [`craft_queue::main`](crate::main) does it for you.
    ///
    /// ```
    /// # use craft_queue::Jobs;
    /// fn main() {
    ///     let jobs = Jobs::new().serve_if_child();
    ///     // Only the parent comes this far.
    /// #   let _ = jobs;
    /// }
    /// ```
    #[must_use]
    pub fn serve_if_child(self) -> Self {
        self.serve_if_child_with(|jobs| jobs)
    }

    /// As [`Jobs::serve_if_child`]; only a child knows these further jobs.
    pub(crate) fn serve_if_child_with(self, more: fn(Self) -> Self) -> Self {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_none_or(|first| first != MARK) {
            SERVES.store(true, Ordering::Release);
            return self;
        }
        // A child has no other caller than the parent, which sees its exit and not its errors.
        let status = match serve(more(self), arguments) {
            Ok(()) => 0,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: this process cannot run jobs: {error}");
                1
            }
        };
        std::process::exit(status)
    }
}

fn serve(jobs: Jobs, mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let mut inherited = || {
        let number: Option<RawFd> = arguments.next().and_then(|text| text.to_str()?.parse().ok());
        let no_child = || Error::invalid(format!("{MARK} is how a worker starts its children"));
        unix::adopt(number.ok_or_else(no_child)?).map_err(|cause| no_child().because(&cause))
    };
    let stream = UnixStream::from(inherited()?);
    let cannot = |cause| Error::other("cannot use what the worker handed down").because(&cause);
    let shared = SharedState::of(&inherited()?).map_err(cannot)?;
    let (job_types, state) = jobs.into_parts()?;
    let connection = Arc::new(ChildConnection::new(stream.try_clone().map_err(cannot)?));
    let (sender, work) = unbounded();
    let (listens, sends) = (connection.clone(), connection.clone());
    let thread = |name: &str| std::thread::Builder::new().name(name.into());
    thread("craft-listens").spawn(move || listen(stream, &listens, &sender)).map_err(cannot)?;
    thread("craft-answers").spawn(move || sends.send_what_is_left()).map_err(cannot)?;
    let enqueue = Arc::new(ParentQueue(connection.clone()));
    let run_env = Arc::new(RunEnv::new(state, enqueue, Arc::default()));
    let mut runner = ChildRunner { connection, shared, job_types, run_env, callback: String::new() };
    runner.answer(&ToParent::Ready {});
    loop {
        if work.is_empty() {
            runner.connection.flush();
        }
        // The socket is closed, and nothing runs: a child ends as any program does.
        let Ok(batch) = work.recv() else { return Ok(()) };
        runner.work_off(batch).map_err(|_| Error::other("the worker sent what is no message"))?;
    }
}

/// Reads what the parent says, also while a job runs, and so sees at once when the parent is gone.
fn listen(mut stream: UnixStream, connection: &ChildConnection, work: &Sender<Incoming>) {
    let mut room = vec![0; 64 * 1024];
    let mut incoming = Incoming::default();
    while let Ok(count @ 1..) = stream.read(&mut room) {
        incoming.add(&room[..count]);
        let mut batch = Incoming::default();
        let read_all = loop {
            match incoming.next() {
                Ok(Some(body)) if is_for_main_thread(body) => batch.pass_on(body),
                Ok(Some(body)) => match read(body) {
                    Ok(ToChild::Hold { number, lost }) => connection.hold(number, lost),
                    Ok(ToChild::Pushed { number, answer }) => connection.pushed(number, answer),
                    _ => break false,
                },
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        if (!batch.is_empty() && work.send(batch).is_err()) || !read_all {
            break;
        }
    }
    connection.end();
}

/// Where jobs are run.
struct ChildRunner {
    connection: Arc<ChildConnection>,
    shared: SharedState,
    job_types: JobTypes,
    run_env: Arc<RunEnv>,
    callback: String,
}

impl ChildRunner {
    fn work_off(&mut self, mut batch: Incoming) -> Result<(), Unreadable> {
        while let Some(body) = batch.next()? {
            match read(body)? {
                ToChild::Hello { callback } => callback.clone_into(&mut self.callback),
                ToChild::Run { job } => self.run(&job),
                ToChild::Hook { job, error } => self.call_hook(&job, error),
                ToChild::Hold { .. } | ToChild::Pushed { .. } => return Err(Unreadable::Unknown),
            }
        }
        Ok(())
    }

    /// Sends an answer. One that is too long there is not, as all texts in them are bounded.
    fn answer(&self, message: &ToParent) {
        let sent = self.connection.say(message);
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    fn run(&self, run: &Job<'_>) {
        if !self.begins(run.number, run.round) {
            return;
        }
        let begun = Instant::now();
        let context = self.context(run, begun);
        self.connection.runs(run.number, &context.hold);
        let outcome = match self.job_types.get(run.name) {
            Some(job_type) => match inside_a_job(|| job_type.run(run.payload, &self.callback, &context)) {
                Ok(outcome) => outcome,
                // Jobs that are programs don't come here.
                Err(NotRun { after }) => Outcome::Failed(JobError::again_after(after, "it was not run")),
            },
            None => Outcome::Failed(
                JobError::new(format!(
                    "this child process knows no job named \"{}\", though its parent does: add the same jobs \
                 before serve_if_child, whatever the arguments",
                    run.name
                ))
                .bounded(),
            ),
        };
        self.connection.over();
        self.answer(&ToParent::Ran { number: run.number, took: begun.elapsed(), outcome });
    }

    fn context(&self, run: &Job<'_>, begun: Instant) -> Context {
        Context {
            id: run.id.clone(),
            uuid: run.uuid.into(),
            queue: run.queue.into(),
            attempt: run.attempt,
            attempts: run.attempts,
            deadline: run.timeout.map(|timeout| begun + timeout),
            hold: Arc::new(Hold::until_then(begun + FOR_EVER)),
            run_env: self.run_env.clone(),
        }
    }

    fn call_hook(&self, job: &Job<'_>, error: &str) {
        if !self.begins(job.number, job.round) {
            return;
        }
        let (error, mut context) = (JobError::new(error), self.context(job, Instant::now()));
        // The attempt is over, and with it its time.
        context.deadline = None;
        let call = |job_type: &Arc<dyn JobType>| job_type.failed(job.payload, &error, &context).err();
        let wrong = inside_a_job(|| self.job_types.get(job.name).and_then(call));
        self.connection.over();
        // The parent logs it: a child that serves before anything else has no logger yet.
        self.answer(&ToParent::Hooked { number: job.number, wrong });
    }

    /// Whether work may be begun; then it is.
    fn begins(&self, number: u32, round: u32) -> bool {
        self.connection.begin();
        let begin = self.shared.begin(number, round);
        if begin != Begin::Now {
            self.connection.over();
        }
        if begin == Begin::TooLate {
            self.answer(&ToParent::TooLate { number });
        }
        begin == Begin::Now
    }
}
