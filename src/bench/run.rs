//! Sets up what a bench needs, runs the workloads, and cleans up.

use super::ledger::{Ledger, Nothing};
use super::workloads::Workloads;
use super::{Bench, Figure};
use crate::config::{Config, DriverKind, Mode};
#[cfg(feature = "amqp")]
use crate::driver::amqp::{AmqpBackend, AmqpOptions};
use crate::driver::database::Database;
use crate::error::{Error, Result};
use crate::message::new_uuid;
use crate::queue::Queue;
use crate::registry::Jobs;

/// The table, or the beginning of the queue's name, that a bench makes and removes.
const OWN: &str = "craft_bench_jobs";

impl Bench {
    /// Runs all workloads, and tells each figure as soon as it is measured.
    ///
    /// # Errors
    /// The back end can't be used, or has something under the bench's own name.
    pub fn run(&self, mut tell: impl FnMut(Figure)) -> Result<()> {
        let ledger = Ledger::default();
        let mut config = self.config.clone();
        config.default.clone_from(&self.driver);
        config.database.table = OWN.into();
        config.database.settings.failed_table = None;
        config.memory.settings.failed_table = None;
        config.amqp.settings.failed_table = None;
        // A name that nobody has: a queue that is there can't be told from one that is empty.
        config.amqp.settings.queue = format!("{OWN}.{}", new_uuid());
        let jobs = Jobs::new().state(ledger.clone()).add::<Nothing>();
        let mut queue = Queue::builder(config.clone(), jobs);
        if config.settings(&self.driver).mode == Mode::Multiprocess {
            let ledger = ledger.clone();
            queue = queue.listener(move |event| ledger.note_told(event));
        }
        let queue = queue.open()?;
        self.set_up(&config)?;
        let measured = Workloads { bench: self, queue: &queue, ledger: &ledger }.all(&mut tell);
        drop(queue);
        // A figure that failed must not leave the table behind, and the first error is the one to tell.
        let removed = self.clean_up(&config);
        measured.and(removed)
    }

    fn set_up(&self, config: &Config) -> Result<()> {
        if self.kind() != DriverKind::Database {
            return Ok(());
        }
        let database = Database::of_jobs(config, &config.database.connection)?;
        if database.has_jobs_table()? {
            return Err(Error::invalid(format!("cannot bench: there is a table \"{OWN}\" already"))
                .with_help("a bench that was killed may have left it; drop it, if it is nobody's"));
        }
        database.install()
    }

    fn clean_up(&self, config: &Config) -> Result<()> {
        match self.kind() {
            DriverKind::Database => Database::of_jobs(config, &config.database.connection)?.uninstall_jobs(),
            #[cfg(feature = "amqp")]
            DriverKind::Amqp => {
                let backend = AmqpBackend::new(AmqpOptions::from_config(&config.amqp)?);
                backend.remove_queue(&config.amqp.settings.queue).map(drop)
            }
            _ => Ok(()),
        }
    }
}
