//! A push from a job in a child. The child has no connection to any back end: it asks the parent, whose
//! enqueue pushes. So a job pushes in either mode the same way, pushes of many children share a commit, and no
//! child has to be told passwords.

use std::borrow::Cow;

use super::framing::{Body, frame, put_bytes, put_option, put_span, put_text, put_u32};
use super::protocol::{PUSH, PUSHED, put_id, read_id};
use crate::error::{Error, Result};
use crate::message::{Overrides, Pushed};
use crate::push::{NewJob, PushOptions};

/// What a child asks the parent's enqueue for.
pub(super) struct Request {
    /// The child's name for it.
    pub(super) number: u32,
    pub(super) options: PushOptions,
    pub(super) new_jobs: Vec<NewJob>,
}

pub(super) fn put_push(out: &mut Vec<u8>, number: u32, options: &PushOptions, new_jobs: &[NewJob]) {
    // All new_jobs of one push are of one type.
    let of_type = new_jobs.first().and_then(|new_job| new_job.queue);
    frame(out, PUSH, |out| {
        put_u32(out, number);
        put_option(out, options.driver.as_deref());
        put_option(out, options.queue.as_deref().or(of_type));
        put_span(out, options.delay);
        out.push(options.replace.into());
        put_option(out, options.overrides.to_json().as_deref());
        put_u32(out, u32::try_from(new_jobs.len()).unwrap_or(u32::MAX));
        for new_job in new_jobs {
            put_text(out, &new_job.name);
            put_bytes(out, &new_job.payload);
        }
    });
}

pub(super) fn read_push(body: &[u8]) -> Option<Request> {
    let mut body = Body(body);
    let number = body.u32()?;
    let options = PushOptions {
        driver: body.option()?.map(str::to_owned),
        queue: body.option()?.map(str::to_owned),
        delay: body.span()?,
        replace: body.flag()?,
        overrides: body.option()?.map(Overrides::from_json).unwrap_or_default(),
    };
    let count = body.u32()?;
    let new_job = |body: &mut Body<'_>| {
        let name = Cow::Owned(body.text()?.to_owned());
        Some(NewJob { name, payload: body.bytes()?.to_vec(), queue: None })
    };
    let new_jobs = (0..count).map(|_| new_job(&mut body)).collect::<Option<_>>()?;
    Some(Request { number, options, new_jobs })
}

pub(super) fn put_pushed(out: &mut Vec<u8>, number: u32, answer: &Result<Vec<Pushed>>) {
    frame(out, PUSHED, |out| {
        put_u32(out, number);
        match answer {
            Ok(pushed) => {
                out.push(1);
                put_u32(out, u32::try_from(pushed.len()).unwrap_or(u32::MAX));
                for pushed in pushed {
                    out.push(match pushed {
                        Pushed::Added(_) => 0,
                        Pushed::Duplicate(_) => 1,
                        Pushed::Replaced(_) => 2,
                    });
                    put_id(out, pushed.id());
                }
            }
            Err(error) => {
                out.push(0);
                out.push(error.code());
                put_text(out, &error.to_string());
                put_option(out, error.help());
            }
        }
    });
}

pub(super) fn read_pushed(body: &[u8]) -> Option<(u32, Result<Vec<Pushed>>)> {
    let mut body = Body(body);
    let number = body.u32()?;
    if body.flag()? {
        let count = body.u32()?;
        let pushed = |body: &mut Body<'_>| match body.u8()? {
            0 => read_id(body).map(Pushed::Added),
            1 => read_id(body).map(Pushed::Duplicate),
            2 => read_id(body).map(Pushed::Replaced),
            _ => None,
        };
        return Some((number, Ok((0..count).map(|_| pushed(&mut body)).collect::<Option<_>>()?)));
    }
    let error = Error::from_code(body.u8()?, body.text()?);
    let error = match body.option()? {
        Some(help) => error.with_help(help),
        None => error,
    };
    Some((number, Err(error)))
}

#[cfg(test)]
mod tests {
    use super::super::framing::{Incoming, Next};
    use std::time::Duration;

    use super::*;
    use crate::message::JobId;

    fn through<T>(sent: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> T {
        let mut incoming = Incoming::default();
        incoming.add(sent);
        let Next::Frame(_, body) = incoming.next() else { panic!("no frame") };
        read(body).unwrap()
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
        let new_job = NewJob { name: "A".into(), payload: b"{}".to_vec(), queue: Some("mail") };
        let mut sent = Vec::new();
        put_push(&mut sent, 9, &options, &[new_job]);
        let request = through(&sent, read_push);
        assert_eq!((request.number, request.options.queue.as_deref()), (9, Some("mail")));
        assert_eq!((request.options.delay, &request.options.overrides), (options.delay, &options.overrides));
        assert!(request.options.replace);
        assert_eq!((&*request.new_jobs[0].name, &*request.new_jobs[0].payload), ("A", &b"{}"[..]));
    }

    #[test]
    fn the_answer_arrives_with_what_a_program_tells_apart() {
        let id = || JobId::Text("m-1".into());
        let pushed = vec![Pushed::Added(JobId::Number(-7)), Pushed::Duplicate(id()), Pushed::Replaced(id())];
        let mut sent = Vec::new();
        put_pushed(&mut sent, 1, &Ok(pushed.clone()));
        assert_eq!(through(&sent, read_pushed).1.unwrap(), pushed);

        let mut sent = Vec::new();
        put_pushed(&mut sent, 1, &Err(Error::unavailable("away").with_help("wait")));
        let error = through(&sent, read_pushed).1.unwrap_err();
        assert!(error.is_unavailable());
        assert_eq!((error.to_string().as_str(), error.help()), ("away", Some("wait")));
    }
}
