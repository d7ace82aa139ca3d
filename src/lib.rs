//! Background jobs for programs that have no async runtime: threads, child processes, blocking clients.
//!
//! A job is a value that can be serialized and run later. It is *pushed* onto a queue; a *worker* takes it from
//! there and runs it. This page builds one real thing: a shop whose invoices are made in the background.
//!
//! # A job
//!
//! Its fields are what is kept; its `handle` does the work; what all jobs share is the program's *state*.
//!
//! ```
//! use std::path::PathBuf;
//!
//! use craft_queue::{Config, Context, JobError, JobResult, Jobs, Queue, Queueable};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct CreateInvoice {
//!     order_id: u32,
//!     cents: u32,
//! }
//!
//! impl Queueable for CreateInvoice {
//!     const NAME: &'static str = "CreateInvoice";
//!
//!     fn handle(&self, job: &Context) -> JobResult {
//!         if self.cents == 0 {
//!             // No further attempt makes it better.
//!             return Err(JobError::fail_now(format!("order {} costs nothing", self.order_id)));
//!         }
//!         let file = job.state::<Shop>()?.invoices.join(format!("{}.txt", self.order_id));
//!         std::fs::write(file, format!("{}.{:02}", self.cents / 100, self.cents % 100))?;
//!         Ok(())
//!     }
//! }
//!
//! struct Shop {
//!     invoices: PathBuf,
//! }
//!
//! # let folder = std::env::temp_dir().join(format!("craft-guide-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! // A queue, on an SQLite file.
//! let shop = Shop { invoices: folder.clone() };
//! let jobs = Jobs::new().state(shop).add::<CreateInvoice>();
//! let queue = Queue::open(Config::sqlite(folder.join("shop.sqlite3")), jobs)?;
//! queue.install()?;
//!
//! // Jobs go on. When `push` returns, they are on the disk.
//! queue.push(CreateInvoice { order_id: 1, cents: 1_980 })?;
//! queue.options().attempts(5).unique("order-2").push(CreateInvoice { order_id: 2, cents: 0 })?;
//!
//! // A worker runs them; most programs leave that to `craft queue:work`.
//! let report = queue.worker().threads(4).stop_when_empty().run()?;
//! assert_eq!((report.done, report.failed), (1, 1));
//! assert_eq!(std::fs::read_to_string(folder.join("1.txt")).unwrap(), "19.80");
//!
//! // What failed is kept, with its reason; `craft queue:retry` puts it back.
//! let failed = queue.failed().list(&Default::default())?;
//! assert_eq!(failed[0].exception, "order 2 costs nothing");
//! # drop(queue);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), craft_queue::Error>(())
//! ```
//!
//! # What holds
//!
//! A push that returned `Ok` is kept until it is done or among the failed jobs, whatever is killed; at worst
//! a job runs again, so `handle` should bear that. While a worker holds a job, no other has it. A job that
//! kills its worker is charged for it, and its neighbours are not. See the README for the whole promise.
//!
//! # Where things are
//!
//! - [`Queueable`], [`Context`], [`JobError`]: a job, what it is given when it runs, how it fails.
//! - [`Jobs`], [`Queue`], [`Push`]: the jobs of a program, the queue, a push with options.
//! - [`Worker`], [`Stopper`], [`Report`], [`Event`]: a worker, what stops it, what it reports.
//! - [`FailedJobsHandle`], [`Retry`]: the failed jobs.
//! - [`Config`]: queue.toml, the environment, or code.
//! - [`policy`]: what happens to a job after it ran. Pure.
//! - [`driver`]: the traits of a back end, for one of your own. [`failed`]: those of a place for failed jobs.
//! - [`guide`]: the guide, one page a topic, from the first program to writing a driver.
//! - `conformance`: what both must do, as a test suite (feature `conformance`).
//! - `main`, `App`: the command line for your own program (feature `cli`).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backoff;
#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "database")]
pub mod clients;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
#[cfg(feature = "dashboard")]
pub mod dashboard;
pub mod driver;
mod error;
mod event;
pub mod failed;
pub mod guide;
mod hash;
mod job;
mod message;
pub mod payload;
pub mod policy;
mod push;
mod queue;
mod registry;
mod reserved;
mod runner;
pub mod time;
mod worker;

pub use backoff::Backoff;
#[cfg(feature = "cli")]
pub use cli::{App, Call, main, stock_jobs};
pub use config::{
    AmqpConfig, AsyncConfig, CommandJob, Config, ConfigEntry, ConfigFlag, ConfigSource, Connection,
    DashboardConfig, DatabaseConfig, Durability, Mode, QueueType, Settings, Tls, TlsMode,
};
pub use context::Context;
pub use error::{Error, Result};
pub use event::{Event, JobInfo, Listener};
pub use job::{JobError, JobResult, Queueable};
pub use message::{JobId, Message, NAME_LIMIT, Overrides, PRIORITY_LIMIT, Pushed, check_name, new_uuid};
pub use push::{Delay, Enlist, Push};
pub use queue::{
    FailedJobsHandle, Queue, QueueBuilder, QueueStatus, RecordedPush, Recorder, Retried, Retry, Unfinished,
    Worker,
};
pub use registry::Jobs;
pub use worker::{Report, StopReason, Stopper};
