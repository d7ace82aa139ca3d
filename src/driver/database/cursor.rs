//! Where a busy worker's takes have got to.
//!
//! On a server, what was taken or removed stays in the index until it is swept: by PostgreSQL once a minute at
//! best, and not while anybody has an old transaction open. A take that looks from the start steps over all of
//! it, so a busy worker mostly goes on where its last take ended.

use std::time::{Duration, Instant};

/// How long it goes on before it looks from the start again. What came in further to the front meanwhile, as a
/// job that another worker gave back, waits so long.
const GOES_ON: Duration = Duration::from_millis(100);

/// Takes from the start have at most about one part in so many of the time.
const SHARE: u32 = 10;

/// A line is a queue and a priority; `P` is a place in it.
pub(super) struct Cursor<P> {
    places: Vec<(String, i64, P)>,
    goes_on_until: Option<Instant>,
}

impl<P> Default for Cursor<P> {
    fn default() -> Self {
        Self { places: Vec::new(), goes_on_until: None }
    }
}

impl<P: Clone + PartialOrd> Cursor<P> {
    /// A take begins.
    pub(super) fn begin(&mut self, is_busy: bool) {
        if !is_busy || self.goes_on_until.is_none_or(|until| until <= Instant::now()) {
            self.forget();
        }
    }

    /// The place behind which it looks into this line; `None` for the start.
    pub(super) fn get(&self, queue: &str, priority: i64) -> Option<P> {
        let line = self.places.iter().find(|line| line.0 == queue && line.1 == priority);
        line.map(|line| line.2.clone())
    }

    /// It found a job at this place.
    pub(super) fn found(&mut self, queue: &str, priority: i64, place: P) {
        match self.places.iter_mut().find(|line| line.0 == queue && line.1 == priority) {
            Some(line) if line.2 >= place => {}
            Some(line) => line.2 = place,
            None => self.places.push((queue.to_owned(), priority, place)),
        }
    }

    /// It found as many as it looked for, or not, in this time. If not, nothing waits any more, and a job that
    /// shows up late, as that of a slow transaction, should not wait for its turn either.
    pub(super) fn end(&mut self, is_full: bool, took: Duration) {
        if !is_full {
            self.forget();
        } else if self.goes_on_until.is_none() {
            self.goes_on_until = Some(Instant::now() + GOES_ON.max(took * SHARE));
        }
    }

    /// The next take looks from the start.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_take_goes_on_where_the_last_one_ended_and_looks_from_the_start_after_a_while() {
        let mut cursor = Cursor::default();
        let take = |cursor: &mut Cursor<u32>, places: &[u32], is_full, took| {
            cursor.begin(true);
            let behind = cursor.get("a", 1);
            places.iter().for_each(|place| cursor.found("a", 1, *place));
            cursor.end(is_full, took);
            behind
        };
        let long = Duration::from_secs(60);
        assert_eq!(take(&mut cursor, &[3, 5, 4], true, long), None);
        assert_eq!(take(&mut cursor, &[6], true, Duration::ZERO), Some(5), "for ten minutes");
        assert_eq!((cursor.get("a", 1), cursor.get("a", 2), cursor.get("b", 1)), (Some(6), None, None));

        assert_eq!(take(&mut cursor, &[], false, Duration::ZERO), Some(6));
        assert_eq!(take(&mut cursor, &[7], true, long), None, "there was less than it looked for");

        cursor.goes_on_until = Some(Instant::now());
        assert_eq!(take(&mut cursor, &[8], true, long), None, "a while is over");
        cursor.begin(false);
        assert_eq!(cursor.get("a", 1), None, "an idle worker looks at all");
    }
}
