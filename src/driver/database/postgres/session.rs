//! A connection, set up for our statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

#[cfg(not(feature = "tls"))]
use ::postgres::NoTls;
use ::postgres::config::{SslMode, TargetSessionAttrs};
use ::postgres::error::SqlState;
use ::postgres::types::ToSql;
use ::postgres::{Client, Config, Row, SimpleQueryMessage, Statement};
#[cfg(feature = "tls")]
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::open::LONG;
use super::super::statements::Statements;
use super::errors::{explain, explain_connect, shared_session};
use crate::config::{Tls, TlsMode};
#[cfg(feature = "tls")]
use crate::driver::tls::client_config;
use crate::error::{Error, Result};

pub(super) type Parameter<'a> = dyn ToSql + Sync + 'a;

/// `gen_random_uuid` came with version 13.
const OLDEST: u32 = 130_000;

/// Used by the thread that opened it only; see `remote`.
pub(super) struct Session {
    client: Client,
    statements: Arc<Statements>,
    prepared: HashMap<String, Statement>,
}

/// How to connect. A dead peer is noticed within the patience.
///
/// # Errors
/// The URL has options that the client does not know. The message does not show it.
pub(super) fn configure(url: &str, is_one_of_several: bool, patience: Duration) -> Result<Config> {
    let mut config: Config = url
        .parse()
        .map_err(|cause| Error::config("the URL of the PostgreSQL server can't be used").because(&cause))?;
    // The system counts keepalives in whole seconds, and refuses none.
    let idle = patience.max(Duration::from_secs(1));
    config.connect_timeout(patience).tcp_user_timeout(patience).keepalives_idle(idle);
    let several = is_one_of_several || config.get_hosts().len() > 1;
    if several && !url.contains("target_session_attrs=") {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("craft-queue");
    }
    Ok(config)
}

impl Session {
    pub(super) fn open(
        mut config: Config,
        tls: &Tls,
        statements: Arc<Statements>,
        limit: Option<Duration>,
    ) -> Result<Self> {
        config.ssl_mode(match tls.mode {
            Some(TlsMode::Disable) => SslMode::Disable,
            None | Some(TlsMode::Prefer) => SslMode::Prefer,
            Some(TlsMode::Require | TlsMode::VerifyFull) => SslMode::Require,
        });
        let mut client = connect(&config, tls)?;
        let answers = client.simple_query(&set_up(limit)).map_err(|cause| explain(&cause))?;
        let mut rows = answers.iter().filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default()),
            _ => None,
        });
        if rows.next().is_some_and(|mark| !mark.is_empty()) {
            return Err(shared_session());
        }
        let version = rows.next().and_then(|version| version.parse().ok());
        check_version(version.unwrap_or(OLDEST))?;
        Ok(Self { client, statements, prepared: HashMap::new() })
    }

    /// The text of a statement that has no values.
    pub(super) fn text(&self, name: &str) -> &str {
        self.statements.get(name)
    }

    pub(super) fn query(&mut self, name: &str, values: &[&Parameter<'_>]) -> Result<Vec<Row>> {
        let statement = self.prepare(name)?;
        self.client.query(&statement, values).map_err(|cause| explain(&cause))
    }

    /// As `query`; `None`, and nothing done, when a row is there already that may be there once.
    pub(super) fn query_unless_there(
        &mut self,
        name: &str,
        values: &[&Parameter<'_>],
    ) -> Result<Option<Vec<Row>>> {
        let statement = self.prepare(name)?;
        match self.client.query(&statement, values) {
            Err(cause) if cause.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(None),
            answer => answer.map(Some).map_err(|cause| explain(&cause)),
        }
    }

    pub(super) fn execute(&mut self, name: &str, values: &[&Parameter<'_>]) -> Result<u64> {
        let statement = self.prepare(name)?;
        self.client.execute(&statement, values).map_err(|cause| explain(&cause))
    }

    /// Sends text and has it sent back, which fails when the database's character set can't hold it.
    pub(super) fn echo(&mut self, text: &str) -> Result<()> {
        self.client.query_one("SELECT $1::text", &[&text]).map(drop).map_err(|cause| explain(&cause))
    }

    /// Runs SQL text of any length.
    pub(super) fn run(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(|cause| explain(&cause))
    }

    /// Does something that may fail and leave the transaction as it was.
    pub(super) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.run("SAVEPOINT guarded")?;
        let done = work(self);
        self.run("ROLLBACK TO SAVEPOINT guarded")?;
        done
    }

    fn prepare(&mut self, name: &str) -> Result<Statement> {
        if let Some(statement) = self.prepared.get(name) {
            return Ok(statement.clone());
        }
        let sql = self.statements.get(name);
        let statement = self.client.prepare(sql).map_err(|cause| explain(&cause))?;
        self.prepared.insert(name.to_owned(), statement.clone());
        Ok(statement)
    }
}

#[cfg(feature = "tls")]
fn connect(config: &Config, tls: &Tls) -> Result<Client> {
    let connector = MakeRustlsConnect::new(client_config(tls)?);
    config.connect(connector).map_err(|cause| explain_connect(&cause, config))
}

#[cfg(not(feature = "tls"))]
fn connect(config: &Config, _: &Tls) -> Result<Client> {
    config.connect(NoTls).map_err(|cause| explain_connect(&cause, config))
}

/// As the server counts versions: 130004 is 13.4, and 90624 is 9.6.24.
fn check_version(version: u32) -> Result<()> {
    if version >= OLDEST {
        return Ok(());
    }
    let (major, minor) = (version / 10_000, version % 10_000);
    let name = match major {
        10.. => format!("{major}.{minor}"),
        _ => format!("{major}.{}.{}", minor / 100, minor % 100),
    };
    Err(Error::unsupported(format!("PostgreSQL {name} is too old"))
        .with_help("craft-queue needs PostgreSQL 13 or later"))
}

/// What the server's or the user's defaults may say otherwise.
///
/// The planner always takes an index: a plan made while the table was empty would scan it
/// for ever after, and so would one whose statistics are of yesterday.
///
/// `default_transaction_read_only` stays as it is: an operator sets it where nobody may write, such as on a primary
/// whose place another server has taken, and does so while we are connected.
///
/// A mark that is there before it is set was left by another connection: a pool hands one session to many clients,
/// and with it what is set here.
fn set_up(limit: Option<Duration>) -> String {
    let millis = limit.unwrap_or_default().as_millis();
    let lock = limit.unwrap_or(LONG).as_millis();
    format!(
        "SELECT current_setting('craft_queue.session', true);
        SET craft_queue.session = 'used';
        SET default_transaction_isolation = 'read committed';
        SET statement_timeout = {millis};
        SET lock_timeout = {lock};
        SET idle_in_transaction_session_timeout = {millis};
        SET client_min_messages = warning;
        SET enable_seqscan = off;
        SET enable_hashjoin = off;
        SET enable_mergejoin = off;
        SET enable_bitmapscan = off;
        SET plan_cache_mode = force_generic_plan;
        SET jit = off;
        SHOW server_version_num;"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_told_so() {
        for version in [130_000, 150_008, 180_000] {
            assert!(check_version(version).is_ok(), "{version}");
        }
        for (version, name) in [(120_022, "12.22"), (90_624, "9.6.24"), (90_500, "9.5.0")] {
            let error = check_version(version).unwrap_err();
            assert_eq!(error.to_string(), format!("PostgreSQL {name} is too old"));
            assert_eq!(error.help(), Some("craft-queue needs PostgreSQL 13 or later"));
        }
    }
}
