//! A job: a type that can be kept as JSON and run later.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backoff::Backoff;
use crate::context::Context;
use crate::error;
use crate::payload;
use crate::time;

/// What a job's `handle` returns. `?` takes nearly every error. An error that borrows, such as that of a poisoned lock,
/// or that can't be sent to another thread, becomes one by [`JobError::caused_by`]:
///
/// ```
/// use std::sync::Mutex;
///
/// use craft_queue::{Context, JobError, JobResult};
///
/// fn handle(job: &Context) -> JobResult {
///     let total = job.state::<Mutex<u64>>()?;
///     let mut total = total.lock().map_err(|poisoned| JobError::caused_by(&poisoned))?;
///     *total += "12".parse::<u64>()?;
///     Ok(())
/// }
/// ```
pub type JobResult = Result<(), JobError>;

/// A job that can be put on a queue.
///
/// ```
/// use craft_queue::{Context, JobResult, Queueable};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct CreateInvoice {
///     order_id: i64,
/// }
///
/// impl Queueable for CreateInvoice {
///     const NAME: &'static str = "CreateInvoice";
///
///     fn handle(&self, job: &Context) -> JobResult {
///         std::fs::write(format!("{}.txt", self.order_id), format!("attempt {}", job.attempt()))?;
///         Ok(())
///     }
/// }
/// ```
///
/// The fields are the payload; keep them small and let `handle` load the rest. A job may run more than once: its worker
/// may die after the work and before the outcome is written. Write `handle` so that a second run does no harm.
pub trait Queueable: Serialize + DeserializeOwned + 'static {
    /// The name that is written to the queue. Keep the name when the type moves or is renamed: jobs that already wait
    /// carry it.
    const NAME: &'static str;

    /// Does the work.
    ///
    /// # Errors
    /// Any error fails this attempt; the job is tried again after its backoff, or ends in the failed
    /// jobs. [`JobError::fail_now`] and [`JobError::again_after`] decide what happens next instead.
    fn handle(&self, job: &Context) -> JobResult;

    /// Called once the job is among the failed jobs, with the error of its last attempt and the context of that
    /// attempt, which gives the state and pushes further jobs. After a crash at that moment the hook may be called
    /// again, or not at all. A panic in the hook is caught and logged.
    ///
    /// ```
    /// # use craft_queue::{Context, JobError, JobResult, Queueable};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct TellSupport { about: String }
    /// # impl Queueable for TellSupport {
    /// #     const NAME: &'static str = "TellSupport";
    /// #     fn handle(&self, _: &Context) -> JobResult { Ok(()) }
    /// # }
    /// #[derive(Serialize, Deserialize)]
    /// struct CreateInvoice { order_id: i64 }
    ///
    /// impl Queueable for CreateInvoice {
    ///     const NAME: &'static str = "CreateInvoice";
    /// #   fn handle(&self, _: &Context) -> JobResult { Ok(()) }
    ///     // ...
    ///     fn failed(&self, error: &JobError, job: &Context) {
    ///         let about = format!("order {} after {} attempts: {error}", self.order_id, job.attempt());
    ///         if let Err(error) = job.on("mail").push(TellSupport { about }) {
    ///             eprintln!("cannot tell support: {error}");
    ///         }
    ///     }
    /// }
    /// ```
    fn failed(&self, error: &JobError, job: &Context) {
        let _ = (error, job);
    }

    /// Runs the method that the option `callback` names. Override it to offer more than `handle`.
    ///
    /// # Errors
    /// As [`Queueable::handle`]; and when there is no such method.
    fn call(&self, callback: &str, job: &Context) -> JobResult {
        match callback {
            "handle" => self.handle(job),
            other => Err(JobError::fail_now(format!(
                "{} has no method \"{other}\": override Queueable::call, or set callback = \"handle\"",
                Self::NAME
            ))),
        }
    }

    /// How often this job is attempted, at least 1; `None` leaves it to the worker.
    fn attempts() -> Option<u32> {
        None
    }

    /// How long to wait between attempts; `None` leaves it to the worker.
    fn backoff() -> Option<Backoff> {
        None
    }

    /// How long one attempt may take; `None` leaves it to the worker.
    fn timeout() -> Option<Duration> {
        None
    }

    /// The queue this job goes to when the push names none.
    fn queue() -> Option<&'static str> {
        None
    }
}

/// Why a job failed, and what happens to it next.
///
/// `?` in `handle` takes whatever converts into a `Box<dyn Error + Send + Sync>`: every error that is `Send`
/// and `Sync`, such a box itself, `anyhow::Error`, `eyre::Report`, a `String`, a `&str`. The exception that
/// is kept holds the whole chain of causes. For an error that is not `Send`, such as the one of a poisoned
/// lock, write `.map_err(|error| JobError::caused_by(&error))?`.
///
/// `JobError` is not an [`Error`](std::error::Error) itself, as that would forbid the conversion.
/// [`JobError::into_error`] makes one of it, for functions that return `anyhow::Error` or a box; what it
/// asks for (fail now, again after) is kept on the way back, also below a context:
///
/// ```
/// # use craft_queue::{JobError, JobResult};
/// type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
///
/// fn price(order: u32) -> Result<u32> {
///     match order {
///         0 => Err(JobError::fail_now("order 0 costs nothing").into_error().into()),
///         order => Ok(u32::try_from(i64::from(order) * 100)?),
///     }
/// }
///
/// fn handle() -> JobResult {
///     price(0)?; // Fails now, and not after further attempts.
///     Ok(())
/// }
/// # assert_eq!(handle().unwrap_err().message(), "order 0 costs nothing");
/// ```
pub struct JobError {
    message: String,
    steer: RetryHint,
}

/// What a failed job wishes to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryHint {
    /// As the policy says: again after the backoff, or dead when the attempts are used up.
    Policy,
    FailNow,
    AgainAfter(Duration),
    /// As `AgainAfter`, after the backoff.
    Again,
}

impl JobError {
    /// A failed attempt with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: RetryHint::Policy }
    }

    /// No further attempt makes sense: the job goes to the failed jobs now.
    pub fn fail_now(message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: RetryHint::FailNow }
    }

    /// Not yet: run it again after `delay`, at most 36,600 days, without using up an attempt.
    pub fn again_after(delay: Duration, message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: RetryHint::AgainAfter(time::bounded(delay)) }
    }

    /// Not yet: run it again after its backoff, without using up an attempt.
    pub(crate) fn again(message: impl Into<String>) -> Self {
        Self { message: message.into(), steer: RetryHint::Again }
    }

    /// A failed attempt with the message of an error and its causes.
    pub fn caused_by(error: &dyn StdError) -> Self {
        let (message, steer) = RetryHint::found_in(|| error::chain(error));
        Self { message, steer: steer.unwrap_or(RetryHint::Policy) }
    }

    /// An error in the sense of the standard library, to be returned through functions that know nothing of
    /// jobs. Once `?` brings it back, it asks for the same.
    pub fn into_error(self) -> impl StdError + Send + Sync + 'static {
        Carried(self)
    }

    /// What went wrong, causes included.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// With a message short enough to be logged and stored.
    pub(crate) fn bounded(self) -> Self {
        Self { message: payload::bounded(self.message), ..self }
    }

    pub(crate) fn steer(&self) -> RetryHint {
        self.steer
    }
}

impl<'a, E: Into<Box<dyn StdError + Send + Sync + 'a>>> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::caused_by(&*error.into())
    }
}

/// A [`JobError`] as an error of the standard library.
struct Carried(JobError);

impl StdError for Carried {}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

thread_local! {
    /// While an error is written down: what the first `JobError` within it asks for.
    static FOUND: Cell<Option<Option<RetryHint>>> = const { Cell::new(None) };
}

impl RetryHint {
    /// Writes an error down, and says what the outermost `JobError` in it asks for. A wrapper's type may be
    /// unknown here (`anyhow::Error::msg(job_error)`), so a downcast would not find what it holds; but to be
    /// written down the wrapper must show it.
    fn found_in(write: impl FnOnce() -> String) -> (String, Option<Self>) {
        let before = FOUND.replace(Some(None));
        let text = write();
        (text, FOUND.replace(before).flatten())
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if FOUND.get() == Some(None) {
            FOUND.set(Some(Some(self.steer)));
        }
        f.write_str(&self.message)
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.steer, self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use anyhow::Context as _;

    use super::*;

    type Boxed = Box<dyn StdError + Send + Sync>;

    fn error(handle: impl FnOnce() -> JobResult) -> (String, RetryHint) {
        let error = handle().expect_err("the job failed");
        (error.message().to_owned(), error.steer())
    }

    fn io() -> std::io::Error {
        std::io::Error::other("the disk is full")
    }

    #[test]
    fn a_question_mark_takes_every_error_with_its_causes() {
        let missing = || std::fs::File::open("/nowhere/at/all");
        let policy = |text: &str| (text.to_owned(), RetryHint::Policy);
        let no_file = policy("No such file or directory (os error 2)");
        assert_eq!(
            error(|| {
                missing()?;
                Ok(())
            }),
            no_file
        );
        assert_eq!(
            error(|| {
                missing().map_err(Boxed::from)?;
                Ok(())
            }),
            no_file
        );
        assert_eq!(
            error(|| {
                missing().map_err(anyhow::Error::from)?;
                Ok(())
            }),
            no_file
        );
        let chain = policy("cannot write: order 7: the disk is full");
        let with_context = || anyhow::Error::from(io()).context("order 7").context("cannot write");
        assert_eq!(error(|| Err(with_context())?), chain);
        assert_eq!(error(|| Err(Boxed::from(with_context()))?), chain);
        assert_eq!(error(|| Err(anyhow::anyhow!("order {}", 7))?), policy("order 7"));
        assert_eq!(error(|| Err("order 7")?), policy("order 7"));
        assert_eq!(error(|| Err(String::from("order 7"))?), policy("order 7"));
        assert_eq!(error(|| Err(crate::Error::invalid("order 7"))?), policy("order 7"));
        // Neither 'static nor, as to the lock, Send.
        let text = String::from("seven");
        assert_eq!(error(|| Err(Borrowed(&text))?), policy("seven"));
        let lock = Mutex::new(0);
        let _ = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _guard = lock.lock();
                    std::panic::resume_unwind(Box::new(()));
                })
                .join()
        });
        let poisoned = || {
            *lock.lock().map_err(|error| JobError::caused_by(&error))? += 1;
            Ok(())
        };
        assert!(error(poisoned).0.starts_with("poisoned lock"));
    }

    #[derive(Debug)]
    struct Borrowed<'a>(&'a str);

    impl StdError for Borrowed<'_> {}

    impl fmt::Display for Borrowed<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    #[test]
    fn what_a_job_error_asks_for_survives_every_way_back() {
        let soon = Duration::from_secs(5);
        let now = || JobError::fail_now("no such order");
        let now_expected = ("no such order".to_owned(), RetryHint::FailNow);
        assert_eq!(error(|| Err(now())?), now_expected);
        assert_eq!(error(|| Err(now().into_error())?), now_expected);
        assert_eq!(error(|| Err(Boxed::from(now().into_error()))?), now_expected);
        assert_eq!(error(|| Err(anyhow::Error::new(now().into_error()))?), now_expected);
        assert_eq!(error(|| Err(anyhow::Error::msg(now()))?), now_expected);
        assert_eq!(error(|| Err(anyhow::anyhow!(now()))?), now_expected);
        let later = || Err::<(), _>(JobError::again_after(soon, "not yet").into_error());
        let below_a_context = error(|| Ok(later().context("order 7")?));
        assert_eq!(below_a_context, ("order 7: not yet".to_owned(), RetryHint::AgainAfter(soon)));
        let as_a_context = error(|| Ok(Err::<(), _>(io()).context(now())?));
        assert_eq!(as_a_context, ("no such order: the disk is full".to_owned(), RetryHint::FailNow));
        // One that was turned to text is text.
        assert_eq!(error(|| Err(now().to_string())?).1, RetryHint::Policy);
        // An error is written down for nobody else.
        assert_eq!(error(|| Err(io())?).1, RetryHint::Policy);
    }
}
