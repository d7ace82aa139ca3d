//! Rows that the database does not let anybody take: by a trigger, or by a rule that was added later. They are
//! passed over, and tried again after a while that grows, as what refuses them may be mended.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::adapter::Kind;

/// How long a row is left alone at first, and at last.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// So many are remembered. Where there are more it is no matter of single rows.
const MOST: usize = 500;

#[derive(Default)]
pub(super) struct RefusedRows(HashMap<i64, Refused>);

struct Refused {
    kind: Kind,
    wait: Duration,
    until: Instant,
}

impl RefusedRows {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// A row was refused; says whether that is news.
    pub(super) fn note(&mut self, id: i64, kind: Kind, now: Instant) -> bool {
        let known = self.0.get(&id).map(|refused| refused.wait);
        if known.is_none() && self.is_full() {
            return false;
        }
        let wait = known.map_or(FIRST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
        self.0.insert(id, Refused { kind, wait, until: now + wait });
        known.is_none()
    }

    /// It was taken, or is not there any more.
    pub(super) fn forget(&mut self, id: i64) {
        self.0.remove(&id);
    }

    /// Those that are left alone, in order.
    pub(super) fn left_alone(&self, now: Instant) -> Vec<i64> {
        self.ids(|refused| refused.until > now)
    }

    /// Those that are to be tried again.
    pub(super) fn due(&self, kind: Kind, now: Instant) -> Vec<i64> {
        self.ids(|refused| refused.kind == kind && refused.until <= now)
    }

    fn ids(&self, is_meant: impl Fn(&Refused) -> bool) -> Vec<i64> {
        let mut ids: Vec<_> =
            self.0.iter().filter(|(_, refused)| is_meant(refused)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_row_is_news_once_and_is_left_alone_for_longer_each_time() {
        let start = Instant::now();
        let (mut rows, mut now, mut waits) = (RefusedRows::default(), start, Vec::new());
        for at in 0..9 {
            assert_eq!(rows.note(7, Kind::Fresh, now), at == 0);
            assert_eq!((rows.left_alone(now), rows.due(Kind::Fresh, now)), (vec![7], vec![]));
            let mut wait = Duration::ZERO;
            while rows.due(Kind::Fresh, now + wait).is_empty() {
                wait += Duration::from_secs(5);
            }
            assert_eq!((rows.left_alone(now + wait), rows.due(Kind::Suspect, now + wait)), (vec![], vec![]));
            now += wait;
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        rows.forget(7);
        assert!(rows.is_empty() && rows.note(7, Kind::Odd, now), "it is news again");
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let now = Instant::now();
        let mut rows = RefusedRows::default();
        for id in 0..600 {
            assert_eq!(rows.note(id, Kind::Fresh, now), id < 500);
        }
        assert!(rows.is_full() && rows.left_alone(now).len() == 500);
        assert!(!rows.note(3, Kind::Fresh, now), "what is known is still counted");
    }
}
