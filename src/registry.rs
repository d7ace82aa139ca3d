//! The registry: which names this program knows, and how each is run.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::context::{Context, State};
use crate::error::{Error, Result};
use crate::job::{JobError, JobResult, Queueable};
use crate::message::check_name;
use crate::payload::{self, bounded};
use crate::policy::{NotRun, Outcome, TypeLimits};

/// The jobs that a program knows, and the state they share.
///
/// ```
/// # use craft_queue::{Context, JobResult, Jobs, Queueable};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct SendEmail { to: String }
/// # impl Queueable for SendEmail {
/// #     const NAME: &'static str = "SendEmail";
/// #     fn handle(&self, _: &Context) -> JobResult { Ok(()) }
/// # }
/// struct Mailer { host: String }
///
/// let jobs = Jobs::new()
///     .state(Mailer { host: "localhost".into() })
///     .add::<SendEmail>();
/// assert_eq!(jobs.names().collect::<Vec<_>>(), ["SendEmail"]);
/// ```
#[derive(Default)]
pub struct Jobs {
    job_types: BTreeMap<Arc<str>, Arc<dyn JobType>>,
    state: State,
    wrong: Option<String>,
}

/// A type of job, however it is run.
pub(crate) trait JobType: Send + Sync {
    fn limits(&self) -> TypeLimits;
    fn queue(&self) -> Option<&str>;
    /// Whether it is a process of its own when it runs: it can't hurt its worker, and can be ended.
    fn is_program(&self) -> bool {
        false
    }
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "the command line asks"))]
    /// Why the payload is none of this type, before it is pushed. Provided: any is.
    fn check(&self, payload: &[u8]) -> Result<(), String> {
        let _ = payload;
        Ok(())
    }
    fn run(&self, payload: &[u8], callback: &str, context: &Context) -> Result<Outcome, NotRun>;
    /// Calls the hook `failed`; an error says why it could not be called, or how it panicked.
    fn failed(&self, payload: &[u8], error: &JobError, context: &Context) -> Result<(), String>;
}

impl Jobs {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a job type. A name that is registered twice, or is no valid name, is an error when the
    /// queue is opened.
    #[must_use]
    pub fn add<J: Queueable>(mut self) -> Self {
        self.insert(J::NAME, Arc::new(Typed::<J>(PhantomData)));
        self
    }

    /// Gives all jobs a value that they find with [`Context::state`]; one of each type.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.put(value);
        self
    }

    /// The registered names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.job_types.keys().map(|name| &**name)
    }

    pub(crate) fn insert(&mut self, name: &str, job_type: Arc<dyn JobType>) {
        if let Err(error) = check_name("name of a job", name) {
            self.wrong.get_or_insert(error.to_string());
        }
        let is_program = job_type.is_program();
        if self.job_types.insert(Arc::from(name), job_type).is_some() {
            self.wrong.get_or_insert(match is_program {
                true => format!(
                    "the job \"{name}\" is a program in [jobs.{name}], and registered in Rust as well"
                ),
                false => format!("the job \"{name}\" is registered twice"),
            });
        }
    }

    /// Parts them: the job types for the workers, the state for the jobs.
    ///
    /// # Errors
    /// A name was registered twice or is no valid name.
    pub(crate) fn into_parts(self) -> Result<(JobTypes, Arc<State>)> {
        match self.wrong {
            Some(why) => Err(Error::config(why).with_help("give each job a NAME of its own")),
            None => Ok((Arc::new(self.job_types), Arc::new(self.state))),
        }
    }
}

/// The types by name, shared by all workers of a queue.
pub(crate) type JobTypes = Arc<BTreeMap<Arc<str>, Arc<dyn JobType>>>;

struct Typed<J>(PhantomData<fn() -> J>);

impl<J: Queueable> JobType for Typed<J> {
    fn limits(&self) -> TypeLimits {
        let own = || TypeLimits { attempts: J::attempts(), backoff: J::backoff(), timeout: J::timeout() };
        catch(own).unwrap_or_else(|why| {
            log::error!("the limits of {} are those of its worker, as its own can't be had: {why}", J::NAME);
            TypeLimits::default()
        })
    }

    fn queue(&self) -> Option<&str> {
        J::queue()
    }

    fn check(&self, payload: &[u8]) -> Result<(), String> {
        catch(|| decode::<J>(payload).map(drop))?
    }

    fn run(&self, payload: &[u8], callback: &str, context: &Context) -> Result<Outcome, NotRun> {
        let job: J = match catch(|| decode(payload)) {
            Ok(Ok(job)) => job,
            Ok(Err(why)) | Err(why) => return Ok(Outcome::Unrunnable(bounded(why))),
        };
        // A drop of the job that panics is the job's panic, too.
        Ok(match catch(move || -> JobResult { job.call(callback, context) }) {
            Ok(Ok(())) => Outcome::Ok,
            Ok(Err(error)) => Outcome::Failed(error.bounded()),
            Err(panic) => Outcome::Failed(JobError::new(panic).bounded()),
        })
    }

    fn failed(&self, payload: &[u8], error: &JobError, context: &Context) -> Result<(), String> {
        catch(|| decode::<J>(payload).map(|job| job.failed(error, context))).flatten().map_err(bounded)
    }
}

fn decode<J: Queueable>(payload: &[u8]) -> Result<J, String> {
    serde_json::from_slice(payload)
        .or_else(|cause| payload::without_fields(payload, cause))
        .map_err(|cause| format!("the payload is not a {}: {cause}", J::NAME))
}

/// Runs code of the user's; a panic becomes its text.
///
/// Unwind safety: the job is dropped with the unwinding, and the state it shares is the user's, who
/// sees a poisoned lock as he would in a thread of his own.
fn catch<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        // The payload may panic when dropped, outside of our catch.
        std::mem::forget(payload);
        match text {
            Some(text) => format!("panicked: {text}"),
            None => "panicked with a value that is no text".to_owned(),
        }
    })
}
