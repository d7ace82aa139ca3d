//! A dead job as a row of the failed jobs.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::value::Value;
use crate::driver::Reserved;
use crate::failed::Failure;
use crate::message::Message;
use crate::payload;
use crate::time::Zone;

/// A dead job as a row of the failed ones.
#[derive(Clone)]
pub(crate) struct Dead<'a> {
    pub(crate) job: &'a Reserved,
    pub(crate) failure: &'a Failure,
    pub(crate) exception: Cow<'a, str>,
    pub(crate) failed_at: String,
    /// What its push overrode, its priority and unique key among it.
    pub(crate) options: Option<Cow<'a, str>>,
    /// The database has another character set, and refuses more than the exception.
    ascii: bool,
}

/// What became of a dead job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buried {
    As(i64),
    /// It is not among the jobs any more, and not among the failed ones: there is one of its uuid.
    Taken,
    Lost,
}

impl<'a> Dead<'a> {
    pub(super) fn new(job: &'a Reserved, failure: &'a Failure, zone: &Zone) -> Self {
        Self {
            job,
            failure,
            exception: Cow::Borrowed(&failure.exception),
            failed_at: zone.format(failure.failed_at),
            options: kept_options(&job.message),
            ascii: false,
        }
    }

    /// As nothing but ASCII: the payload comes back as it was, of the names what can be kept.
    pub(super) fn as_ascii(&self) -> Self {
        let options = self.options.as_deref().map(|options| Cow::Owned(payload::escaped_json(options)));
        Self { options, ascii: true, ..self.clone() }
    }

    pub(crate) fn payload(&self) -> Cow<'a, str> {
        match payload::to_text(&self.job.message.payload) {
            text if self.ascii && !text.is_ascii() => Cow::Owned(payload::coded(&self.job.message.payload)),
            text => text,
        }
    }

    /// A name as every database takes it.
    pub(crate) fn name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        match name {
            name if self.ascii && !name.is_ascii() => plain(name).into(),
            name if name.contains('\0') => name.replace('\0', "?").into(),
            name => name.into(),
        }
    }

    pub(super) fn with(&self, exception: String) -> Self {
        Self { exception: Cow::Owned(exception), ..self.clone() }
    }

    /// The values of `record.sql`.
    pub(crate) fn values(&self, uuid: &str) -> [Value; 10] {
        let message = &self.job.message;
        [
            uuid.into(),
            (&*self.failure.driver).into(),
            (&*self.failure.connection).into(),
            (&*self.name(&message.queue)).into(),
            (&*self.name(&message.name)).into(),
            (&*self.payload()).into(),
            (&*self.exception).into(),
            i64::from(self.job.attempt).into(),
            (&*self.failed_at).into(),
            self.options.as_deref().into(),
        ]
    }

    /// Whether its payload is plain text, which the failed jobs keep as it is.
    pub(super) fn is_text(&self) -> bool {
        self.job.unreadable.is_none() && payload::is_kept(&self.job.message.payload)
    }

    pub(super) fn weight(&self) -> usize {
        self.exception.len() + self.options.as_ref().map_or(0, |options| options.len()) + 200
    }
}

/// A text with `?` for what is not ASCII.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() && c != '\0' { c } else { '?' }).collect()
}

/// The options of a job with those that the jobs have columns for and the failed jobs have not.
fn kept_options(message: &Message) -> Option<Cow<'_, str>> {
    let written = message.overrides.as_deref();
    if message.priority == 0 && message.unique_key.is_none() {
        return written.map(Cow::Borrowed);
    }
    let object = match written.map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(Json::Object(object))) => object,
        // No options of ours, and kept as they are.
        Some(_) => return written.map(Cow::Borrowed),
    };
    let mut kept = object.clone();
    if message.priority > 0 {
        kept.insert("priority".into(), message.priority.into());
    }
    if let Some(key) = &message.unique_key {
        kept.insert("unique_key".into(), (**key).into());
    }
    match kept == object {
        true => written.map(Cow::Borrowed),
        false => Some(Json::Object(kept).to_string().into()),
    }
}
