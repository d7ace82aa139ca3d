//! Delays: a chain of queues whose messages expire, each after twice the time of the one below it.
//!
//! A delay is written in binary, one bit a level, and is the routing key. Where a bit is set the job
//! waits in that level's queue; when it expires, and where a bit is not set, it goes down a level; below
//! the last one it comes to its queue. So the number of queues never grows, in no queue a long wait
//! stands before a short one, and an hour is exactly an hour. One queue for each length of a wait, the
//! usual way, would do for a few fixed waits only: the waits of an exponential backoff are spread by
//! chance.
//!
//! The levels are quorum queues whatever the work queues are. A classic queue hands an expired message on without
//! waiting for an answer, and a broker that is killed soon after that has lost it; a quorum queue with at-least-once
//! dead lettering, which came with RabbitMQ 3.10, removes it when the next queue has confirmed it. But a quorum queue
//! that is younger than a few seconds when the broker is killed is empty afterwards. So delay queues that
//! were just made are not used until they are [old enough](MATURE). Classic levels that are
//! there stay, and what waits in them still comes to its queue.
//!
//! The key ends with a digest of the queue's name: one word whatever the name holds, and short enough
//! for names of 255 bytes. A job whose queue is gone when its time comes goes to [`STRAY`], from where
//! the next worker that subscribes brings it home.

use std::time::Duration;

use super::client_trait::{Address, Argument, Kind, Object, classic_type, quorum_type};
use super::digest::digest;
use crate::error::{Error, Result};
use crate::time;

/// The lowest level. An eighth of a second, so that whole seconds need no level below the fourth.
const UNIT: Duration = Duration::from_millis(125);

/// How many levels: up to 2^28 seconds, 8.5 years.
const LEVELS: u32 = 31;

/// The longest delay, 8.5 years: a job that is tried again waits no longer than that.
pub(super) const LONGEST: Duration = Duration::from_millis(125 * ((1 << LEVELS) - 1));

/// Where the delay queues end.
const DELIVER: &str = "craft-queue.delay.deliver";

/// Where jobs wait whose queue was gone when their time came.
pub(super) const STRAY: &str = "craft-queue.delay.stray";

/// Where to publish what shall be in the queue after a while; `None` when that is at once. Rounded up to
/// an eighth of a second.
pub(super) fn entry(kind: Levels, queue: &str, after: Duration) -> Result<Option<Address>> {
    let steps = steps(after);
    let Some(top) = steps.checked_ilog2() else { return Ok(None) };
    if top >= LEVELS {
        let longest = time::format_duration(LONGEST);
        return Err(Error::unsupported(format!(
            "a delay of {} is too long for RabbitMQ",
            time::format_duration(after)
        ))
        .with_help(format!(
            "at most {longest} is possible here; the database driver waits for up to 36600 days"
        )));
    }
    let bits: String = (0..LEVELS).rev().flat_map(|level| [bit(steps, level), '.']).collect();
    // The levels above the highest bit would only pass it on.
    Ok(Some(Address { exchange: kind.name(top), routing_key: bits + &digest(queue) }))
}

/// How many levels a delay needs.
pub(super) fn height(after: Duration) -> u32 {
    steps(after).checked_ilog2().map_or(0, |top| (top + 1).min(LEVELS))
}

fn steps(after: Duration) -> u128 {
    after.as_micros().div_ceil(UNIT.as_micros())
}

fn bit(steps: u128, level: u32) -> char {
    if steps >> level & 1 == 1 { '1' } else { '0' }
}

/// Sends what came from [`STRAY`] on once more.
pub(super) fn homecoming(routing_key: String) -> Address {
    Address { exchange: DELIVER.into(), routing_key }
}

/// The delay queues up to a height: a job only ever goes down, so that a short delay needs few levels.
pub(super) fn rungs(kind: Levels, height: u32, quorum: bool) -> Vec<Object> {
    let mut objects = ends(quorum);
    for level in 0..height {
        let name = kind.name(level);
        let below = level.checked_sub(1).map_or(DELIVER.into(), |level| kind.name(level));
        let ttl = UNIT.as_millis() as i64 * (1 << level);
        let mut arguments = vec![
            ("x-message-ttl", Argument::Number(ttl)),
            ("x-dead-letter-exchange", Argument::Text(below.clone())),
        ];
        match kind {
            Levels::Classic => arguments.push(classic_type()),
            Levels::Quorum => arguments.extend([
                quorum_type(),
                ("x-dead-letter-strategy", Argument::Text("at-least-once".into())),
                ("x-overflow", Argument::Text("reject-publish".into())),
            ]),
        }
        let key = |bit: char| format!("{}{bit}.#", "*.".repeat((LEVELS - 1 - level) as usize));
        objects.extend([
            Object::Exchange { name: name.clone(), kind: Kind::Topic, alternate: None },
            Object::Queue { name: name.clone(), arguments },
            Object::QueueBinding { queue: name.clone(), exchange: name.clone(), key: key('1') },
            Object::ExchangeBinding { destination: below, exchange: name, key: key('0') },
        ]);
    }
    objects
}

/// Where the delay queues end, and what is kept there of jobs without a queue: on every node of a cluster where the
/// work queues are.
pub(super) fn ends(quorum: bool) -> Vec<Object> {
    let kind = if quorum { quorum_type() } else { classic_type() };
    vec![
        Object::Exchange { name: STRAY.into(), kind: Kind::Fanout, alternate: None },
        Object::Queue { name: STRAY.into(), arguments: vec![kind] },
        Object::QueueBinding { queue: STRAY.into(), exchange: STRAY.into(), key: String::new() },
        Object::Exchange { name: DELIVER.into(), kind: Kind::Topic, alternate: Some(STRAY.into()) },
    ]
}

/// Brings what comes down the delay queues for a queue into it.
pub(super) fn end(queue: &str) -> Object {
    Object::QueueBinding {
        queue: queue.into(),
        exchange: DELIVER.into(),
        key: format!("#.{}", digest(queue)),
    }
}

/// What the levels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Levels {
    /// Classic queues.
    Classic,
    /// Quorum queues, with at-least-once dead lettering.
    Quorum,
}

impl Levels {
    /// A level's name, of its exchange and of its queue.
    pub(super) fn name(self, level: u32) -> String {
        let kind = if self == Self::Quorum { "quorum." } else { "" };
        format!("craft-queue.delay.{kind}{level:02}")
    }
}

/// How old a quorum queue has to be before it survives that its broker is killed: what was written about the queue
/// itself is on disk some seconds later than what was written to it.
pub(super) const MATURE: Duration = Duration::from_secs(5);

/// How many levels are made at least, so that the chain seldom grows: up to 17 minutes.
pub(super) const LEAST_HEIGHT: u32 = 14;

/// Reads a delay back, and whose queue it is for: what the levels of a broker would do.
#[cfg(test)]
pub(super) fn decode(routing_key: &str) -> Option<(Duration, &str)> {
    let (bits, digest) = routing_key.rsplit_once('.')?;
    let steps = bits.split('.').try_fold(0, |steps, bit| Some(steps << 1 | bit.parse::<u32>().ok()?))?;
    Some((UNIT * steps, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn no_delay_needs_no_ladder() {
        assert_eq!(entry(Levels::Quorum, "q", Duration::ZERO).unwrap(), None);
    }

    #[test]
    fn whole_seconds_are_exact_and_parts_are_rounded_up() {
        let table =
            [(0.001, 0.125), (0.125, 0.125), (0.13, 0.25), (1.0, 1.0), (1.001, 1.125), (3_600.0, 3_600.0)];
        for (asked, given) in table {
            let address = entry(Levels::Quorum, "q", seconds(asked)).unwrap().unwrap();
            assert_eq!(decode(&address.routing_key), Some((seconds(given), &*digest("q"))), "{asked} s");
        }
    }

    #[test]
    fn a_delay_enters_at_its_highest_bit() {
        let at = |after| entry(Levels::Quorum, "q", after).unwrap().unwrap().exchange;
        assert_eq!(at(seconds(0.125)), "craft-queue.delay.quorum.00");
        assert_eq!(at(seconds(1.0)), "craft-queue.delay.quorum.03");
        assert_eq!(at(seconds(1.5)), "craft-queue.delay.quorum.03");
        assert_eq!(at(seconds(2.0)), "craft-queue.delay.quorum.04");
    }

    #[test]
    fn keys_fit_and_too_long_delays_are_refused() {
        let longest = LONGEST;
        let address = entry(Levels::Quorum, &"q".repeat(255), longest).unwrap().unwrap();
        assert!(address.routing_key.len() <= 255);
        let error = entry(Levels::Quorum, "q", longest + UNIT).unwrap_err();
        assert!(error.is_unsupported() && error.help().is_some(), "{error:?}");
    }

    #[test]
    fn a_delay_needs_the_levels_below_the_one_at_which_it_enters() {
        let table = [(0.0, 0), (0.125, 1), (0.25, 2), (0.3, 2), (1.0, 4), (3_600.0, 15)];
        for (after, levels) in table {
            assert_eq!(height(seconds(after)), levels, "{after} s");
        }
        assert_eq!([height(LONGEST), height(Duration::MAX)], [LEVELS; 2]);
    }

    #[test]
    fn each_level_waits_twice_as_long_as_the_one_below_and_looks_at_its_own_bit() {
        let rungs = rungs(Levels::Quorum, LEVELS, false);
        let key = entry(Levels::Quorum, "q", seconds(1.0)).unwrap().unwrap().routing_key;
        let words: Vec<_> = key.split('.').collect();
        let matches: Vec<_> = rungs
            .iter()
            .filter_map(|object| match object {
                Object::QueueBinding { queue, key, .. } if !key.is_empty() => Some((queue, key)),
                _ => None,
            })
            .filter(|(_, pattern)| {
                pattern.split('.').zip(&words).all(|(p, w)| matches!(p, "*" | "#") || p == *w)
            })
            .map(|(queue, _)| &**queue)
            .collect();
        assert_eq!(matches, ["craft-queue.delay.quorum.03"]);
    }
}
