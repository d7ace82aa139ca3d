//! Which queues stand beside a work queue, and how they are declared.
//!
//! | queue | for |
//! |---|---|
//! | `Q` | the jobs; durable and without arguments, as Masonite declares it, so that one that is there already works |
//! | `Q.suspects` | jobs that a worker went away with; fetched one by one, never ahead, so that a death is charged to the job that runs |
//! | `Q.failed` | dead jobs, when no database keeps them |
//! | [`FAILED_QUEUES`] | one for all: the names of the queues that have dead jobs |
//!
//! An argument more on a queue that is there already is refused by the broker, so only what was asked for
//! in the configuration is given.

use super::ladder;
use super::options::Options;
use super::wire::{Argument, Object};
use crate::message::NAME_LIMIT;

/// The queues that have dead jobs, a message with the name for each: a broker lists no queues.
pub(super) const FAILED_QUEUES: &str = "craft-queue.failed-queues";

/// How often a quorum queue hands a job out again before it goes to `Q.failed` by itself. A backstop: a
/// worker moves a job that came again to `Q.suspects`, which counts.
const DELIVERY_LIMIT: i64 = 50;

/// Where suspects of a queue wait.
pub(super) fn suspects_of(queue: &str) -> String {
    beside(queue, ".suspects")
}

/// Where the dead jobs of a queue lie.
pub(super) fn failed_of(queue: &str) -> String {
    beside(queue, ".failed")
}

/// A name with a suffix. Where that is too long for AMQP the name is cut, and its digest keeps it apart
/// from other long ones.
fn beside(queue: &str, suffix: &str) -> String {
    if queue.len() + suffix.len() <= NAME_LIMIT {
        return format!("{queue}{suffix}");
    }
    let digest = digest(queue);
    let room = NAME_LIMIT - suffix.len() - digest.len() - 1;
    let cut = (0..=room).rev().find(|at| queue.is_char_boundary(*at)).unwrap_or(0);
    format!("{}~{digest}{suffix}", &queue[..cut])
}

/// 16 hexadecimal digits that stand for a name (FNV-1a). Other processes compute the same.
pub(super) fn digest(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What must exist before a job can wait in a queue.
pub(super) fn work(options: &Options, queue: &str) -> Vec<Object> {
    let suspects = suspects_of(queue);
    let mut objects = Vec::new();
    if options.quorum {
        objects.push(failed(options, queue));
    }
    objects.push(Object::Queue { name: queue.into(), arguments: work_arguments(options, queue) });
    objects.push(Object::Queue { name: suspects.clone(), arguments: work_arguments(options, queue) });
    objects.extend(ladder::ends());
    objects.extend([ladder::end(queue), ladder::end(&suspects)]);
    if !options.exchange.is_empty() {
        objects.push(Object::QueueBinding {
            queue: queue.into(),
            exchange: options.exchange.clone(),
            key: queue.into(),
        });
    }
    objects
}

/// What must exist before a dead job can be kept.
pub(super) fn failed(options: &Options, queue: &str) -> Object {
    let arguments = if options.quorum { vec![quorum_type()] } else { vec![] };
    Object::Queue { name: failed_of(queue), arguments }
}

/// What must exist before the name of a queue with dead jobs can be noted.
pub(super) fn failed_queues() -> Object {
    Object::Queue { name: FAILED_QUEUES.into(), arguments: vec![] }
}

fn work_arguments(options: &Options, queue: &str) -> Vec<(&'static str, Argument)> {
    let mut arguments = Vec::new();
    if options.quorum {
        // Without a dead letter exchange the broker drops a job at the limit.
        arguments.extend([
            quorum_type(),
            ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
            ("x-dead-letter-exchange", Argument::Text(String::new())),
            ("x-dead-letter-routing-key", Argument::Text(failed_of(queue))),
            ("x-dead-letter-strategy", Argument::Text("at-least-once".into())),
            ("x-overflow", Argument::Text("reject-publish".into())),
        ]);
    }
    if let Some(max) = options.max_priority {
        arguments.push(("x-max-priority", Argument::Number(max.into())));
    }
    arguments
}

/// The argument that makes a queue a quorum queue.
pub(super) fn quorum_type() -> (&'static str, Argument) {
    ("x-queue-type", Argument::Text("quorum".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        assert_eq!(failed_of("orders"), "orders.failed");
        let long = |last: char| format!("{}{last}", "é".repeat(127));
        let (one, other) = (suspects_of(&long('a')), suspects_of(&long('b')));
        assert!(one.len() <= NAME_LIMIT && one.ends_with(".suspects"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn digests_are_those_of_every_other_process() {
        assert_eq!(digest(""), "cbf29ce484222325");
        assert_eq!(digest("a"), "af63dc4c8601ec8c");
    }
}
