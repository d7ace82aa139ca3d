//! How many jobs are taken at once, where they are large.

use crate::driver::Reserved;

/// The bytes of one take, about.
const TAKE_BYTES: usize = 32 * 1024 * 1024;

/// How large jobs are, of late: a take of many small ones may be one of few large ones.
#[derive(Default)]
pub(super) struct Weight(usize);

impl Weight {
    /// So many at most.
    pub(super) fn bound(&self, most: usize) -> usize {
        (TAKE_BYTES / self.0.max(1)).clamp(1, most.max(1)).min(most)
    }

    pub(super) fn took(&mut self, jobs: &[Reserved]) {
        if let Some(largest) = jobs.iter().map(|job| job.message.payload.len()).max() {
            // One large one among many small ones is soon forgotten.
            self.0 = largest.max(self.0 - self.0 / 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_jobs_are_taken_by_few() {
        let mebibyte = 1024 * 1024;
        for (size, most, bound) in
            [(0, 500, 500), (1_000, 500, 500), (mebibyte, 500, 32), (64 * mebibyte, 500, 1), (mebibyte, 0, 0)]
        {
            assert_eq!(Weight(size).bound(most), bound, "{most} of {size} bytes");
        }
    }
}
