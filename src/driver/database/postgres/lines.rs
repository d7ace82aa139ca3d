//! The lines of jobs, and where a busy worker goes on in them.
//!
//! What was taken or removed stays in the index until the table is vacuumed, once a minute at best, and not
//! while anybody has an old transaction open. A take that begins at the start of a line steps over all of it,
//! so a busy worker mostly goes on where its last take ended.

use std::time::{self, Duration};

use super::values::Instant;
use crate::message::PRIORITY_LIMIT;

/// How long a busy worker goes on before it begins at the start again. What came in further to the front
/// meanwhile, as a job that another worker gave back, waits so long.
const GOES_ON: Duration = Duration::from_millis(100);

/// To begin at the start takes at most about this share of the time.
const SHARE: u32 = 10;

/// Of each queue each priority, the highest first.
pub(super) fn lines(queues: &[String]) -> (Vec<String>, Vec<i16>) {
    let priorities = || (0..=i16::from(PRIORITY_LIMIT)).rev();
    queues.iter().flat_map(|queue| priorities().map(|priority| (queue.clone(), priority))).unzip()
}

/// Where a job stands in its line: when it was due, and its id.
pub(super) type Place = (Instant, i64);

const BEFORE_ALL: Place = (Instant::BEFORE_ALL, i64::MIN);

/// How far the takes of a busy worker have got.
#[derive(Default)]
pub(super) struct Progress {
    reached: Vec<(String, i16, Place)>,
    /// Until then; not at all when there is none.
    goes_on_until: Option<time::Instant>,
}

impl Progress {
    /// Behind which place the next take looks in each line.
    pub(super) fn behind(&mut self, (queues, priorities): (&[String], &[i16])) -> (Vec<Instant>, Vec<i64>) {
        if self.goes_on_until.is_none_or(|until| until <= time::Instant::now()) {
            self.forget();
        }
        queues.iter().zip(priorities).map(|(queue, priority)| self.reached(queue, *priority)).unzip()
    }

    fn reached(&self, queue: &str, priority: i16) -> Place {
        let line = self.reached.iter().find(|line| line.0 == queue && line.1 == priority);
        line.map_or(BEFORE_ALL, |line| line.2)
    }

    /// Notes what a take found: of each job the queue, the priority and the place. `took` is how long it took.
    pub(super) fn note<'a>(&mut self, found: impl Iterator<Item = (&'a str, i16, Place)>, took: Duration) {
        for (queue, priority, place) in found {
            match self.reached.iter_mut().find(|line| line.0 == queue && line.1 == priority) {
                Some(line) => line.2 = line.2.max(place),
                None => self.reached.push((queue.to_owned(), priority, place)),
            }
        }
        self.goes_on_until.get_or_insert_with(|| time::Instant::now() + GOES_ON.max(took * SHARE));
    }

    /// The next take begins at the start.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_take_goes_on_where_the_last_one_ended_and_begins_anew_after_a_while() {
        let (queues, priorities) = lines(&["a".to_owned(), "b".to_owned()]);
        assert_eq!((&*queues[9], priorities[0], priorities[9], &*queues[10]), ("a", 9, 0, "b"));
        let lines = (&*queues, &*priorities);
        let mut progress = Progress::default();
        let from_the_start = (vec![Instant::BEFORE_ALL; 20], vec![i64::MIN; 20]);
        assert_eq!(progress.behind(lines), from_the_start);

        let at = Instant::test;
        let found = [("b", 9, (at(5), 3)), ("b", 9, (at(7), 1)), ("b", 9, (at(7), 2)), ("b", 9, (at(6), 4))];
        progress.note(found.into_iter(), Duration::from_secs(60));
        let mut reached = from_the_start.clone();
        (reached.0[10], reached.1[10]) = (at(7), 2);
        assert_eq!(progress.behind(lines), reached, "for ten minutes");

        progress.goes_on_until = Some(time::Instant::now());
        assert_eq!(progress.behind(lines), from_the_start);
    }
}
