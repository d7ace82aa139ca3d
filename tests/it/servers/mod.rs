//! Private servers for the tests: PostgreSQL, MariaDB and RabbitMQ of their own, on free ports, in
//! a temporary folder, started from the installed programs. A test may break them as it likes; a
//! server that was there before is never touched.
//!
//! - `Postgres::shared()`, `MariaDb::shared()` and `RabbitMq::shared()` are started once in a test
//!   process, by the first test that asks. Each test takes a `database()` or a `vhost()` of its own
//!   there. They come as `&'static`, and all that stops or kills takes `&mut`: no test can break
//!   what others use.
//! - `Postgres::start(options)` and the like are for the tests that break them.
//! - `Proxy` stands between a client and a server and plays the bad network.
//!
//! Nothing outlives the test process, however that ends: see `watchdog`. A program that is not
//! installed is a panic that says how to install it, never a test that is silently skipped.
//!
//! The files, from the ground up: `wait`, `programs`, `watchdog`, `folder`, `port`, `process`,
//! `certificate`; then the servers and the proxy.

pub mod certificate;
pub mod folder;
pub mod mariadb;
pub mod pgbouncer;
pub mod port;
pub mod postgres;
mod process;
pub mod programs;
pub mod proxy;
pub mod rabbitmq;
pub mod rabbitmq_cluster;
mod wait;
mod watchdog;

#[cfg(test)]
mod tests;

pub use wait::{wait_for, wait_until};
