//! How much the broker hands out ahead.

/// The most that the broker hands out ahead when nothing is configured.
const LIMIT: usize = 1 << 15;

/// Messages that were fetched ahead of the worker's wishes have about this many bytes at most.
const BYTES: usize = 32 * 1024 * 1024;

/// The first step, before the size of a single body is known, and by how much each next one may be larger.
const FIRST: usize = 16;
const GROWTH: usize = 8;

/// A prefetch that follows what the worker holds and wants, up and down: what waits here is kept from other workers.
#[derive(Debug)]
pub(super) struct Prefetch {
    fixed: Option<u16>,
    current: u16,
    /// The mean size of the last bodies.
    mean: Option<usize>,
}

impl Prefetch {
    pub(super) fn new(fixed: Option<u16>) -> Self {
        Self { fixed, current: 0, mean: None }
    }

    /// A body of this size came.
    pub(super) fn came(&mut self, size: usize) {
        self.mean = Some(match self.mean {
            Some(mean) => (mean * 15 + size).div_ceil(16),
            None => size,
        });
    }

    /// The prefetch that was last sent to the broker.
    pub(super) fn current(&self) -> usize {
        self.current.into()
    }

    /// It was sent to the broker.
    pub(super) fn subscribed(&mut self, prefetch: u16) {
        self.current = prefetch;
    }

    /// With which prefetch to subscribe when the worker holds so many jobs and wants more; `None` when the one that
    /// holds will do.
    pub(super) fn for_more(&self, held: usize, more: usize) -> Option<u16> {
        let current = usize::from(self.current);
        if let Some(fixed) = self.fixed {
            return (self.current != fixed).then_some(fixed);
        }
        let in_bytes = self.mean.map_or(FIRST, |mean| (BYTES / mean.max(1)).max(1));
        let step = if self.mean.is_none() { FIRST } else { (current * GROWTH).max(FIRST) };
        let exact = (held + more.min(in_bytes).min(step)).min(LIMIT);
        // Large ones in powers of two, so that a subscription lasts; of the few long jobs none waits here.
        let wanted = if exact > FIRST { exact.next_power_of_two() } else { exact };
        let is_too_much = wanted * 4 <= current || exact <= 2 && current > exact;
        (wanted > current || is_too_much).then_some(wanted as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With bodies of one size, as far as it goes.
    fn grown(size: usize, held: usize, more: usize) -> u16 {
        let mut prefetch = Prefetch::new(None);
        while let Some(larger) = prefetch.for_more(held, more) {
            prefetch.subscribed(larger);
            prefetch.came(size);
        }
        prefetch.current
    }

    #[test]
    fn it_grows_to_what_is_wanted_as_far_as_the_bytes_allow() {
        let small = 1_000;
        let table = [
            (small, 0, 1, 1),
            (small, 1, 1, 2),
            (small, 0, 10, 10),
            (small, 0, 500, 512),
            (small, 100, 500, 1_024),
            (0, 0, 100_000, 32_768),
            (2 << 20, 0, 500, 16),
            (2 << 20, 40, 500, 64),
            (100 << 20, 0, 500, 1),
            (100 << 20, 30, 500, 64),
        ];
        for (size, held, more, prefetch) in table {
            assert_eq!(grown(size, held, more), prefetch, "{size} bytes, {held} held, {more} more");
        }
    }

    #[test]
    fn it_shrinks_when_much_less_is_wanted() {
        let mut prefetch = Prefetch::new(None);
        prefetch.came(10);
        prefetch.subscribed(512);
        assert_eq!([500, 300, 130].map(|more| prefetch.for_more(0, more)), [None; 3]);
        assert_eq!(prefetch.for_more(0, 100), Some(128));
        assert_eq!(prefetch.for_more(1, 1), Some(2));
        prefetch.subscribed(2);
        assert_eq!([prefetch.for_more(0, 2), prefetch.for_more(0, 1)], [None, Some(1)]);
    }

    #[test]
    fn what_is_configured_holds() {
        let mut prefetch = Prefetch::new(Some(10));
        assert_eq!(prefetch.for_more(0, 1), Some(10));
        prefetch.subscribed(10);
        assert_eq!(prefetch.for_more(300, 300), None);
    }
}
