//! The control table: control messages to the workers of the database driver, which reads it on its own connection,
//! and to those of a driver whose back end keeps none.

#[cfg(feature = "amqp")]
pub(crate) use self::beside::ControlTable;

use super::adapter::{Adapter, Value};
use super::jobs::JobsTable;
use crate::driver::{Control, ControlFlags, ControlMessage};
use crate::error::Result;

/// The name of the database driver in the table.
const DRIVER: &str = "database";

impl Control for JobsTable {
    fn flags(&mut self) -> Result<ControlFlags> {
        if self.no_control_table {
            return Ok(ControlFlags::default());
        }
        match flags(&mut *self.adapter, DRIVER) {
            Err(error) if error.is_schema() => {
                self.no_control_table = true;
                Ok(ControlFlags::default())
            }
            read => read,
        }
    }

    fn send(&mut self, message: &ControlMessage<'_>) -> Result<bool> {
        send(&mut *self.adapter, DRIVER, message)
            .map_err(|error| self.database.explain_missing(error, "check_signals"))
    }
}

/// Reads the flags of one driver.
fn flags(adapter: &mut dyn Adapter, driver: &str) -> Result<ControlFlags> {
    let mut flags = ControlFlags::default();
    for row in adapter.query("list_signals", &[driver.into()])? {
        match row.text(0) {
            none if none.is_empty() => flags.restart = row.number(1),
            queue => drop(flags.paused.insert(queue)),
        }
    }
    Ok(flags)
}

/// Says whether the message changed a flag.
fn send(adapter: &mut dyn Adapter, driver: &str, message: &ControlMessage<'_>) -> Result<bool> {
    let changed = match message {
        ControlMessage::Pause(queue) => adapter.execute("pause", &[driver.into(), (*queue).into()])?,
        ControlMessage::Resume(queue) => adapter.execute("resume", &[driver.into(), (*queue).into()])?,
        // Any number will do that is not the last one.
        ControlMessage::Restart => {
            adapter.execute("restart", &[driver.into(), Value::Number(fastrand::i64(1..))])?
        }
    };
    Ok(changed > 0)
}

/// For a driver that has no table of its own.
#[cfg(feature = "amqp")]
mod beside {
    use std::time::{Duration, Instant};

    use crate::driver::database::Database;
    use crate::driver::database::adapter::Adapter;
    use crate::driver::database::open::Open;
    use crate::driver::{Control, ControlFlags, ControlMessage};
    use crate::error::{Error, Result};

    /// How long a database that could not be read is left alone: the worker waits for it meanwhile.
    const PAUSE: Duration = Duration::from_secs(15);

    /// The control table in a database beside a back end.
    ///
    /// That database may be away while the back end works: the flags that were read last hold then, and the table is
    /// read again a little later. Only a worker that starts must know its flags.
    pub(crate) struct ControlTable {
        database: Database,
        /// The name of the other driver in the table.
        driver: &'static str,
        open: Option<Box<dyn Adapter>>,
        last: Option<ControlFlags>,
        next_read: Instant,
    }

    impl ControlTable {
        /// Opens nothing yet. The table of jobs beside it need not be there.
        pub(crate) fn new(database: Database, driver: &'static str) -> Self {
            Self { database, driver, open: None, last: None, next_read: Instant::now() }
        }

        fn opened(&mut self) -> Result<&mut dyn Adapter> {
            let adapter = match self.open.take() {
                Some(adapter) => adapter,
                None => self.connect()?,
            };
            Ok(&mut **self.open.insert(adapter))
        }

        fn connect(&self) -> Result<Box<dyn Adapter>> {
            let explain = |error| self.database.explain_missing(error, "check_signals");
            if self.database.is_missing_file() {
                return Err(explain(Error::schema("no such file")));
            }
            let mut adapter = self.database.connect(Open::Existing)?;
            adapter.query("check_signals", &[]).map_err(explain)?;
            Ok(adapter)
        }

        fn read(&mut self) -> Result<ControlFlags> {
            let driver = self.driver;
            let read = super::flags(self.opened()?, driver);
            read.map_err(|error| self.database.explain_missing(error, "check_signals"))
        }
    }

    impl Control for ControlTable {
        fn flags(&mut self) -> Result<ControlFlags> {
            if let Some(last) = &self.last
                && Instant::now() < self.next_read
            {
                return Ok(last.clone());
            }
            match self.read() {
                Ok(flags) => Ok(self.last.insert(flags).clone()),
                Err(error) => {
                    self.open = None;
                    self.next_read = Instant::now() + PAUSE;
                    match &self.last {
                        // Without such a table nobody can have sent a message.
                        _ if error.is_schema() => Ok(self.last.insert(ControlFlags::default()).clone()),
                        Some(last) => {
                            log::warn!("cannot read whether to pause or to restart: {error}");
                            Ok(last.clone())
                        }
                        None => Err(error.context("cannot tell which queues are paused")),
                    }
                }
            }
        }

        fn send(&mut self, message: &ControlMessage<'_>) -> Result<bool> {
            let driver = self.driver;
            super::send(self.opened()?, driver, message)
        }
    }
}
