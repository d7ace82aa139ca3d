//! A connection, set up for our statements.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Opts, OptsBuilder, Params, Row as ServerRow};

use super::super::adapter::{Row, Value};
use super::super::open::LONG;
use super::super::statements::Statements;
use super::connect;
use super::errors::{self, explain};
use super::read;
use crate::config::Server;
use crate::error::{Error, Result};

pub(super) struct Session {
    connection: Conn,
    pub(super) statements: Arc<Statements>,
    /// Between the ids of the rows of one statement; a cluster counts in larger steps.
    pub(super) id_step: i64,
    /// The longest payload that the server takes, in bytes.
    pub(super) packet: usize,
    in_the_way: bool,
    /// An answer did not come, or not whole: what comes next may be that of an earlier statement.
    is_out_of_step: bool,
}

impl Session {
    pub(super) fn open(
        server: &Server,
        statements: Arc<Statements>,
        patience: Duration,
        limit: Option<Duration>,
    ) -> Result<Self> {
        let wrong = |cause| Error::config("the URL of the MySQL server can't be used").because(&cause);
        let url = Opts::from_url(&server.url).map_err(wrong)?;
        if limit.is_none() {
            // One that waits without a limit for an answer would wait for a greeting so, too.
            connect::connect(&configure(url.clone(), patience, Some(patience)), &server.tls)?;
        }
        let opts = configure(url, patience, limit);
        let mut connection = connect::connect(&opts, &server.tls)?;
        let about: Option<(String, i64, usize, bool)> = connection
            .query_first(
                "SELECT VERSION(), @@auto_increment_increment, @@max_allowed_packet, @@global.read_only",
            )
            .map_err(|cause| explain(&cause))?;
        let (version, id_step, packet, is_replica) = about.unwrap_or_default();
        check_version(&version)?;
        if server.one_of_several.is_some() && is_replica {
            let place = format!("{}:{}", opts.get_ip_or_hostname(), opts.get_tcp_port());
            return Err(Error::unavailable(format!("MySQL at {place} only lets read, as a replica does")));
        }
        Ok(Self { connection, statements, id_step, packet, in_the_way: false, is_out_of_step: false })
    }

    /// Whether the last statement failed because others were in the way.
    pub(super) fn is_lock_conflict(&self) -> bool {
        self.in_the_way
    }

    /// Does something on the connection, and explains what went wrong.
    pub(super) fn attempt<T>(&mut self, work: impl FnOnce(&mut Conn) -> ::mysql::Result<T>) -> Result<T> {
        if self.is_out_of_step {
            return Err(Error::unavailable(
                "the connection is given up: MySQL did not answer a statement before",
            ));
        }
        let done = work(&mut self.connection);
        self.in_the_way = done.as_ref().is_err_and(errors::is_in_the_way);
        self.is_out_of_step = done.as_ref().is_err_and(errors::leaves_an_answer);
        done.map_err(|cause| explain(&cause))
    }

    /// Runs a statement that has no values and answers nothing.
    pub(super) fn run(&mut self, sql: &str) -> Result<()> {
        self.attempt(|connection| connection.query_drop(sql))
    }

    /// The same, and the last error is still the last one.
    pub(super) fn run_quietly(&mut self, sql: &str) -> ::mysql::Result<()> {
        if self.is_out_of_step {
            return Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
        }
        let done = self.connection.query_drop(sql);
        self.is_out_of_step = done.as_ref().is_err_and(errors::leaves_an_answer);
        done
    }

    pub(super) fn select(&mut self, name: &str, values: impl Into<Params>) -> Result<Vec<ServerRow>> {
        let statements = self.statements.clone();
        self.attempt(|connection| connection.exec(statements.get(name), values))
    }

    /// The rows of a statement off the hot path; of one that answers none, the id of the row that it wrote.
    pub(super) fn rows(&mut self, name: &str, values: impl Into<Params>) -> Result<Vec<Row>> {
        let statements = self.statements.clone();
        self.attempt(|connection| {
            let result = connection.exec_iter(statements.get(name), values)?;
            let (wrote, id) = (result.affected_rows() > 0, result.last_insert_id());
            let rows: Vec<Row> = result.map(|row| row.map(read::row)).collect::<Result<_, _>>()?;
            Ok(match id.filter(|_| rows.is_empty() && wrote) {
                Some(id) => vec![Row(vec![Value::Number(id.cast_signed())])],
                None => rows,
            })
        })
    }

    pub(super) fn execute(&mut self, name: &str, values: impl Into<Params>) -> Result<u64> {
        let statements = self.statements.clone();
        self.attempt(|connection| Ok(connection.exec_iter(statements.get(name), values)?.affected_rows()))
    }

    /// Runs a statement for these ids, and says how many rows it changed.
    pub(super) fn fenced(&mut self, name: &str, ids: &[i64], values: &[i64]) -> Result<u64> {
        let sql = with_ids(self.statements.get(name), ids, values);
        self.attempt(|connection| Ok(connection.query_iter(sql)?.affected_rows()))
    }

    /// The same for one that answers ids.
    pub(super) fn fenced_ids(&mut self, name: &str, ids: &[i64], values: &[i64]) -> Result<Vec<i64>> {
        let sql = with_ids(self.statements.get(name), ids, values);
        self.attempt(|connection| connection.query(sql))
    }
}

/// Times, and what the server's defaults may say otherwise.
fn configure(opts: Opts, patience: Duration, limit: Option<Duration>) -> Opts {
    // A connection can't be told to wait less than a second for a lock, or for an answer.
    let seconds = limit.unwrap_or(LONG).as_secs().max(1);
    // A process that is stopped within a transaction keeps its rows from all others until the server hangs
    // up. MySQL can't tell such a session from an idle one, which needs a new connection afterwards.
    let set_up = format!(
        "SET /*M! idle_transaction_timeout = {seconds}, */ /*!80000 wait_timeout = 600, */
            time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
            autocommit = 1, sql_safe_updates = 0, sql_big_selects = 1,
            sql_select_limit = 18446744073709551615, innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"
    );
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    // MySQL looks once a second who has waited long enough: it should give a lock up before we give it up, as only it
    // knows that nothing was done.
    let answer = limit.map(|limit| limit.mul_f64(1.2) + Duration::from_secs(1));
    OptsBuilder::from_opts(opts)
        .tcp_connect_timeout(Some(patience))
        .read_timeout(answer)
        .write_timeout(limit.map(|limit| limit.mul_f64(1.2)))
        // A dead server is noticed all the same.
        .tcp_keepalive_time_ms(Some(60_000))
        // What we read; the server sends rows that are larger than what it takes.
        .max_allowed_packet(Some(1024 * 1024 * 1024))
        .stmt_cache_size(64)
        .prefer_socket(false)
        .init(vec![set_up, isolation.to_owned()])
        .into()
}

/// Puts ids in for `(0)`, and numbers for the question marks. Such a statement is never the same twice, so
/// that it doesn't pay to prepare it.
fn with_ids(sql: &str, ids: &[i64], values: &[i64]) -> String {
    let sql: String = sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let mut list = String::with_capacity(ids.len() * 12);
    for id in ids {
        // A string takes all that is written to it.
        let _ = write!(list, "{}{id}", if list.is_empty() { "" } else { "," });
    }
    let sql = values.iter().fold(sql, |sql, value| sql.replacen('?', &value.to_string(), 1));
    sql.replacen("(0)", &format!("({list})"), 1)
}

fn check_version(version: &str) -> Result<()> {
    let maria = version.contains("MariaDB");
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let found: (u32, u32, u32) = (next(), next(), next());
    let (name, oldest) = if maria { ("MariaDB", (10, 6, 0)) } else { ("MySQL", (8, 0, 13)) };
    if found >= oldest {
        return Ok(());
    }
    Err(Error::unsupported(format!("{name} {}.{}.{} is too old", found.0, found.1, found.2))
        .with_help("craft-queue needs MySQL 8.0.13 or later, or MariaDB 10.6 or later"))
}

/// Above all priorities that the column can hold: a lenient session may write others than ours.
pub(super) const HIGHEST: i64 = 128;

/// A span for `INTERVAL ? MICROSECOND`; at most 100 years, as a DATETIME ends with the year 9999.
pub(super) fn micros(span: Duration) -> i64 {
    const LIMIT: i64 = 100 * 366 * 24 * 3_600 * 1_000_000;
    i64::try_from(span.as_micros()).unwrap_or(LIMIT).min(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_told_so() {
        for version in ["8.0.13", "8.4.0-commercial", "10.6.1-MariaDB-log", "11.4.2-MariaDB", "9.1.0"] {
            assert!(check_version(version).is_ok(), "{version}");
        }
        let error = check_version("5.7.44-log").unwrap_err();
        assert_eq!(error.to_string(), "MySQL 5.7.44 is too old");
        assert_eq!(error.help(), Some("craft-queue needs MySQL 8.0.13 or later, or MariaDB 10.6 or later"));
        assert_eq!(
            check_version("10.5.23-MariaDB-0+deb11u1").unwrap_err().to_string(),
            "MariaDB 10.5.23 is too old"
        );
    }

    #[test]
    fn ids_and_numbers_are_put_in() {
        let sql = "-- The ids are put in for (0).\nDELETE FROM jobs\nWHERE id IN (0) AND token = ?;\n";
        assert_eq!(with_ids(sql, &[1, 2], &[3]), "DELETE FROM jobs\nWHERE id IN (1,2) AND token = 3;");
    }
}
