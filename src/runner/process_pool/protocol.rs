//! What parent and child say to each other. Both are the same program, so there are no versions.

use std::sync::Arc;
use std::time::Duration;

use super::framing::{Body, frame, put_bytes, put_option, put_span, put_text, put_u32};
use crate::job::{JobError, RetryHint};
use crate::message::JobId;
use crate::policy::Outcome;
use crate::runner::Task;

// To the child
/// The first frame: which method of a job to call.
pub(super) const HELLO: u8 = 1;
pub(super) const RUN: u8 = 2;
pub(super) const HOOK: u8 = 3;
/// The hold on the running job is lost, or is there again.
pub(super) const HOLD: u8 = 4;
/// The answer to a push.
pub(super) const PUSHED: u8 = 5;

// To the parent
/// The child is ready for work.
pub(super) const READY: u8 = 11;
/// A job ran.
pub(super) const RAN: u8 = 12;
/// A hook was called.
pub(super) const HOOKED: u8 = 13;
/// Work was not begun, because the hold on it may be over.
pub(super) const TOO_LATE: u8 = 14;
/// A job pushes.
pub(super) const PUSH: u8 = 15;

/// A job, as the child gets it.
pub(super) struct Run<'a> {
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

pub(super) fn put_run(out: &mut Vec<u8>, number: u32, round: u32, task: &Task) {
    frame(out, RUN, |out| put_job(out, number, round, task));
}

fn put_job(out: &mut Vec<u8>, number: u32, round: u32, task: &Task) {
    let message = &task.job.message;
    put_u32(out, number);
    put_u32(out, round);
    put_id(out, &task.job.id);
    put_text(out, &message.uuid);
    put_text(out, &message.name);
    put_text(out, &message.queue);
    put_u32(out, task.job.attempt);
    put_u32(out, task.limits.attempts);
    put_span(out, task.limits.timeout.unwrap_or(Duration::MAX));
    put_bytes(out, &message.payload);
}

pub(super) fn read_run(body: &[u8]) -> Option<Run<'_>> {
    read_job(&mut Body(body))
}

fn read_job<'a>(body: &mut Body<'a>) -> Option<Run<'a>> {
    Some(Run {
        number: body.u32()?,
        round: body.u32()?,
        id: read_id(body)?,
        uuid: body.text()?,
        name: body.text()?,
        queue: body.text()?,
        attempt: body.u32()?,
        attempts: body.u32()?,
        timeout: body.span().filter(|span| *span < Duration::from_micros(u64::MAX)),
        payload: body.bytes()?,
    })
}

/// A call of the hook `failed`, as the child gets it: the job, and why it is dead.
pub(super) struct Hook<'a> {
    pub(super) job: Run<'a>,
    pub(super) error: &'a str,
}

pub(super) fn put_hook(out: &mut Vec<u8>, number: u32, round: u32, task: &Task, error: &str) {
    frame(out, HOOK, |out| {
        put_job(out, number, round, task);
        put_text(out, error);
    });
}

pub(super) fn read_hook(body: &[u8]) -> Option<Hook<'_>> {
    let mut body = Body(body);
    Some(Hook { job: read_job(&mut body)?, error: body.text()? })
}

pub(super) fn put_hold(out: &mut Vec<u8>, number: u32, lost: bool) {
    frame(out, HOLD, |out| {
        put_u32(out, number);
        out.push(lost.into());
    });
}

pub(super) fn read_hold(body: &[u8]) -> Option<(u32, bool)> {
    let mut body = Body(body);
    Some((body.u32()?, body.flag()?))
}

/// That a job ran, and how it ended. A child neither times out nor tells of its own death.
pub(super) fn put_ran(out: &mut Vec<u8>, number: u32, took: Duration, outcome: &Outcome) {
    let failed = |error: &JobError| match error.steer() {
        RetryHint::Policy => (1, Duration::ZERO),
        RetryHint::FailNow => (2, Duration::ZERO),
        RetryHint::AgainAfter(after) => (3, after),
        RetryHint::Again => (4, Duration::ZERO),
    };
    let ((kind, after), text) = match outcome {
        Outcome::Failed(error) => (failed(error), error.message()),
        Outcome::Unrunnable(why) => ((5, Duration::ZERO), &**why),
        Outcome::Ok | Outcome::TimedOut(_) | Outcome::Died(_) => ((0, Duration::ZERO), ""),
    };
    frame(out, RAN, |out| {
        put_u32(out, number);
        put_span(out, took);
        out.push(kind);
        if kind != 0 {
            put_span(out, after);
            put_text(out, text);
        }
    });
}

pub(super) fn read_ran(body: &[u8]) -> Option<(u32, Duration, Outcome)> {
    let mut body = Body(body);
    let (number, took, kind) = (body.u32()?, body.span()?, body.u8()?);
    if kind == 0 {
        return Some((number, took, Outcome::Ok));
    }
    let (after, text) = (body.span()?, body.text()?);
    let outcome = match kind {
        1 => Outcome::Failed(JobError::new(text)),
        2 => Outcome::Failed(JobError::fail_now(text)),
        3 => Outcome::Failed(JobError::again_after(after, text)),
        4 => Outcome::Failed(JobError::again(text)),
        5 => Outcome::Unrunnable(text.to_owned()),
        _ => return None,
    };
    Some((number, took, outcome))
}

/// That a hook was called, and what went wrong with it.
pub(super) fn put_hooked(out: &mut Vec<u8>, number: u32, wrong: Option<&str>) {
    frame(out, HOOKED, |out| {
        put_u32(out, number);
        put_option(out, wrong);
    });
}

pub(super) fn read_hooked(body: &[u8]) -> Option<(u32, Option<&str>)> {
    let mut body = Body(body);
    Some((body.u32()?, body.option()?))
}

/// A frame that only carries the number of some work.
pub(super) fn put_number(out: &mut Vec<u8>, kind: u8, number: u32) {
    frame(out, kind, |out| put_u32(out, number));
}

pub(super) fn put_hello(out: &mut Vec<u8>, callback: &str) {
    frame(out, HELLO, |out| put_text(out, callback));
}

pub(super) fn put_id(out: &mut Vec<u8>, id: &JobId) {
    match id {
        JobId::Number(number) => {
            out.push(0);
            out.extend(number.to_le_bytes());
        }
        JobId::Text(text) => {
            out.push(1);
            put_option(out, Some(text));
        }
    }
}

pub(super) fn read_id(body: &mut Body<'_>) -> Option<JobId> {
    match body.u8()? {
        0 => Some(JobId::Number(body.u64()?.cast_signed())),
        _ => Some(JobId::Text(Arc::from(body.option()??))),
    }
}
