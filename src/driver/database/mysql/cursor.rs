//! Where the last take ended.
//!
//! What was taken or removed stays in the index until the server has swept it, and each take would walk
//! over it anew. It only saves that walk: it is forgotten as soon as a take finds less than it looked for,
//! and once a second, for jobs that came in before it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::mysql::Value;

/// A take that looks for fewer jobs than this walks little, and is exact about the order.
pub(super) const WORTH_IT: usize = 50;

const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);

/// For each queue and priority.
pub(super) struct Cursor {
    places: HashMap<(String, i64), Value>,
    begun: Instant,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { places: HashMap::new(), begun: Instant::now() }
    }
}

impl Cursor {
    /// The due time to look from.
    pub(super) fn get(&mut self, queue: &str, priority: i64) -> Value {
        if self.begun.elapsed() >= FORGOTTEN_AFTER {
            *self = Self::default();
        }
        let place = self.places.get(&(queue.to_owned(), priority));
        place.cloned().unwrap_or(Value::Date(1000, 1, 1, 0, 0, 0, 0))
    }

    pub(super) fn set(&mut self, queue: &str, priority: i64, due: Option<Value>) {
        let line = (queue.to_owned(), priority);
        match due {
            Some(due) => self.places.insert(line, due),
            None => self.places.remove(&line),
        };
    }
}
