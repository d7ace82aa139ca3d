//! Background jobs for programs that have no async runtime.

mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
pub mod driver;
mod error;
mod event;
pub mod failed;
mod job;
mod jobs;
mod message;
mod payload;
pub mod policy;
mod push;
mod queue;
mod reserved;
mod runner;
pub mod time;
mod worker;

pub use config::{
    AmqpConfig, AsyncConfig, CommandJob, Config, Connection, DatabaseConfig, Durability, Entry, Flag, Mode,
    QueueType, Settings, Source,
};
pub use context::Context;
pub use error::{Error, Result};
pub use event::{Event, Listener, Told};
pub use job::{JobError, JobResult, Queueable};
pub use jobs::Jobs;
pub use message::{JobId, Message, NAME_LIMIT, Overrides, PRIORITY_LIMIT, Pushed, check_name, new_uuid};
pub use policy::Backoff;
pub use push::{Delay, Enlist, Push};
pub use queue::{Builder, FailedDesk, Left, Queue, Recorder, Retried, Retry, Sent, Worker};
pub use worker::{Ended, Report, Stopper};
