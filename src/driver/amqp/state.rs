//! What a job has lived through, as the text that its message carries.
//!
//! It is in the property `app_id`, never in a header: a foreign header that is not UTF-8 makes the
//! client drop all headers behind it without a word, and a job that forgets its attempts runs for ever.

use std::fmt;

use crate::driver::Verdict;
use crate::driver::job_state::{Lifecycle, Next, attempt_after};
use crate::time::Timestamp;

const MARK: &str = "craft-queue";

/// `craft-queue start=7 attempts=2 deaths=1 unknown_since=1767225600000`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// In which start of the broker it was published; `None` when that is not known.
    pub(super) start: Option<u64>,
    /// Attempts that ended and counted.
    pub(super) attempts: u32,
    /// How often a worker went away with it since it last survived a run. From 1 on it is a suspect.
    pub(super) deaths: u32,
    /// It is in the hands of a worker in which a job that kills is known at once: that it comes again is no death.
    pub(super) spared: bool,
    /// Such a worker went away with it, though: it is to run alone.
    pub(super) alone: bool,
    /// When a worker first found that it does not know the name.
    pub(super) unknown_since: Option<Timestamp>,
}

impl State {
    /// Reads an `app_id`. What is not ours, or not readable, counts as a job that is new.
    pub(super) fn read(app_id: Option<&str>) -> Self {
        let mut words = app_id.unwrap_or_default().split(' ');
        if words.next() != Some(MARK) {
            return Self::default();
        }
        let mut state = Self::default();
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "start" => state.start = value.parse().ok(),
                "attempts" => state.attempts = value.parse().unwrap_or_default(),
                "deaths" => state.deaths = value.parse().unwrap_or_default(),
                "spared" => state.spared = value == "1",
                "alone" => state.alone = value == "1",
                "unknown_since" => state.unknown_since = value.parse().ok().map(Timestamp::from_millis),
                _ => {}
            }
        }
        state
    }

    /// Which attempt a run would be, from 1. The first death leaves the attempt as it was, because the
    /// job may be a bystander; each one after that used up one.
    pub(super) fn attempt(&self) -> u32 {
        attempt_after(self.attempts, self.deaths)
    }

    /// Whether a worker may have died of it.
    pub(super) fn is_suspect(&self) -> bool {
        self.deaths > 0
    }

    /// Whether nothing may run beside it: with another death of its worker it is charged.
    pub(super) fn runs_alone(&self) -> bool {
        self.alone || self.deaths > 1
    }

    /// It comes again, in this start of the broker: whether a worker went away with it.
    pub(super) fn came_again(self, start: u64) -> Self {
        match self.start {
            Some(earlier) if earlier < start => self,
            _ => self.died(),
        }
    }

    /// A worker went away with it.
    pub(super) fn died(self) -> Self {
        let deaths = self.deaths.saturating_add(u32::from(!self.spared));
        Self { deaths, spared: false, alone: self.alone || self.spared, ..self }
    }

    /// A worker takes it that would not die of it.
    pub(super) fn spare(self) -> Self {
        Self { spared: true, ..self }
    }

    /// Its worker puts it back; `None` where it is not to come back.
    pub(super) fn settled(self, verdict: &Verdict, now: Timestamp) -> Option<Self> {
        let mut job = Lifecycle {
            due: now,
            attempts: self.attempt(),
            suspect: self.is_suspect() && !self.spared,
            uncharged: self.is_suspect() && self.spared,
            unknown_since: self.unknown_since,
        };
        let next = job.settle(verdict, now);
        let (attempts, unknown_since) = (job.attempts, job.unknown_since);
        match next {
            Next::Gone => None,
            Next::Waits => {
                Some(Self { attempts, deaths: 0, spared: false, alone: false, unknown_since, ..self })
            }
            // What is taken back of a suspect's attempts is what its next delivery counts.
            Next::HeldUntil(_) => Some(Self { unknown_since, ..self }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)?;
        if let Some(start) = self.start {
            write!(f, " start={start}")?;
        }
        if self.attempts > 0 {
            write!(f, " attempts={}", self.attempts)?;
        }
        if self.deaths > 0 {
            write!(f, " deaths={}", self.deaths)?;
        }
        if self.spared {
            f.write_str(" spared=1")?;
        }
        if self.alone {
            f.write_str(" alone=1")?;
        }
        match self.unknown_since {
            Some(since) => write!(f, " unknown_since={}", since.as_millis()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was_written() {
        let since = Some(Timestamp::from_millis(1_767_225_600_000));
        let states = [
            State::default(),
            State { start: Some(7), attempts: 2, deaths: 1, unknown_since: since, ..State::default() },
            State {
                start: Some(u64::MAX),
                attempts: u32::MAX,
                deaths: u32::MAX,
                spared: true,
                alone: true,
                unknown_since: since,
            },
        ];
        for state in states {
            let text = state.to_string();
            assert!(text.len() <= 255, "an AMQP property has at most 255 bytes: {text}");
            assert_eq!(State::read(Some(&text)), state);
        }
        assert_eq!(
            states[1].to_string(),
            "craft-queue start=7 attempts=2 deaths=1 unknown_since=1767225600000"
        );
    }

    #[test]
    fn what_is_not_ours_counts_as_new() {
        let foreign = [None, Some(""), Some("billing attempts=3"), Some("craft-queue attempts=many deaths")];
        for app_id in foreign {
            assert_eq!(State::read(app_id), State::default(), "{app_id:?}");
        }
    }

    #[test]
    fn the_first_death_is_not_charged_and_each_one_after_it_is() {
        let new = State::default();
        let expected = [(new, 1), (new.died(), 1), (new.died().died(), 2), (new.died().died().died(), 3)];
        for (state, attempt) in expected {
            assert_eq!(state.attempt(), attempt, "{state}");
        }
    }

    #[test]
    fn who_was_spared_is_not_charged_with_the_next_death_but_with_those_after_it() {
        let suspect = State::default().died();
        let spared = suspect.spare();
        assert_eq!((spared.attempt(), spared.is_suspect()), (1, true));
        assert_eq!(spared.died(), State { alone: true, ..suspect });
        let alone = [suspect, spared, suspect.died(), spared.died(), spared.died().died()];
        assert_eq!(alone.map(|state| state.runs_alone()), [false, false, true, true, true]);
        assert_eq!(spared.spare().died().died().attempt(), 2);
        assert_eq!(State::read(Some(&spared.to_string())), spared);
        assert_eq!(survived(spared.died(), true), survived(State::default(), true));
    }

    #[test]
    fn what_comes_again_after_the_broker_has_started_again_is_no_death() {
        let published = State { start: Some(2), ..State::default() };
        for (start, deaths) in [(3, 0), (2, 1), (1, 1)] {
            assert_eq!(published.came_again(start).deaths, deaths, "{start}");
        }
        assert_eq!(State::default().came_again(3).deaths, 1, "nobody knows when that was published");
    }

    const NOW: Timestamp = Timestamp::from_millis(5);

    fn survived(state: State, counted: bool) -> State {
        let verdict = Verdict::Again { after: Duration::ZERO, counted, error: String::new() };
        state.settled(&verdict, NOW).unwrap()
    }

    #[test]
    fn a_run_that_survives_clears_the_suspicion() {
        let since = Some(Timestamp::from_millis(5));
        let twice_dead = State { attempts: 1, deaths: 2, unknown_since: since, ..State::default() };
        assert_eq!(twice_dead.attempt(), 3);
        let counted = State { attempts: 3, ..State::default() };
        assert_eq!(survived(twice_dead, true), counted);
        let uncounted = State { attempts: 2, ..State::default() };
        assert_eq!(survived(twice_dead, false), uncounted);
    }

    #[test]
    fn the_first_sighting_of_an_unknown_name_is_kept() {
        let (first, second) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let unknown = Verdict::Unknown { after: Duration::ZERO };
        for deaths in [0, 1] {
            let state = State { attempts: 2, deaths, ..State::default() };
            let found = state.settled(&unknown, first).unwrap().settled(&unknown, second).unwrap();
            assert_eq!(found, State { unknown_since: Some(first), ..state });
        }
    }

    #[test]
    fn what_is_given_back_is_as_it_was() {
        let suspect = State { attempts: 3, ..State::default() }.died();
        let unstarted = Verdict::Unstarted { after: Duration::ZERO };
        for state in [State::default(), suspect, suspect.died(), suspect.spare(), suspect.spare().died()] {
            assert_eq!(state.settled(&unstarted, NOW), Some(state), "{state}");
        }
        assert_eq!(suspect.settled(&Verdict::Done, NOW), None);
    }
}
