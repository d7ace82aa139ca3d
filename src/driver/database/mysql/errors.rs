//! MySQL's errors as sentences for people. None of them shows a password.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use ::mysql::{DriverError, Error as Cause, Opts};

use crate::config::Tls;
#[cfg(feature = "tls")]
use crate::driver::tls;
use crate::error::Error;

/// Whether an answer may still come that nobody waits for any more: the client would take it for that of the next
/// statement.
pub(super) fn leaves_an_answer(error: &::mysql::Error) -> bool {
    use ::mysql::Error;
    matches!(error, Error::IoError(_) | Error::CodecError(_) | Error::DriverError(_))
}

/// Whether others were in the way of a statement: a deadlock, a lock that was held for long, a row that
/// was changed meanwhile.
pub(super) fn is_in_the_way(cause: &Cause) -> bool {
    matches!(cause, Cause::MySqlError(refusal) if [1020, 1205, 1213].contains(&refusal.code))
}

/// Whether a row was kept out by a unique index.
pub(super) fn is_duplicate(cause: &Cause) -> bool {
    matches!(cause, Cause::MySqlError(refusal) if refusal.code == 1062)
}

/// Whether the greatest id did, which the server gives out for ever: what is a duplicate in a table that a trigger
/// writes to looks else the same.
pub(super) fn is_duplicate_id(cause: &Cause) -> bool {
    const GREATEST: &str = "'9223372036854775807' for key ";
    matches!(cause, Cause::MySqlError(refusal)
        if refusal.code == 1062
            && refusal.message.contains(GREATEST)
            && (refusal.message.ends_with("'PRIMARY'") || refusal.message.ends_with(".PRIMARY'")))
}

/// Why no connection could be made.
pub(super) fn explain_connect(cause: &Cause, opts: &Opts, asked: &Tls) -> Error {
    let server = format!("{}:{}", opts.get_ip_or_hostname(), opts.get_tcp_port());
    let user = opts.get_user().unwrap_or_default();
    let database = opts.get_db_name().unwrap_or_default();
    #[cfg(feature = "tls")]
    if let Some(refusal) = tls::refusal(&format!("MySQL at {server}"), inner(cause)) {
        return refusal;
    }
    match cause {
        #[cfg(feature = "tls")]
        Cause::DriverError(DriverError::TlsNotSupported) => tls::missing(&format!("MySQL at {server}")),
        Cause::MySqlError(refusal) => match refusal.code {
            1045 | 1698 => Error::config(format!("MySQL at {server} does not let \"{user}\" in")).with_help(
                match asked.is_required() && asked.certificate.is_none() {
                    true => {
                        "check username and password of the connection; a user whom the server asks for a \
                         certificate (REQUIRE X509) needs sslcert and sslkey"
                    }
                    false => "check username and password of the connection",
                },
            ),
            1044 => Error::config(format!("MySQL at {server} does not let \"{user}\" use \"{database}\""))
                .with_help(format!("GRANT ALL ON {}.* TO '{user}'@'<host>'", as_name(database))),
            1049 => Error::config(format!("MySQL at {server} has no database \"{database}\""))
                .with_help(format!("CREATE DATABASE {}", as_name(database))),
            3159 => Error::config(format!("MySQL at {server} does not let anybody in without TLS"))
                .with_help("set sslmode = \"require\", with craft-queue's feature \"tls\""),
            _ => explain(cause),
        },
        // The sentence already has the address.
        Cause::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => {
            Error::unavailable(format!("MySQL at {server} can't be reached: {why}"))
                .with_help("is it running, and do host and port of the connection lead to it?")
        }
        // A host that blocks us says so in place of a greeting, and is no matter of waiting.
        other => Error::unavailable(format!("MySQL at {server} can't be reached"))
            .because(inner(other))
            .with_help("is it running, and do host and port of the connection lead to it?"),
    }
}

/// A name as it can be pasted into a statement.
fn as_name(name: &str) -> String {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_word { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// The error that the client wrapped, and does not give as a source.
fn inner(cause: &Cause) -> &(dyn StdError + 'static) {
    match cause {
        Cause::IoError(cause) => cause,
        Cause::DriverError(cause) => cause,
        Cause::CodecError(cause) => cause.source().unwrap_or(cause),
        #[cfg(feature = "tls")]
        Cause::TlsError(cause) => cause,
        other => other,
    }
}

/// What went wrong with a statement.
pub(super) fn explain(cause: &Cause) -> Error {
    let Cause::MySqlError(refusal) = cause else {
        let cause = inner(cause);
        return match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
            // What the system says of a time limit names no time.
            Some(ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Error::unavailable("MySQL did not answer in time")
            }
            _ => Error::unavailable("the connection to MySQL is lost").because(cause),
        };
    };
    let message = &refusal.message;
    match refusal.code {
        1054 | 1146 => Error::schema(message),
        1020 | 1205 | 1213 | 1969 | 3024 | 3572 => {
            Error::unavailable(format!("MySQL gave a statement up: {message}")).undone()
        }
        1290 | 1792 | 1836 => {
            Error::unavailable(format!("MySQL only lets read here, as a replica does: {message}"))
                .with_help("name the primary server in the connection")
                .undone()
        }
        // Too many connections, shutting down, out of room, killed, read only.
        1021
        | 1037
        | 1038
        | 1040
        | 1041
        | 1053
        | 1077
        | 1079
        | 1080
        | 1105
        | 1114
        | 1158..=1161
        | 1180
        | 1203
        | 1226
        | 1317
        | 1927
        | 3169
        | 4031 => Error::unavailable(format!("MySQL is not available: {message}")),
        1044 | 1142 | 1143 | 1227 | 1370 => Error::other(format!("MySQL refuses: {message}")).with_help(
            "the user needs SELECT, INSERT, UPDATE and DELETE on the tables, and CREATE to make them",
        ),
        1153 => Error::invalid("a job is larger than MySQL takes (max_allowed_packet)")
            .with_help("raise max_allowed_packet, or store the data elsewhere and push a reference to it"),
        1062 | 1467 if refusal.code == 1467 || is_duplicate_id(&Cause::MySqlError(refusal.clone())) => {
            Error::other(format!("the table has no ids left: {message}")).with_help(
                "a row was inserted by hand with the greatest id: give it another, and set AUTO_INCREMENT",
            )
        }
        // By a constraint or a trigger, of ours or of somebody else's, too: what it reads and writes has its own
        // duplicates, missing and wrong values.
        1048 | 1062 | 1172 | 1216 | 1217 | 1242 | 1264 | 1265 | 1292 | 1329 | 1339 | 1364 | 1365 | 1366
        | 1406 | 1411 | 1441 | 1451 | 1452 | 1526 | 1643 | 1644 | 1690 | 3140 | 3819 | 4025 => {
            Error::invalid(format!("MySQL refuses a value: {message}"))
        }
        code => Error::other(format!("MySQL refused a statement: {message} ({code})")),
    }
}
