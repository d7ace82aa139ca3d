//! Jobs whose names this worker does not know: one warning for each name, and then a count. Twenty thousand of them
//! would else be twenty thousand lines every few seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a warning has the counts.
const PAUSE: Duration = Duration::from_secs(60);

/// Further names are counted together.
const MOST: usize = 100;

#[derive(Default)]
pub(super) struct UnknownNames {
    /// How often each was put back without a warning.
    names: HashMap<Arc<str>, u64>,
    others: u64,
    pub(super) tell_at: Option<Instant>,
}

impl UnknownNames {
    /// A job of this name is put back; says whether it gets a warning of its own.
    pub(super) fn note(&mut self, name: &Arc<str>, now: Instant) -> bool {
        self.tell_at.get_or_insert(now + PAUSE);
        let is_new = !self.names.contains_key(name);
        if is_new && self.names.len() == MOST {
            self.others += 1;
            return false;
        }
        let count = self.names.entry(name.clone()).or_default();
        *count += u64::from(!is_new);
        is_new
    }

    /// The warnings: each name and its count. Then all begins anew.
    pub(super) fn counts(&mut self) -> Vec<String> {
        let Self { names, others, .. } = std::mem::take(self);
        let mut counts: Vec<_> = names.into_iter().filter(|(_, count)| *count > 0).collect();
        counts.sort();
        let counted = |(name, count): (Arc<str>, u64)| {
            format!("no worker knows a job named \"{name}\": put back {count} times more")
        };
        let others = (others > 0).then(|| {
            format!("no worker knows the jobs of {MOST} names and more: put back {others} times more")
        });
        counts.into_iter().map(counted).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_told_once_and_then_counted() {
        let (now, mut unknown) = (Instant::now(), UnknownNames::default());
        let (gone, old) = (Arc::from("Gone"), Arc::from("Old"));
        assert!(unknown.note(&gone, now) && unknown.note(&old, now));
        assert!((0..20_000).all(|_| !unknown.note(&gone, now)));
        assert_eq!(unknown.tell_at, Some(now + PAUSE));
        let told = ["no worker knows a job named \"Gone\": put back 20000 times more"];
        assert_eq!(unknown.counts(), told);
        assert!(unknown.note(&gone, now + PAUSE), "then it begins anew");
        assert_eq!(unknown.counts(), [""; 0]);
    }

    #[test]
    fn many_names_are_told_together() {
        let (now, mut unknown) = (Instant::now(), UnknownNames::default());
        let told = (0..20_000).filter(|n| unknown.note(&Arc::from(n.to_string()), now)).count();
        assert_eq!(told, MOST);
        let told = ["no worker knows the jobs of 100 names and more: put back 19900 times more"];
        assert_eq!(unknown.counts(), told);
    }
}
