//! Jobs that somebody else has locked in the back end, or that the back end lets nobody change. Their holds can't be
//! renewed and their outcomes can't be written down while that lasts. They are tried again soon, by themselves, and
//! keep nothing else waiting.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::in_flight::InFlight;
use super::settle::name_of;
use crate::driver::Receipt;

/// The longest pause before a locked job is tried again: when it is free its lease may be over, and others may take
/// it.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct LockedRows {
    /// The holds that were not renewed.
    holds: HashSet<Receipt>,
    renew_at: Option<Instant>,
    /// Those that the back end refuses to renew, and about which there was a warning.
    refused: HashSet<Receipt>,
    /// When outcomes that could not be written down are tried again.
    settle_at: Option<Instant>,
}

impl LockedRows {
    /// The last extend could not renew these, of all that it was to renew.
    pub(super) fn not_renewed(&mut self, locked: Vec<Receipt>, lease: Duration) {
        self.holds = locked.into_iter().collect();
        self.renew_at = (!self.holds.is_empty()).then(|| Instant::now() + pause(lease));
    }

    /// An outcome could not be written down.
    pub(super) fn not_settled(&mut self, lease: Duration) {
        self.settle_at.get_or_insert(Instant::now() + pause(lease));
    }

    /// The holds to renew now, if it is time.
    pub(super) fn take_renewable(&mut self, now: Instant) -> Option<HashSet<Receipt>> {
        self.renew_at.is_some_and(|at| now >= at).then(|| std::mem::take(&mut self.holds))
    }

    pub(super) fn is_time_to_settle(&self, now: Instant) -> bool {
        self.settle_at.is_some_and(|at| now >= at)
    }

    /// All outcomes are tried again now.
    pub(super) fn settles(&mut self) {
        self.settle_at = None;
    }

    /// When something is to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.renew_at.into_iter().chain(self.settle_at).min()
    }

    /// A warning for each hold that the back end refuses to renew, once.
    pub(super) fn warnings(&mut self, refused: &[(Receipt, String)], in_flight: &InFlight) -> Vec<String> {
        let mut warnings = Vec::new();
        for (receipt, why) in refused {
            let Some(held) = in_flight.kept().find(|held| held.job().receipt == *receipt) else { continue };
            if self.refused.insert(*receipt) {
                let name = name_of(held.job());
                warnings.push(format!(
                    "the hold on {name} can't be renewed, and may end before the job does: {why}"
                ));
            }
        }
        self.refused.retain(|refused| in_flight.kept().any(|held| held.job().receipt == *refused));
        warnings
    }
}

/// How long a locked job is left alone.
pub(super) fn pause(lease: Duration) -> Duration {
    PAUSE.min(lease / 12)
}
