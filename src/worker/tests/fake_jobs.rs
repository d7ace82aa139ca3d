//! The jobs of the fake backend: closures, which push nothing.

use super::fake::{Call, FakeBackend};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::job::{JobError, JobResult};
use crate::message::Pushed;
use crate::policy::{NotRun, Outcome, TypeLimits};
use crate::push::{Enlist, Enqueue, NewJob, PushOptions};
use crate::registry::JobType;

/// A type of job that is a closure.
pub(super) struct Closure<F>(pub(super) F, pub(super) FakeBackend);

impl<F: Fn(&str, &Context) -> JobResult + Send + Sync> JobType for Closure<F> {
    fn limits(&self) -> TypeLimits {
        TypeLimits::default()
    }

    fn queue(&self) -> Option<&'static str> {
        None
    }

    fn run(&self, payload: &[u8], _: &str, context: &Context) -> Result<Outcome, NotRun> {
        let payload = String::from_utf8_lossy(payload).into_owned();
        self.1.note(Call::Job(payload.clone()));
        Ok(self.0(&payload, context).map_or_else(Outcome::Failed, |()| Outcome::Ok))
    }

    fn failed(&self, _: &[u8], error: &JobError, _: &Context) -> Result<(), String> {
        self.1.note(Call::Job(format!("hook: {error}")));
        Ok(())
    }
}

pub(super) struct NoQueue;

impl Enqueue for NoQueue {
    fn accept(&self, _: &PushOptions, _: Vec<NewJob>) -> Result<Vec<Pushed>> {
        Err(Error::unsupported("no queue"))
    }

    fn accept_in(&self, _: &mut dyn Enlist, _: &PushOptions, _: Vec<NewJob>) -> Result<Vec<Pushed>> {
        Err(Error::unsupported("no queue"))
    }
}
