//! `[async]`.

use std::sync::LazyLock;

use super::kind::Field;
use super::{Settings, schema};

/// `[async]`: jobs wait in memory.
#[derive(Clone, Debug)]
pub struct AsyncConfig {
    /// What every driver may say.
    pub settings: Settings,
    /// Run each job in the pushing thread.
    pub blocking: bool,
    /// How many jobs may wait before a push waits; 1 to 10,000,000.
    pub capacity: usize,
}

impl AsyncConfig {
    pub(super) fn fields(&mut self) -> Vec<Field<'_>> {
        let Self { settings, blocking, capacity } = self;
        let mut fields = vec![
            Field::new("blocking", blocking, schema::SWITCH),
            Field::new("capacity", capacity, schema::CAPACITY),
        ];
        // Jobs in memory end with their worker: nobody else could take them when a lease is over.
        fields.extend(settings.fields("connection").into_iter().filter(|field| field.name != "lease"));
        fields
    }
}

/// Asked once: the system reads files to answer.
static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            settings: Settings { workers: 5 * *CORES, ..Settings::default() },
            blocking: false,
            capacity: 10_000,
        }
    }
}
