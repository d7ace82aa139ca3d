//! The dashboard: a page that shows what waits, runs and has failed, and acts on it.
//!
//! `craft dashboard` serves it. A program with a web server of its own hands requests on:
//!
//! ```
//! use craft_queue::dashboard::{Dashboard, Request};
//! use craft_queue::{Config, Jobs, Queue};
//!
//! # let folder = tempfile::tempdir()?;
//! let queue = Queue::open(Config::sqlite(folder.path().join("shop.sqlite3")), Jobs::new())?;
//! queue.install()?;
//! let dashboard = Dashboard::new(queue).base_path("/jobs-dashboard")?;
//! let response = dashboard.handle(&Request::new("GET", "/jobs-dashboard/").header("Host", "localhost"));
//! assert_eq!(response.status, 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - `http`: a request and its answer.
//! - `route`: what a path means. Pure.
//! - `access`: who may see and act. Pure.
//! - `handler`: answers a request.
//! - `shared`: what all answers need.
//! - `overview`, `jobs`, `failed`, `control`: what each page shows and does.
//! - `problems`: what is wrong, in words. Pure.
//! - `snapshot`: one look a second serves all viewers.
//! - `masked_fields`: fields of payloads that are never shown.
//! - `metrics`: the text that Prometheus reads.
//! - `assets`: the files of the page.
//! - `server`: the HTTP server of `craft dashboard`.

mod access;
mod assets;
mod control;
mod failed;
mod handler;
mod http;
mod jobs;
mod masked_fields;
mod metrics;
mod overview;
mod problems;
mod route;
mod server;
mod shared;
mod snapshot;

pub use self::handler::Dashboard;
pub use self::http::{Request, Response};
pub use self::server::Server;
