//! The configuration: flags, above the environment, above queue.toml, above what is built in.
//!
//! - `model`: the typed values, and the rules between them.
//! - `schema`: what the value of a key may be, in words and in code.
//! - `load`: finds and reads queue.toml.
//! - `env`: variables of the environment, flags, and `${VAR}` in strings.
//! - `connection`: URLs, hosts and TLS.
//! - `diagnostics`: what is wrong, with the key, the line, carets and "did you mean"; where each value comes from.
//! - `redact`: keeps secrets out of everything that is shown.
//!
//! Each key is listed once, in the `fields` of its section: the same list reads the file, the environment and the
//! flags, checks what a program set, and prints `config:check`. No file is needed for the built-in SQLite database.

mod connection;
mod diagnostics;
mod env;
mod load;
mod model;
mod redact;
mod schema;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub(crate) use connection::DatabaseKind;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use connection::hosts::Server;
#[cfg(feature = "amqp")]
pub(crate) use connection::hosts::host_and_port;
pub use connection::tls::{Tls, TlsMode};
#[cfg(feature = "cli")]
pub(crate) use diagnostics::nearest;
pub use diagnostics::provenance::{ConfigEntry, ConfigSource};
pub use env::flag::ConfigFlag;
pub(crate) use model::drivers::DriverKind;
pub use model::{
    AmqpConfig, AsyncConfig, CommandJob, Config, DashboardConfig, DatabaseConfig, Durability, Mode,
    QueueType, Settings,
};
pub(crate) use schema::Choice;
