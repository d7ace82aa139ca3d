//! The rules between values, and the check of values that a program set.

use super::drivers::DriverKind;
use super::{Config, QueueType, Settings};
use crate::config::diagnostics::ValueError;
use crate::config::schema::value_types::ENDINGS;
use crate::error::Result;

impl Config {
    /// Checks every value, as opening a queue does: a program may have set any.
    ///
    /// # Errors
    /// A value is out of range, a connection has no such name, two values don't fit each other, or the default
    /// driver cannot be used as the environment has it.
    pub fn check(&self) -> Result<()> {
        self.check_values()?;
        match self.default_kind() {
            DriverKind::Database if self.unusable.contains_key(&self.database.connection) => {
                self.connection(&self.database.connection).map(drop)
            }
            DriverKind::Amqp => self.check_broker(),
            _ => Ok(()),
        }
    }

    /// As [`Config::check`], without the connection or broker that the default driver uses.
    pub(in crate::config) fn check_values(&self) -> Result<()> {
        for (key, field) in self.clone().fields() {
            field.check().map_err(|wrong| self.error(&key, wrong))?;
        }
        self.check_database()?;
        for (section, connection_key, settings) in [
            ("database", "failed_connection", &self.database.settings),
            ("amqp", "connection", &self.amqp.settings),
            ("async", "connection", &self.memory.settings),
        ] {
            self.check_failed(section, connection_key, settings)?;
        }
        if let Err((key, wrong)) = self.amqp.tls.check_broker() {
            return Err(self.error(&format!("amqp.{key}"), wrong));
        }
        if self.amqp.queue_type == QueueType::Quorum && self.amqp.max_priority.is_some() {
            let wrong = ValueError::new("quorum queues have no priorities")
                .with_help("leave max_priority out, or use queue_type = \"classic\"");
            return Err(self.error("amqp.max_priority", wrong));
        }
        Ok(())
    }

    fn check_database(&self) -> Result<()> {
        let Settings { poll, lease, .. } = self.database.settings;
        if poll > lease {
            let lease = lease.as_secs_f64();
            let wrong = ValueError::new(format!(
                "expected at most the lease of {lease} seconds, found {}",
                poll.as_secs_f64()
            ));
            return Err(self.error("database.poll", wrong));
        }
        // The built-in name may be missing: the program may use another driver.
        let chosen = self.origins.has("database.connection");
        if chosen && !self.has_connection(&self.database.connection) {
            return Err(self.error("database.connection", self.unknown_connection(&self.database.connection)));
        }
        Ok(())
    }

    /// The failed jobs of a driver need a connection that exists, and a table of their own.
    fn check_failed(&self, section: &str, connection_key: &str, settings: &Settings) -> Result<()> {
        if let Some(name) = &settings.failed_connection
            && !self.has_connection(name)
        {
            return Err(self.error(&format!("{section}.{connection_key}"), self.unknown_connection(name)));
        }
        let shares = |(connection, table): (&str, &str)| {
            connection == self.database.connection && self.database.is_table(table)
        };
        if self.failed_place(section).is_some_and(shares) {
            let wrong =
                ValueError::new(format!("the table \"{}\" holds the jobs that wait", self.database.table))
                    .with_help("give the failed jobs a table of their own");
            return Err(self.error(&format!("{section}.failed_table"), wrong));
        }
        let collides = |(connection, table): (&str, &str)| {
            let jobs = &self.database.table;
            let belongs = |table: &str, other: &str| {
                ENDINGS.iter().any(|ending| table.eq_ignore_ascii_case(&format!("{other}{ending}")))
            };
            connection == self.database.connection && (belongs(table, jobs) || belongs(jobs, table))
        };
        if self.failed_place(section).is_some_and(collides) {
            let wrong = ValueError::new(format!(
                "a table or an index that belongs to the table \"{}\" has that name, or the other way round",
                self.database.table
            ));
            let wrong = wrong.with_help("give the failed jobs another table");
            return Err(self.error(&format!("{section}.failed_table"), wrong));
        }
        Ok(())
    }

    fn has_connection(&self, name: &str) -> bool {
        self.connections.contains_key(name) || self.unusable.contains_key(name)
    }
}
