//! Counts the broker's answers to the publishes of one batch.

use std::collections::{HashMap, HashSet};

use super::client_trait::Confirm;

/// Which publishes of a batch are answered, and how.
pub(super) struct Confirms {
    /// The number of the publish before the first one.
    base: u64,
    sizes: Vec<usize>,
    answers: Vec<Option<bool>>,
    pub(super) answered: usize,
    pub(super) answered_bytes: usize,
    /// All before this one are answered.
    low: usize,
    /// Where those stand that a queue refused.
    pub(super) refused: Vec<usize>,
    /// How often a message of this id came back because no queue takes it.
    returned: HashMap<String, usize>,
}

impl Confirms {
    /// For publishes of these sizes, of which the first one has the number after `base`.
    pub(super) fn new(base: u64, sizes: Vec<usize>) -> Self {
        Self {
            base,
            answers: vec![None; sizes.len()],
            sizes,
            answered: 0,
            answered_bytes: 0,
            low: 0,
            refused: Vec::new(),
            returned: HashMap::new(),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.answered == self.answers.len()
    }

    /// Whether the broker took this one; it may have come back all the same.
    pub(super) fn is_taken(&self, at: usize) -> bool {
        self.answers[at] == Some(true)
    }

    pub(super) fn note(&mut self, confirm: Confirm) {
        // What was answered in an earlier batch is none of this one's numbers.
        let Some(end) = confirm.number.checked_sub(self.base) else { return };
        let end = (end as usize).min(self.answers.len());
        let start = if confirm.multiple { self.low.min(end) } else { end.saturating_sub(1) };
        for index in start..end {
            // The first answer counts: one for all before it means those that had none yet, and a refused one had.
            if self.answers[index].is_none() {
                self.answers[index] = Some(confirm.ok);
                self.answered += 1;
                self.answered_bytes += self.sizes[index];
                if !confirm.ok {
                    self.refused.push(index);
                }
            }
        }
        self.low += self.answers[self.low..].iter().take_while(|answered| answered.is_some()).count();
    }

    /// No queue took a message of this id.
    pub(super) fn came_back(&mut self, id: String) {
        *self.returned.entry(id).or_default() += 1;
    }

    /// Where those stand that no queue took, given the ids of all. Of several with one id the last ones.
    pub(super) fn homeless<'i>(
        &mut self,
        ids: impl DoubleEndedIterator<Item = Option<&'i str>> + ExactSizeIterator,
    ) -> HashSet<usize> {
        let mut homeless = HashSet::new();
        if self.returned.is_empty() {
            return homeless;
        }
        for (at, id) in ids.enumerate().rev() {
            let left = id.and_then(|id| self.returned.get_mut(id));
            if let Some(left) = left.filter(|left| **left > 0 && self.answers[at] == Some(true)) {
                *left -= 1;
                homeless.insert(at);
            }
        }
        homeless
    }

    /// Of messages with these ids those without an answer, asked after those that are homeless: where they stand, and
    /// whether they came back already.
    pub(super) fn open<'i>(
        &mut self,
        ids: impl DoubleEndedIterator<Item = Option<&'i str>>,
    ) -> Vec<(usize, bool)> {
        let mut open = Vec::new();
        for (at, id) in ids.collect::<Vec<_>>().into_iter().enumerate().rev() {
            if self.answers[at].is_some() {
                continue;
            }
            let left = id.and_then(|id| self.returned.get_mut(id)).filter(|left| **left > 0);
            open.push((at, left.map(|left| *left -= 1).is_some()));
        }
        open.reverse();
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(number: u64, multiple: bool, ok: bool) -> Confirm {
        Confirm { number, multiple, ok }
    }

    #[test]
    fn confirms_are_counted_in_any_order() {
        let mut tally = Confirms::new(10, vec![1; 5]);
        for (note, answered) in [
            (confirm(13, false, true), 1),
            (confirm(13, false, true), 1),
            (confirm(12, true, true), 3),
            (confirm(10, true, true), 3),
            (confirm(15, true, false), 5),
        ] {
            tally.note(note);
            assert_eq!(tally.answered, answered, "{note:?}");
        }
        assert!(tally.is_complete());
        assert_eq!(tally.refused, [3, 4]);
        assert_eq!(tally.answered_bytes, 5);
    }

    #[test]
    fn what_was_refused_stays_so_when_all_before_a_later_one_are_taken() {
        let mut tally = Confirms::new(0, vec![1; 3]);
        tally.note(confirm(2, false, false));
        tally.note(confirm(3, true, true));
        assert!(tally.is_complete());
        assert_eq!([0, 1, 2].map(|at| tally.is_taken(at)), [true, false, true]);
        assert_eq!(tally.refused, [1]);
    }

    #[test]
    fn open_is_what_has_no_answer_and_may_have_come_back() {
        let mut tally = Confirms::new(0, vec![1; 5]);
        tally.note(confirm(1, false, false));
        tally.note(confirm(2, false, true));
        for id in ["b", "b"] {
            tally.came_back(id.to_owned());
        }
        let ids = || [Some("a"), Some("b"), Some("c"), Some("b"), None].into_iter();
        assert_eq!(tally.homeless(ids()), HashSet::from([1]));
        assert_eq!(tally.open(ids()), [(2, false), (3, true), (4, false)]);
    }

    #[test]
    fn what_came_back_is_counted_by_its_id_from_the_end() {
        let mut tally = Confirms::new(0, vec![1; 4]);
        tally.note(confirm(4, true, true));
        for id in ["a", "a", "b"] {
            tally.came_back(id.to_owned());
        }
        let ids = [Some("a"), Some("b"), Some("a"), Some("a")];
        assert_eq!(tally.homeless(ids.into_iter()), HashSet::from([1, 2, 3]));
    }
}
