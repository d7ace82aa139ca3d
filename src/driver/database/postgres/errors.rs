//! PostgreSQL's errors as sentences for people. None of them shows a password.

use ::postgres::config::Host;
use ::postgres::error::{DbError, SqlState};
use ::postgres::{Config, Error as Cause};

#[cfg(feature = "tls")]
use crate::driver::tls;
use crate::error::Error;

/// Why no connection could be made.
pub(super) fn explain_connect(cause: &Cause, config: &Config) -> Error {
    let user = config.get_user().unwrap_or("the user of this process");
    let database = config.get_dbname().unwrap_or(user);
    let server = server(config);
    let Some(refusal) = cause.as_db_error() else {
        #[cfg(feature = "tls")]
        if let Some(refusal) = tls::refusal(&format!("PostgreSQL at {server}"), cause) {
            return refusal;
        }
        return match crate::error::chain(cause) {
            #[cfg(feature = "tls")]
            text if text.contains("server does not support TLS") => {
                tls::missing(&format!("PostgreSQL at {server}"))
            }
            text if text.contains("password missing") || text.contains("invalid configuration") => {
                Error::config(format!("PostgreSQL at {server} asks for a password"))
                    .with_help("give it in the connection: password = \"${DATABASE_PASSWORD}\"")
            }
            text if text.contains("database does not allow writes") => {
                Error::unavailable(format!("PostgreSQL at {server} only lets read, as a standby does"))
                    .with_help("name the primary, or all servers with commas between")
            }
            text => Error::unavailable(format!("PostgreSQL at {server} can't be reached: {text}"))
                .with_help("is it running, and do host and port of the connection lead to it?"),
        };
    };
    match refusal.code() {
        _ if refusal.message().contains("client certificate")
            || refusal.message().starts_with("certificate authentication failed") =>
        {
            Error::config(format!("PostgreSQL at {server} does not let \"{user}\" in: {}", refusal.message()))
                .with_help(
                    "name a certificate that the server's authority has signed for the user, and its key: \
                     sslcert = \"client.crt\", sslkey = \"client.key\"",
                )
        }
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Error::config(format!("PostgreSQL at {server} does not let \"{user}\" in: {}", refusal.message()))
                .with_help("check username and password of the connection, and the server's pg_hba.conf")
        }
        &SqlState::INVALID_CATALOG_NAME => {
            Error::config(format!("PostgreSQL at {server} has no database \"{database}\""))
                .with_help(format!("createdb {}", as_word(database)))
        }
        _ => explain(cause),
    }
}

/// What went wrong with a statement.
pub(super) fn explain(cause: &Cause) -> Error {
    let Some(refusal) = cause.as_db_error() else {
        return Error::unavailable("the connection to PostgreSQL is lost").because(cause);
    };
    let message = refusal.message();
    match refusal.code() {
        _ if is_of_a_row(refusal) => Error::invalid(format!("PostgreSQL refuses a change: {message}")),
        &SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN => Error::schema(message),
        // Of one's own session neither is ever so.
        &SqlState::DUPLICATE_PSTATEMENT | &SqlState::INVALID_SQL_STATEMENT_NAME => shared_session(),
        &SqlState::INSUFFICIENT_PRIVILEGE => Error::other(format!("PostgreSQL refuses: {message}"))
            .with_help(
                "the user needs SELECT, INSERT, UPDATE and DELETE on the tables, and CREATE to make them",
            ),
        &SqlState::T_R_SERIALIZATION_FAILURE
        | &SqlState::T_R_DEADLOCK_DETECTED
        | &SqlState::LOCK_NOT_AVAILABLE
        | &SqlState::QUERY_CANCELED => {
            Error::unavailable(format!("PostgreSQL gave a statement up: {message}")).undone()
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => Error::unavailable(format!(
            "PostgreSQL only lets read here, as a standby does: {message}"
        ))
        .with_help(
            "name the primary, or all servers with commas between; or is default_transaction_read_only on, \
                     for this server, database or user?",
        )
        .undone(),
        code if ["08", "53", "57P", "58"].iter().any(|class| code.code().starts_with(class)) => {
            Error::unavailable(format!("PostgreSQL is not available: {message}"))
        }
        code if is_about_a_value(code.code()) => {
            Error::invalid(format!("PostgreSQL refuses a value: {message}"))
        }
        code => Error::other(format!("PostgreSQL refused a statement: {message} ({})", code.code())),
    }
}

/// Whether a statement that is allowed was refused because of a row: by a policy of row-level security, or by what a
/// trigger of somebody else's may not do or does not find. Neither is about the rights and tables of ours.
fn is_of_a_row(refusal: &DbError) -> bool {
    let is_by_policy = refusal.routine() == Some("ExecWithCheckOptions");
    refusal.code().code().starts_with("42") && (is_by_policy || refusal.where_().is_some())
}

/// Whether a statement was refused because of a row: text that the server can't keep, a value out of its range, or
/// what a trigger of somebody else's says, under whatever code. Trying again changes nothing.
fn is_about_a_value(code: &str) -> bool {
    const ABOUT_SOMETHING_ELSE: [&str; 24] = [
        "03", "08", "09", "0A", "0B", "0L", "0P", "25", "26", "28", "2B", "2D", "34", "3B", "3D", "3F", "40",
        "42", "53", "55", "57", "58", "F0", "XX",
    ];
    !ABOUT_SOMETHING_ELSE.iter().any(|class| code.starts_with(class))
}

/// What stands between does not keep a session for its connection.
pub(super) fn shared_session() -> Error {
    Error::config(
        "PostgreSQL stands behind a pool that hands one session to many clients, as pgbouncer does with \
         pool_mode = transaction; settings and prepared statements do not stay with their connection there",
    )
    .with_help("connect to the server itself, or to a pool with pool_mode = session")
}

/// A name as it can be pasted into a shell.
fn as_word(name: &str) -> String {
    let is_word =
        name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) && !name.starts_with('-');
    if is_word { name.to_owned() } else { format!("-- '{}'", name.replace('\'', "'\\''")) }
}

fn server(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(at)),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    hosts.collect::<Vec<_>>().join(", ")
}
