//! What parent and child say to each other. Both are the same program, so there are no versions.
//!
//! A child has no connection to any back end: a job in it that pushes asks the parent, whose queue pushes. So a job
//! pushes in either mode the same way, pushes of many children share a commit, and no child has to know passwords.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::codec::{Field, fields, variants};
use crate::error::{Error, Result};
use crate::job::{JobError, RetryHint};
use crate::message::{JobId, Overrides, Pushed};
use crate::policy::Outcome;
use crate::push::{NewJob, PushOptions};
use crate::runner::task::Task;

/// A message to a child.
pub(super) enum ToChild<'a> {
    /// The first message: which method of a job to call.
    Hello {
        callback: &'a str,
    },
    Run {
        job: Job<'a>,
    },
    /// Call the hook `failed` with this error.
    Hook {
        job: Job<'a>,
        error: &'a str,
    },
    /// The hold on the running job is lost, or is there again.
    Hold {
        number: u32,
        lost: bool,
    },
    /// The answer to a push.
    Pushed {
        number: u32,
        answer: Result<Vec<Pushed>>,
    },
}

variants!(ToChild<'a> {
    1 Hello { callback }
    2 Run { job }
    3 Hook { job, error }
    4 Hold { number, lost }
    5 Pushed { number, answer }
});

/// Whether a message to a child is for its thread that runs jobs.
pub(super) fn is_for_main_thread(body: &[u8]) -> bool {
    matches!(body.first(), Some(1..=3))
}

/// A message to the parent.
pub(super) enum ToParent {
    /// The child can work.
    Ready {},
    /// A job ran. A child neither times out nor tells of its own death.
    Ran { number: u32, took: Duration, outcome: Outcome },
    /// A hook was called, and this went wrong with it.
    Hooked { number: u32, wrong: Option<String> },
    /// Work was not begun, because the hold on it may be over.
    TooLate { number: u32 },
    /// A job pushes. The number is the child's name for it.
    Push { number: u32, options: PushOptions, new_jobs: Vec<NewJob> },
}

variants!(ToParent {
    1 Ready {}
    2 Ran { number, took, outcome }
    3 Hooked { number, wrong }
    4 TooLate { number }
    5 Push { number, options, new_jobs }
});

/// The longest push of a child: lengths that text is taken for, if a job writes some where it must not, are greater.
pub(super) const LONGEST_PUSH: usize = if cfg!(test) { 1 << 16 } else { 128 << 20 };

/// Nor is any other of its messages so long: texts of jobs are bounded.
const LONGEST_ANSWER: usize = 1 << 20;

/// How long a message to the parent may be whose first byte is this one; `None` where no message has that.
pub(super) fn longest_to_parent(first: Option<u8>) -> Option<usize> {
    match first {
        Some(1..=4) => Some(LONGEST_ANSWER),
        Some(5) | None => Some(LONGEST_PUSH),
        Some(_) => None,
    }
}

/// A job, as the child gets it.
pub(super) struct Job<'a> {
    pub(super) number: u32,
    pub(super) round: u32,
    pub(super) id: JobId,
    pub(super) uuid: &'a str,
    pub(super) name: &'a str,
    pub(super) queue: &'a str,
    pub(super) attempt: u32,
    pub(super) attempts: u32,
    pub(super) timeout: Option<Duration>,
    pub(super) payload: &'a [u8],
}

fields!(Job<'a> { number, round, id, uuid, name, queue, attempt, attempts, timeout, payload });

impl<'a> Job<'a> {
    pub(super) fn of(task: &'a Task, number: u32, round: u32) -> Self {
        let message = &task.job.message;
        Self {
            number,
            round,
            id: task.job.id.clone(),
            uuid: &message.uuid,
            name: &message.name,
            queue: &message.queue,
            attempt: task.job.attempt,
            attempts: task.limits.attempts,
            timeout: task.limits.timeout,
            payload: &message.payload,
        }
    }
}

fields!(PushOptions { driver, queue, delay, replace, overrides });

impl<'a> Field<'a> for Overrides {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_json().as_deref().unwrap_or_default().put(out);
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        <&str>::read(bytes).map(Self::from_json)
    }
}

/// The queue that its type asks for goes with the options of its push.
impl<'a> Field<'a> for NewJob {
    fn put(&self, out: &mut Vec<u8>) {
        (&*self.name).put(out);
        self.payload.as_slice().put(out);
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        let name = Cow::Owned(String::read(bytes)?);
        Some(Self { name, payload: <&[u8]>::read(bytes)?.to_vec(), queue: None })
    }
}

impl<'a> Field<'a> for JobId {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => (0u8, *number).put(out),
            Self::Text(text) => (1u8, &**text).put(out),
        }
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        match u8::read(bytes)? {
            0 => i64::read(bytes).map(Self::Number),
            1 => <&str>::read(bytes).map(|text| Self::Text(Arc::from(text))),
            _ => None,
        }
    }
}

impl<'a> Field<'a> for Pushed {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Added(_) => 0,
            Self::Duplicate(_) => 1,
            Self::Replaced(_) => 2,
        });
        self.id().put(out);
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        let of = match u8::read(bytes)? {
            0 => Self::Added,
            1 => Self::Duplicate,
            2 => Self::Replaced,
            _ => return None,
        };
        JobId::read(bytes).map(of)
    }
}

impl<'a> Field<'a> for Result<Vec<Pushed>> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_ok().put(out);
        match self {
            Ok(pushed) => pushed.put(out),
            Err(error) => {
                error.code().put(out);
                error.to_string().put(out);
                error.help().put(out);
            }
        }
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        if bool::read(bytes)? {
            return Vec::read(bytes).map(Ok);
        }
        let error = Error::from_code(u8::read(bytes)?, String::read(bytes)?);
        Some(Err(match Option::<&str>::read(bytes)? {
            Some(help) => error.with_help(help),
            None => error,
        }))
    }
}

impl<'a> Field<'a> for Outcome {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ok | Self::TimedOut(_) | Self::Died(_) => 0u8.put(out),
            Self::Unrunnable(why) => (1u8, why.as_str()).put(out),
            Self::Failed(error) => match error.steer() {
                RetryHint::Policy => (2u8, error.message()).put(out),
                RetryHint::FailNow => (3u8, error.message()).put(out),
                RetryHint::Again => (4u8, error.message()).put(out),
                RetryHint::AgainAfter(after) => (5u8, (after, error.message())).put(out),
            },
        }
    }

    fn read(bytes: &mut &'a [u8]) -> Option<Self> {
        let kind = u8::read(bytes)?;
        let after = if kind == 5 { Duration::read(bytes)? } else { Duration::ZERO };
        let mut text = || <&str>::read(bytes);
        Some(match kind {
            0 => Self::Ok,
            1 => Self::Unrunnable(text()?.to_owned()),
            2 => Self::Failed(JobError::new(text()?)),
            3 => Self::Failed(JobError::fail_now(text()?)),
            4 => Self::Failed(JobError::again(text()?)),
            5 => Self::Failed(JobError::again_after(after, text()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::{Incoming, put, read};
    use super::*;

    fn through<'a, M: Field<'a>>(incoming: &'a mut Incoming, message: &M) -> M {
        let mut sent = Vec::new();
        put(&mut sent, message).unwrap();
        incoming.add(&sent);
        read(incoming.next().unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_push_arrives_as_it_was_meant() {
        let options = PushOptions {
            driver: Some("database".into()),
            queue: None,
            delay: Duration::from_millis(1_250),
            replace: true,
            overrides: Overrides { attempts: Some(7), ..Overrides::default() },
        };
        let new_job = NewJob { name: "A".into(), payload: b"{}".to_vec(), queue: None };
        let sent = ToParent::Push { number: 9, options: options.clone(), new_jobs: vec![new_job] };
        let mut incoming = Incoming::default();
        let ToParent::Push { number: 9, options: read, new_jobs } = through(&mut incoming, &sent) else {
            panic!("another message")
        };
        assert_eq!((&read.driver, &read.queue, read.delay), (&options.driver, &None, options.delay));
        assert!(read.replace && read.overrides == options.overrides);
        assert_eq!((&*new_jobs[0].name, &*new_jobs[0].payload), ("A", &b"{}"[..]));
    }

    #[test]
    fn the_answer_arrives_with_what_a_program_tells_apart() {
        let id = || JobId::Text("m-1".into());
        let pushed = vec![Pushed::Added(JobId::Number(-7)), Pushed::Duplicate(id()), Pushed::Replaced(id())];
        let arrived = through(&mut Incoming::default(), &Ok(pushed.clone()));
        assert_eq!(arrived.unwrap(), pushed);

        let refused: Result<Vec<Pushed>> = Err(Error::unavailable("away").with_help("wait"));
        let error = through(&mut Incoming::default(), &refused).unwrap_err();
        assert!(error.is_unavailable());
        assert_eq!((error.to_string().as_str(), error.help()), ("away", Some("wait")));
    }

    #[test]
    fn an_outcome_arrives_with_what_its_error_asks_for() {
        let outcomes = [
            Outcome::Ok,
            Outcome::Unrunnable("bad payload".into()),
            Outcome::Failed(JobError::new("no")),
            Outcome::Failed(JobError::fail_now("never")),
            Outcome::Failed(JobError::again("wait")),
            Outcome::Failed(JobError::again_after(Duration::from_secs(7), "wait")),
        ];
        for outcome in outcomes {
            let arrived = through(&mut Incoming::default(), &outcome);
            assert_eq!(format!("{arrived:?}"), format!("{outcome:?}"));
        }
    }
}
